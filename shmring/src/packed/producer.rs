//! The sending side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::slice::from_ref;
use std::time::Duration;

use crate::element::Element;
use crate::endpoint::PackedSendEndpoint;
use crate::endpoint::interrupt::Interrupter;
use crate::endpoint::park::WaitMode;
use crate::error::{JoinError, SendError, SendTimeoutError, TrySendError, endless};
use crate::guards::{Space, store_element, store_elements, touch_element};
use crate::ring::packed::Span;
use crate::segment::Segment;
use crate::sync::Deadline;

/// The sending side of a packed ring.
///
/// What is written before an element is sent happens before what its receiver reads.
/// When verbs wait and when they make system calls, and how dropping the producer ends the
/// stream, is as for a [`Producer`](crate::Producer) of messages.
#[derive(Debug)]
pub struct Producer<T> {
    endpoint: PackedSendEndpoint,
    element: PhantomData<T>,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins a packed ring as its producer. The role of a producer that died is taken
    /// over.
    ///
    /// # Errors
    /// [`JoinError::RoleTaken`] names the living holder; [`JoinError::WrongType`] and
    /// [`JoinError::WrongKind`] say what the ring is instead.
    pub fn packed_producer<T: Element>(&self) -> Result<Producer<T>, JoinError> {
        let endpoint = PackedSendEndpoint::join(self.mapped_ring_of(Some(T::TYPE))?)?;
        Ok(Producer { endpoint, element: PhantomData, not_sync: PhantomData })
    }
}

impl<T: Element> Producer<T> {
    /// Sends an element if there is room now.
    ///
    /// # Errors
    /// See [`TrySendError`].
    #[inline(always)]
    pub fn try_send(&mut self, element: &T) -> Result<(), TrySendError> {
        if self.send_fast(element) {
            return Ok(());
        }
        self.try_send_slow(*element)
    }

    #[cold]
    #[inline(never)]
    fn try_send_slow(&mut self, element: T) -> Result<(), TrySendError> {
        self.try_send_slice(from_ref(&element))
    }

    /// Sends an element; waits for room as long as it takes.
    ///
    /// # Errors
    /// See [`SendError`].
    #[inline(always)]
    pub fn send(&mut self, element: &T) -> Result<(), SendError> {
        if self.send_fast(element) {
            return Ok(());
        }
        // A copy, so that the element itself need not be in memory.
        self.send_slow(*element)
    }

    /// Sends an element, if nothing stands in the way that has to be looked into; whether
    /// it did.
    #[inline(always)]
    fn send_fast(&mut self, element: &T) -> bool {
        let Some(span) = self.endpoint.reserve_place_fast(1) else {
            return false;
        };
        store_element(&self.endpoint.registration.mapped, span.start, element);
        self.endpoint.publish(1);
        if let Some(next) = self.endpoint.free_position() {
            touch_element::<T>(&self.endpoint.registration.mapped, next);
        }
        true
    }

    #[cold]
    #[inline(never)]
    fn send_slow(&mut self, element: T) -> Result<(), SendError> {
        self.send_slice(from_ref(&element))
    }

    /// Sends an element; waits for room up to `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`].
    pub fn send_timeout(&mut self, element: &T, timeout: Duration) -> Result<(), SendTimeoutError> {
        self.send_slice_timeout(from_ref(element), timeout)
    }

    /// Sends all elements at once if there is room for all now: the consumer sees none
    /// of them or all.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of them is visible then.
    #[inline]
    pub fn try_send_slice(&mut self, elements: &[T]) -> Result<(), TrySendError> {
        let span = self.endpoint.reserve_place(elements.len(), elements.len())?;
        self.fill(span, elements);
        Ok(())
    }

    /// As [`try_send_slice`](Self::try_send_slice), but waits for room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of them is visible then.
    #[inline]
    pub fn send_slice(&mut self, elements: &[T]) -> Result<(), SendError> {
        endless(|| self.send_slice_by(elements, Deadline::NEVER))
    }

    /// As [`try_send_slice`](Self::try_send_slice), but waits for room up to `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing of them is visible then.
    pub fn send_slice_timeout(
        &mut self,
        elements: &[T],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        self.send_slice_by(elements, Deadline::after(timeout))
    }

    #[inline]
    fn send_slice_by(
        &mut self,
        elements: &[T],
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError> {
        let span = self.endpoint.reserve_place_by(elements.len(), elements.len(), deadline)?;
        self.fill(span, elements);
        Ok(())
    }

    #[inline]
    fn fill(&mut self, span: Span, elements: &[T]) {
        if !elements.is_empty() {
            store_elements(&self.endpoint.registration.mapped, span, 0, elements);
            self.endpoint.publish(elements.len() as u64);
        }
    }

    /// Sends as many of the first elements as there is room for now, at once; returns how
    /// many.
    ///
    /// # Errors
    /// See [`TrySendError`], if there is room for none.
    pub fn try_send_some(&mut self, elements: &[T]) -> Result<usize, TrySendError> {
        let span = self.endpoint.reserve_place(elements.len().min(1), elements.len())?;
        let count = span.count as usize;
        self.fill(span, &elements[..count]);
        Ok(count)
    }

    /// Free space for up to `max` elements, as much as there is now, to be written in
    /// place.
    ///
    /// # Errors
    /// See [`TrySendError`], if there is none.
    pub fn try_reserve(&mut self, max: usize) -> Result<Space<'_, T>, TrySendError> {
        let span = self.endpoint.reserve_place(max.min(1), max)?;
        Ok(Space::new(&mut self.endpoint, span))
    }

    /// As [`try_reserve`](Self::try_reserve), but waits until there is space for one.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn reserve(&mut self, max: usize) -> Result<Space<'_, T>, SendError> {
        let endpoint = &mut self.endpoint;
        let span = endless(|| endpoint.reserve_place_by(max.min(1), max, Deadline::NEVER))?;
        Ok(Space::new(endpoint, span))
    }

    /// As [`try_reserve`](Self::try_reserve), but waits up to `timeout` until there is
    /// space for one.
    ///
    /// # Errors
    /// See [`SendTimeoutError`].
    pub fn reserve_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
    ) -> Result<Space<'_, T>, SendTimeoutError> {
        self.reserve_by(max, Deadline::after(timeout))
    }

    fn reserve_by(
        &mut self,
        max: usize,
        deadline: Deadline,
    ) -> Result<Space<'_, T>, SendTimeoutError> {
        let span = self.endpoint.reserve_place_by(max.min(1), max, deadline)?;
        Ok(Space::new(&mut self.endpoint, span))
    }

    /// Sets whether a wait for room that spins may last some microseconds longer, until an
    /// eighth of the ring is free; see [`WaitMode`]. The default is `true`. Without it each
    /// message is sent as soon as there is room for it, and fewer come through.
    pub fn set_backoff(&mut self, backoff: bool) {
        self.endpoint.registration.backoff = backoff;
    }

    /// Returns an object that ends the waits of this handle from another thread or a signal
    /// handler.
    pub fn interrupter(&self) -> Interrupter {
        self.endpoint.registration.interrupter()
    }

    /// How this producer waits for room. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.endpoint.registration.mode = mode;
    }

    /// See [`Producer::set_require_consumer`](crate::Producer::set_require_consumer).
    pub fn set_require_consumer(&mut self, require: bool) {
        self.endpoint.consumers.required = require;
    }

    /// Closes the ring for good; see [`Producer::close`](crate::Producer::close).
    pub fn close(self) {
        self.endpoint.registration.close();
    }
}
