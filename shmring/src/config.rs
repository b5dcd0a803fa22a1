//! What a new segment is to be like.

use std::fmt;
use std::sync::Arc;

use crate::element::Element;
use crate::error::ConfigError;
use crate::format::{
    Geometry, MAX_CAPACITY_BYTES, MAX_METADATA_BYTES, MAX_SLOT_BYTES, MEMORY_HUGE_PAGES,
    MEMORY_LOCK, MEMORY_PREFAULT, MIN_CAPACITY_ALIGNS, PAGE_BYTES, Shape, header_bytes,
};
use crate::info::{ElementType, Kind};
use crate::ring::WORD_BYTES;
use crate::ring::slot::MAX_SLOTS;
use crate::ring::wake::SLEEPERS_PER_WORD;

const DEFAULT_CAPACITY_BYTES: u64 = 1 << 20;
const DEFAULT_SLOTS: u64 = 1024;
const DEFAULT_SLOT_BYTES: u64 = 256;
const DEFAULT_MODE: u32 = 0o600;
const DEFAULT_ATTACHMENTS: u64 = 64;
/// As many as have a bit in one word, so that a send loads one.
const DEFAULT_HANDLES: u64 = SLEEPERS_PER_WORD as u64;
const MODE_BITS: u32 = 0o777;

/// What a new segment is to be like: for the owner only, and at most 64 attachments and 63
/// handles, unless said otherwise.
///
/// Sizes are rounded up to what a ring can have, and checked when the segment is created.
///
/// ```
/// use shmring::Config;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let records = Config::spsc().capacity_bytes(100_000).mode(0o660).prefault(true);
/// assert_eq!(records.rounded_capacity_bytes()?, 131_072);
///
/// let jobs = Config::mpmc().slots(1000).slot_bytes(100);
/// assert_eq!(jobs.rounded_slots()?, Some((1024, 104)));
///
/// let values = Config::mpsc().slots(4096).values::<[f64; 2]>();
/// assert_eq!(values.rounded_slots()?, Some((4096, 24)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Config {
    kind: Kind,
    capacity_bytes: Option<u64>,
    slots: Option<u64>,
    slot_bytes: Option<u64>,
    element: Option<ElementType>,
    mode: Option<u32>,
    pub(crate) memory: u64,
    pub(crate) guard: bool,
    pub(crate) dump: bool,
    max_attachments: Option<u64>,
    max_handles: Option<u64>,
    on_progress: Option<OnProgress>,
    payload_align: Option<u64>,
    pub(crate) metadata: Vec<u8>,
    /// Rings behind the first one; of these, only what describes a ring counts.
    more_rings: Vec<Self>,
}

/// What is called while a segment is being made.
#[derive(Clone)]
struct OnProgress(Arc<dyn Fn(u64, u64) + Send + Sync>);

impl fmt::Debug for OnProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnProgress")
    }
}

impl Config {
    /// A ring of that kind, of the default size.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            capacity_bytes: None,
            slots: None,
            slot_bytes: None,
            element: None,
            mode: None,
            memory: 0,
            guard: false,
            dump: false,
            on_progress: None,
            max_attachments: None,
            max_handles: None,
            payload_align: None,
            metadata: Vec::new(),
            more_rings: Vec::new(),
        }
    }

    /// A record ring: one producer, one consumer, messages of any length. 1 MiB.
    pub fn spsc() -> Self {
        Self::new(Kind::Spsc)
    }

    /// A slot ring: many producers, many consumers that compete for messages. 1024
    /// slots of 256 bytes; a longer message takes several.
    pub fn mpmc() -> Self {
        Self::new(Kind::Mpmc)
    }

    /// A slot ring: many producers, one consumer. 1024 slots of 256 bytes; a longer message takes
    /// several.
    pub fn mpsc() -> Self {
        Self::new(Kind::Mpsc)
    }

    /// A slot ring: one producer, many consumers that compete for messages. 1024 slots
    /// of 256 bytes; a longer message takes several.
    pub fn spmc() -> Self {
        Self::new(Kind::Spmc)
    }

    /// A packed ring: one producer, one consumer, elements of one type and nothing
    /// between them. 1024 slots.
    pub fn packed<T: Element>() -> Self {
        Self::new(Kind::Packed).values::<T>()
    }

    /// A broadcast ring: one producer, and subscribers that each receive every message, of any
    /// length. 1 MiB.
    pub fn broadcast() -> Self {
        Self::new(Kind::Broadcast)
    }

    /// A job ring: many producers, and workers that acknowledge each job that they take. A job of
    /// a worker that dies comes back. 1024 slots of 256 bytes; a longer job takes several.
    pub fn jobs() -> Self {
        Self::new(Kind::Jobs)
    }

    /// The size of a record ring or a broadcast ring in bytes, rounded up to a power of two of at least
    /// 4096. A message can have almost half of it, in a broadcast ring almost 7/16; each takes its
    /// length plus 8 bytes, rounded up to a multiple of 8.
    pub fn capacity_bytes(mut self, capacity_bytes: u64) -> Self {
        self.capacity_bytes = Some(capacity_bytes);
        self
    }

    /// How many messages of one slot, or elements, the ring holds, rounded up to a power of two, at
    /// most 2^24.
    pub fn slots(mut self, slots: u64) -> Self {
        self.slots = Some(slots);
        self
    }

    /// Bytes from one slot of a slot ring or a job ring to the next, rounded up to a multiple of 8,
    /// 16 to 2^20. A message of 8 bytes less, in a job ring of 16 less, takes one slot; a longer one
    /// takes several, up to half of the ring and to 1 MiB. Slots that are no larger than most
    /// messages need are fastest, as several small ones share a cache line.
    pub fn slot_bytes(mut self, slot_bytes: u64) -> Self {
        self.slot_bytes = Some(slot_bytes);
        self
    }

    /// Sets that all messages are values of one type, for [`values`](crate::values) handles;
    /// handles of bytes are refused then. For slot rings and broadcast rings: a packed ring has its
    /// type from [`packed`](Self::packed), and a record ring cannot have one.
    ///
    /// Without [`slot_bytes`](Self::slot_bytes), slots are as large as a value takes. Values are
    /// aligned as their type is, or to [`payload_align`](Self::payload_align) if that is more.
    pub fn values<T: Element>(mut self) -> Self {
        self.element = Some(T::TYPE);
        self
    }

    /// What the address of each message's payload is a multiple of, in bytes: a power of two,
    /// 8 to 4096; 8 unless set, or what [`values`](Self::values) of the type take if that is more.
    /// For types that are read in place and vector instructions.
    ///
    /// A message then takes up a multiple of that, and a record ring is at least 16 times
    /// as large. The elements of a packed ring are aligned as their type is.
    pub fn payload_align(mut self, align_bytes: u64) -> Self {
        self.payload_align = Some(align_bytes);
        self
    }

    /// Bytes that the segment carries for those who attach: the name of a schema, say, or
    /// settings. At most 1024, and they never change.
    /// [`AttachOptions::expect_metadata`](crate::AttachOptions::expect_metadata) demands them.
    pub fn metadata(mut self, metadata: impl Into<Vec<u8>>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// Who may use the segment, as permission bits of a file; the umask does not
    /// narrow them. Using it takes both read and write permission. Where everybody may
    /// write, [`Segment::attach`](crate::Segment::attach) refuses unless told to accept it.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// How many times the segment can be attached at once, 1 to 256.
    pub fn max_attachments(mut self, max_attachments: u64) -> Self {
        self.max_attachments = Some(max_attachments);
        self
    }

    /// How many producers and consumers there can be at once, 1 to 252; 63 unless set. With more
    /// than 63, each send loads another word.
    pub fn max_handles(mut self, max_handles: u64) -> Self {
        self.max_handles = Some(max_handles);
        self
    }

    /// Lets each attachment fault all pages in at once instead of at first use.
    pub fn prefault(mut self, prefault: bool) -> Self {
        self.set(MEMORY_PREFAULT, prefault);
        self
    }

    /// Lets each attachment lock the pages into memory, as far as its limits allow.
    pub fn lock(mut self, lock: bool) -> Self {
        self.set(MEMORY_LOCK, lock);
        self
    }

    /// Lets each attachment ask for huge pages, as far as the system has them. Where it gives
    /// them to shared memory without being asked, this changes nothing; else they come in
    /// time, if at all.
    pub fn huge_pages(mut self, huge_pages: bool) -> Self {
        self.set(MEMORY_HUGE_PAGES, huge_pages);
        self
    }

    /// Guards the creator's own attach, as [`AttachOptions::guard`](crate::AttachOptions::guard)
    /// does. It is not recorded in the segment.
    pub fn guard(mut self, guard: bool) -> Self {
        self.guard = guard;
        self
    }

    /// Lets core files of the creator have the ring, as
    /// [`AttachOptions::dump`](crate::AttachOptions::dump) does. It is not recorded in the segment.
    pub fn dump(mut self, dump: bool) -> Self {
        self.dump = dump;
        self
    }

    /// Calls `report` with the bytes done and the bytes to do, again and again while the segment
    /// is being made. Each byte counts once when it is allocated, and once more if it is
    /// prefaulted. Gigabytes take seconds.
    pub fn on_progress(mut self, report: impl Fn(u64, u64) + Send + Sync + 'static) -> Self {
        self.on_progress = Some(OnProgress(Arc::new(report)));
        self
    }

    /// Reports how many bytes were allocated and prefaulted, of a segment of `total_bytes`.
    pub(crate) fn report(&self, done_bytes: u64, total_bytes: u64) {
        if let Some(OnProgress(report)) = &self.on_progress {
            let times = if self.memory & MEMORY_PREFAULT == 0 { 1 } else { 2 };
            report(done_bytes, total_bytes.saturating_mul(times));
        }
    }

    fn set(&mut self, bit: u64, on: bool) {
        self.memory = if on { self.memory | bit } else { self.memory & !bit };
    }

    /// The bytes that a ring of this configuration has, after rounding.
    ///
    /// # Errors
    /// What makes the configuration impossible.
    pub fn rounded_capacity_bytes(&self) -> Result<u64, ConfigError> {
        self.geometry()?;
        Ok(self.shape()?.capacity_bytes())
    }

    /// The slots that a ring of this configuration has and the bytes of each, after
    /// rounding; `None` if it has records.
    ///
    /// # Errors
    /// What makes the configuration impossible.
    pub fn rounded_slots(&self) -> Result<Option<(u64, u64)>, ConfigError> {
        self.geometry()?;
        let shape = self.shape()?;
        Ok(shape.slots().zip(shape.slot_bytes()))
    }

    /// Adds a ring like the first one of `ring`.
    #[cfg(test)]
    pub(crate) fn with_ring(mut self, ring: Self) -> Self {
        self.more_rings.push(ring);
        self
    }

    /// The configurations of the rings, in the order of the directory.
    fn ring_configs(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.more_rings)
    }

    fn ring_count(&self) -> usize {
        self.more_rings.len().saturating_add(1)
    }

    /// The permission bits of the segment.
    pub(crate) fn mode_bits(&self) -> u32 {
        self.mode.unwrap_or(DEFAULT_MODE)
    }

    /// The sizes that this configuration comes to.
    pub(crate) fn geometry(&self) -> Result<Geometry, ConfigError> {
        let mode = self.mode_bits();
        if mode & !MODE_BITS != 0 {
            return Err(ConfigError::Mode { mode });
        }
        let (bytes, max_bytes) = (self.metadata.len(), MAX_METADATA_BYTES);
        if bytes > max_bytes {
            return Err(ConfigError::Metadata { bytes, max_bytes });
        }
        let geometry = Geometry {
            attachments: self.max_attachments.unwrap_or(DEFAULT_ATTACHMENTS),
            handles: self.max_handles.unwrap_or(DEFAULT_HANDLES),
            rings: self.ring_configs().map(Self::shape).collect::<Result<_, _>>()?,
        };
        geometry.check()?;
        Ok(geometry)
    }

    /// Rounded where that is possible; what is out of bounds stays as it is.
    fn shape(&self) -> Result<Shape, ConfigError> {
        self.check_use()?;
        let slots = power_of_two(self.slots.unwrap_or(DEFAULT_SLOTS), MAX_SLOTS);
        let element_align = self.element.map_or(WORD_BYTES, |element| element.align_bytes);
        let align_bytes = self.payload_align.unwrap_or(WORD_BYTES).max(element_align);
        Ok(match self.kind {
            Kind::Spsc => Shape::Records {
                capacity_bytes: self.capacity_of_records(align_bytes),
                align_bytes,
            },
            Kind::Broadcast => {
                let capacity_bytes = self.capacity_of_records(align_bytes);
                Shape::Broadcast { capacity_bytes, align_bytes, element: self.element }
            }
            Kind::Mpmc | Kind::Mpsc | Kind::Spmc | Kind::Jobs => {
                let header = header_bytes(self.kind);
                let for_element =
                    self.element.map(|element| element.size_bytes.saturating_add(header));
                let asked = self.slot_bytes.or(for_element).unwrap_or(DEFAULT_SLOT_BYTES);
                let rounds = header < asked && asked <= MAX_SLOT_BYTES;
                let unit = align_bytes.clamp(WORD_BYTES, PAGE_BYTES);
                let slot_bytes = if rounds { asked.next_multiple_of(unit) } else { asked };
                let element = self.element;
                Shape::Slots { kind: self.kind, slots, slot_bytes, align_bytes, element }
            }
            Kind::Packed => {
                Shape::Elements { slots, element: self.element.ok_or(ConfigError::NoElement)? }
            }
        })
    }

    fn capacity_of_records(&self, align_bytes: u64) -> u64 {
        let asked = self.capacity_bytes.unwrap_or(DEFAULT_CAPACITY_BYTES);
        let rounded = power_of_two(asked, MAX_CAPACITY_BYTES);
        let least = PAGE_BYTES.max(align_bytes.saturating_mul(MIN_CAPACITY_ALIGNS));
        let least = power_of_two(least, MAX_CAPACITY_BYTES);
        if asked == 0 { 0 } else { rounded.max(least) }
    }

    /// # Errors
    /// Names a size that was given and means nothing for the kind.
    fn check_use(&self) -> Result<(), ConfigError> {
        let kind = self.kind;
        let has_records = matches!(kind, Kind::Spsc | Kind::Broadcast);
        for (given, what, used) in [
            (self.capacity_bytes.is_some(), "capacity in bytes", has_records),
            (self.slots.is_some(), "slots", !has_records),
            (self.slot_bytes.is_some(), "size of slots", !has_records && kind != Kind::Packed),
            (self.element.is_some(), "element type", !matches!(kind, Kind::Spsc | Kind::Jobs)),
            (self.payload_align.is_some(), "payload alignment", kind != Kind::Packed),
        ] {
            if given && !used {
                return Err(ConfigError::NotForKind { what, kind });
            }
        }
        Ok(())
    }
}

/// The next power of two, unless the value is out of bounds.
fn power_of_two(value: u64, max: u64) -> u64 {
    if (1..=max).contains(&value) { value.next_power_of_two() } else { value }
}

#[path = "config_fit.rs"]
mod fit;

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
