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
//! # Messages that span slots
//!
//! A message that is longer than a slot takes several, whose tickets are claimed with one CAS. The
//! payload goes to all of them, then stamps of parts to all but the first, and the stamp of the
//! first commits the message. A consumer copies all slots and takes them with one CAS.
//!
//! If the producer dies before the commit, its first ticket gets a tombstone, and so does each that
//! has no stamp; consumers skip what is left. A sole producer's successor writes the same slots
//! again: there a stamp of a part at head says nothing.
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
pub(crate) use producer::{Producer, Publishing};
pub(crate) use resolve::{Resolved, resolve};
pub(crate) use stamp::MAX_LEN;

use super::{Control, Corrupt, Place, WORD_BYTES, at_or_past};
use crate::sync::{AtomicU64, Ordering, copy_fence, rule};
use stamp::Stamp;

/// Bytes of a slot before its payload.
pub(crate) const STAMP_BYTES: u64 = WORD_BYTES;
/// The most slots that a ring can have.
pub(crate) const MAX_SLOTS: u64 = 1 << 24;
/// How often an operation retries after it lost to another handle, and how many tombstones it
/// passes, before it returns to its caller.
const MAX_TRIES: u32 = 64;

/// The sizes of the slots of a ring and of its messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    count: u64,
    words_each: u64,
    /// Bytes of a slot before its payload.
    header_bytes: u64,
    /// Bytes of the longest message in one slot.
    slot_len: u64,
    /// Bytes of the longest message.
    message_len: u64,
}

impl Sizes {
    /// Returns the sizes of `count` slots, a power of two, of `words_each` words each, which hold
    /// their payload behind a header of so many bytes, a stamp at least. Messages span up to half
    /// of the slots if `spans` says so.
    pub(crate) fn new(count: u64, words_each: u64, header_bytes: u64, spans: bool) -> Self {
        let slot_bytes = words_each.wrapping_mul(WORD_BYTES);
        let slot_len = slot_bytes.saturating_sub(header_bytes).min(MAX_LEN);
        let spanning = || (count / 2).max(1).saturating_mul(slot_len).min(MAX_LEN);
        let message_len = if spans { spanning() } else { slot_len };
        Self { count, words_each, header_bytes, slot_len, message_len }
    }

    /// Returns the bytes of the longest message.
    pub(crate) fn max_len(self) -> u64 {
        self.message_len
    }

    /// Returns how many slots a message of `len` bytes takes.
    fn slots_of(self, len: u64) -> u64 {
        len.div_ceil(self.slot_len.max(1)).max(1)
    }
}

/// The words of a ring of slots of one size.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'a> {
    words: &'a [AtomicU64],
    sizes: Sizes,
}

impl<'a> Slots<'a> {
    /// Returns the slots of those sizes, which make up `words`.
    #[inline]
    pub(crate) fn new(words: &'a [AtomicU64], sizes: Sizes) -> Self {
        debug_assert!(
            sizes.count.is_power_of_two()
                && sizes.count.wrapping_mul(sizes.words_each) == words.len() as u64
        );
        Self { words, sizes }
    }

    /// Returns the index of the first word of the slot of `position`, which this masks (I6).
    #[inline]
    fn first_word(self, position: u64) -> u64 {
        (position & self.sizes.count.wrapping_sub(1)).wrapping_mul(self.sizes.words_each)
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "masked by the count, and there are as many slots")]
    fn stamp(self, position: u64) -> &'a AtomicU64 {
        &self.words[self.first_word(position) as usize]
    }

    /// Returns the word behind the stamp of the slot of `position`. No slot has only one word.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "as above, and each slot has two words at least")]
    fn second_word(self, position: u64) -> &'a AtomicU64 {
        &self.words[self.first_word(position).wrapping_add(1) as usize]
    }

    /// Returns the place for a payload of `len` bytes, or of as many as fit, in the slot of
    /// `position`.
    #[inline]
    fn place_for(self, position: u64, len: u64) -> Place {
        self.place(position, len.min(self.sizes.slot_len))
    }

    /// Returns the place of a payload of `len` bytes, no more than one slot takes, in the slot of
    /// `position`.
    #[inline]
    fn place(self, position: u64, len: u64) -> Place {
        let first_word = self.first_word(position).wrapping_mul(WORD_BYTES);
        let offset = first_word.wrapping_add(self.sizes.header_bytes);
        Place { start: position, end: position.wrapping_add(1), offset, len }
    }
}

/// Where a message lies, or is to lie, that takes several slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spanning {
    /// Position of its first slot.
    pub(crate) start: u64,
    /// The position after its last slot.
    pub(crate) end: u64,
    /// Bytes of the message.
    pub(crate) len: u64,
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
    parts_passed: &'a AtomicU64,
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
        if self.is_there(word, head) {
            return (true, None);
        }
        let tail = self.tail.load(Ordering::Relaxed);
        (false, (self.many.producers && tail != head && at_or_past(tail, head)).then_some(head))
    }

    /// Returns the place of a message of `len` bytes, or of as many as fit into one slot, at
    /// `position`.
    #[inline]
    pub(crate) fn place(self, position: u64, len: u64) -> Place {
        self.slots.place_for(position, len)
    }

    /// Returns where a message of `len` bytes, or of as many as the longest has, lies in the slots
    /// from that of `position` on.
    pub(crate) fn spanning(self, position: u64, len: u64) -> Spanning {
        let len = len.min(self.max_len());
        Spanning { start: position, end: position.wrapping_add(self.slots_of(len)), len }
    }

    /// Returns the places of the parts of a message, in order: one for each slot.
    pub(crate) fn parts(self, message: Spanning) -> impl Iterator<Item = Place> {
        (0..message.end.wrapping_sub(message.start)).map(move |part| {
            let before = part.wrapping_mul(self.slot_len());
            let position = message.start.wrapping_add(part);
            self.slots.place_for(position, message.len.saturating_sub(before))
        })
    }

    #[inline]
    pub(crate) fn new(control: &'a Control, slots: Slots<'a>, many: Many) -> Self {
        Self {
            tail: &control.producer.tail,
            head: &control.consumer.head,
            resolved: &control.roles.resolved,
            tombstones: &control.roles.tombstones,
            parts_passed: &control.consumer.parts,
            slots,
            many,
        }
    }

    /// Returns the position after the last ticket that was claimed, where producers compete.
    #[inline]
    pub(crate) fn tail(self) -> &'a AtomicU64 {
        self.tail
    }

    /// Returns the position before which producers may write.
    #[inline]
    pub(crate) fn head(self) -> &'a AtomicU64 {
        self.head
    }

    /// Returns the word behind the stamp of the slot of `position`.
    #[inline]
    pub(crate) fn second_word(self, position: u64) -> &'a AtomicU64 {
        self.slots.second_word(position)
    }

    /// Returns `true` if the slots are those of a [job ring](super::jobs).
    pub(crate) fn is_of_jobs(self) -> bool {
        self.slots.sizes.header_bytes != STAMP_BYTES
    }

    /// Counts slots that consumers passed and in which no message starts, for observers.
    pub(crate) fn count_passed(self, parts: u64, tombstones: u64) {
        if parts != 0 {
            self.parts_passed.fetch_add(parts, Ordering::Relaxed);
        }
        if tombstones != 0 {
            self.tombstones.fetch_add(tombstones, Ordering::Relaxed);
        }
    }

    /// Returns `true` if head is past `position`, so that a producer may have written what was read
    /// there before.
    #[cold]
    pub(crate) fn is_passed_after_read(self, position: u64) -> bool {
        // ORDERING: before the load of head, with reuse_fence and the Release of a part's stamp:
        // a producer that overwrites a slot sees a head past it first. A consumer that read what
        // was stored then, and fences, sees that head as well.
        copy_fence();
        at_or_past(self.head.load(Ordering::Relaxed), position.wrapping_add(1))
    }

    /// Returns the bytes of the longest message in one slot.
    #[inline]
    pub(crate) fn slot_len(self) -> u64 {
        self.slots.sizes.slot_len
    }

    /// Returns the bytes of the longest message.
    #[inline]
    pub(crate) fn max_len(self) -> u64 {
        self.slots.sizes.message_len
    }

    /// Returns how many slots a message of `len` bytes takes.
    pub(crate) fn slots_of(self, len: u64) -> u64 {
        self.slots.sizes.slots_of(len)
    }

    /// Returns the slots of the ring, which is also the longest batch.
    #[inline]
    pub(crate) fn slots(self) -> u64 {
        self.slots.sizes.count
    }

    /// Loads the stamp of the slot of `position` and decodes it.
    pub(crate) fn read(self, position: u64) -> Result<Seen, Corrupt> {
        let word = self.load(position);
        match stamp::read(word, position, self.slots.sizes) {
            Stamp::Published { len } => Ok(Seen::Message(self.slots.place(position, len))),
            Stamp::Spanning { len } => Ok(Seen::Spanning(self.spanning(position, len))),
            Stamp::Tombstone => Ok(Seen::Vacant),
            // Where producers compete, the first slot has a tombstone: the producer of the message
            // died. A sole producer's successor writes this slot again.
            Stamp::Continuation if rule(!self.many.producers) => Ok(Seen::Nothing),
            Stamp::Continuation => Ok(Seen::Vacant),
            Stamp::Other => Ok(Seen::Nothing),
            Stamp::Corrupt => Err(Corrupt { what: "a stamp", position, found: word }),
        }
    }

    /// As [`read`](Self::read), but `None` unless it is a message in one slot.
    #[inline]
    pub(crate) fn read_fast(self, position: u64) -> Option<Place> {
        let len = stamp::len_in_slot(self.load(position), position, self.slots.sizes)?;
        Some(self.slots.place(position, len))
    }

    #[inline]
    fn load(self, position: u64) -> u64 {
        // ORDERING: Acquire, with the Release in Producer::publish (I3), and with that
        // of a tombstone: what its writer knew of tail and head is known here.
        self.slots.stamp(position).load(Ordering::Acquire)
    }

    /// Returns `true` if a stamp says that there is something at `position` to take or to pass.
    #[inline]
    fn is_there(self, word: u64, position: u64) -> bool {
        if self.many.producers {
            stamp::is_for(word, position)
        } else {
            stamp::is_first_of(word, position)
        }
    }

    /// Checks the stamps of a message that spans several slots, but for the first.
    ///
    /// # Errors
    /// `Corrupt` if one is not that of a part of a message.
    #[cold]
    pub(crate) fn check_parts(self, message: Spanning) -> Result<(), Corrupt> {
        let mut position = message.start.wrapping_add(1);
        while position != message.end {
            // ORDERING: Relaxed. They were stored before the first, which was loaded with Acquire.
            let found = self.slots.stamp(position).load(Ordering::Relaxed);
            if found != stamp::continuation(position) {
                return Err(Corrupt { what: "the stamp of a part", position, found });
            }
            position = position.wrapping_add(1);
        }
        Ok(())
    }

    /// Follows stamps from `from` to the first position that is not published.
    fn scan(self, from: u64) -> Result<u64, Corrupt> {
        let mut position = from;
        while position.wrapping_sub(from) < self.slots() {
            position = match self.read(position)? {
                Seen::Nothing => return Ok(position),
                Seen::Vacant => position.wrapping_add(1),
                Seen::Message(place) => place.end,
                Seen::Spanning(message) => message.end,
            };
        }
        Ok(from.wrapping_add(self.slots()))
    }

    /// Returns how many of the positions `from..to` hold a part of a message that starts before.
    #[cold]
    pub(crate) fn parts_in(self, from: u64, to: u64) -> u64 {
        let is_part = |&ahead: &u64| {
            let position = from.wrapping_add(ahead);
            // ORDERING: Relaxed. For observers.
            self.slots.stamp(position).load(Ordering::Relaxed) == stamp::continuation(position)
        };
        (0..to.wrapping_sub(from).min(self.slots())).filter(is_part).count() as u64
    }

    /// Returns the slots in use and the messages taken so far, for observers. Both may be out of
    /// date when the caller reads them.
    pub(crate) fn observe(self) -> (u64, u64) {
        // Before head: more is not counted than lies before it.
        let passed = self.tombstones.load(Ordering::Relaxed);
        let passed = passed.wrapping_add(self.parts_passed.load(Ordering::Relaxed));
        let head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        let from = if at_or_past(tail, head) { tail } else { head };
        let tail = if self.many.producers { from } else { self.scan(from).unwrap_or(from) };
        let used = tail.wrapping_sub(head).min(self.slots());
        (used, head.wrapping_sub(passed))
    }

    /// Returns how many messages are in the ring, with those that are claimed and not finished, for
    /// observers. Looks at each slot in use if messages can span several.
    pub(crate) fn messages(self) -> u64 {
        let (used, _) = self.observe();
        if self.max_len() == self.slot_len() {
            return used;
        }
        let head = self.head.load(Ordering::Relaxed);
        used.saturating_sub(self.parts_in(head, head.wrapping_add(used)))
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

    /// Returns the head that makes room for `count` more slots of a producer that published up to
    /// `published`; `None` if there is room.
    pub(crate) fn need_for(self, published: u64, count: u64) -> Option<u64> {
        // ORDERING: Relaxed, as for head. Only a hint, as in room.
        let tail = self.end(published);
        let head = self.head.load(Ordering::Relaxed);
        let is_full =
            at_or_past(tail, head) && tail.wrapping_sub(head) > self.slots().saturating_sub(count);
        is_full.then(|| tail.wrapping_add(count).wrapping_sub(self.slots()))
    }

    /// Returns whether one more message fits, and the position up to which consumers have taken
    /// messages.
    pub(crate) fn room(self) -> (bool, u64) {
        let tail = self.tail.load(Ordering::Relaxed);
        // ORDERING: Relaxed. Only a hint, as above.
        let head = self.head.load(Ordering::Relaxed);
        (tail.wrapping_sub(head) < self.slots() || !at_or_past(tail, head), head)
    }
}

/// What the stamp of a slot says about a position.
pub(crate) enum Seen {
    /// In one slot.
    Message(Place),
    /// In several slots, whose other stamps were not checked.
    Spanning(Spanning),
    /// A tombstone, or a part of a message whose first slot has one: the next position counts.
    Vacant,
    Nothing,
}
