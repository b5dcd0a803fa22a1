//! The byte map of a segment: what lies where, and how much of it.
//!
//! ```text
//! 0                header page    written once, before the segment has a name; then only read
//! 4096             directory      128 B a ring: what it is, and where its parts are
//! (next page)      attachment table   64 B an entry
//! (next page)      handle table   256 B an entry: the owner's line, the wakers' line
//! (behind it)      ring controls  640 B a ring, 128 B a line: producer, consumer, sleeping
//!                                 receivers, sleeping senders, flags and roles
//! (next page)      data           of each ring: records, slots or elements; of a broadcast ring
//!                                 with its marks behind, 16 B each
//! ```
//!
//! Only fixed-width integers in the machine's own byte order; what is not named
//! is zero and reserved. Lines with different writers are 128 bytes apart,
//! because adjacent-line prefetchers pair lines of 64.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "fields have constant indices in arrays of fixed length, and sums are of checked geometry"
)]

mod geometry;
mod header;

use std::mem::{offset_of, size_of};

pub(crate) use geometry::{
    Geometry, MAX_SLOT_BYTES, MIN_CAPACITY_ALIGNS, Shape, header_bytes, many,
};
pub(crate) use header::{BadHeader, Header, MAX_PROLOGUE_BYTES};

use crate::ring::broadcast::{Gates, Mark, Marks};
use crate::ring::membership::Roles;
use crate::ring::tables::{AttachmentEntry, Handle, HandleOwn, MAX_HANDLES};
use crate::ring::wake::{SLEEPERS_PER_WORD, Sleepers};
use crate::ring::{ConsumerLine, Control, ProducerLine};

/// `shmring` and a zero, read as a number on a little-endian machine.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"shmring\0");
/// Changes whenever a reader of the old format would misread the new one.
pub(crate) const VERSION: u64 = 4;
/// Bytes in the header page, in a page of the map, and in the smallest ring.
pub(crate) const PAGE_BYTES: u64 = 4096;
/// The most data. The longest message of such a record ring still has a length of
/// 32 bits.
pub(crate) const MAX_CAPACITY_BYTES: u64 = 1 << 33;
/// Entries in the attachment table, at most.
pub(crate) const MAX_ATTACHMENTS: u64 = 256;
/// Entries in the handle table, at most: one bit among the sleepers for each.
pub(crate) const MAX_HANDLE_ENTRIES: u64 = MAX_HANDLES as u64;
/// Rings in a segment, at most.
pub(crate) const MAX_RINGS: u64 = 64;
/// Bytes in a ring's entry of the directory.
pub(crate) const ENTRY_BYTES: u64 = 128;
/// Bytes of metadata that the creator can put into a segment, at most.
pub(crate) const MAX_METADATA_BYTES: usize = 1024;

/// Kinds of rings, as the header names them.
pub(crate) const KIND_SPSC: u64 = 1;
pub(crate) const KIND_MPMC: u64 = 2;
pub(crate) const KIND_MPSC: u64 = 3;
pub(crate) const KIND_SPMC: u64 = 4;
pub(crate) const KIND_PACKED: u64 = 5;
pub(crate) const KIND_BROADCAST: u64 = 6;
pub(crate) const KIND_JOBS: u64 = 7;

/// Bits of the header's memory word: what each attachment asks for its own mapping.
pub(crate) const MEMORY_PREFAULT: u64 = 1;
pub(crate) const MEMORY_LOCK: u64 = 2;
pub(crate) const MEMORY_HUGE_PAGES: u64 = 4;
pub(crate) const MEMORY_ALL: u64 = MEMORY_PREFAULT | MEMORY_LOCK | MEMORY_HUGE_PAGES;

/// A number that changes when any offset or size below changes, so that two
/// builds that disagree on the layout refuse each other's segments.
pub(crate) const LAYOUT_HASH: u64 = {
    let facts = [
        ENTRY_BYTES as usize,
        size_of::<Control>(),
        offset_of!(Control, producer) + offset_of!(ProducerLine, tail),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, head),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, messages),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, eof_epoch),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, peeked),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, gates) + offset_of!(Gates, bits),
        offset_of!(Control, consumer)
            + offset_of!(ConsumerLine, gates)
            + offset_of!(Gates, evictions),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, next),
        offset_of!(Control, consumer) + offset_of!(ConsumerLine, parts),
        offset_of!(Control, receivers) + offset_of!(Sleepers, words),
        offset_of!(Control, senders) + offset_of!(Sleepers, words),
        offset_of!(Control, roles) + offset_of!(Roles, flags),
        offset_of!(Control, roles) + offset_of!(Roles, producer),
        offset_of!(Control, roles) + offset_of!(Roles, consumer),
        offset_of!(Control, roles) + offset_of!(Roles, repairs),
        offset_of!(Control, roles) + offset_of!(Roles, resolved),
        offset_of!(Control, roles) + offset_of!(Roles, tombstones),
        offset_of!(Control, roles) + offset_of!(Roles, producers),
        offset_of!(Control, roles) + offset_of!(Roles, consumers),
        size_of::<AttachmentEntry>(),
        offset_of!(AttachmentEntry, state),
        offset_of!(AttachmentEntry, pid),
        offset_of!(AttachmentEntry, uid),
        offset_of!(AttachmentEntry, start_ticks),
        offset_of!(AttachmentEntry, pid_namespace),
        size_of::<Handle>(),
        offset_of!(Handle, own) + offset_of!(HandleOwn, intent),
        offset_of!(Handle, own) + offset_of!(HandleOwn, cursor),
        offset_of!(Handle, own) + offset_of!(HandleOwn, messages),
        offset_of!(Handle, own) + offset_of!(HandleOwn, missed),
        offset_of!(Handle, own) + offset_of!(HandleOwn, subscription),
        offset_of!(Handle, own) + offset_of!(HandleOwn, full_since),
        offset_of!(Handle, own) + offset_of!(HandleOwn, jobs),
        offset_of!(Handle, park),
        offset_of!(Handle, state),
        offset_of!(Handle, need),
        SLEEPERS_PER_WORD,
        size_of::<Marks>(),
        offset_of!(Mark, position),
        offset_of!(Mark, messages),
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

// The segment's format, pinned: a change here is a change of VERSION.
const _: () = {
    assert!(size_of::<AttachmentEntry>() == 64);
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
#[path = "../format_tests.rs"]
mod tests;
