//! The sending side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::slice::from_ref;
use std::time::{Duration, Instant};

use crate::element::{Element, bytes_of};
use crate::endpoint::SendEndpoint;
use crate::error::{JoinError, SendError, SendTimeoutError, TrySendError, endless};
use crate::guards::Space;
use crate::segment::Segment;
use crate::sync::Deadline;

/// A producer of values of one type.
///
/// What is written before a value is sent happens before what its receiver reads. When verbs
/// block, when they make system calls, and how dropping the producer ends the stream, is as for a
/// [`Producer`](crate::Producer) of messages.
#[derive(Debug)]
pub struct Producer<T> {
    endpoint: SendEndpoint,
    value: PhantomData<T>,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins a ring of values as a producer. The role of a sole producer that died is taken over;
    /// one that is held is not waited for.
    ///
    /// # Errors
    /// [`JoinError::WrongType`] if the ring is for another type, or for bytes;
    /// [`JoinError::RoleTaken`] names the living holder of a sole role.
    pub fn value_producer<T: Element>(&self) -> Result<Producer<T>, JoinError> {
        Producer::new(SendEndpoint::join(self.mapped_ring_of(Some(T::TYPE))?))
    }
}

impl<T: Element> Producer<T> {
    fn new(endpoint: Result<SendEndpoint, JoinError>) -> Result<Self, JoinError> {
        Ok(Self { endpoint: endpoint?, value: PhantomData, not_sync: PhantomData })
    }

    /// Joins the same ring once more, if it can have several producers.
    ///
    /// # Errors
    /// As for [`Segment::value_producer`].
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Self::new(SendEndpoint::join(self.endpoint.registration.mapped.another()))
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing is visible then.
    #[inline(always)]
    pub fn try_send(&mut self, value: &T) -> Result<(), TrySendError> {
        if self.endpoint.send_element_fast(bytes_of(from_ref(value))) {
            return Ok(());
        }
        self.try_send_slow(*value)
    }

    #[cold]
    #[inline(never)]
    fn try_send_slow(&mut self, value: T) -> Result<(), TrySendError> {
        self.try_send_slice(from_ref(&value))
    }

    /// Sends a value. Blocks while there is no room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is visible then.
    #[inline(always)]
    pub fn send(&mut self, value: &T) -> Result<(), SendError> {
        if self.endpoint.send_element_fast(bytes_of(from_ref(value))) {
            return Ok(());
        }
        // A copy, so that the value itself need not be in memory.
        self.send_slow(*value)
    }

    #[cold]
    #[inline(never)]
    fn send_slow(&mut self, value: T) -> Result<(), SendError> {
        self.send_slice(from_ref(&value))
    }

    /// Sends a value. Blocks while there is no room, for at most `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing is visible then.
    pub fn send_timeout(&mut self, value: &T, timeout: Duration) -> Result<(), SendTimeoutError> {
        self.send_slice_timeout(from_ref(value), timeout)
    }

    /// Sends a value. Blocks while there is no room, until `deadline` at most; one that has passed
    /// allows one attempt.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing is visible then.
    pub fn send_deadline(&mut self, value: &T, deadline: Instant) -> Result<(), SendTimeoutError> {
        self.send_slice_by(from_ref(value), Deadline::at(deadline))
    }

    /// Sends all values if there is room for all now, with no other producer's between them.
    ///
    /// In a packed ring the consumer sees none of them or all. In a slot ring they become visible
    /// one after the other: a producer that dies may have sent only the first of them.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of them is visible then.
    #[inline]
    pub fn try_send_slice(&mut self, values: &[T]) -> Result<(), TrySendError> {
        self.endpoint.try_send_elements(bytes_of(values), size_of::<T>())
    }

    /// As [`try_send_slice`](Self::try_send_slice), but blocks while there is no room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of them is visible then.
    #[inline]
    pub fn send_slice(&mut self, values: &[T]) -> Result<(), SendError> {
        endless(|| self.send_slice_by(values, Deadline::NEVER))
    }

    /// As [`try_send_slice`](Self::try_send_slice), but blocks while there is no room, for at most
    /// `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing of them is visible then.
    pub fn send_slice_timeout(
        &mut self,
        values: &[T],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        self.send_slice_by(values, Deadline::after(timeout))
    }

    #[inline]
    fn send_slice_by(&mut self, values: &[T], deadline: Deadline) -> Result<(), SendTimeoutError> {
        self.endpoint.send_elements_by(bytes_of(values), size_of::<T>(), deadline)
    }

    /// Sends as many of the first values as there is room for now; returns how many. In a slot
    /// ring values of other producers may come between them.
    ///
    /// # Errors
    /// See [`TrySendError`], if there is room for none.
    pub fn try_send_some(&mut self, values: &[T]) -> Result<usize, TrySendError> {
        self.endpoint.send_some_elements(bytes_of(values), size_of::<T>())
    }

    /// Reserves free space for up to `max` values and for one at least, as much as there is now,
    /// to be written in place. A slot ring has space for one at a time. Where producers compete,
    /// values that others send meanwhile wait behind it.
    ///
    /// # Errors
    /// See [`TrySendError`], if there is none.
    pub fn try_reserve(&mut self, max: usize) -> Result<Space<'_, T>, TrySendError> {
        self.endpoint.abandon();
        let run = self.endpoint.reserve_elements(1, max.max(1), size_of::<T>())?;
        Ok(Space::new(&mut self.endpoint, run))
    }

    /// As [`try_reserve`](Self::try_reserve), but blocks while there is no space.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn reserve(&mut self, max: usize) -> Result<Space<'_, T>, SendError> {
        self.endpoint.abandon();
        let endpoint = &mut self.endpoint;
        let run = endless(|| {
            endpoint.reserve_elements_by(1, max.max(1), size_of::<T>(), Deadline::NEVER)
        })?;
        Ok(Space::new(endpoint, run))
    }

    /// As [`try_reserve`](Self::try_reserve), but blocks while there is no space, for at most
    /// `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`].
    pub fn reserve_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
    ) -> Result<Space<'_, T>, SendTimeoutError> {
        self.endpoint.abandon();
        let deadline = Deadline::after(timeout);
        let run = self.endpoint.reserve_elements_by(1, max.max(1), size_of::<T>(), deadline)?;
        Ok(Space::new(&mut self.endpoint, run))
    }

    /// Blocks until there is room for a value, for at most `timeout`.
    ///
    /// Of a sole producer nobody else can take that room: the next [`try_send`](Self::try_send)
    /// finds it. Where producers compete, another one may take it first.
    ///
    /// # Errors
    /// See [`SendTimeoutError`].
    pub fn wait_writable(&mut self, timeout: Duration) -> Result<(), SendTimeoutError> {
        self.endpoint.wait_writable(size_of::<T>(), Deadline::after(timeout))
    }

    /// Returns how many values the ring holds.
    pub fn capacity(&self) -> usize {
        self.endpoint.registration.mapped.shape().most_elements() as usize
    }

    producer_settings!();
}
