//! The slot ring: slots of one size, many producers, many competing consumers.
//!
//! ```text
//! slot = stamp | payload            position p lies in slot p mod slots
//!
//!        head                  tail
//!         v                     v
//! ... |taken| msg | msg |  ?  | msg | free |       ? claimed, not published yet
//! ```
//!
//! - Push: announce a ticket in the own line, claim it with one CAS on tail, write
//!   the payload, store the stamp. That store is the commit.
//! - Pop: load the stamp at head, copy the payload, take it with one CAS on head. If
//!   the CAS fails, another consumer has the message and this one discards the copy.
//! - Resolve: a reaper stores a tombstone for a ticket whose owner died before the commit;
//!   consumers skip it.
//!
//! Only producers write stamps, apart from tombstones for dead ones, and consumers write only
//! head. So a consumer that dies in a pop leaves nothing to repair, and a slot's cache line moves
//! between cores twice per message.
//!
//! Where a side has one handle, its position is private: a sole producer claims without
//! announcement or CAS, and its successor finds the tail by following stamps; a sole consumer
//! releases with a store, and may read in place.
//!
//! A batch claims all its tickets with one CAS and publishes them in order, one after
//! the other.
//!
//! # Why a tombstone never hides a message
//!
//! If resolve closes ticket q, its owner is dead and never published it. The owner
//! announced q before its CAS moved tail past q; resolve sees tail past q, hence the
//! announcement or a later one; later ones are made only after q was published, and
//! then resolve sees the stamp. An announcement counts until its owner's attach is
//! dead, which only the kernel says (I8). Where a cleaner withdrew it, or a new owner has
//! the handle, the old owner is dead, or had left with all its tickets closed.

mod consumer;
pub(crate) mod intent;
mod producer;
mod resolve;
mod stamp;

pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;
pub(crate) use resolve::{Resolved, resolve};
pub(crate) use stamp::MAX_LEN;

use super::{Control, Corrupt, Place, WORD_BYTES, at_or_past};
use crate::sync::{AtomicU64, Ordering};
use stamp::Stamp;

/// Bytes of a slot before its payload.
pub(crate) const STAMP_BYTES: u64 = WORD_BYTES;
/// The most slots that a ring can have.
pub(crate) const MAX_SLOTS: u64 = 1 << 24;
/// How often an operation retries after it lost to another handle, and how many tombstones it
/// passes, before it returns to its caller.
const MAX_TRIES: u32 = 64;

/// The words of a ring of slots of one size.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'a> {
    words: &'a [AtomicU64],
    count: u64,
    words_each: u64,
}

impl<'a> Slots<'a> {
    /// Returns `count` slots, a power of two, of `words_each` words each, which make up `words`.
    #[inline]
    pub(crate) fn new(words: &'a [AtomicU64], count: u64, words_each: u64) -> Self {
        debug_assert!(
            count.is_power_of_two() && count.wrapping_mul(words_each) == words.len() as u64
        );
        Self { words, count, words_each }
    }

    /// Returns the index of the first word of the slot of `position`, which this masks (I6).
    #[inline]
    fn first_word(self, position: u64) -> u64 {
        (position & self.count.wrapping_sub(1)).wrapping_mul(self.words_each)
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the count, and there are as many slots")]
    fn stamp(self, position: u64) -> &'a AtomicU64 {
        &self.words[self.first_word(position) as usize]
    }

    /// Returns the bytes of the longest message.
    #[inline]
    fn max_len(self) -> u64 {
        self.words_each.wrapping_mul(WORD_BYTES).wrapping_sub(STAMP_BYTES).min(MAX_LEN)
    }

    /// Returns the place for a payload of `len` bytes, or of as many as fit, in the slot of
    /// `position`.
    #[inline]
    fn place_for(self, position: u64, len: u64) -> Place {
        self.place(position, len.min(self.max_len()))
    }

    /// Returns the place of a payload of `len` bytes, which is at most [`max_len`](Self::max_len),
    /// in the slot of `position`.
    #[inline]
    fn place(self, position: u64, len: u64) -> Place {
        let offset = self.first_word(position).wrapping_mul(WORD_BYTES).wrapping_add(STAMP_BYTES);
        Place { start: position, end: position.wrapping_add(1), offset, len }
    }
}

/// Which sides may have several handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Many {
    pub(crate) producers: bool,
    pub(crate) consumers: bool,
}

/// The shared words of one ring, for all sides.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    tail: &'a AtomicU64,
    head: &'a AtomicU64,
    resolved: &'a AtomicU64,
    tombstones: &'a AtomicU64,
    slots: Slots<'a>,
    many: Many,
}

impl<'a> Ring<'a> {
    /// Returns what is at head, for a waiter that is not a consumer itself: whether a message is
    /// complete, and the position of a ticket that is claimed and not complete.
    pub(crate) fn front(self) -> (bool, Option<u64>) {
        // ORDERING: Relaxed, as for all three. Only a hint; consumers load the stamp with Acquire.
        let head = self.head.load(Ordering::Relaxed);
        let word = self.slots.stamp(head).load(Ordering::Relaxed);
        if stamp::is_for(word, head) {
            return (true, None);
        }
        let tail = self.tail.load(Ordering::Relaxed);
        (false, (self.many.producers && tail != head && at_or_past(tail, head)).then_some(head))
    }

    /// Returns the place of a message of `len` bytes, or of as many as fit, at `position`.
    #[inline]
    pub(crate) fn place(self, position: u64, len: u64) -> Place {
        self.slots.place_for(position, len)
    }

    #[inline]
    pub(crate) fn new(control: &'a Control, slots: Slots<'a>, many: Many) -> Self {
        Self {
            tail: &control.producer.tail,
            head: &control.consumer.head,
            resolved: &control.roles.resolved,
            tombstones: &control.roles.tombstones,
            slots,
            many,
        }
    }

    /// Returns the bytes of the longest message.
    #[inline]
    pub(crate) fn max_len(self) -> u64 {
        self.slots.max_len()
    }

    /// Returns the slots of the ring, which is also the longest batch.
    #[inline]
    pub(crate) fn slots(self) -> u64 {
        self.slots.count
    }

    /// Loads the stamp of the slot of `position` and decodes it.
    #[inline]
    fn read(self, position: u64) -> Result<Seen, Corrupt> {
        // ORDERING: Acquire, with the Release in Producer::publish (I3), and with that
        // of a tombstone: what its writer knew of tail and head is known here.
        let word = self.slots.stamp(position).load(Ordering::Acquire);
        match stamp::read(word, position, self.slots.count, self.slots.max_len()) {
            Stamp::Published { len } => Ok(Seen::Message(self.slots.place(position, len))),
            Stamp::Tombstone => Ok(Seen::Tombstone),
            Stamp::Other => Ok(Seen::Nothing),
            Stamp::Corrupt => Err(Corrupt { what: "a stamp", position, found: word }),
        }
    }

    /// Follows stamps from `from` to the first position that is not published.
    fn scan(self, from: u64) -> Result<u64, Corrupt> {
        for count in 0..self.slots.count {
            let position = from.wrapping_add(count);
            if let Seen::Nothing = self.read(position)? {
                return Ok(position);
            }
        }
        Ok(from.wrapping_add(self.slots.count))
    }

    /// Returns the slots in use and the messages taken so far, for observers. Both may be out of
    /// date when the caller reads them.
    pub(crate) fn observe(self) -> (u64, u64) {
        let head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        let from = if at_or_past(tail, head) { tail } else { head };
        let tail = if self.many.producers { from } else { self.scan(from).unwrap_or(from) };
        let used = tail.wrapping_sub(head).min(self.slots.count);
        (used, head.wrapping_sub(self.tombstones.load(Ordering::Relaxed)))
    }

    /// Returns `true` if head has reached `need`, so that a refused claim may succeed.
    #[inline]
    pub(crate) fn has_room(self, need: u64) -> bool {
        // ORDERING: Relaxed. Only a hint; claim loads head again with Acquire.
        at_or_past(self.head.load(Ordering::Relaxed), need)
    }

    /// The position after the last ticket that was claimed, for a producer that published up
    /// to `published`.
    pub(crate) fn end(self, published: u64) -> u64 {
        // ORDERING: Relaxed. Not before what this producer published.
        if self.many.producers { self.tail.load(Ordering::Relaxed) } else { published }
    }

    /// As [`room`](Self::room), for a producer that published up to `published`.
    pub(crate) fn room_from(self, published: u64) -> (bool, u64) {
        if self.many.producers {
            return self.room();
        }
        // ORDERING: Relaxed. Only a hint, as in room.
        let head = self.head.load(Ordering::Relaxed);
        (published.wrapping_sub(head) < self.slots.count, head)
    }

    /// Returns whether one more message fits, and the position up to which consumers have taken
    /// messages.
    pub(crate) fn room(self) -> (bool, u64) {
        let tail = self.tail.load(Ordering::Relaxed);
        // ORDERING: Relaxed. Only a hint, as above.
        let head = self.head.load(Ordering::Relaxed);
        (tail.wrapping_sub(head) < self.slots.count || !at_or_past(tail, head), head)
    }
}

/// What the stamp of a slot says about a position.
enum Seen {
    Message(Place),
    Tombstone,
    Nothing,
}
