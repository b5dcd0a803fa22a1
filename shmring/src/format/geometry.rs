//! How large the parts of a segment are, and where they lie.

use std::mem::size_of;

use crate::error::{ConfigError, Role};
use crate::format::{
    ENTRY_BYTES, MAX_ATTACHMENTS, MAX_CAPACITY_BYTES, MAX_HANDLE_ENTRIES, MAX_RINGS, PAGE_BYTES,
};
use crate::info::{ElementType, Kind};
use crate::ring::broadcast::Marks;
use crate::ring::slot::{self, Many, Sizes};
use crate::ring::tables::{AttachmentEntry, Handle};
use crate::ring::{Control, WORD_BYTES, broadcast, jobs, record};

/// The largest slot: the length of its longest message still fits into a stamp.
pub(crate) const MAX_SLOT_BYTES: u64 = 1 << 20;
/// A record ring has at least as many units of alignment: room for a few messages.
pub(crate) const MIN_CAPACITY_ALIGNS: u64 = 16;
const _: () = assert!(MAX_SLOT_BYTES - slot::STAMP_BYTES <= slot::MAX_LEN);

/// What the data of a ring is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Records of any length, each with its payload at a multiple of `align_bytes`.
    Records { capacity_bytes: u64, align_bytes: u64 },
    /// Slots of `slot_bytes`, stamp included, each with its payload at a multiple of
    /// `align_bytes`; for elements, if there is a type. The kind is one of the slot ring's.
    Slots {
        kind: Kind,
        slots: u64,
        slot_bytes: u64,
        align_bytes: u64,
        element: Option<ElementType>,
    },
    /// As many elements.
    Elements { slots: u64, element: ElementType },
    /// Records that every subscriber receives; of one element each, if there is a type.
    Broadcast { capacity_bytes: u64, align_bytes: u64, element: Option<ElementType> },
}

/// Returns the bytes of a slot of a ring of that kind before its payload.
pub(crate) fn header_bytes(kind: Kind) -> u64 {
    if kind == Kind::Jobs { jobs::HEADER_BYTES } else { slot::STAMP_BYTES }
}

/// Returns the bytes of the smallest slot of a ring of that kind: one word of payload.
pub(crate) fn min_slot_bytes(kind: Kind) -> u64 {
    header_bytes(kind) + WORD_BYTES
}

/// Which sides of a ring of that kind have many handles.
pub(crate) fn many(kind: Kind) -> Many {
    Many { producers: kind.shares(Role::Producer), consumers: kind.shares(Role::Consumer) }
}

/// How large the parts of a segment are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) attachments: u64,
    pub(crate) handles: u64,
    /// The rings, in the order of the directory; at least one.
    pub(crate) rings: Vec<Shape>,
}

/// Byte offsets of the parts of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) attachments: u64,
    pub(crate) handles: u64,
    /// One for each ring of the geometry.
    pub(crate) rings: Vec<RingOffsets>,
    pub(crate) total_bytes: u64,
}

/// Byte offsets of the parts of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingOffsets {
    pub(crate) control: u64,
    pub(crate) data: u64,
}

impl Shape {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Records { .. } => Kind::Spsc,
            Self::Slots { kind, .. } => kind,
            Self::Elements { .. } => Kind::Packed,
            Self::Broadcast { .. } => Kind::Broadcast,
        }
    }

    /// Slots of the ring; `None` if it has records.
    pub(crate) fn slots(self) -> Option<u64> {
        match self {
            Self::Records { .. } | Self::Broadcast { .. } => None,
            Self::Slots { slots, .. } | Self::Elements { slots, .. } => Some(slots),
        }
    }

    /// What the ring holds, if that is elements of one type.
    pub(crate) fn element(self) -> Option<ElementType> {
        match self {
            Self::Records { .. } => None,
            Self::Slots { element, .. } | Self::Broadcast { element, .. } => element,
            Self::Elements { element, .. } => Some(element),
        }
    }

    /// Bytes of an element, if the ring holds elements; otherwise 0.
    pub(crate) fn element_bytes(self) -> u64 {
        self.element().map_or(0, |element| element.size_bytes)
    }

    /// How many elements fit into the ring at once, if it holds elements.
    pub(crate) fn most_elements(self) -> u64 {
        match self {
            Self::Broadcast { capacity_bytes, align_bytes, .. } => {
                broadcast::most_records(capacity_bytes, align_bytes, self.element_bytes())
            }
            _ => self.slots().unwrap_or(0),
        }
    }

    /// Bytes from one slot to the next; `None` if the ring has records.
    pub(crate) fn slot_bytes(self) -> Option<u64> {
        match self {
            Self::Records { .. } | Self::Broadcast { .. } => None,
            Self::Slots { slot_bytes, .. } => Some(slot_bytes),
            Self::Elements { element, .. } => Some(element.size_bytes),
        }
    }

    /// Returns the bytes of an element of a packed ring; 0 of other rings.
    pub(crate) fn packed_bytes(self) -> usize {
        match self {
            Self::Records { .. } | Self::Slots { .. } | Self::Broadcast { .. } => 0,
            Self::Elements { element, .. } => element.size_bytes as usize,
        }
    }

    /// Returns the sizes of a slot ring; of other rings those of no slots.
    pub(crate) fn slot_sizes(self) -> Sizes {
        match self {
            // A value is never longer than a slot.
            Self::Slots { kind, slots, slot_bytes, element, .. } => {
                Sizes::new(slots, slot_bytes / WORD_BYTES, header_bytes(kind), element.is_none())
            }
            _ => Sizes::new(0, 0, slot::STAMP_BYTES, false),
        }
    }

    /// Bytes of the ring's data. The shape was checked, so nothing overflows.
    pub(crate) fn capacity_bytes(self) -> u64 {
        match self {
            Self::Records { capacity_bytes, .. } | Self::Broadcast { capacity_bytes, .. } => {
                capacity_bytes
            }
            Self::Slots { slots, slot_bytes, .. } => slots * slot_bytes,
            Self::Elements { slots, element } => slots * element.size_bytes,
        }
    }

    /// Bytes in the longest message. The shape was checked.
    pub(crate) fn max_message_bytes(self) -> u64 {
        match self {
            Self::Records { capacity_bytes, align_bytes } => {
                record::max_len(capacity_bytes, align_bytes)
            }
            Self::Slots { .. } => self.slot_sizes().max_len(),
            Self::Elements { element, .. } => element.size_bytes,
            Self::Broadcast { capacity_bytes, align_bytes, .. } => {
                broadcast::max_len(capacity_bytes, align_bytes)
            }
        }
    }

    /// What the address of each payload is a multiple of, in bytes.
    pub(crate) fn align_bytes(self) -> u64 {
        match self {
            Self::Records { align_bytes, .. }
            | Self::Slots { align_bytes, .. }
            | Self::Broadcast { align_bytes, .. } => align_bytes,
            Self::Elements { element, .. } => element.align_bytes,
        }
    }

    /// Bytes between the start of a page and the start of the ring's data. A header is at each
    /// multiple of the alignment in the data, and the payload right behind it, so the data starts
    /// that much before a multiple.
    fn data_shift(self) -> u64 {
        match self {
            Self::Records { align_bytes, .. } | Self::Broadcast { align_bytes, .. } => {
                align_bytes - WORD_BYTES
            }
            Self::Slots { kind, align_bytes, .. } => align_bytes.saturating_sub(header_bytes(kind)),
            Self::Elements { .. } => 0,
        }
    }

    /// Returns the bytes of the marks behind the data.
    pub(crate) fn marks_bytes(self) -> u64 {
        if let Self::Broadcast { .. } = self { size_of::<Marks>() as u64 } else { 0 }
    }

    fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Records { capacity_bytes, align_bytes } => {
                check_records(capacity_bytes, align_bytes)
            }
            Self::Broadcast { capacity_bytes, align_bytes, element } => {
                check_records(capacity_bytes, align_bytes)?;
                let Some(element) = element else {
                    return Ok(());
                };
                check_element(element, broadcast::max_len(capacity_bytes, align_bytes))?;
                check_element_align(element, align_bytes)
            }
            Self::Slots { kind, slots, slot_bytes, align_bytes, element } => {
                let min = min_slot_bytes(kind);
                if let Some(element) = element {
                    if kind == Kind::Jobs {
                        return Err(ConfigError::NotForKind { what: "element type", kind });
                    }
                    // No type fits into a slot that is too small for any message.
                    let fits_some = slot_bytes >= min;
                    let most = if fits_some { slot_bytes } else { MAX_SLOT_BYTES };
                    check_element(element, most.min(MAX_SLOT_BYTES) - header_bytes(kind))?;
                    check_element_align(element, align_bytes.min(PAGE_BYTES))?;
                }
                check_align(align_bytes, PAGE_BYTES)?;
                if !(min..=MAX_SLOT_BYTES).contains(&slot_bytes)
                    || !slot_bytes.is_multiple_of(align_bytes)
                {
                    let max = MAX_SLOT_BYTES;
                    return Err(ConfigError::SlotBytes { slot_bytes, min, max });
                }
                check_slots(slots, slot_bytes)
            }
            Self::Elements { slots, element } => {
                check_element(element, MAX_SLOT_BYTES)?;
                check_element_align(element, PAGE_BYTES)?;
                check_slots(slots, element.size_bytes)
            }
        }
    }
}

/// # Errors
/// If no ring of records has that size and alignment.
fn check_records(capacity_bytes: u64, align_bytes: u64) -> Result<(), ConfigError> {
    let fits = (PAGE_BYTES..=MAX_CAPACITY_BYTES).contains(&capacity_bytes)
        && capacity_bytes.is_power_of_two();
    let max_bytes = MAX_CAPACITY_BYTES;
    fits.then_some(()).ok_or(ConfigError::Capacity { capacity_bytes, max_bytes })?;
    check_align(align_bytes, capacity_bytes / MIN_CAPACITY_ALIGNS)
}

/// # Errors
/// If payloads cannot be aligned so: not a power of two from a word to a page, or more than
/// `most`.
fn check_align(align_bytes: u64, most: u64) -> Result<(), ConfigError> {
    let max_bytes = most.min(PAGE_BYTES);
    let fits = align_bytes.is_power_of_two() && (WORD_BYTES..=max_bytes).contains(&align_bytes);
    fits.then_some(()).ok_or(ConfigError::PayloadAlign { align_bytes, max_bytes })
}

fn check_slots(slots: u64, slot_bytes: u64) -> Result<(), ConfigError> {
    if !(1..=slot::MAX_SLOTS).contains(&slots) || !slots.is_power_of_two() {
        return Err(ConfigError::Slots { slots, max: slot::MAX_SLOTS });
    }
    let capacity_bytes = slots.saturating_mul(slot_bytes);
    if capacity_bytes > MAX_CAPACITY_BYTES {
        return Err(ConfigError::Capacity { capacity_bytes, max_bytes: MAX_CAPACITY_BYTES });
    }
    Ok(())
}

fn check_element(element: ElementType, max_bytes: u64) -> Result<(), ConfigError> {
    let ElementType { size_bytes, align_bytes, .. } = element;
    let fits = (1..=max_bytes).contains(&size_bytes)
        && align_bytes.is_power_of_two()
        && size_bytes.is_multiple_of(align_bytes);
    fits.then_some(()).ok_or(ConfigError::Element { size_bytes, max_bytes })
}

/// Elements are used in place, and the mapping starts at any page.
///
/// # Errors
/// If what is aligned to `max_bytes` need not be aligned as the type is.
fn check_element_align(element: ElementType, max_bytes: u64) -> Result<(), ConfigError> {
    let ElementType { align_bytes, .. } = element;
    let fits = align_bytes <= max_bytes;
    fits.then_some(()).ok_or(ConfigError::ElementAlign { align_bytes, max_bytes })
}

impl Geometry {
    /// # Errors
    /// Names the first part that is out of bounds.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        for (what, entries, max) in [
            ("attachments", self.attachments, MAX_ATTACHMENTS),
            ("handles", self.handles, MAX_HANDLE_ENTRIES),
            ("rings", self.rings.len() as u64, MAX_RINGS),
        ] {
            if !(1..=max).contains(&entries) {
                return Err(ConfigError::Entries { what, entries, max });
            }
        }
        self.rings.iter().try_for_each(|shape| shape.check())
    }

    /// Bytes in front of the attachment table: the header page and the directory.
    pub(crate) fn prologue_bytes(&self) -> u64 {
        PAGE_BYTES + directory_bytes(self.rings.len() as u64)
    }

    /// Returns the offset of an attachment's entry. The kernel lock on its first byte is the
    /// attachment's token.
    pub(crate) fn attach(&self, index: usize) -> u64 {
        self.prologue_bytes() + index as u64 * size_of::<AttachmentEntry>() as u64
    }

    /// Where everything lies. The geometry was checked, so nothing overflows: each table has
    /// at most 64 KiB and the data of each of at most 64 rings at most 8 GiB.
    pub(crate) fn map(&self) -> Map {
        let attachments = self.prologue_bytes();
        let handles = page_up(attachments + self.attachments * size_of::<AttachmentEntry>() as u64);
        let controls = handles + self.handles * size_of::<Handle>() as u64;
        let mut end = controls + self.rings.len() as u64 * size_of::<Control>() as u64;
        let mut control = controls;
        let rings = self.rings.iter().map(|shape| {
            let ring = RingOffsets { control, data: page_up(end) + shape.data_shift() };
            control += size_of::<Control>() as u64;
            end = ring.data + shape.capacity_bytes() + shape.marks_bytes();
            ring
        });
        let rings = rings.collect();
        Map { attachments, handles, rings, total_bytes: page_up(end) }
    }
}

/// Bytes in the directory of so many rings.
pub(crate) const fn directory_bytes(rings: u64) -> u64 {
    page_up(rings * ENTRY_BYTES)
}

const fn page_up(bytes: u64) -> u64 {
    (bytes + PAGE_BYTES - 1) & !(PAGE_BYTES - 1)
}
