//! The algorithms: positions, records, roles, sleeping and waking.
//!
//! Nothing here knows an operating system, allocates, or sees a payload. A ring
//! is a control block and a slice of words; it hands out positions and byte
//! offsets, and the layer above moves the bytes. Only `core` and `crate::sync`
//! are imported, so the model checker compiles these very files.
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
/// Bytes that CPUs pass to one another at once.
pub(crate) const LINE_BYTES: u64 = 64;

/// The line that producers write.
#[repr(C, align(128))]
pub(crate) struct ProducerLine {
    /// The next position to claim where producers compete, and in a packed ring.
    /// Elsewhere a position that the tail has reached: written by the producer now
    /// and then, read by observers, and never needed for correctness.
    pub(crate) tail: AtomicU64,
}

/// The line that consumers write.
#[repr(C, align(128))]
pub(crate) struct ConsumerLine {
    /// Everything before this position may be overwritten. Written by consumers,
    /// read by producers when their cached copy says full.
    pub(crate) head: AtomicU64,
    /// Messages released from a record ring since creation. Written by the
    /// consumer, for observers; other rings count with head.
    pub(crate) messages: AtomicU64,
    /// How many producers the role had had when a consumer was last told that the
    /// stream ended. Written and read by consumers.
    pub(crate) eof_epoch: AtomicU64,
    /// Up to where a sole consumer, or one before it, was shown messages in place. Written
    /// and read by consumers.
    pub(crate) peeked: AtomicU64,
}

impl ConsumerLine {
    /// The producers whose end some consumer was told: the next one waits for another.
    pub(crate) fn eof_epoch(&self) -> u64 {
        // ORDERING: Relaxed. A sole role's claim orders this after the predecessor;
        // among many, one that joins while another is told is told as well.
        self.eof_epoch.load(Ordering::Relaxed)
    }

    /// Up to where a sole consumer, or one before it, was shown something in place.
    #[inline]
    pub(crate) fn peeked(&self) -> u64 {
        // ORDERING: Relaxed. A sole role's claim orders this after the predecessor.
        self.peeked.load(Ordering::Relaxed)
    }

    /// Notes that a sole consumer is shown what lies before `end`, if `peeked` does not reach
    /// so far; whether it does.
    #[inline]
    pub(crate) fn mark_peeked(&self, end: u64, peeked: u64) -> bool {
        let before = at_or_past(peeked, end);
        if !before {
            self.peeked.store(end, Ordering::Relaxed);
        }
        before
    }

    /// Notes that a consumer was told the end of the stream of `producers`.
    pub(crate) fn advance_eof_epoch(&self, producers: u64) {
        // Competing consumers may be told of different ends, in any order.
        self.eof_epoch.fetch_max(producers, Ordering::Relaxed);
    }
}

/// The control block of one ring: a line for each party that writes.
#[repr(C)]
pub(crate) struct Control {
    pub(crate) producer: ProducerLine,
    pub(crate) consumer: ConsumerLine,
    pub(crate) receivers: wake::Sleepers,
    pub(crate) senders: wake::Sleepers,
    pub(crate) roles: membership::Roles,
}

impl Control {
    /// Wakes everyone who sleeps on either side.
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
    /// `words.len()` must be a power of two.
    #[inline]
    pub(crate) fn new(words: &'a [AtomicU64]) -> Self {
        debug_assert!(words.len().is_power_of_two());
        Self { words }
    }

    #[inline]
    pub(crate) fn capacity(self) -> u64 {
        (self.words.len() as u64).wrapping_mul(WORD_BYTES)
    }

    /// Byte offset of `position` from the start of the data.
    #[inline]
    pub(crate) fn offset(self, position: u64) -> u64 {
        position & self.capacity().wrapping_sub(1)
    }

    /// The word at `position`, which is masked into the ring (I6).
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

/// Why no space was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// No amount of waiting makes room.
    TooLong,
    /// There is room once head reaches `need`.
    Full {
        need: u64,
    },
    /// Other producers were faster, at every try.
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

/// Whether `a` is `b` or lies ahead of it, for positions less than 2^63 apart.
#[inline]
pub(crate) fn at_or_past(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) < 1 << 63
}

/// A value in the segment that no correct peer can have written.
///
/// The handle that met it refuses every later operation: nothing that the ring
/// holds can be trusted from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Which value was wrong.
    pub what: &'static str,
    /// The position in the ring, in bytes or slots since creation, at which it was read.
    pub position: u64,
    /// What was read.
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
