//! The word of a slot that says in whose hands its job is.
//!
//! ```text
//! claim = position + 1 mod 2^38 : 38 | attempts : 16 | handle : 8 | state : 2
//! ```
//!
//! The attempts are how often the job was taken; they stop at the most that fits. A claim of an
//! earlier position of the slot, or 0, says that nobody has taken the job.

const SEQUENCE_SHIFT: u32 = 26;
const SEQUENCE_BITS: u32 = u64::BITS - SEQUENCE_SHIFT;
const ATTEMPTS_SHIFT: u32 = 10;
const ATTEMPTS_MASK: u64 = (1 << (SEQUENCE_SHIFT - ATTEMPTS_SHIFT)) - 1;
/// The most attempts that are counted.
pub(super) const MAX_ATTEMPTS: u64 = ATTEMPTS_MASK;
const HANDLE_SHIFT: u32 = 2;
const HANDLE_MASK: u64 = 0xFF;
const STATE_MASK: u64 = 3;
const TAKEN: u64 = 1;
const RETURNED: u64 = 2;
const DONE: u64 = 3;

/// What a claim says about the job at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nobody has taken it.
    Fresh,
    /// The handle of that index has it.
    Taken { handle: usize, attempts: u64 },
    /// It was given back, or its worker died.
    Returned { attempts: u64 },
    /// It was acknowledged.
    Done,
    /// The slot holds a later position: this one was acknowledged.
    Passed,
    /// No correct peer can have written this.
    Corrupt,
}

#[inline]
fn sequence(position: u64) -> u64 {
    position.wrapping_add(1) << SEQUENCE_SHIFT
}

#[inline]
pub(super) fn taken(position: u64, handle: usize, attempts: u64) -> u64 {
    let handle = handle as u64 & HANDLE_MASK;
    sequence(position)
        | attempts.min(ATTEMPTS_MASK) << ATTEMPTS_SHIFT
        | handle << HANDLE_SHIFT
        | TAKEN
}

#[inline]
pub(super) fn returned(position: u64, attempts: u64) -> u64 {
    sequence(position) | attempts.min(ATTEMPTS_MASK) << ATTEMPTS_SHIFT | RETURNED
}

#[inline]
pub(super) fn done(position: u64) -> u64 {
    sequence(position) | DONE
}

/// Returns what a claim says about `position`, in a ring of so many slots.
#[inline]
pub(super) fn read(word: u64, position: u64, slots: u64) -> Claim {
    let sequence = word >> SEQUENCE_SHIFT;
    let ahead = sequence.wrapping_sub(position.wrapping_add(1)) & ((1 << SEQUENCE_BITS) - 1);
    let attempts = word >> ATTEMPTS_SHIFT & ATTEMPTS_MASK;
    match word & STATE_MASK {
        _ if word == 0 => Claim::Fresh,
        0 => Claim::Corrupt,
        state if ahead != 0 => other(ahead, state, slots),
        TAKEN => Claim::Taken { handle: (word >> HANDLE_SHIFT & HANDLE_MASK) as usize, attempts },
        RETURNED => Claim::Returned { attempts },
        _ => Claim::Done,
    }
}

/// A claim of another position, so many positions ahead: one of the same slot.
#[inline]
fn other(ahead: u64, state: u64, slots: u64) -> Claim {
    if ahead & slots.wrapping_sub(1) != 0 {
        Claim::Corrupt
    } else if ahead < 1 << (SEQUENCE_BITS - 1) {
        Claim::Passed
    } else if state == DONE {
        Claim::Fresh
    } else {
        // Head passes a job once it is acknowledged.
        Claim::Corrupt
    }
}
