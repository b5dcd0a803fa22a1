//! The byte map of a segment: what lies where, and how much of it.
//!
//! ```text
//! 0                header page    written once, before the segment has a name; then only read
//! 4096             attach table   64 B an entry
//! (next page)      handle table   256 B an entry: the owner's line, the wakers' line
//! (behind it)      ring control   128 B a line: producer, consumer, sleeping receivers,
//!                                 sleeping senders, flags and roles
//! (next page)      data           a power of two of bytes
//! ```
//!
//! Only fixed-width integers in the machine's own byte order; what is not named
//! is zero and reserved. Lines with different writers are 128 bytes apart,
//! because adjacent-line prefetchers pair lines of 64.

use std::mem::{offset_of, size_of};

use crate::error::ConfigError;
use crate::ring::roster::Roles;
use crate::ring::tables::{Attach, Handle, HandleOwn};
use crate::ring::wake::{MAX_SLEEPERS, Sleepers};
use crate::ring::{ConsumerLine, Control, ProducerLine};

/// `shmring` and a zero, read as a number on a little-endian machine.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"shmring\0");
/// Changes whenever a reader of the old format would misread the new one.
pub(crate) const VERSION: u64 = 1;
/// Bytes in the header page, in a page of the map, and in the smallest ring.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// The largest ring whose longest message still has a length of 32 bits.
pub(crate) const MAX_CAPACITY_BYTES: u64 = 1 << 33;
/// Entries in each table, at most: one bit of a sleeper bitmap for each handle.
pub(crate) const MAX_ENTRIES: u64 = MAX_SLEEPERS as u64;

/// The fence mode in which wakers and sleepers both use a full fence.
pub(crate) const FENCE_BOTH_SIDES: u64 = 1;
/// The kind of a record ring.
pub(crate) const KIND_SPSC: u64 = 1;

/// Bits of the header's memory word: what each attach asks for its own mapping.
pub(crate) const MEMORY_PREFAULT: u64 = 1;
pub(crate) const MEMORY_LOCK: u64 = 2;
pub(crate) const MEMORY_HUGE_PAGES: u64 = 4;
pub(crate) const MEMORY_ALL: u64 = MEMORY_PREFAULT | MEMORY_LOCK | MEMORY_HUGE_PAGES;

/// How large the parts of a segment are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) attaches: u64,
    pub(crate) handles: u64,
    pub(crate) capacity_bytes: u64,
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

impl Geometry {
    /// # Errors
    /// Names the first part that is out of bounds.
    pub(crate) fn check(self) -> Result<(), ConfigError> {
        let Self { attaches, handles, capacity_bytes } = self;
        for (what, entries) in [("attaches", attaches), ("handles", handles)] {
            if !(1..=MAX_ENTRIES).contains(&entries) {
                return Err(ConfigError::Entries { what, entries, max: MAX_ENTRIES });
            }
        }
        if !(PAGE_BYTES..=MAX_CAPACITY_BYTES).contains(&capacity_bytes)
            || !capacity_bytes.is_power_of_two()
        {
            return Err(ConfigError::Capacity { capacity_bytes, max_bytes: MAX_CAPACITY_BYTES });
        }
        Ok(())
    }

    /// Where everything lies. The geometry was checked, so nothing overflows: each
    /// table has at most 64 KiB and the data at most 8 GiB.
    pub(crate) fn map(self) -> Map {
        let attaches = PAGE_BYTES;
        let handles = page_up(attaches + self.attaches * size_of::<Attach>() as u64);
        let control = handles + self.handles * size_of::<Handle>() as u64;
        let data = page_up(control + size_of::<Control>() as u64);
        Map { attaches, handles, control, data, total_bytes: data + self.capacity_bytes }
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

/// A number that changes when any offset or size below changes, so that two
/// builds that disagree on the layout refuse each other's segments.
pub(crate) const LAYOUT_HASH: u64 = {
    let facts = [
        size_of::<Control>(),
        offset_of!(Control, producer) + offset_of!(ProducerLine, tail_hint),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, head),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, messages),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, ends_told),
        offset_of!(Control, receivers) + offset_of!(Sleepers, bits),
        offset_of!(Control, senders) + offset_of!(Sleepers, bits),
        offset_of!(Control, roles) + offset_of!(Roles, flags),
        offset_of!(Control, roles) + offset_of!(Roles, producer),
        offset_of!(Control, roles) + offset_of!(Roles, consumer),
        offset_of!(Control, roles) + offset_of!(Roles, repairs),
        size_of::<Attach>(),
        offset_of!(Attach, state),
        offset_of!(Attach, pid),
        offset_of!(Attach, uid),
        offset_of!(Attach, start_ticks),
        offset_of!(Attach, pid_namespace),
        size_of::<Handle>(),
        offset_of!(Handle, own) + offset_of!(HandleOwn, intent),
        offset_of!(Handle, own) + offset_of!(HandleOwn, cursor),
        offset_of!(Handle, park),
        offset_of!(Handle, state),
        offset_of!(Handle, need),
    ];
    let mut hash = FNV_OFFSET;
    let mut i = 0;
    while i < facts.len() {
        hash = fnv_step(hash, facts[i] as u64);
        i += 1;
    }
    hash
};

// FNV-1a, a word at a time (http://www.isthe.com/chongo/tech/comp/fnv/): it tells
// accidents apart, nothing more.
const FNV_OFFSET: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

const fn fnv_step(hash: u64, word: u64) -> u64 {
    (hash ^ word).wrapping_mul(FNV_PRIME)
}

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
    pub(super) const CHECKSUM: usize = super::HEADER_WORDS - 1;
}

/// What the header page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) geometry: Geometry,
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
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut words = [0; HEADER_WORDS];
        words[word::MAGIC] = MAGIC;
        words[word::VERSION] = VERSION;
        words[word::LAYOUT_HASH] = LAYOUT_HASH;
        words[word::TOTAL_BYTES] = self.geometry.map().total_bytes;
        words[word::KIND] = KIND_SPSC;
        words[word::FENCE_MODE] = FENCE_BOTH_SIDES;
        words[word::CAPACITY_BYTES] = self.geometry.capacity_bytes;
        words[word::ATTACHES] = self.geometry.attaches;
        words[word::HANDLES] = self.geometry.handles;
        words[word::MEMORY] = self.memory;
        words[word::CREATED_NS] = self.created_ns;
        words[word::CREATOR_PID] = u64::from(self.creator_pid);
        words[word::CHECKSUM] = checksum(&words);
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
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
        expect("kind", word::KIND, KIND_SPSC)?;
        expect("fence mode", word::FENCE_MODE, FENCE_BOTH_SIDES)?;
        let geometry = Geometry {
            attaches: words[word::ATTACHES],
            handles: words[word::HANDLES],
            capacity_bytes: words[word::CAPACITY_BYTES],
        };
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
        Ok(Self {
            geometry,
            memory: words[word::MEMORY],
            created_ns: words[word::CREATED_NS],
            creator_pid,
        })
    }
}

fn checksum(words: &[u64; HEADER_WORDS]) -> u64 {
    words[..word::CHECKSUM].iter().fold(FNV_OFFSET, |hash, &word| fnv_step(hash, word))
}

// The segment's format, pinned: a change here is a change of VERSION.
const _: () = {
    assert!(size_of::<Attach>() == 64);
    assert!(size_of::<Handle>() == 256);
    assert!(size_of::<Control>() == 640);
    assert!(offset_of!(Control, producer) == 0);
    assert!(offset_of!(Control, consumer) == 128);
    assert!(offset_of!(Control, receivers) == 256);
    assert!(offset_of!(Control, senders) == 384);
    assert!(offset_of!(Control, roles) == 512);
    assert!(offset_of!(Handle, park) == 128);
};

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
