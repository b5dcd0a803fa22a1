//! The header page: what a segment says of itself, written once.

use super::geometry::{Geometry, Shape};
use super::{
    FENCE_BORROWED, FENCE_BOTH_SIDES, FENCE_SLEEPERS_ONLY, FNV_OFFSET, KIND_MPMC, KIND_MPSC,
    KIND_PACKED, KIND_SPMC, KIND_SPSC, LAYOUT_HASH, MAGIC, MEMORY_ALL, PAGE_BYTES, VERSION,
    fnv_step,
};
use crate::facts::{ElementType, Kind, TypeName};
use crate::ring::wake::WakeFences;

const HEADER_WORDS: usize = PAGE_BYTES as usize / 8;

/// The words of the header page, by index. The rest of the page is zero.
mod word {
    pub(super) const MAGIC: usize = 0;
    pub(super) const VERSION: usize = 1;
    pub(super) const LAYOUT_HASH: usize = 2;
    pub(super) const TOTAL_BYTES: usize = 3;
    pub(super) const KIND: usize = 4;
    pub(super) const FENCE_MODE: usize = 5;
    pub(super) const CAPACITY_BYTES: usize = 6;
    pub(super) const ATTACHES: usize = 7;
    pub(super) const HANDLES: usize = 8;
    pub(super) const MEMORY: usize = 9;
    pub(super) const CREATED_NS: usize = 10;
    pub(super) const CREATOR_PID: usize = 11;
    // Zero where the kind has no such thing.
    pub(super) const SLOTS: usize = 12;
    pub(super) const SLOT_BYTES: usize = 13;
    pub(super) const ELEMENT_BYTES: usize = 14;
    pub(super) const ELEMENT_ALIGN: usize = 15;
    pub(super) const TYPE_ID: usize = 16;
    /// And the three words behind it.
    pub(super) const TYPE_NAME: usize = 17;
    pub(super) const CHECKSUM: usize = super::HEADER_WORDS - 1;
}

/// What the header page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) geometry: Geometry,
    pub(crate) fences: WakeFences,
    pub(crate) memory: u64,
    /// Nanoseconds since the Unix epoch.
    pub(crate) created_ns: u64,
    pub(crate) creator_pid: u32,
}

/// Why a page is not the header of a segment that this build can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadHeader {
    Foreign { why: &'static str },
    Incompatible { what: &'static str, found: u64, expected: u64 },
    Corrupt { what: &'static str, found: u64 },
}

impl Header {
    /// The page, in the machine's byte order.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.words().iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn words(&self) -> [u64; HEADER_WORDS] {
        let mut words = [0; HEADER_WORDS];
        words[word::MAGIC] = MAGIC;
        words[word::VERSION] = VERSION;
        words[word::LAYOUT_HASH] = LAYOUT_HASH;
        words[word::TOTAL_BYTES] = self.geometry.map().total_bytes;
        words[word::KIND] = kind_number(self.geometry.shape.kind());
        words[word::FENCE_MODE] = fence_number(self.fences);
        words[word::CAPACITY_BYTES] = self.geometry.shape.capacity_bytes();
        words[word::ATTACHES] = self.geometry.attaches;
        words[word::HANDLES] = self.geometry.handles;
        words[word::MEMORY] = self.memory;
        words[word::CREATED_NS] = self.created_ns;
        words[word::CREATOR_PID] = u64::from(self.creator_pid);
        words[word::SLOTS] = self.geometry.shape.slots().unwrap_or(0);
        words[word::SLOT_BYTES] = self.geometry.shape.slot_bytes().unwrap_or(0);
        if let Some(element) = self.geometry.shape.element() {
            words[word::ELEMENT_BYTES] = element.size_bytes;
            words[word::ELEMENT_ALIGN] = element.align_bytes;
            words[word::TYPE_ID] = element.type_id;
            words[word::TYPE_NAME..][..4].copy_from_slice(&element.name.to_words());
        }
        words[word::CHECKSUM] = checksum(&words);
        words
    }

    /// Reads a header page that belongs to a file of `file_bytes`. Every bit of the
    /// page counts: what no field explains, the checksum covers.
    ///
    /// # Errors
    /// The first thing that is wrong, most telling first.
    pub(crate) fn decode(page: &[u8], file_bytes: u64) -> Result<Self, BadHeader> {
        let mut words = [0; HEADER_WORDS];
        for (word, bytes) in words.iter_mut().zip(page.chunks_exact(8)) {
            *word = u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
        }
        match words[word::MAGIC] {
            MAGIC => {}
            magic if magic == MAGIC.swap_bytes() => {
                return Err(BadHeader::Foreign {
                    why: "made on a machine of the other byte order",
                });
            }
            _ => return Err(BadHeader::Foreign { why: "it does not start with the magic" }),
        }
        let expect = |what, index: usize, expected| match words[index] {
            found if found == expected => Ok(()),
            found => Err(BadHeader::Incompatible { what, found, expected }),
        };
        expect("version", word::VERSION, VERSION)?;
        expect("layout hash", word::LAYOUT_HASH, LAYOUT_HASH)?;
        let corrupt = |what, index: usize| BadHeader::Corrupt { what, found: words[index] };
        if words[word::CHECKSUM] != checksum(&words) {
            return Err(corrupt("checksum", word::CHECKSUM));
        }
        let shape = shape(&words)?;
        let found = words[word::FENCE_MODE];
        let fences = FENCES.into_iter().find(|&fences| fence_number(fences) == found).ok_or(
            BadHeader::Incompatible { what: "fence mode", found, expected: FENCE_SLEEPERS_ONLY },
        )?;
        let geometry =
            Geometry { attaches: words[word::ATTACHES], handles: words[word::HANDLES], shape };
        geometry.check().map_err(|_| corrupt("geometry", word::CAPACITY_BYTES))?;
        if words[word::TOTAL_BYTES] != geometry.map().total_bytes {
            return Err(corrupt("total length", word::TOTAL_BYTES));
        }
        if file_bytes != words[word::TOTAL_BYTES] {
            return Err(BadHeader::Corrupt { what: "file length", found: file_bytes });
        }
        if words[word::MEMORY] & !MEMORY_ALL != 0 {
            return Err(corrupt("memory flags", word::MEMORY));
        }
        let creator_pid = u32::try_from(words[word::CREATOR_PID])
            .map_err(|_| corrupt("creator pid", word::CREATOR_PID))?;
        let header = Self {
            geometry,
            fences,
            memory: words[word::MEMORY],
            created_ns: words[word::CREATED_NS],
            creator_pid,
        };
        // What the fields above do not explain is not as this build would write it.
        let expected = header.words();
        match (0..HEADER_WORDS).find(|&index| words[index] != expected[index]) {
            Some(index) => Err(corrupt("a word that its kind does not use", index)),
            None => Ok(header),
        }
    }
}

const FENCES: [WakeFences; 3] =
    [WakeFences::BothSides, WakeFences::Borrowed, WakeFences::SleepersOnly];

fn fence_number(fences: WakeFences) -> u64 {
    match fences {
        WakeFences::BothSides => FENCE_BOTH_SIDES,
        WakeFences::Borrowed => FENCE_BORROWED,
        WakeFences::SleepersOnly => FENCE_SLEEPERS_ONLY,
    }
}

fn kind_number(kind: Kind) -> u64 {
    match kind {
        Kind::Spsc => KIND_SPSC,
        Kind::Mpmc => KIND_MPMC,
        Kind::Mpsc => KIND_MPSC,
        Kind::Spmc => KIND_SPMC,
        Kind::Packed => KIND_PACKED,
    }
}

/// The shape that the words describe, unchecked.
fn shape(words: &[u64; HEADER_WORDS]) -> Result<Shape, BadHeader> {
    let found = words[word::KIND];
    let kind = Kind::ALL.into_iter().find(|kind| kind_number(*kind) == found);
    let (slots, slot_bytes) = (words[word::SLOTS], words[word::SLOT_BYTES]);
    let mut name = [0; 4];
    name.copy_from_slice(&words[word::TYPE_NAME..][..4]);
    let element = ElementType {
        size_bytes: words[word::ELEMENT_BYTES],
        align_bytes: words[word::ELEMENT_ALIGN],
        type_id: words[word::TYPE_ID],
        // What is not a name is not as this build would write it, which `decode` finds.
        name: TypeName::from_words(name).unwrap_or(TypeName::UNKNOWN),
    };
    match kind {
        Some(Kind::Spsc) => Ok(Shape::Records { capacity_bytes: words[word::CAPACITY_BYTES] }),
        Some(Kind::Packed) => Ok(Shape::Elements { slots, element }),
        Some(kind) => {
            let element = (element.size_bytes != 0).then_some(element);
            Ok(Shape::Slots { kind, slots, slot_bytes, element })
        }
        None => Err(BadHeader::Incompatible { what: "kind", found, expected: KIND_PACKED }),
    }
}

fn checksum(words: &[u64; HEADER_WORDS]) -> u64 {
    words[..word::CHECKSUM].iter().fold(FNV_OFFSET, |hash, &word| fnv_step(hash, word))
}
