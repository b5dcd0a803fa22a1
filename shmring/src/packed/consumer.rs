//! The receiving side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Duration;

use crate::element::Element;
use crate::endpoint::PackedRecvEndpoint;
use crate::endpoint::interrupt::Interrupter;
use crate::endpoint::park::WaitMode;
use crate::error::{Corrupt, Fault, JoinError, RecvError, RecvTimeoutError, TryRecvError, endless};
use crate::guards::{Elements, load_element, load_elements};
use crate::iter::until_end;
use crate::ring::packed::Span;
use crate::segment::Segment;
use crate::sync::Deadline;

/// The receiving side of a packed ring.
///
/// Each element is received once and in order. When verbs wait, the end of the stream, and
/// what happens when the consumer goes, are as for a [`Consumer`](crate::Consumer) of messages.
#[derive(Debug)]
pub struct Consumer<T> {
    endpoint: PackedRecvEndpoint,
    element: PhantomData<T>,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins a packed ring as its consumer. The role of a consumer that died is taken
    /// over, and what it had not released comes again.
    ///
    /// # Errors
    /// [`JoinError::RoleTaken`] names the living holder; [`JoinError::WrongType`] and
    /// [`JoinError::WrongKind`] say what the ring is instead.
    pub fn packed_consumer<T: Element>(&self) -> Result<Consumer<T>, JoinError> {
        let endpoint = PackedRecvEndpoint::join(self.mapped_ring_of(Some(T::TYPE))?)?;
        Ok(Consumer { endpoint, element: PhantomData, not_sync: PhantomData })
    }
}

impl<T: Element> Consumer<T> {
    /// Receives the next element, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.endpoint.next_fast(1) {
            Some(span) => Ok(self.take_one(span)?),
            None => self.try_recv_slow(),
        }
    }

    #[inline(never)]
    fn try_recv_slow(&mut self) -> Result<T, TryRecvError> {
        let span = self.endpoint.next(1)?;
        Ok(self.take_one(span)?)
    }

    /// Receives the next element; waits for one as long as it takes.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline(always)]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        match self.endpoint.next_fast(1) {
            Some(span) => Ok(self.take_one(span)?),
            None => self.recv_slow(),
        }
    }

    #[inline(never)]
    fn recv_slow(&mut self) -> Result<T, RecvError> {
        let span = endless(|| self.endpoint.next_by(1, Deadline::NEVER))?;
        Ok(self.take_one(span)?)
    }

    /// Receives the next element; waits for one up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        let span = self.endpoint.next_by(1, Deadline::after(timeout))?;
        Ok(self.take_one(span)?)
    }

    /// All elements up to the end of the stream, for a `for` loop; see
    /// [`Consumer::iter`](crate::Consumer::iter).
    pub fn iter(&mut self) -> impl Iterator<Item = Result<T, RecvError>> {
        until_end(|| self.recv())
    }

    #[inline(always)]
    fn take_one(&mut self, span: Span) -> Result<T, Fault> {
        match load_element(&self.endpoint.registration.mapped, span.start) {
            Ok(element) => {
                self.endpoint.take(1);
                Ok(element)
            }
            Err(corrupt) => Err(self.poison(corrupt)),
        }
    }

    /// Ends the use of this side: an element is no value of its type.
    #[cold]
    fn poison(&mut self, corrupt: Corrupt) -> Fault {
        self.endpoint.registration.poison(corrupt)
    }

    /// Receives as many elements as there are and fit into `elements`, at once, if one is
    /// there; returns how many.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub fn try_recv_slice(&mut self, elements: &mut [T]) -> Result<usize, TryRecvError> {
        if elements.is_empty() {
            return Ok(0);
        }
        let span = self.endpoint.next(elements.len())?;
        Ok(self.take(span, elements)?)
    }

    /// As [`try_recv_slice`](Self::try_recv_slice), but waits for the first element.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn recv_slice(&mut self, elements: &mut [T]) -> Result<usize, RecvError> {
        endless(|| self.recv_slice_by(elements, Deadline::NEVER))
    }

    /// As [`try_recv_slice`](Self::try_recv_slice), but waits for the first element up to
    /// `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_slice_timeout(
        &mut self,
        elements: &mut [T],
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        self.recv_slice_by(elements, Deadline::after(timeout))
    }

    #[inline]
    fn recv_slice_by(
        &mut self,
        elements: &mut [T],
        deadline: Deadline,
    ) -> Result<usize, RecvTimeoutError> {
        if elements.is_empty() {
            return Ok(0);
        }
        let span = self.endpoint.next_by(elements.len(), deadline)?;
        Ok(self.take(span, elements)?)
    }

    #[inline]
    fn take(&mut self, span: Span, elements: &mut [T]) -> Result<usize, Fault> {
        let count = elements.len().min(span.count as usize);
        match load_elements(&self.endpoint.registration.mapped, span, 0, &mut elements[..count]) {
            Ok(count) => {
                self.endpoint.take(count as u64);
                Ok(count)
            }
            Err(corrupt) => Err(self.poison(corrupt)),
        }
    }

    /// Looks at up to `max` elements in place, as many as there are, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    pub fn try_peek(&mut self, max: usize) -> Result<Elements<'_, T>, TryRecvError> {
        let span = self.endpoint.next(max.max(1))?;
        Ok(Elements::new(&mut self.endpoint, span))
    }

    /// As [`try_peek`](Self::try_peek), but waits for the first element.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn peek(&mut self, max: usize) -> Result<Elements<'_, T>, RecvError> {
        let span = endless(|| self.endpoint.next_by(max.max(1), Deadline::NEVER))?;
        Ok(Elements::new(&mut self.endpoint, span))
    }

    /// As [`try_peek`](Self::try_peek), but waits for the first element up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn peek_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
    ) -> Result<Elements<'_, T>, RecvTimeoutError> {
        self.peek_by(max, Deadline::after(timeout))
    }

    fn peek_by(
        &mut self,
        max: usize,
        deadline: Deadline,
    ) -> Result<Elements<'_, T>, RecvTimeoutError> {
        let span = self.endpoint.next_by(max.max(1), deadline)?;
        Ok(Elements::new(&mut self.endpoint, span))
    }

    /// Sets whether a wait that spins may look at the ring less often under load, by a few
    /// microseconds, so that more elements come at once; see [`WaitMode`]. The default is
    /// `true`. Without it each element is seen as soon as possible, and fewer come through.
    pub fn set_backoff(&mut self, backoff: bool) {
        self.endpoint.registration.backoff = backoff;
    }

    /// Returns an object that ends the waits of this handle from another thread or a signal
    /// handler.
    pub fn interrupter(&self) -> Interrupter {
        self.endpoint.registration.interrupter()
    }

    /// How this consumer waits for elements. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.endpoint.registration.mode = mode;
    }

    /// Closes the ring for good; see [`Consumer::close`](crate::Consumer::close).
    pub fn close(self) {
        self.endpoint.registration.close();
    }
}
