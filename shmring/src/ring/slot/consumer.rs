//! The consumer of a slot ring.

use super::{MAX_TRIES, Ring, Seen, Spanning};
use crate::ring::{Corrupt, Extent, Look, Place, at_or_past};
use crate::sync::Ordering;

/// A consumer's private state.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Consumer {
    /// Head as last loaded; of a sole consumer, its own.
    head: u64,
    /// Whether head was moved over tombstones since the last [`take_skipped`](Self::take_skipped).
    skipped: bool,
}

impl Consumer {
    /// Joins as one of many consumers, or continues where a sole predecessor ended. The caller
    /// owns the role.
    pub(crate) fn take_over(ring: Ring<'_>) -> Self {
        // ORDERING: Relaxed. A sole role's claim orders this after the predecessor;
        // one of many loads head again before it uses it.
        Self { head: ring.head.load(Ordering::Relaxed), skipped: false }
    }

    /// Returns head as last loaded. Everything before it was taken.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Loads head.
    #[inline]
    fn refresh(&mut self, ring: Ring<'_>) {
        if ring.many.consumers {
            // ORDERING: Acquire, with the Release in take: tail is seen at least
            // this far.
            self.head = ring.head.load(Ordering::Acquire);
        }
    }

    /// The message at head, if one was published there.
    #[inline]
    pub(crate) fn look_fast(&mut self, ring: Ring<'_>) -> Option<Place> {
        self.refresh(ring);
        ring.read_fast(self.head)
    }

    /// Returns what is at head. Moves head over the tombstones there.
    ///
    /// # Errors
    /// `Corrupt` if the word is not a valid stamp, or tail lies behind head (I1, I6).
    pub(crate) fn look(&mut self, ring: Ring<'_>) -> Result<Look, Corrupt> {
        for _ in 0..MAX_TRIES {
            self.refresh(ring);
            match ring.read(self.head)? {
                Seen::Message(place) => return Ok(Look::Message(place)),
                Seen::Spanning(message) => match ring.check_parts(message) {
                    Ok(()) => return Ok(Look::Spanning(message)),
                    Err(corrupt) if self.is_current(ring) => return Err(corrupt),
                    // Another consumer took it, and a producer wrote one of its slots since.
                    Err(_) => {}
                },
                Seen::Vacant => self.skip(ring),
                Seen::Nothing => {
                    if let Some(look) = self.look_for_ticket(ring)? {
                        return Ok(look);
                    }
                }
            }
        }
        Ok(Look::Outrun)
    }

    #[cold]
    fn skip(&mut self, ring: Ring<'_>) {
        self.skipped |= self.take(ring, self.head.wrapping_add(1), 0);
    }

    /// Why nothing is published at head; `None` if head has moved on meanwhile.
    fn look_for_ticket(&self, ring: Ring<'_>) -> Result<Option<Look>, Corrupt> {
        if ring.many.consumers && ring.head.load(Ordering::Relaxed) != self.head {
            return Ok(None);
        }
        if !ring.many.producers {
            return Ok(Some(Look::Empty));
        }
        let tail = ring.tail.load(Ordering::Relaxed);
        if tail == self.head {
            return Ok(Some(Look::Empty));
        }
        if !at_or_past(tail, self.head) {
            return Err(Corrupt { what: "tail", position: self.head, found: tail });
        }
        Ok(Some(Look::InFlight { position: self.head }))
    }

    /// Returns the message at `from`, the end of an earlier one, if one was published there.
    #[inline(always)]
    pub(crate) fn look_ahead_fast(&self, ring: Ring<'_>, from: u64) -> Option<Place> {
        // Only contents that no correct peer wrote reach a lap ahead.
        if from.wrapping_sub(self.head) >= ring.slots() {
            return None;
        }
        ring.read_fast(from)
    }

    /// Returns the message at `from`, the end of an earlier one, or the next one behind
    /// tombstones there. Returns `None` if there is none yet.
    ///
    /// # Errors
    /// `Corrupt` if a word is not a valid stamp.
    #[inline]
    pub(crate) fn look_ahead(&self, ring: Ring<'_>, from: u64) -> Result<Option<Extent>, Corrupt> {
        for skipped in 0..u64::from(MAX_TRIES) {
            let position = from.wrapping_add(skipped);
            // As above.
            if position.wrapping_sub(self.head) >= ring.slots() {
                return Ok(None);
            }
            match ring.read(position)? {
                Seen::Message(place) => return Ok(Some(Extent::Whole(place))),
                Seen::Spanning(message) => return self.look_ahead_at_parts(ring, message),
                Seen::Vacant => {}
                Seen::Nothing => return Ok(None),
            }
        }
        Ok(None)
    }

    #[cold]
    fn look_ahead_at_parts(
        &self,
        ring: Ring<'_>,
        message: Spanning,
    ) -> Result<Option<Extent>, Corrupt> {
        if message.end.wrapping_sub(self.head) > ring.slots() {
            return Ok(None);
        }
        match ring.check_parts(message) {
            Ok(()) => Ok(Some(Extent::Spanning(message))),
            Err(corrupt) if self.is_current(ring) => Err(corrupt),
            Err(_) => Ok(None),
        }
    }

    /// Takes everything from the last loaded head up to `to`: `messages` messages, and
    /// parts of these and tombstones for the rest. Returns `true` if no other consumer had taken
    /// any of it; only then was what the caller read or copied a message.
    #[inline]
    pub(crate) fn take(&mut self, ring: Ring<'_>, to: u64, messages: u64) -> bool {
        let beside = to.wrapping_sub(self.head).wrapping_sub(messages);
        if beside != 0 {
            return self.take_beside(ring, to, beside);
        }
        self.release(ring, to)
    }

    /// As [`take`](Self::take), of the message in one slot that was found at head.
    #[inline(always)]
    pub(crate) fn take_first(&mut self, ring: Ring<'_>, message: Place) -> bool {
        debug_assert!(message.start == self.head && message.end == self.head.wrapping_add(1));
        self.release(ring, message.end)
    }

    /// Takes what includes `beside` slots in which no message starts.
    #[cold]
    #[inline(never)]
    fn take_beside(&mut self, ring: Ring<'_>, to: u64, beside: u64) -> bool {
        // Before others write these slots again.
        let parts = ring.parts_in(self.head, to).min(beside);
        let taken = self.release(ring, to);
        if taken {
            ring.count_passed(parts, beside.wrapping_sub(parts));
        }
        taken
    }

    #[inline(always)]
    fn release(&mut self, ring: Ring<'_>, to: u64) -> bool {
        if ring.many.consumers {
            // ORDERING: Release, with the Acquire in Producer::make_room (I4): the
            // payload was read before. What a failure loads is not used.
            let taken =
                ring.head.compare_exchange(self.head, to, Ordering::Release, Ordering::Relaxed);
            if taken.is_err() {
                return false;
            }
        } else {
            // ORDERING: Release, with the Acquire in refresh_head and in
            // Producer::make_room (I4).
            ring.head.store(to, Ordering::Release);
        }
        self.head = to;
        true
    }

    /// Returns `true` if no other consumer has taken what this one found at head, so that no producer
    /// wrote to what was read there before.
    #[cold]
    pub(crate) fn is_current(&self, ring: Ring<'_>) -> bool {
        !ring.is_passed_after_read(self.head)
    }

    /// Returns whether a message or a tombstone is at head, and the position after it.
    #[inline]
    pub(crate) fn has_message(&self, ring: Ring<'_>) -> (bool, u64) {
        let head = if ring.many.consumers { ring.head.load(Ordering::Relaxed) } else { self.head };
        // ORDERING: Relaxed. Only a hint; read loads the word again with Acquire.
        let word = ring.slots.stamp(head).load(Ordering::Relaxed);
        (ring.is_there(word, head), head.wrapping_add(1))
    }

    /// Returns `true` if head was moved over tombstones since the last call: producers may have
    /// room, and the caller wakes them.
    #[inline]
    pub(crate) fn take_skipped(&mut self) -> bool {
        core::mem::take(&mut self.skipped)
    }
}
