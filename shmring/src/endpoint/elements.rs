//! The verbs of elements of one size, which are bytes here: the handles of values say of which
//! type they are.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of the caller's elements, by counts that were limited to theirs; no size is 0"
)]

use crate::endpoint::flavor::Elements;
use crate::endpoint::send::Stop;
use crate::endpoint::{CopyElement, RecvEndpoint, SendEndpoint};
use crate::error::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crate::ring::packed::Span;
use crate::ring::{Refused, at_or_past};
use crate::sync::Deadline;

impl SendEndpoint {
    /// Sends an element on the fast path. Returns `false` if the caller must take the slow one.
    #[inline(always)]
    pub(crate) fn send_element_fast(&mut self, element: &[u8]) -> bool {
        self.is_plain() && self.flavor.send_element_fast(&self.registration, element)
    }

    /// Sends all elements, `size` bytes each, if there is room for all now. In a packed ring they
    /// become visible at once, in others as in [`send_all`](Self::send_all).
    #[inline(always)]
    pub(crate) fn try_send_elements(
        &mut self,
        elements: &[u8],
        size: usize,
    ) -> Result<(), TrySendError> {
        if !self.flavor.is_packed() {
            return self.send_all(elements.chunks_exact(size), |endpoint, len, count| {
                Ok(endpoint.reserve_place(len, count)?)
            });
        }
        let count = elements.len() / size;
        let run = self.reserve_elements(count, count, size)?;
        self.fill_elements(run, elements, size);
        Ok(())
    }

    /// As [`try_send_elements`](Self::try_send_elements), but blocks while there is no room.
    #[inline(always)]
    pub(crate) fn send_elements_by(
        &mut self,
        elements: &[u8],
        size: usize,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError> {
        if !self.flavor.is_packed() {
            return self.send_all(elements.chunks_exact(size), |endpoint, len, count| {
                endpoint.reserve_place_by(len, count, deadline)
            });
        }
        let count = elements.len() / size;
        let run = self.reserve_elements_by(count, count, size, deadline)?;
        self.fill_elements(run, elements, size);
        Ok(())
    }

    /// Sends as many of the first elements as there is room for now; returns how many.
    pub(crate) fn send_some_elements(
        &mut self,
        elements: &[u8],
        size: usize,
    ) -> Result<usize, TrySendError> {
        if !self.flavor.is_packed() {
            return self.send_some(elements.chunks_exact(size));
        }
        let count = elements.len() / size;
        let run = self.reserve_elements(count.min(1), count, size)?;
        self.fill_elements(run, &elements[..run.count as usize * size], size);
        Ok(run.count as usize)
    }

    #[inline(always)]
    fn fill_elements(&mut self, run: Span, elements: &[u8], size: usize) {
        if !elements.is_empty() {
            self.elements(run).store(0, elements, size);
            self.commit_elements(run, size);
        }
    }

    /// Reserves space for at least `min` elements of a packed ring, and for up to `max` if that
    /// much is free; for one in other rings.
    #[inline(always)]
    pub(crate) fn reserve_elements(
        &mut self,
        min: usize,
        max: usize,
        size: usize,
    ) -> Result<Span, Stop> {
        if self.is_plain()
            && let Some(run) = self.flavor.reserve_elements_fast(&self.registration, max, size)
        {
            return Ok(run);
        }
        self.reserve_elements_slow(min, max, size)
    }

    #[cold]
    fn reserve_elements_slow(&mut self, min: usize, max: usize, size: usize) -> Result<Span, Stop> {
        self.check().map_err(Stop::Error)?;
        let reserved = self.flavor.reserve_elements(&self.registration, min, max, size);
        reserved.map_err(|refused| match refused {
            Refused::TooLong => {
                let max = self.flavor.capacity(&self.registration.mapped) as usize;
                Stop::Error(TrySendError::TooMany { count: min, max })
            }
            refused => self.refuse(refused, size),
        })
    }

    /// As [`reserve_elements`](Self::reserve_elements), but blocks while there is no room.
    #[inline(always)]
    pub(crate) fn reserve_elements_by(
        &mut self,
        min: usize,
        max: usize,
        size: usize,
        deadline: Deadline,
    ) -> Result<Span, SendTimeoutError> {
        self.retry_by(deadline, |endpoint| {
            let reserved = endpoint.reserve_elements(min, max, size);
            endpoint.hand_off();
            reserved
        })
    }

    /// Returns reserved elements, where they lie.
    #[inline(always)]
    pub(crate) fn elements(&self, run: Span) -> Elements<'_> {
        self.flavor.elements(&self.registration.mapped, run)
    }

    /// Publishes reserved elements, at least one, from the first on.
    #[inline(always)]
    pub(crate) fn commit_elements(&mut self, run: Span, size: usize) {
        let reached = self.flavor.commit_elements(&self.registration.mapped, run, size);
        self.registration.notify_consumers(reached);
    }
}

impl RecvEndpoint {
    /// Passes the next element to `copy` and takes it if `copy` agrees, on the fast path.
    /// Returns `false` if the caller must take the slow one.
    #[inline(always)]
    pub(crate) fn take_element_fast(&mut self, size: usize, copy: impl CopyElement) -> bool {
        self.registration.is_clear()
            && self.flavor.take_element_fast(&self.registration, size, copy)
    }

    /// Returns `true` if elements have nothing between them, so that many are one copy.
    #[inline(always)]
    pub(crate) fn is_packed(&self) -> bool {
        self.flavor.is_packed()
    }

    /// Returns the next elements, up to `max`, at least one; one where the ring is not packed.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline(always)]
    pub(crate) fn next_elements(&mut self, max: usize, size: usize) -> Result<Span, TryRecvError> {
        if self.registration.is_clear()
            && let Some(run) = self.flavor.elements_fast(&self.registration, max, size)
        {
            return Ok(run);
        }
        self.next_elements_slow(max, size)
    }

    #[inline(never)]
    fn next_elements_slow(&mut self, max: usize, size: usize) -> Result<Span, TryRecvError> {
        let first = self.next()?;
        let run = self.flavor.elements_from(&self.registration.mapped, first, max, size);
        Ok(run.map_err(|corrupt| self.registration.poison(corrupt))?)
    }

    /// As [`next_elements`](Self::next_elements), but blocks while none is there.
    #[inline(always)]
    pub(crate) fn next_elements_by(
        &mut self,
        max: usize,
        size: usize,
        deadline: Deadline,
    ) -> Result<Span, RecvTimeoutError> {
        if self.registration.is_clear()
            && let Some(run) = self.flavor.elements_fast(&self.registration, max, size)
        {
            return Ok(run);
        }
        self.retry_by(deadline, |endpoint| endpoint.next_elements(max, size))
    }

    /// Returns the elements of a run, where they lie.
    #[inline(always)]
    pub(crate) fn elements(&self, run: Span) -> Elements<'_> {
        self.flavor.elements(&self.registration.mapped, run)
    }

    /// Takes the first `count` elements of a run, and wakes a producer that waits for that.
    #[inline(always)]
    pub(crate) fn take_elements(&mut self, run: Span, count: usize) {
        if let Some(reached) = self.flavor.take_elements(&self.registration.mapped, run, count) {
            self.registration.notify_producers(reached);
        }
    }

    /// Notes that elements are shown in place. Returns how many of them, from the first on, were
    /// before.
    #[inline(always)]
    pub(crate) fn mark_elements_peeked(&self, run: Span) -> usize {
        let mark = self.registration.peeked();
        let peeked = mark.get();
        mark.set(run.start.wrapping_add(run.count), peeked);
        let is_past = at_or_past(peeked, run.start);
        if is_past { peeked.wrapping_sub(run.start).min(run.count) as usize } else { 0 }
    }
}
