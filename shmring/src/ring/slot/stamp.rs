//! The word at the front of a slot, which says what the slot holds.
//!
//! ```text
//! stamp = position + 1 mod 2^40 : 40 | 0 : 1 | continuation : 1 | tombstone : 1 | valid : 1 | len : 20
//! ```
//!
//! The length is that of the whole message. If it is more than one slot takes, the message goes
//! on in the next slots, which have continuation stamps.
//!
//! A slot that was never written has stamp 0. It is for no position: one of the three
//! flags must be set, or it would be for every position 2^40 - 1 mod 2^40.

use super::Sizes;

const SEQUENCE_SHIFT: u32 = 24;
const VALID: u64 = 1 << 20;
const TOMBSTONE: u64 = 1 << 21;
const CONTINUATION: u64 = 1 << 22;
const LEN_MASK: u64 = VALID - 1;
const FLAGS_MASK: u64 = (1 << SEQUENCE_SHIFT) - VALID;

/// The longest payload, in bytes, whose length fits into a stamp.
pub(crate) const MAX_LEN: u64 = LEN_MASK;

/// What a stamp says about a position of its slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// The position holds a message of `len` bytes, in one slot.
    Published { len: u64 },
    /// A message of `len` bytes starts at the position and goes on in the next slots.
    Spanning { len: u64 },
    /// The position holds a part of a message that starts before it.
    Continuation,
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

#[inline]
pub(super) fn continuation(position: u64) -> u64 {
    sequence(position) | CONTINUATION
}

/// Returns `true` if a stamp is for `position`: published, a part of a message, or a tombstone.
#[inline]
pub(super) fn is_for(word: u64, position: u64) -> bool {
    (word ^ sequence(position)) >> SEQUENCE_SHIFT == 0 && word & FLAGS_MASK != 0
}

/// Returns `true` if a stamp is one of `position`, and not one of a part that follows another.
#[inline]
pub(super) fn is_first_of(word: u64, position: u64) -> bool {
    is_for(word, position) && word & CONTINUATION == 0
}

/// Returns the length of the message at `position` if a stamp says that there is one in one slot.
#[inline]
pub(super) fn len_in_slot(word: u64, position: u64, sizes: Sizes) -> Option<u64> {
    // All bits but those of the length.
    let beside = word ^ (sequence(position) | VALID);
    (beside <= sizes.slot_len).then_some(beside)
}

/// Returns what a stamp says about `position`, in a ring of slots of those sizes.
pub(super) fn read(word: u64, position: u64, sizes: Sizes) -> Stamp {
    if !is_for(word, position) {
        return other(word, position, sizes.count);
    }
    let len = word & LEN_MASK;
    match word & FLAGS_MASK {
        VALID if len <= sizes.slot_len => Stamp::Published { len },
        VALID if len <= sizes.message_len => Stamp::Spanning { len },
        TOMBSTONE if len == 0 => Stamp::Tombstone,
        CONTINUATION if len == 0 => Stamp::Continuation,
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
