//! How large the parts of a segment are, and where they lie.

use std::mem::size_of;

use super::{MAX_CAPACITY_BYTES, MAX_ENTRIES, PAGE_BYTES};
use crate::error::{ConfigError, Role};
use crate::facts::{ElementType, Kind};
use crate::ring::record;
use crate::ring::slot::{self, Many};
use crate::ring::tables::{Attach, Handle};
use crate::ring::{Control, WORD_BYTES};

/// The smallest slot: a stamp and a word of payload.
pub(crate) const MIN_SLOT_BYTES: u64 = slot::STAMP_BYTES + WORD_BYTES;
/// The largest slot: the length of its longest message still fits into a stamp.
pub(crate) const MAX_SLOT_BYTES: u64 = 1 << 20;
const _: () = assert!(MAX_SLOT_BYTES - slot::STAMP_BYTES <= slot::MAX_LEN);

/// What the data of a ring is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Records of any length.
    Records { capacity_bytes: u64 },
    /// Slots of `slot_bytes`, stamp included; for elements, if there is a type. The
    /// kind is one of the slot ring's.
    Slots { kind: Kind, slots: u64, slot_bytes: u64, element: Option<ElementType> },
    /// As many elements.
    Elements { slots: u64, element: ElementType },
}

/// Which sides of a ring of that kind have many handles.
pub(crate) fn many(kind: Kind) -> Many {
    Many { producers: kind.shares(Role::Producer), consumers: kind.shares(Role::Consumer) }
}

/// How large the parts of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) attaches: u64,
    pub(crate) handles: u64,
    pub(crate) shape: Shape,
}

/// Byte offsets of the parts of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Map {
    pub(crate) attaches: u64,
    pub(crate) handles: u64,
    pub(crate) control: u64,
    pub(crate) data: u64,
    pub(crate) total_bytes: u64,
}

impl Shape {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Records { .. } => Kind::Spsc,
            Self::Slots { kind, .. } => kind,
            Self::Elements { .. } => Kind::Packed,
        }
    }

    /// Slots of the ring; `None` if it has records.
    pub(crate) fn slots(self) -> Option<u64> {
        match self {
            Self::Records { .. } => None,
            Self::Slots { slots, .. } | Self::Elements { slots, .. } => Some(slots),
        }
    }

    /// What the ring holds, if that is elements of one type.
    pub(crate) fn element(self) -> Option<ElementType> {
        match self {
            Self::Records { .. } => None,
            Self::Slots { element, .. } => element,
            Self::Elements { element, .. } => Some(element),
        }
    }

    /// Bytes from one slot to the next; `None` if the ring has records.
    pub(crate) fn slot_bytes(self) -> Option<u64> {
        match self {
            Self::Records { .. } => None,
            Self::Slots { slot_bytes, .. } => Some(slot_bytes),
            Self::Elements { element, .. } => Some(element.size_bytes),
        }
    }

    /// Bytes of the ring's data. The shape was checked, so nothing overflows.
    pub(crate) fn capacity_bytes(self) -> u64 {
        match self {
            Self::Records { capacity_bytes } => capacity_bytes,
            Self::Slots { slots, slot_bytes, .. } => slots * slot_bytes,
            Self::Elements { slots, element } => slots * element.size_bytes,
        }
    }

    /// Bytes in the longest message. The shape was checked.
    pub(crate) fn max_message_bytes(self) -> u64 {
        match self {
            Self::Records { capacity_bytes } => record::max_len(capacity_bytes),
            Self::Slots { slot_bytes, .. } => slot_bytes - slot::STAMP_BYTES,
            Self::Elements { element, .. } => element.size_bytes,
        }
    }

    fn check(self) -> Result<(), ConfigError> {
        match self {
            Self::Records { capacity_bytes } => {
                let fits = (PAGE_BYTES..=MAX_CAPACITY_BYTES).contains(&capacity_bytes)
                    && capacity_bytes.is_power_of_two();
                let max_bytes = MAX_CAPACITY_BYTES;
                fits.then_some(()).ok_or(ConfigError::Capacity { capacity_bytes, max_bytes })
            }
            Self::Slots { slots, slot_bytes, element, .. } => {
                if let Some(element) = element {
                    let room = slot_bytes.min(MAX_SLOT_BYTES).saturating_sub(slot::STAMP_BYTES);
                    check_element(element, room)?;
                }
                if !(MIN_SLOT_BYTES..=MAX_SLOT_BYTES).contains(&slot_bytes)
                    || !slot_bytes.is_multiple_of(WORD_BYTES)
                {
                    let (min, max) = (MIN_SLOT_BYTES, MAX_SLOT_BYTES);
                    return Err(ConfigError::SlotBytes { slot_bytes, min, max });
                }
                check_slots(slots, slot_bytes)
            }
            Self::Elements { slots, element } => {
                check_element(element, MAX_SLOT_BYTES)?;
                // Elements are used in place, and the mapping starts at any page.
                let ElementType { align_bytes, .. } = element;
                if align_bytes > PAGE_BYTES {
                    let max_bytes = PAGE_BYTES;
                    return Err(ConfigError::ElementAlign { align_bytes, max_bytes });
                }
                check_slots(slots, element.size_bytes)
            }
        }
    }
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

impl Geometry {
    /// # Errors
    /// Names the first part that is out of bounds.
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        for (what, entries) in [("attaches", self.attaches), ("handles", self.handles)] {
            if !(1..=MAX_ENTRIES).contains(&entries) {
                return Err(ConfigError::Entries { what, entries, max: MAX_ENTRIES });
            }
        }
        self.shape.check()
    }

    /// Where everything lies. The geometry was checked, so nothing overflows: each
    /// table has at most 64 KiB and the data at most 8 GiB.
    pub(crate) fn map(self) -> Map {
        let attaches = PAGE_BYTES;
        let handles = page_up(attaches + self.attaches * size_of::<Attach>() as u64);
        let control = handles + self.handles * size_of::<Handle>() as u64;
        let data = page_up(control + size_of::<Control>() as u64);
        let total_bytes = page_up(data + self.shape.capacity_bytes());
        Map { attaches, handles, control, data, total_bytes }
    }
}

impl Map {
    /// Offset of an attach's entry; the kernel lock on its first byte is the
    /// attach's token.
    pub(crate) fn attach(self, index: usize) -> u64 {
        self.attaches + index as u64 * size_of::<Attach>() as u64
    }
}

const fn page_up(bytes: u64) -> u64 {
    (bytes + PAGE_BYTES - 1) & !(PAGE_BYTES - 1)
}
