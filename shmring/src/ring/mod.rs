//! The algorithms: positions, records, roles, sleeping and waking.
//!
//! Nothing here knows an operating system, allocates, or sees a payload. A ring
//! is a control block and a slice of words; it hands out positions and byte
//! offsets, and the layer above moves the bytes. Only `core` and `crate::sync`
//! are imported, so the model checker compiles these very files.
//!
//! # Vocabulary
//!
//! A *position* is a free-running `u64`, here in bytes since creation; it wraps
//! only at 2^64 and every comparison allows for that. *Tail* is the next
//! position to claim, *head* the next to consume. *Commit* (or publish) makes a
//! record visible, *release* hands its space back. A *handle* is one producer or
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

pub(crate) mod record;
pub(crate) mod roster;
pub(crate) mod tables;
pub(crate) mod wake;

use core::fmt;

use crate::sync::{AtomicU64, Ordering};

/// Bytes in a ring word, the unit of alignment for records.
pub(crate) const WORD_BYTES: u64 = 8;

/// The line that the producer writes.
#[repr(C, align(128))]
pub(crate) struct ProducerLine {
    /// A position that the tail has reached. Written by the producer now and
    /// then, read by observers; never needed for correctness.
    pub(crate) tail_hint: AtomicU64,
}

/// The line that the consumer writes.
#[repr(C, align(128))]
pub(crate) struct ConsumerLine {
    /// Everything before this position may be overwritten. Written by the
    /// consumer, read by the producer when its cached copy says full.
    pub(crate) head: AtomicU64,
    /// Messages released since creation. Written by the consumer, for observers.
    pub(crate) messages: AtomicU64,
    /// How many producers the role had had when a consumer was last told that the
    /// stream ended. Written and read by the consumer.
    pub(crate) ends_told: AtomicU64,
}

impl ConsumerLine {
    /// The producers whose end some consumer was told: the next one waits for another.
    pub(crate) fn ends_told(&self) -> u64 {
        // ORDERING: Relaxed. The role's claim orders this after the predecessor.
        self.ends_told.load(Ordering::Relaxed)
    }

    /// Notes that the consumer was told the end of the stream of `producers`.
    pub(crate) fn tell_end(&self, producers: u64) {
        self.ends_told.store(producers, Ordering::Relaxed);
    }
}

/// The control block of one ring: a line for each party that writes.
#[repr(C)]
pub(crate) struct Control {
    pub(crate) producer: ProducerLine,
    pub(crate) consumer: ConsumerLine,
    pub(crate) receivers: wake::Sleepers,
    pub(crate) senders: wake::Sleepers,
    pub(crate) roles: roster::Roles,
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
        self.words.len() as u64 * WORD_BYTES
    }

    /// Byte offset of `position` from the start of the data.
    #[inline]
    pub(crate) fn offset(self, position: u64) -> u64 {
        position & (self.capacity() - 1)
    }

    /// The word at `position`, which is masked into the ring (I6).
    #[inline]
    pub(crate) fn at(self, position: u64) -> &'a AtomicU64 {
        &self.words[(position / WORD_BYTES) as usize & (self.words.len() - 1)]
    }
}

/// Whether `a` is `b` or lies ahead of it, for positions less than 2^63 apart.
#[inline]
pub(crate) fn at_or_past(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) < 1 << 63
}

/// `value` rounded up to a whole number of words. `value` is at most 2^64 - 8.
#[inline]
pub(crate) const fn align_word(value: u64) -> u64 {
    (value + (WORD_BYTES - 1)) & !(WORD_BYTES - 1)
}

/// A value in the segment that no correct peer can have written.
///
/// The handle that met it refuses every later operation: nothing that the ring
/// holds can be trusted from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Which value was wrong.
    pub what: &'static str,
    /// The position in the ring, in bytes since creation, at which it was read.
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
