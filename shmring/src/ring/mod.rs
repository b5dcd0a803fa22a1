//! The algorithms: positions, records, roles, sleeping and waking.
//!
//! These modules make no system call, allocate nothing and never access a payload. A ring is a
//! control block and a slice of words; it hands out positions and byte offsets, and the layer above
//! copies the bytes. The modules import only `core` and `crate::sync`, so the model checker
//! compiles the same files.
//!
//! # Vocabulary
//!
//! A *position* is a free-running `u64` that counts bytes (record ring) or slots
//! (slot ring, packed ring) since creation; it wraps only at 2^64 and every
//! comparison allows for that. A *slot* is a position modulo the capacity, a *lap*
//! the position divided by it. *Tail* is the next position to claim, *head* the
//! next to consume. A *ticket* is a claimed position. *Commit* (or publish) makes a
//! message visible, *release* hands its space back. A *handle* is one producer or
//! consumer, an *attach* one mapping of the segment in one process.
//!
//! # Invariants, cited by number
//!
//! - **I1 window** `head <= tail <= head + capacity`.
//! - **I2 sole access** between claim and publish only the claimant writes a payload.
//! - **I3 publication** payload writes happen before payload reads that are delivered.
//! - **I4 reuse** payload reads that are delivered happen before the overwrite.
//! - **I5 no lost wake** a sleeper arms, fences, re-checks, sleeps; a waker
//!   publishes, fences, looks, wakes.
//! - **I6 trust nothing shared** a value read from the segment is masked,
//!   range-checked or rejected before it indexes, sizes or bounds anything.
//! - **I7 one owner per role** a role changes hands only by release, or from an
//!   owner proven dead.
//! - **I8 death is proven** only the kernel makes an owner dead; no clock ever does.

#![forbid(unsafe_code)]

pub(crate) mod broadcast;
pub(crate) mod jobs;
pub(crate) mod membership;
pub(crate) mod packed;
pub(crate) mod record;
pub(crate) mod slot;
pub(crate) mod tables;
pub(crate) mod wake;

use core::fmt;

use crate::sync::{AtomicU64, Ordering, reuse_fence};

/// Bytes in a ring word, the unit of alignment for records.
pub(crate) const WORD_BYTES: u64 = 8;
/// Bytes in a cache line, the unit that CPUs transfer between one another.
pub(crate) const LINE_BYTES: u64 = 64;

/// The cache line that producers write.
#[repr(C, align(128))]
pub(crate) struct ProducerLine {
    /// The next position to claim where producers compete, and in a packed ring.
    /// In the other rings a hint, a position that the tail has reached: the producer stores it from
    /// time to time, observers load it, and correctness does not depend on it.
    pub(crate) tail: AtomicU64,
}

/// The cache line that consumers write.
#[repr(C, align(128))]
pub(crate) struct ConsumerLine {
    /// Producers may overwrite everything before this position. Consumers store it; producers load
    /// it when their copy of it says "full". In a [broadcast ring](broadcast) the producer alone
    /// stores it, and it is a chunk further.
    pub(crate) head: AtomicU64,
    /// Messages released from a record ring since creation. The consumer stores it for observers;
    /// other rings count with head.
    pub(crate) messages: AtomicU64,
    /// How many producers the role had had when a consumer last reported the end of the stream.
    /// Consumers store and load it.
    pub(crate) eof_epoch: AtomicU64,
    /// The position up to which a sole consumer, or its predecessor, has peeked at messages.
    /// Consumers store and load it.
    pub(crate) peeked: PeekedMark,
    /// The gating subscribers of a [broadcast ring](broadcast).
    pub(crate) gates: broadcast::Gates,
    /// Where workers of a [job ring](jobs) look for the next job, with a version. Workers store and
    /// load it.
    pub(crate) next: AtomicU64,
    /// Slots of a slot ring that consumers passed, and in which no message starts: parts of longer
    /// ones. For observers.
    pub(crate) parts: AtomicU64,
}

impl ConsumerLine {
    /// Returns the count of producers whose end a consumer has reported: the next end is that of a
    /// later producer.
    pub(crate) fn eof_epoch(&self) -> u64 {
        // ORDERING: Relaxed. A sole role's claim orders this after the predecessor;
        // among many, one that joins while another is told is told as well.
        self.eof_epoch.load(Ordering::Relaxed)
    }

    /// Stores that a consumer has reported the end of the stream of `producers`.
    pub(crate) fn advance_eof_epoch(&self, producers: u64) {
        // Competing consumers may report different ends, in any order.
        self.eof_epoch.fetch_max(producers, Ordering::Relaxed);
    }
}

/// The position up to which a consumer that reads in place, or its predecessor, has peeked.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct PeekedMark(AtomicU64);

impl PeekedMark {
    pub(crate) fn new(position: u64) -> Self {
        Self(AtomicU64::new(position))
    }

    #[inline]
    pub(crate) fn get(&self) -> u64 {
        // ORDERING: Relaxed. A sole role's claim orders this after the predecessor.
        self.0.load(Ordering::Relaxed)
    }

    /// Stores that the consumer peeks at what lies before `end`. Returns `true`, and stores
    /// nothing, if `peeked` already reaches that far.
    #[inline]
    pub(crate) fn set(&self, end: u64, peeked: u64) -> bool {
        let before = at_or_past(peeked, end);
        if !before {
            self.0.store(end, Ordering::Relaxed);
        }
        before
    }
}

/// The control block of one ring: a cache line for each party that writes.
#[repr(C)]
pub(crate) struct Control {
    pub(crate) producer: ProducerLine,
    pub(crate) consumer: ConsumerLine,
    pub(crate) receivers: wake::Sleepers,
    pub(crate) senders: wake::Sleepers,
    pub(crate) roles: membership::Roles,
}

impl Control {
    /// Wakes every sleeper on either side.
    pub(crate) fn wake_all(&self, handles: &[tables::Handle]) {
        for endpoint in [&self.receivers, &self.senders] {
            wake::notify_all(endpoint, handles);
        }
    }
}

/// The words of a ring, indexed by position.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Words<'a> {
    /// Returns the words of a ring. `words.len()` must be a power of two.
    #[inline]
    pub(crate) fn new(words: &'a [AtomicU64]) -> Self {
        debug_assert!(words.len().is_power_of_two());
        Self { words }
    }

    #[inline]
    pub(crate) fn capacity(self) -> u64 {
        (self.words.len() as u64).wrapping_mul(WORD_BYTES)
    }

    /// Returns the byte offset of `position` from the start of the data.
    #[inline]
    pub(crate) fn offset(self, position: u64) -> u64 {
        position & self.capacity().wrapping_sub(1)
    }

    /// Returns the word at `position`, which this masks into the ring (I6).
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the length, a power of two")]
    pub(crate) fn at(self, position: u64) -> &'a AtomicU64 {
        &self.words[(position / WORD_BYTES) as usize & self.words.len().wrapping_sub(1)]
    }
}

/// Where a message lies, or is to lie, in the data of the ring that made the place.
///
/// `offset` and `len` are private to this module: only a ring makes a place, and every ring
/// makes it so that the payload lies inside its own data (I6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Position of the message: of its record's header, or of its slot.
    pub(crate) start: u64,
    /// The position after it.
    pub(crate) end: u64,
    offset: u64,
    len: u64,
}

impl Place {
    /// Returns the byte offset of the payload from the start of the data, a multiple of a word.
    #[inline]
    pub(crate) fn offset(self) -> u64 {
        self.offset
    }

    /// Returns the bytes of the payload. `offset + len` never passes the end of the data.
    #[inline]
    pub(crate) fn len(self) -> u64 {
        self.len
    }
}

/// Where a message lies, or is to lie: in one piece, or in several slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    Whole(Place),
    Spanning(slot::Spanning),
}

impl Extent {
    /// Returns the position of the message.
    #[inline(always)]
    pub(crate) fn start(self) -> u64 {
        match self {
            Self::Whole(place) => place.start,
            Self::Spanning(message) => message.start,
        }
    }

    /// Returns the position after it.
    #[inline(always)]
    pub(crate) fn end(self) -> u64 {
        match self {
            Self::Whole(place) => place.end,
            Self::Spanning(message) => message.end,
        }
    }

    /// Returns the bytes of the message.
    #[inline(always)]
    pub(crate) fn len(self) -> u64 {
        match self {
            Self::Whole(place) => place.len,
            Self::Spanning(message) => message.len,
        }
    }
}

/// What a consumer finds where it looks for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing: no message is committed, and no position is claimed.
    Empty,
    /// The next message. In a slot or broadcast ring it counts only once it was copied and taken.
    Message(Place),
    /// The next message, in several slots. As above. Slot rings only.
    Spanning(slot::Spanning),
    /// The position is claimed and not published yet. Slot rings only.
    InFlight { position: u64 },
    /// Other consumers won every attempt, or there were too many tombstones. Slot rings only.
    Outrun,
    /// So many messages were overwritten before they were received, and the cursor is past them.
    /// Broadcast rings only.
    Lagged { missed: u64 },
    /// Nothing that this worker could take: other workers have all jobs. Job rings only.
    Held,
    /// The worker has as many jobs as it can have. Job rings only.
    HandsFull,
    /// The gating subscriber was turned into a lossy one. Broadcast rings only.
    Evicted,
}

/// Why a ring granted no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The message never fits.
    TooLong,
    /// There will be room once head reaches `need`.
    Full {
        need: u64,
    },
    /// The producer lost the claim to other producers on every try.
    Outrun,
    Corrupt(Corrupt),
}

/// Loads head for a sole producer, whose last copy of it is `cached` (I1).
///
/// # Errors
/// `Corrupt` if head is not between the copy and `tail`.
fn refresh_head(head: &AtomicU64, cached: u64, tail: u64) -> Result<u64, Corrupt> {
    // ORDERING: Acquire, with the Release with which each ring's consumer releases
    // (I4): what lies before head is overwritten next.
    let found = head.load(Ordering::Acquire);
    if found.wrapping_sub(cached) > tail.wrapping_sub(cached) {
        return Err(Corrupt { what: "head", position: tail, found });
    }
    reuse_fence();
    Ok(found)
}

/// Returns `true` if `a` equals `b` or is ahead of it, for positions less than 2^63 apart.
#[inline]
pub(crate) fn at_or_past(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) < 1 << 63
}

/// A value in the segment that no correct peer can have written.
///
/// The handle that finds it refuses every later operation, as it can trust nothing in the ring
/// any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// The name of the wrong value.
    pub what: &'static str,
    /// The position in the ring, in bytes or slots since creation, where the handle read it.
    pub position: u64,
    /// The value.
    pub found: u64,
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the segment is corrupt: {} at position {} holds {:#x}",
            self.what, self.position, self.found
        )
    }
}

impl core::error::Error for Corrupt {}
