//! The word at the front of a slot, which says what the slot holds.
//!
//! ```text
//! stamp = position + 1 mod 2^40 : 40 | 0 : 2 | tombstone : 1 | valid : 1 | len : 20
//! ```
//!
//! A slot that was never written has stamp 0. It is for no position: one of the two
//! flags must be set, or it would be for every position 2^40 - 1 mod 2^40.

const SEQUENCE_SHIFT: u32 = 24;
const VALID: u64 = 1 << 20;
const TOMBSTONE: u64 = 1 << 21;
const LEN_MASK: u64 = VALID - 1;
const FLAGS_MASK: u64 = (1 << SEQUENCE_SHIFT) - VALID;

/// The longest payload, in bytes, whose length fits into a stamp.
pub(crate) const MAX_LEN: u64 = LEN_MASK;

/// What a stamp says about a position of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// The position holds a message of `len` bytes.
    Published { len: u64 },
    /// A tombstone: the position will never hold a message.
    Tombstone,
    /// The stamp is for another position, or was never written.
    Other,
    /// No correct peer can have written this.
    Corrupt,
}

#[inline]
fn sequence(position: u64) -> u64 {
    position.wrapping_add(1) << SEQUENCE_SHIFT
}

#[inline]
pub(super) fn published(position: u64, len: u64) -> u64 {
    sequence(position) | VALID | len
}

#[inline]
pub(super) fn tombstone(position: u64) -> u64 {
    sequence(position) | TOMBSTONE
}

/// Returns `true` if a stamp is for `position`: published, or a tombstone.
#[inline]
pub(super) fn is_for(word: u64, position: u64) -> bool {
    (word ^ sequence(position)) >> SEQUENCE_SHIFT == 0 && word & FLAGS_MASK != 0
}

/// Returns what a stamp says about `position`, in a ring of that many slots for messages of at
/// most `max_len` bytes.
#[inline]
pub(super) fn read(word: u64, position: u64, slots: u64, max_len: u64) -> Stamp {
    if !is_for(word, position) {
        return other(word, position, slots);
    }
    let len = word & LEN_MASK;
    match word & FLAGS_MASK {
        VALID if len <= max_len => Stamp::Published { len },
        TOMBSTONE if len == 0 => Stamp::Tombstone,
        _ => Stamp::Corrupt,
    }
}

/// A stamp that is for another position: one that has the same slot, or none yet.
#[cold]
fn other(word: u64, position: u64, slots: u64) -> Stamp {
    let laps_apart = (word >> SEQUENCE_SHIFT).wrapping_sub(position.wrapping_add(1));
    let same_slot = laps_apart & slots.wrapping_sub(1) == 0 && word & FLAGS_MASK != 0;
    if word == 0 || same_slot { Stamp::Other } else { Stamp::Corrupt }
}
