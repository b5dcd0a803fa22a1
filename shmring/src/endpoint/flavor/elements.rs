//! What producers and consumers of elements do, for each kind of ring. Elements are bytes here,
//! `size` each, which is the size that the ring was made for.

use super::{RecvFlavor, SendFlavor};
use crate::endpoint::recv::{CopyElement, CopyOut};
use crate::endpoint::registration::Registration;
use crate::memory::copy::ElementPlace;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::payload::Payload;
use crate::ring::packed::Span;
use crate::ring::{Corrupt, Extent, LINE_BYTES, Place, Refused, WORD_BYTES};
use crate::sync::Ordering;

/// Elements of a run, where they lie.
#[derive(Clone, Copy)]
pub(crate) struct Elements<'a> {
    mapped: &'a MappedRing,
    layout: Layout,
    run: Span,
}

/// How elements lie in a ring.
#[derive(Clone, Copy)]
enum Layout {
    /// No record ring holds elements.
    Nowhere,
    /// Each in a slot of its own, one in a run.
    Slots,
    /// With nothing between them.
    Packed,
    /// Each in a record of its own, one in a run.
    Records,
}

impl<'a> Elements<'a> {
    /// Returns the position of the element of that index.
    #[inline(always)]
    pub(crate) fn position(self, index: usize) -> u64 {
        self.run.start.wrapping_add(index as u64)
    }

    /// Returns where the element of that index lies.
    #[inline(always)]
    pub(crate) fn place(self, index: usize, size: usize) -> ElementPlace<'a> {
        let position = self.position(index);
        match self.layout {
            Layout::Nowhere => ElementPlace::Message(Payload::EMPTY),
            Layout::Slots => {
                let place = self.mapped.slot().place(position, size as u64);
                ElementPlace::Message(self.mapped.payload(place))
            }
            Layout::Packed => self.mapped.element(position, size),
            Layout::Records => {
                let place = self.mapped.broadcast().place(position, size as u64);
                ElementPlace::Message(self.mapped.payload(place))
            }
        }
    }

    /// Returns where the `count` elements from index `at` on lie: up to the end of the ring, and
    /// how many these are; and the others, from its start.
    #[inline(always)]
    pub(crate) fn pieces(
        self,
        at: usize,
        count: usize,
        size: usize,
    ) -> [(ElementPlace<'a>, usize); 2] {
        debug_assert!(at.saturating_add(count) as u64 <= self.run.count);
        let Layout::Packed = self.layout else {
            let nothing = ElementPlace::Message(Payload::EMPTY);
            return [(self.place(at, size), count), (nothing, 0)];
        };
        let span = Span { start: self.position(at), count: count as u64 };
        let (_, before_end, after) = self.mapped.packed().split(span);
        let first = self.mapped.elements(span.start, before_end, size);
        [(first, before_end), (self.mapped.elements(0, after, size), after)]
    }

    /// Stores elements from index `at` on.
    #[inline(always)]
    pub(crate) fn store(self, at: usize, elements: &[u8], size: usize) {
        let count = elements.len().checked_div(size).unwrap_or(0);
        let [(first, before_end), (start, after)] = self.pieces(at, count, size);
        let (head, tail) = elements.split_at(before_end.wrapping_mul(size).min(elements.len()));
        first.store(size, head);
        if after > 0 {
            start.store(size, tail);
        }
    }

    /// Loads elements from index `at` on.
    #[inline(always)]
    pub(crate) fn load(self, at: usize, elements: &mut [u8], size: usize) {
        let count = elements.len().checked_div(size).unwrap_or(0);
        let [(first, before_end), (start, after)] = self.pieces(at, count, size);
        let middle = before_end.wrapping_mul(size).min(elements.len());
        let (head, tail) = elements.split_at_mut(middle);
        first.load(size, head);
        if after > 0 {
            start.load(size, tail);
        }
    }
}

/// Returns a run of one message.
#[inline(always)]
fn run_of(message: Place) -> Span {
    run_at(message.start)
}

#[inline(always)]
fn run_at(start: u64) -> Span {
    Span { start, count: 1 }
}

/// # Errors
/// `Corrupt` if a message is longer or shorter than an element.
#[inline(always)]
pub(crate) fn check_len(message: Place, size: usize) -> Result<(), Corrupt> {
    if message.len() == size as u64 {
        return Ok(());
    }
    Err(wrong_len(message.start, message.len()))
}

/// Returns what a message at `position` is whose length `found` is not that of an element.
#[cold]
pub(crate) fn wrong_len(position: u64, found: u64) -> Corrupt {
    Corrupt { what: "the length of an element", position, found }
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
    ) -> Option<Span> {
        let Self::Packed(ring) = self else {
            return self.reserve_fast(registration, size, 1).map(run_of);
        };
        let elements = registration.mapped.packed();
        ring.reserve_fast(elements, max as u64)
    }

    /// As [`reserve_elements_fast`](Self::reserve_elements_fast), with a look at the consumer's
    /// position.
    pub(in crate::endpoint) fn reserve_elements(
        &mut self,
        registration: &Registration,
        min: usize,
        max: usize,
        size: usize,
    ) -> Result<Span, Refused> {
        let Self::Packed(ring) = self else {
            return self.reserve(registration, size, 1).map(|space| run_at(space.start()));
        };
        let elements = registration.mapped.packed();
        let room = ring.room(elements, max as u64).map_err(Refused::Corrupt)?;
        let span = if room.count >= min as u64 {
            Span { count: room.count.min(max as u64), ..room }
        } else {
            ring.reserve(elements, min as u64)?
        };
        Ok(span)
    }

    /// Publishes reserved elements, at least one, from the first on. Returns the position that
    /// consumers may wait for.
    #[inline]
    pub(in crate::endpoint) fn commit_elements(
        &mut self,
        mapped: &MappedRing,
        run: Span,
        size: usize,
    ) -> u64 {
        match self {
            Self::Packed(ring) => {
                ring.publish(mapped.packed(), run.count);
                ring.tail()
            }
            Self::Slot(ring) => {
                ring.publish(mapped.slot(), size as u64);
                ring.published()
            }
            Self::Record(ring) => ring.tail(),
            Self::Broadcast(ring) => {
                let records = mapped.broadcast();
                let place = records.place(run.start, size as u64);
                ring.stage(records, place, size as u64);
                ring.publish(records);
                ring.tail()
            }
        }
    }

    /// Returns the elements of a run, where they lie.
    #[inline(always)]
    pub(in crate::endpoint) fn elements<'a>(
        &self,
        mapped: &'a MappedRing,
        run: Span,
    ) -> Elements<'a> {
        let layout = match self {
            Self::Record(_) => Layout::Nowhere,
            Self::Slot(_) => Layout::Slots,
            Self::Packed(_) => Layout::Packed,
            Self::Broadcast(_) => Layout::Records,
        };
        Elements { mapped, layout, run }
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

/// Copies an element that is a message.
struct FromMessage<C>(C);

impl<C: CopyElement> CopyOut for FromMessage<C> {
    #[inline(always)]
    fn copy_out(self, place: Place, payload: Payload<'_>) -> bool {
        self.0.copy_element(place, ElementPlace::Message(payload))
    }
}

impl RecvFlavor {
    /// Passes the next element to `copy` and takes it if `copy` agrees, on the fast path only, and
    /// wakes a producer. Returns whether it did.
    #[inline(always)]
    pub(in crate::endpoint) fn take_element_fast(
        &mut self,
        registration: &Registration,
        size: usize,
        copy: impl CopyElement,
    ) -> bool {
        let Self::Packed(ring) = self else {
            let reached = self.take_fast(registration, FromMessage(copy));
            return reached.inspect(|&to| registration.notify_producers(to)).is_some();
        };
        let mapped = &registration.mapped;
        let elements = mapped.packed();
        let Some(Span { start, .. }) = ring.filled_fast(1) else {
            return false;
        };
        let message = elements.place(start, size as u64);
        if !copy.copy_element(message, mapped.element(start, size)) {
            return false;
        }
        ring.release(elements, 1);
        registration.notify_producers(ring.head());
        true
    }

    /// The next `max` elements, if the last look at the producer's position showed as many. One
    /// where a ring does not hold elements with nothing between them.
    #[inline(always)]
    pub(in crate::endpoint) fn elements_fast(
        &mut self,
        registration: &Registration,
        max: usize,
        size: usize,
    ) -> Option<Span> {
        let Self::Packed(ring) = self else {
            let first = self.next_fast(registration)?;
            return (first.len() == size as u64).then_some(run_of(first));
        };
        ring.filled_fast(max as u64)
    }

    /// The elements from `first` on, the next one, up to `max`.
    ///
    /// # Errors
    /// `Corrupt` if the producer's position is none, or if the message is longer or shorter.
    pub(in crate::endpoint) fn elements_from(
        &mut self,
        mapped: &MappedRing,
        first: Extent,
        max: usize,
        size: usize,
    ) -> Result<Span, Corrupt> {
        let Self::Packed(ring) = self else {
            let Extent::Whole(first) = first else {
                return Err(wrong_len(first.start(), first.len()));
            };
            check_len(first, size)?;
            return Ok(run_of(first));
        };
        let elements = mapped.packed();
        let filled = ring.filled(elements, max as u64)?;
        let span = Span { count: filled.count.min(max as u64), ..filled };
        Ok(span)
    }

    /// Takes the first `count` elements of a run. Returns the position that producers may wait
    /// for; `None` if another consumer had them.
    #[inline(always)]
    pub(in crate::endpoint) fn take_elements(
        &mut self,
        mapped: &MappedRing,
        run: Span,
        count: usize,
    ) -> Option<u64> {
        let Self::Packed(ring) = self else {
            let end = match self {
                Self::Broadcast(_) if count > 0 => {
                    mapped.broadcast().place(run.start, mapped.shape().element_bytes()).end
                }
                _ => run.start.wrapping_add(count as u64),
            };
            return self.take(mapped, end, count as u64).then_some(end);
        };
        ring.release(mapped.packed(), count as u64);
        Some(ring.head())
    }

    /// Returns the elements of a run, where they lie.
    #[inline(always)]
    pub(in crate::endpoint) fn elements<'a>(
        &self,
        mapped: &'a MappedRing,
        run: Span,
    ) -> Elements<'a> {
        let layout = match self {
            Self::Record(_) | Self::Jobs(_) => Layout::Nowhere,
            Self::Slot(_) => Layout::Slots,
            Self::Packed(_) => Layout::Packed,
            Self::Broadcast(_) => Layout::Records,
        };
        Elements { mapped, layout, run }
    }

    /// Returns `true` if elements have nothing between them, so that many are one copy.
    #[inline(always)]
    pub(in crate::endpoint) fn is_packed(&self) -> bool {
        matches!(self, Self::Packed(_))
    }
}
