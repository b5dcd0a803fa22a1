//! What producers and consumers of elements do, for each kind of ring. Elements are bytes here,
//! `size` each, which is the size that the ring was made for.

use super::{RecvFlavor, SendFlavor};
use crate::endpoint::registration::Registration;
use crate::memory::copy::ElementPlace;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::payload::Payload;
use crate::ring::packed::Span;
use crate::ring::{Corrupt, LINE_BYTES, Place, Refused, WORD_BYTES, at_or_past};
use crate::sync::Ordering;

/// Consecutive elements of a ring.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Run {
    /// One element: a message.
    Message(Place),
    /// Elements with nothing between them.
    Packed(Span),
}

impl Run {
    #[inline(always)]
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Message(_) => 1,
            Self::Packed(span) => span.count as usize,
        }
    }

    /// Returns the position after the first `count` elements, at least one.
    #[inline(always)]
    pub(crate) fn after(self, count: usize) -> u64 {
        match self {
            Self::Message(place) => place.end,
            Self::Packed(span) => span.start.wrapping_add(count as u64),
        }
    }

    /// Returns the position of the element of that index.
    #[inline(always)]
    pub(crate) fn position(self, index: usize) -> u64 {
        match self {
            Self::Message(place) => place.start,
            Self::Packed(span) => span.start.wrapping_add(index as u64),
        }
    }

    /// Returns how many elements, from the first on, lie before a position.
    #[inline]
    pub(crate) fn before(self, position: u64) -> usize {
        let start = self.position(0);
        let is_past = at_or_past(position, start);
        if is_past { (position.wrapping_sub(start) as usize).min(self.count()) } else { 0 }
    }

    /// Returns where the element of that index lies.
    #[inline(always)]
    pub(crate) fn place(self, mapped: &MappedRing, index: usize, size: usize) -> ElementPlace<'_> {
        match self {
            Self::Message(place) => ElementPlace::Message(mapped.payload(place)),
            Self::Packed(_) => mapped.element(self.position(index), size),
        }
    }

    /// Returns where the `count` elements from index `at` on lie: up to the end of the ring, and
    /// how many these are; and the others, from its start.
    #[inline(always)]
    pub(crate) fn pieces(
        self,
        mapped: &MappedRing,
        at: usize,
        count: usize,
        size: usize,
    ) -> [(ElementPlace<'_>, usize); 2] {
        debug_assert!(at.saturating_add(count) <= self.count());
        match self {
            Self::Message(place) => {
                let nothing = (ElementPlace::Message(Payload::EMPTY), 0);
                [(ElementPlace::Message(mapped.payload(place)), count), nothing]
            }
            Self::Packed(_) => {
                let span = Span { start: self.position(at), count: count as u64 };
                let (_, before_end, after) = mapped.packed().split(span);
                let first = mapped.elements(span.start, before_end, size);
                [(first, before_end), (mapped.elements(0, after, size), after)]
            }
        }
    }

    /// Stores elements from index `at` on.
    #[inline(always)]
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
    #[inline(always)]
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
        mapped.element(start, size).store(size, element);
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
            return self.reserve_fast(registration, size, 1).map(Run::Message);
        };
        let elements = registration.mapped.packed();
        ring.reserve_fast(elements, max as u64).map(Run::Packed)
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
            return self.reserve(registration, size, 1).map(Run::Message);
        };
        let elements = registration.mapped.packed();
        let room = ring.room(elements, max as u64).map_err(Refused::Corrupt)?;
        let span = if room.count >= min as u64 {
            Span { count: room.count.min(max as u64), ..room }
        } else {
            ring.reserve(elements, min as u64)?
        };
        Ok(Run::Packed(span))
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
        match (self, run) {
            (Self::Packed(ring), _) => {
                ring.publish(mapped.packed(), count);
                ring.tail()
            }
            (flavor, Run::Message(place)) => flavor.commit(mapped, place, place.len()),
            // A run is of the ring that reserved it.
            (_, Run::Packed(span)) => span.start,
        }
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
        if !copy(elements.place(start, size as u64), mapped.element(start, size)) {
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
            return (first.len() == size as u64).then_some(Run::Message(first));
        };
        ring.filled_fast(max as u64).map(Run::Packed)
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
            return Ok(Run::Message(first));
        };
        let elements = mapped.packed();
        let filled = ring.filled(elements, max as u64)?;
        let span = Span { count: filled.count.min(max as u64), ..filled };
        Ok(Run::Packed(span))
    }

    /// Takes the first `count` elements of a run. Returns the position that producers may wait
    /// for; `None` if another consumer had them.
    #[inline(always)]
    pub(in crate::endpoint) fn take_elements(
        &mut self,
        mapped: &MappedRing,
        run: Run,
        count: usize,
    ) -> Option<u64> {
        let Self::Packed(ring) = self else {
            let end = run.after(count);
            return self.take(mapped, end, count as u64).then_some(end);
        };
        ring.release(mapped.packed(), count as u64);
        Some(ring.head())
    }

    /// Returns `true` if elements have nothing between them, so that many are one copy.
    #[inline(always)]
    pub(in crate::endpoint) fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(_))
    }
}
