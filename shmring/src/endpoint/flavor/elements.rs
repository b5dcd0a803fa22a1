//! What producers and consumers of elements do, for each kind of ring. Elements are bytes here,
//! `size` each, which is the size that the ring was made for.

use super::{RecvFlavor, SendFlavor};
use crate::endpoint::registration::Registration;
use crate::format::Shape;
use crate::memory::copy::ElementPlace;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::payload::Payload;
use crate::ring::packed::{self, Span};
use crate::ring::{Corrupt, LINE_BYTES, Place, Refused, WORD_BYTES, at_or_past};
use crate::sync::Ordering;

/// Consecutive elements of a ring, from `first` on. More than one only where elements have
/// nothing between them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) first: Place,
    pub(crate) count: u64,
}

impl Run {
    fn of_one(first: Place) -> Self {
        Self { first, count: 1 }
    }

    fn of_span(ring: packed::Ring<'_>, span: Span, size: usize) -> Self {
        Self { first: ring.place(span.start, size as u64), count: span.count }
    }

    /// Returns the position after the first `count` elements, at least one.
    #[inline(always)]
    pub(crate) fn after(self, count: u64) -> u64 {
        if count == 1 { self.first.end } else { self.first.start.wrapping_add(count) }
    }

    /// Returns how many elements, from the first on, lie before a position.
    #[inline]
    pub(crate) fn before(self, position: u64) -> u64 {
        let is_past = at_or_past(position, self.first.start);
        if is_past { position.wrapping_sub(self.first.start).min(self.count) } else { 0 }
    }

    /// Returns the position of the element of that index.
    pub(crate) fn position(self, index: usize) -> u64 {
        self.first.start.wrapping_add(index as u64)
    }

    /// Returns where the `count` elements from index `at` on lie: up to the end of the ring, and
    /// how many these are; and the others, from its start.
    #[inline]
    pub(crate) fn pieces(
        self,
        mapped: &MappedRing,
        at: usize,
        count: usize,
        size: usize,
    ) -> [(ElementPlace<'_>, usize); 2] {
        debug_assert!((at as u64).saturating_add(count as u64) <= self.count);
        let Shape::Elements { .. } = mapped.shape() else {
            let nothing = ElementPlace::Message(Payload::EMPTY);
            return [
                (ElementPlace::Message(mapped.payload(self.first)), count.min(1)),
                (nothing, 0),
            ];
        };
        let span = Span { start: self.position(at), count: count as u64 };
        let (first, before_end, after) = mapped.packed().split(span);
        let place = |slot: usize| packed_place(mapped, slot, size);
        [(place(first), before_end), (place(0), after)]
    }

    /// Returns where the element of that index lies.
    #[inline]
    pub(crate) fn place(self, mapped: &MappedRing, index: usize, size: usize) -> ElementPlace<'_> {
        self.pieces(mapped, index, 1, size)[0].0
    }

    /// Stores elements from index `at` on.
    #[inline]
    pub(crate) fn store(self, mapped: &MappedRing, at: usize, elements: &[u8], size: usize) {
        let count = elements.len().checked_div(size).unwrap_or(0);
        let [(first, before_end), (start, after)] = self.pieces(mapped, at, count, size);
        let (head, tail) = elements.split_at(before_end.wrapping_mul(size).min(elements.len()));
        first.store(size, head);
        if after > 0 {
            start.store(size, tail);
        }
    }

    /// Loads elements from index `at` on.
    #[inline]
    pub(crate) fn load(self, mapped: &MappedRing, at: usize, elements: &mut [u8], size: usize) {
        let count = elements.len().checked_div(size).unwrap_or(0);
        let [(first, before_end), (start, after)] = self.pieces(mapped, at, count, size);
        let middle = before_end.wrapping_mul(size).min(elements.len());
        let (head, tail) = elements.split_at_mut(middle);
        first.load(size, head);
        if after > 0 {
            start.load(size, tail);
        }
    }
}

/// Returns the place of the elements from a slot of a packed ring on.
#[inline(always)]
fn packed_place(mapped: &MappedRing, slot: usize, size: usize) -> ElementPlace<'_> {
    ElementPlace::Packed { data: mapped.data(), offset: slot.wrapping_mul(size) }
}

/// # Errors
/// `Corrupt` if a message is longer or shorter than an element.
#[inline(always)]
pub(crate) fn check_len(message: Place, size: usize) -> Result<(), Corrupt> {
    if message.len() == size as u64 {
        return Ok(());
    }
    let what = "the length of an element";
    Err(Corrupt { what, position: message.start, found: message.len() })
}

impl SendFlavor {
    /// Sends an element if that takes no more than room that is known or found at once, and wakes
    /// a consumer. Returns whether it did.
    #[inline(always)]
    pub(in crate::endpoint) fn send_element_fast(
        &mut self,
        registration: &Registration,
        element: &[u8],
    ) -> bool {
        let Self::Packed(ring) = self else {
            let reached = self.send_fast(registration, element);
            return reached.inspect(|&to| registration.notify_consumers(to)).is_some();
        };
        let (mapped, size) = (&registration.mapped, element.len());
        let elements = mapped.packed();
        let Some(Span { start, .. }) = ring.reserve_fast(elements, 1) else {
            return false;
        };
        packed_place(mapped, elements.slot(start), size).store(size, element);
        ring.publish(elements, 1);
        registration.notify_consumers(ring.tail());
        if let Some(next) = ring.reserve_fast(elements, 1) {
            touch(mapped, elements.slot(next.start), size);
        }
        true
    }

    /// Reserves space for at least `min` elements, and for up to `max` if the last look at the
    /// consumer's position showed as much. One at a time where a ring does not hold elements with
    /// nothing between them.
    #[inline(always)]
    pub(in crate::endpoint) fn reserve_elements_fast(
        &mut self,
        registration: &Registration,
        max: usize,
        size: usize,
    ) -> Option<Run> {
        let Self::Packed(ring) = self else {
            return self.reserve_fast(registration, size, 1).map(Run::of_one);
        };
        let elements = registration.mapped.packed();
        let span = ring.reserve_fast(elements, max as u64)?;
        Some(Run::of_span(elements, span, size))
    }

    /// As [`reserve_elements_fast`](Self::reserve_elements_fast), with a look at the consumer's
    /// position.
    pub(in crate::endpoint) fn reserve_elements(
        &mut self,
        registration: &Registration,
        min: usize,
        max: usize,
        size: usize,
    ) -> Result<Run, Refused> {
        let Self::Packed(ring) = self else {
            return self.reserve(registration, size, 1).map(Run::of_one);
        };
        let elements = registration.mapped.packed();
        let room = ring.room(elements, max as u64).map_err(Refused::Corrupt)?;
        let span = if room.count >= min as u64 {
            Span { count: room.count.min(max as u64), ..room }
        } else {
            ring.reserve(elements, min as u64)?
        };
        Ok(Run::of_span(elements, span, size))
    }

    /// Publishes the first `count` elements of a run, at least one. Returns the position that
    /// consumers may wait for.
    #[inline]
    pub(in crate::endpoint) fn commit_elements(
        &mut self,
        mapped: &MappedRing,
        run: Run,
        count: u64,
    ) -> u64 {
        let Self::Packed(ring) = self else {
            return self.commit(mapped, run.first, run.first.len());
        };
        ring.publish(mapped.packed(), count);
        ring.tail()
    }

    /// Returns `true` if elements have nothing between them, so that many are one copy.
    #[inline(always)]
    pub(in crate::endpoint) fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(_))
    }
}

/// Stores something to the line in which the element of a free slot begins, if that is the first
/// one to begin there: so that the line need not be waited for when the element is stored, and is
/// published. As in a record ring.
#[inline(always)]
fn touch(mapped: &MappedRing, slot: usize, size: usize) {
    let offset = slot.wrapping_mul(size);
    if size.is_multiple_of(WORD_BYTES as usize)
        && offset & (LINE_BYTES as usize).wrapping_sub(1) < size
        && let Some(word) = mapped.words().get(offset >> WORD_BYTES.trailing_zeros())
    {
        word.store(0, Ordering::Relaxed);
    }
}

impl RecvFlavor {
    /// Passes the next element to `copy` and takes it if `copy` agrees, on the fast path only.
    /// Returns the position that producers may wait for.
    #[inline(always)]
    pub(in crate::endpoint) fn take_element_fast(
        &mut self,
        registration: &Registration,
        size: usize,
        copy: impl FnOnce(Place, ElementPlace<'_>) -> bool,
    ) -> Option<u64> {
        let Self::Packed(ring) = self else {
            return self.take_fast(registration, |place, payload| {
                copy(place, ElementPlace::Message(payload))
            });
        };
        let mapped = &registration.mapped;
        let elements = mapped.packed();
        let Span { start, .. } = ring.filled_fast(1)?;
        let place = packed_place(mapped, elements.slot(start), size);
        if !copy(elements.place(start, size as u64), place) {
            return None;
        }
        ring.release(elements, 1);
        Some(ring.head())
    }

    /// The next `max` elements, if the last look at the producer's position showed as many. One
    /// where a ring does not hold elements with nothing between them.
    #[inline(always)]
    pub(in crate::endpoint) fn elements_fast(
        &mut self,
        mapped: &MappedRing,
        max: usize,
        size: usize,
    ) -> Option<Run> {
        let Self::Packed(ring) = self else {
            let first = self.next_fast(mapped)?;
            return (first.len() == size as u64).then_some(Run::of_one(first));
        };
        let span = ring.filled_fast(max as u64)?;
        Some(Run::of_span(mapped.packed(), span, size))
    }

    /// The elements from `first` on, the next one, up to `max`.
    ///
    /// # Errors
    /// `Corrupt` if the producer's position is none, or if the message is longer or shorter.
    pub(in crate::endpoint) fn elements_from(
        &mut self,
        mapped: &MappedRing,
        first: Place,
        max: usize,
        size: usize,
    ) -> Result<Run, Corrupt> {
        let Self::Packed(ring) = self else {
            check_len(first, size)?;
            return Ok(Run::of_one(first));
        };
        let elements = mapped.packed();
        let filled = ring.filled(elements, max as u64)?;
        let span = Span { count: filled.count.min(max as u64), ..filled };
        Ok(Run::of_span(elements, span, size))
    }

    /// Returns `true` if elements have nothing between them, so that many are one copy.
    #[inline(always)]
    pub(in crate::endpoint) fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(_))
    }
}
