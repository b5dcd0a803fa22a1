//! The packed ring: one producer, one consumer, elements of one size without headers between
//! them.
//!
//! - Send: write elements behind tail, store tail past them. That store is the commit.
//! - Receive: read elements from head up to tail, store head past them.
//!
//! Each side keeps its own position in private memory, and a copy of the other side's position.
//! It refreshes the copy only when the copy says "full" or "empty", so many elements cost one
//! cache-line transfer of a position each way.
//!
//! Death needs no repair: a producer writes elements before it moves tail past them, and a
//! consumer reads them before it moves head past them. A successor starts at the shared positions.

use super::{Control, Corrupt, Place, Refused, at_or_past, refresh_head};
use crate::sync::{AtomicU64, Ordering, reuse_fence};

/// The shared positions of one ring, for both sides.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    tail: &'a AtomicU64,
    head: &'a AtomicU64,
    slots: u64,
}

/// A range of consecutive elements, which may pass the end of the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Position of the first element.
    pub(crate) start: u64,
    /// How many elements there are, at most the slots of the ring.
    pub(crate) count: u64,
}

impl<'a> Ring<'a> {
    /// Returns the ring that holds `slots` elements, a power of two.
    #[inline]
    pub(crate) fn new(control: &'a Control, slots: u64) -> Self {
        debug_assert!(slots.is_power_of_two());
        Self { tail: &control.producer.tail, head: &control.consumer.head, slots }
    }

    /// Returns how many elements the ring holds.
    #[inline]
    pub(crate) fn slots(self) -> u64 {
        self.slots
    }

    /// Returns the slot of a position.
    #[inline]
    pub(crate) fn slot(self, position: u64) -> usize {
        (position & self.slots.wrapping_sub(1)) as usize
    }

    /// Returns the place of the element at `position`, in a ring of elements of `len` bytes.
    pub(crate) fn place(self, position: u64, len: u64) -> Place {
        let offset = (position & self.slots.wrapping_sub(1)).wrapping_mul(len);
        Place { start: position, end: position.wrapping_add(1), offset, len }
    }

    /// Splits a span at the end of the ring. Returns the first slot, how many slots follow from
    /// there, and how many from slot 0 on. All of them lie in the ring, for any span.
    #[inline]
    pub(crate) fn split(self, span: Span) -> (usize, usize, usize) {
        let first = span.start & self.slots.wrapping_sub(1);
        let before_end = span.count.min(self.slots.wrapping_sub(first));
        let after = span.count.wrapping_sub(before_end).min(first);
        (first as usize, before_end as usize, after as usize)
    }

    /// Returns the slots in use and the elements released so far, for observers. Both may be out of
    /// date when the caller reads them.
    pub(crate) fn observe(self) -> (u64, u64) {
        let head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        // This load of tail may be older than that of head, and behind it.
        let used = if at_or_past(tail, head) { tail.wrapping_sub(head) } else { 0 };
        (used.min(self.slots), head)
    }

    /// Returns `true` if an element is behind the consumer's head, for a waiter that is not the
    /// consumer itself.
    pub(crate) fn has_elements(self) -> bool {
        // ORDERING: Relaxed. Only a hint; the consumer loads tail again with Acquire.
        self.tail.load(Ordering::Relaxed) != self.head.load(Ordering::Relaxed)
    }

    /// Returns `true` if head has reached `need`, so that there may be room.
    #[inline]
    pub(crate) fn has_room(self, need: u64) -> bool {
        // ORDERING: Relaxed. Only a hint; room loads head again with Acquire.
        at_or_past(self.head.load(Ordering::Relaxed), need)
    }
}

/// The producer's private state. It never reloads any of it from the segment.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Producer {
    tail: u64,
    /// A copy of head. If it is out of date, it is too small.
    head_cache: u64,
}

impl Producer {
    /// Takes over the producer's side from a predecessor. The caller owns the role.
    ///
    /// # Errors
    /// `Corrupt` if tail lies outside the window (I1).
    pub(crate) fn take_over(ring: Ring<'_>) -> Result<Self, Corrupt> {
        // ORDERING: Acquire, with the Release in Consumer::release (I4): space before
        // this head is overwritten without another load of it.
        let head = ring.head.load(Ordering::Acquire);
        reuse_fence();
        // ORDERING: Relaxed. The role's claim orders this after the predecessor.
        let tail = ring.tail.load(Ordering::Relaxed);
        check_window(head, tail, ring.slots)?;
        Ok(Self { tail, head_cache: head })
    }

    /// Returns the free space behind tail: at least `wanted` elements, or all that are free.
    ///
    /// # Errors
    /// `Corrupt` if head lies outside the window (I1).
    #[inline]
    pub(crate) fn room(&mut self, ring: Ring<'_>, wanted: u64) -> Result<Span, Corrupt> {
        // Possibly full: head may have moved since the copy.
        if self.free(ring) < wanted {
            self.head_cache = refresh_head(ring.head, self.head_cache, self.tail)?;
        }
        Ok(Span { start: self.tail, count: self.free(ring) })
    }

    /// Returns exactly `count` free elements behind tail.
    ///
    /// # Errors
    /// `TooLong` if the ring is smaller, `Full` if the consumer must release first,
    /// `Corrupt` as for [`room`](Self::room).
    #[inline]
    pub(crate) fn reserve(&mut self, ring: Ring<'_>, count: u64) -> Result<Span, Refused> {
        let room = self.room(ring, count).map_err(Refused::Corrupt)?;
        if room.count >= count {
            return Ok(Span { count, ..room });
        }
        if count > ring.slots {
            return Err(Refused::TooLong);
        }
        Err(Refused::Full { need: self.tail.wrapping_add(count).wrapping_sub(ring.slots) })
    }

    /// As [`reserve`](Self::reserve). Returns `None` if the last copy of head shows no room.
    #[inline]
    pub(crate) fn reserve_fast(&self, ring: Ring<'_>, count: u64) -> Option<Span> {
        (count <= self.free(ring)).then_some(Span { start: self.tail, count })
    }

    #[inline]
    fn free(&self, ring: Ring<'_>) -> u64 {
        ring.slots.wrapping_sub(self.tail.wrapping_sub(self.head_cache))
    }

    /// Publishes the first `count` elements behind tail, all at once.
    #[inline]
    pub(crate) fn publish(&mut self, ring: Ring<'_>, count: u64) {
        debug_assert!(count <= self.free(ring));
        self.tail = self.tail.wrapping_add(count);
        // ORDERING: Release, with the Acquire in Consumer::filled (I3). The commit.
        ring.tail.store(self.tail, Ordering::Release);
    }

    /// Returns the position after the last commit.
    #[inline]
    pub(crate) fn tail(&self) -> u64 {
        self.tail
    }
}

/// The consumer's private state.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Consumer {
    head: u64,
    /// A copy of tail. If it is out of date, it is too small.
    tail_cache: u64,
}

impl Consumer {
    /// Takes over the consumer's side from a predecessor. The caller owns the role.
    pub(crate) fn take_over(ring: Ring<'_>) -> Self {
        // ORDERING: Relaxed. The role's claim orders this after the predecessor.
        let head = ring.head.load(Ordering::Relaxed);
        Self { head, tail_cache: head }
    }

    /// Returns the elements from head on: at least `wanted`, or all that are published.
    ///
    /// # Errors
    /// `Corrupt` if tail lies outside the window (I1), or before its last copy: callers rely on
    /// what they were shown.
    #[inline]
    pub(crate) fn filled(&mut self, ring: Ring<'_>, wanted: u64) -> Result<Span, Corrupt> {
        let there = self.tail_cache.wrapping_sub(self.head);
        // Possibly empty: tail may have moved since the copy.
        if there < wanted {
            // ORDERING: Acquire, with the Release in Producer::publish (I3).
            let tail = ring.tail.load(Ordering::Acquire);
            check_window(self.tail_cache, tail, ring.slots.wrapping_sub(there))?;
            self.tail_cache = tail;
        }
        Ok(Span { start: self.head, count: self.tail_cache.wrapping_sub(self.head) })
    }

    /// Returns the first `count` elements from head on, at least one. Returns `None` if the last
    /// copy of tail does not cover them.
    #[inline]
    pub(crate) fn filled_fast(&self, count: u64) -> Option<Span> {
        let there = self.tail_cache.wrapping_sub(self.head);
        (count <= there && count > 0).then_some(Span { start: self.head, count })
    }

    /// Releases the space of the first `count` elements from head on.
    #[inline]
    pub(crate) fn release(&mut self, ring: Ring<'_>, count: u64) {
        debug_assert!(count <= self.tail_cache.wrapping_sub(self.head));
        self.head = self.head.wrapping_add(count);
        // ORDERING: Release, with the Acquire in refresh_head and in
        // Producer::take_over (I4).
        ring.head.store(self.head, Ordering::Release);
    }

    /// Returns the position of the oldest element that is not released.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Returns how many elements are behind head; any number if tail is corrupt.
    pub(crate) fn there(&self, ring: Ring<'_>) -> u64 {
        // ORDERING: Relaxed. Only a hint, as below.
        ring.tail.load(Ordering::Relaxed).wrapping_sub(self.head)
    }

    /// Returns `true` if an element is behind head, or if tail is corrupt.
    #[inline]
    pub(crate) fn has_elements(&self, ring: Ring<'_>) -> bool {
        // ORDERING: Relaxed. Only a hint; filled loads tail again with Acquire.
        ring.tail.load(Ordering::Relaxed) != self.head
    }
}

/// Checks that tail is at most `most` ahead of `from`: of head by the slots of the ring, of an
/// earlier tail by those that were free (I1).
#[inline]
fn check_window(from: u64, tail: u64, most: u64) -> Result<(), Corrupt> {
    if tail.wrapping_sub(from) <= most {
        return Ok(());
    }
    Err(Corrupt { what: "tail", position: from, found: tail })
}
