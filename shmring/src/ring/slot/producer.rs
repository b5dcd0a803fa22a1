//! The producer of a slot ring.

use super::intent::{announcement, withdraw};
use super::{MAX_TRIES, Ring, Spanning, stamp};
use crate::ring::{Corrupt, Place, Refused, at_or_past, refresh_head};
use crate::sync::{AtomicU64, Ordering, reuse_fence};

/// A sole producer refreshes its tail hint when it has moved this part of the ring.
const HINT_PARTS: u64 = 16;

/// A producer's private state: nothing in it is ever read from the segment again.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Producer {
    /// The oldest open ticket; with none, and of a sole producer, the next to claim.
    next: u64,
    /// The position after the last open ticket.
    end: u64,
    /// A copy of head. May be out of date, then it is too small.
    head_cache: u64,
    /// The tail hint that was stored last.
    hinted: u64,
}

impl Producer {
    /// Joins as one of many producers, or continues after the last message of a sole
    /// predecessor. The caller owns the role.
    ///
    /// # Errors
    /// `Corrupt` if a word is not a valid stamp.
    pub(crate) fn take_over(ring: Ring<'_>) -> Result<Self, Corrupt> {
        // ORDERING: Acquire, with the Release in Consumer::take (I4), as in claim.
        let head = ring.head.load(Ordering::Acquire);
        reuse_fence();
        let tail = if ring.many.producers { head } else { ring.scan(head)? };
        Ok(Self { next: tail, end: tail, head_cache: head, hinted: tail })
    }

    /// Claims `count` tickets, at least one, for messages to be published in order.
    /// `intent` is the own handle's. No ticket may be open.
    ///
    /// # Errors
    /// `TooLong` if the ring has fewer slots, `Full` if consumers must take messages first,
    /// `Outrun` if other producers won every attempt, `Corrupt` if tail or head lies outside
    /// the window (I1).
    #[inline]
    pub(crate) fn claim(
        &mut self,
        ring: Ring<'_>,
        intent: &AtomicU64,
        count: u64,
    ) -> Result<(), Refused> {
        debug_assert!(!self.has_open());
        if count > ring.slots() {
            return Err(Refused::TooLong);
        }
        if ring.many.producers {
            self.next = self.claim_beside_others(ring, intent, count)?;
        } else {
            self.claim_alone(ring, count)?;
        }
        self.end = self.next.wrapping_add(count);
        Ok(())
    }

    #[inline]
    fn claim_alone(&mut self, ring: Ring<'_>, count: u64) -> Result<(), Refused> {
        let end = self.next.wrapping_add(count);
        // Possibly full: head may have moved since it was copied.
        if end.wrapping_sub(self.head_cache) > ring.slots() {
            self.head_cache =
                refresh_head(ring.head, self.head_cache, self.next).map_err(Refused::Corrupt)?;
            // Really full.
            if end.wrapping_sub(self.head_cache) > ring.slots() {
                return Err(Refused::Full { need: end.wrapping_sub(ring.slots()) });
            }
        }
        Ok(())
    }

    #[inline]
    fn claim_beside_others(
        &mut self,
        ring: Ring<'_>,
        intent: &AtomicU64,
        count: u64,
    ) -> Result<u64, Refused> {
        for _ in 0..MAX_TRIES {
            // ORDERING: Acquire, with the Release of the CAS below: head is seen at
            // least as far as whoever moved tail here saw it.
            let tail = ring.tail.load(Ordering::Acquire);
            let end = tail.wrapping_add(count);
            // Possibly full: head may have moved since it was copied. Or tail is behind it.
            if tail.wrapping_sub(self.head_cache) > ring.slots().wrapping_sub(count)
                && !self.make_room(ring, tail, count)?
            {
                continue;
            }
            // ORDERING: Release, with the Acquire in resolve: who sees this
            // announcement sees what was published under the last one.
            intent.store(announcement(tail, count), Ordering::Release);
            // ORDERING: Release, with the Acquire of tail in resolve, which so sees the
            // announcement, and with that above. What a failure loads is not used.
            let claim = ring.tail.compare_exchange(tail, end, Ordering::Release, Ordering::Relaxed);
            if claim.is_ok() {
                return Ok(tail);
            }
            // The ticket is someone else's: if that one dies, resolve must not take
            // this handle for its owner.
            withdraw(intent);
        }
        Err(Refused::Outrun)
    }

    /// Loads head again, for `count` tickets from `tail`. Returns `false` if that tail is out
    /// of date.
    #[cold]
    fn make_room(&mut self, ring: Ring<'_>, tail: u64, count: u64) -> Result<bool, Refused> {
        // Tail was loaded after this head, and was past it then.
        if !at_or_past(tail, self.head_cache) {
            let what = "tail";
            return Err(Refused::Corrupt(Corrupt { what, position: self.head_cache, found: tail }));
        }
        // ORDERING: Acquire, with the Release in Consumer::take (I4).
        let head = ring.head.load(Ordering::Acquire);
        reuse_fence();
        if !at_or_past(head, self.head_cache) {
            return Err(Refused::Corrupt(Corrupt { what: "head", position: tail, found: head }));
        }
        self.head_cache = head;
        if !at_or_past(tail, head) {
            return Ok(false);
        }
        let used = tail.wrapping_sub(head);
        if used > ring.slots() {
            return Err(Refused::Corrupt(Corrupt { what: "head", position: tail, found: head }));
        }
        if used.wrapping_add(count) > ring.slots() {
            let need = tail.wrapping_add(count).wrapping_sub(ring.slots());
            return Err(Refused::Full { need });
        }
        Ok(true)
    }

    /// Returns the place for the message of the oldest open ticket, with `len` bytes, or as
    /// many as fit into a slot.
    #[inline]
    pub(crate) fn place(&self, ring: Ring<'_>, len: u64) -> Place {
        ring.slots.place_for(self.next, len)
    }

    /// Publishes the message for whose space the oldest open tickets are, `len` bytes long;
    /// see [`Publishing::publish_parts`].
    #[cold]
    pub(crate) fn publish_parts(&mut self, ring: Ring<'_>, space: Spanning, len: u64) {
        self.publishing(ring).publish_parts(space, len);
        if !ring.many.producers {
            // The rest of the tickets is this producer's still.
            self.end = self.next;
        }
        self.hint_if_due(ring);
    }

    /// Publishes the message of the oldest open ticket, `len` bytes long.
    #[inline]
    pub(crate) fn publish(&mut self, ring: Ring<'_>, len: u64) {
        self.publishing(ring).publish(len);
        self.hint_if_due(ring);
    }

    /// For the messages of several open tickets, one after the other;
    /// [`hint_if_due`](Self::hint_if_due) comes after it.
    #[inline(always)]
    pub(crate) fn publishing<'p, 'a>(&'p mut self, ring: Ring<'a>) -> Publishing<'p, 'a> {
        Publishing { next: self.next, producer: self, ring }
    }

    /// Abandons all open tickets: consumers pass over them, or never see them. Returns `true`
    /// if there is something to pass over.
    pub(crate) fn abandon(&mut self, ring: Ring<'_>) -> bool {
        if !ring.many.producers {
            self.end = self.next;
            return false;
        }
        let open = self.has_open();
        while self.has_open() {
            // ORDERING: Release, with the Acquire in Ring::load, as in publish.
            ring.slots.stamp(self.next).store(stamp::tombstone(self.next), Ordering::Release);
            self.next = self.next.wrapping_add(1);
        }
        open
    }

    /// Returns `true` if a ticket is claimed and neither published nor abandoned.
    #[inline]
    pub(crate) fn has_open(&self) -> bool {
        self.next != self.end
    }

    /// Stores the tail hint for observers, where the shared tail does not show it.
    pub(crate) fn hint(&mut self, ring: Ring<'_>) {
        if !ring.many.producers {
            self.hinted = self.next;
            ring.tail.store(self.next, Ordering::Relaxed);
        }
    }

    /// As [`hint`](Self::hint), if the tail has moved far since the last hint. [`Publishing`]
    /// does not do this on drop: it may be dropped in a fork child, which has no ring.
    #[inline(always)]
    pub(crate) fn hint_if_due(&mut self, ring: Ring<'_>) {
        let unhinted = self.next.wrapping_sub(self.hinted);
        if !ring.many.producers && unhinted >= ring.slots().div_ceil(HINT_PARTS) {
            self.hint(ring);
        }
    }

    /// The position after the last message that was published.
    #[inline]
    pub(crate) fn published(&self) -> u64 {
        self.next
    }
}

/// Publishes messages of open tickets, in order. Until it is dropped it alone knows how many:
/// stores to the ring wait the longer, the more others are between them.
pub(crate) struct Publishing<'p, 'a> {
    producer: &'p mut Producer,
    ring: Ring<'a>,
    next: u64,
}

impl Publishing<'_, '_> {
    /// Returns the place for the message of the oldest open ticket; see [`Producer::place`].
    #[inline(always)]
    pub(crate) fn place(&self, len: u64) -> Place {
        self.ring.slots.place_for(self.next, len)
    }

    /// See [`Producer::publish`].
    #[inline(always)]
    pub(crate) fn publish(&mut self, len: u64) {
        debug_assert!(self.next != self.producer.end && len <= self.ring.slot_len());
        let stamp = self.ring.slots.stamp(self.next);
        // ORDERING: Release, with the Acquire in Ring::load (I3). The commit.
        stamp.store(stamp::published(self.next, len), Ordering::Release);
        self.next = self.next.wrapping_add(1);
    }

    /// Returns `true` if a ticket is claimed and neither published nor abandoned.
    pub(crate) fn has_open(&self) -> bool {
        self.next != self.producer.end
    }

    /// Returns the space for a message of `len` bytes in the slots of the oldest open tickets, or
    /// of as many as fit into those of all.
    pub(crate) fn spanning(&self, len: u64) -> Spanning {
        let open = self.producer.end.wrapping_sub(self.next).min(self.ring.slots());
        self.ring.spanning(self.next, len.min(open.saturating_mul(self.ring.slot_len())))
    }

    /// Publishes the message for whose space the oldest open tickets are, `len` bytes long. Tickets
    /// of the space that have no byte of it are abandoned where producers compete; a sole producer
    /// keeps them.
    pub(crate) fn publish_parts(&mut self, space: Spanning, len: u64) {
        debug_assert!(space.start == self.next && len <= space.len);
        let ring = self.ring;
        let parts = ring.slots_of(len);
        let tickets = space.end.wrapping_sub(space.start).min(ring.slots());
        for ahead in (1..tickets).rev() {
            let position = space.start.wrapping_add(ahead);
            let word = if ahead < parts {
                stamp::continuation(position)
            } else if ring.many.producers {
                stamp::tombstone(position)
            } else {
                continue;
            };
            // ORDERING: Release, with the copy_fence in Ring::is_passed_after_read: a head past
            // the slot was seen before.
            ring.slots.stamp(position).store(word, Ordering::Release);
        }
        // ORDERING: Release, with the Acquire in Ring::load (I3). The commit.
        let first = ring.slots.stamp(space.start);
        first.store(stamp::published(space.start, len), Ordering::Release);
        let passed = if ring.many.producers { tickets } else { parts };
        self.next = space.start.wrapping_add(passed);
    }
}

impl Drop for Publishing<'_, '_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.producer.next = self.next;
    }
}
