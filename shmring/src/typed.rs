//! Slot rings whose messages are all of one type.
//!
//! ```
//! use shmring::{Config, Segment};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = format!("doc-typed-{}", std::process::id());
//! # let name = name.as_str();
//! let segment = Segment::create(name, &Config::mpmc().slots(64).element::<[f64; 2]>())?;
//! let mut producer = segment.typed_producer::<[f64; 2]>()?;
//! let mut other = producer.try_clone()?;
//! let mut consumer = segment.typed_consumer::<[f64; 2]>()?;
//!
//! producer.send(&[1.0, 2.0])?;
//! other.send(&[3.0, 4.0])?;
//! assert_eq!(consumer.recv()?, [1.0, 2.0]);
//! assert_eq!(consumer.recv()?, [3.0, 4.0]);
//! # Segment::unlink(name)?;
//! # Ok(())
//! # }
//! ```

#![allow(
    clippy::indexing_slicing,
    reason = "of the caller's elements, by indices below their number"
)]

use std::marker::PhantomData;
use std::slice::{from_mut, from_ref};
use std::time::Duration;

use crate::element::{Element, Unchecked, bytes_of};
use crate::endpoint::RecvEndpoint;
use crate::endpoint::interrupt::Interrupter;
use crate::endpoint::park::WaitMode;
use crate::error::{
    Corrupt, JoinError, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError, endless,
};
use crate::iter::until_end;
use crate::memory::copy;
use crate::memory::payload::Payload;
use crate::ring::Place;
use crate::segment::Segment;
use crate::sync::Deadline;

/// A producer of messages of one type; otherwise as [`Producer`](crate::Producer).
#[derive(Debug)]
pub struct Producer<T> {
    bytes: crate::Producer,
    element: PhantomData<T>,
}

impl Segment {
    /// Joins a slot ring as a producer of messages of one type.
    ///
    /// # Errors
    /// [`JoinError::WrongType`] if the ring is for another type, or for none; else as
    /// for [`producer`](Self::producer).
    pub fn typed_producer<T: Element>(&self) -> Result<Producer<T>, JoinError> {
        let bytes = crate::Producer::join(self.mapped_ring_of(Some(T::TYPE))?)?;
        Ok(Producer { bytes, element: PhantomData })
    }

    /// Joins a slot ring as a consumer of messages of one type.
    ///
    /// # Errors
    /// [`JoinError::WrongType`] if the ring is for another type, or for none; else as
    /// for [`consumer`](Self::consumer).
    pub fn typed_consumer<T: Element>(&self) -> Result<Consumer<T>, JoinError> {
        self.mapped_ring_of(Some(T::TYPE))?;
        Ok(Consumer { bytes: self.consumer()?, element: PhantomData })
    }
}

impl<T: Element> Producer<T> {
    /// See [`Producer::try_clone`](crate::Producer::try_clone).
    ///
    /// # Errors
    /// As there.
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Ok(Self { bytes: self.bytes.try_clone()?, element: PhantomData })
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing is visible then.
    #[inline]
    pub fn try_send(&mut self, element: &T) -> Result<(), TrySendError> {
        self.bytes.try_send(bytes_of(from_ref(element)))
    }

    /// Sends a message; waits for room as long as it takes.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is visible then.
    #[inline]
    pub fn send(&mut self, element: &T) -> Result<(), SendError> {
        self.bytes.send(bytes_of(from_ref(element)))
    }

    /// Sends a message; waits for room up to `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing is visible then.
    pub fn send_timeout(&mut self, element: &T, timeout: Duration) -> Result<(), SendTimeoutError> {
        self.bytes.send_timeout(bytes_of(from_ref(element)), timeout)
    }

    /// Sends all messages if there is room for all now, with no other producer's between
    /// them; see [`Producer::try_send_batch`](crate::Producer::try_send_batch).
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing is visible then.
    pub fn try_send_slice(&mut self, elements: &[T]) -> Result<(), TrySendError> {
        self.bytes.try_send_all(elements.iter().map(|element| bytes_of(from_ref(element))))
    }

    /// As [`try_send_slice`](Self::try_send_slice), but waits for room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is visible then.
    pub fn send_slice(&mut self, elements: &[T]) -> Result<(), SendError> {
        self.bytes.send_all(elements.iter().map(|element| bytes_of(from_ref(element))))
    }

    /// As [`try_send_slice`](Self::try_send_slice), but waits for room up to `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing is visible then.
    pub fn send_slice_timeout(
        &mut self,
        elements: &[T],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        self.bytes.send_all_by(
            elements.iter().map(|element| bytes_of(from_ref(element))),
            Deadline::after(timeout),
        )
    }

    /// See [`Producer::set_backoff`](crate::Producer::set_backoff).
    pub fn set_backoff(&mut self, backoff: bool) {
        self.bytes.set_backoff(backoff);
    }

    /// Returns an object that ends the waits of this handle from another thread or a signal
    /// handler.
    pub fn interrupter(&self) -> Interrupter {
        self.bytes.interrupter()
    }

    /// How this producer waits for room. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.bytes.set_wait_mode(mode);
    }

    /// See [`Producer::set_require_consumer`](crate::Producer::set_require_consumer).
    pub fn set_require_consumer(&mut self, require: bool) {
        self.bytes.set_require_consumer(require);
    }

    /// Closes the ring for good; see [`Producer::close`](crate::Producer::close).
    pub fn close(self) {
        self.bytes.close();
    }
}

/// A consumer of messages of one type; otherwise as [`Consumer`](crate::Consumer).
#[derive(Debug)]
pub struct Consumer<T> {
    bytes: crate::Consumer,
    element: PhantomData<T>,
}

impl<T: Element> Consumer<T> {
    /// See [`Consumer::try_clone`](crate::Consumer::try_clone).
    ///
    /// # Errors
    /// As there.
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Ok(Self { bytes: self.bytes.try_clone()?, element: PhantomData })
    }

    /// Receives the next message, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match take_fast(self.bytes.endpoint()) {
            Some(element) => Ok(element),
            None => take_one(self.bytes.endpoint()),
        }
    }

    /// Receives the next message; waits for one as long as it takes.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        endless(|| self.recv_by(Deadline::NEVER))
    }

    /// Receives the next message; waits for one up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_by(Deadline::after(timeout))
    }

    #[inline]
    fn recv_by(&mut self, deadline: Deadline) -> Result<T, RecvTimeoutError> {
        match take_fast(self.bytes.endpoint()) {
            Some(element) => Ok(element),
            None => self.bytes.endpoint().retry_by(deadline, take_one),
        }
    }

    /// All messages up to the end of the stream, for a `for` loop; see
    /// [`Consumer::iter`](crate::Consumer::iter).
    pub fn iter(&mut self) -> impl Iterator<Item = Result<T, RecvError>> {
        until_end(|| self.recv())
    }

    /// Receives as many messages as there are and fit into `elements`, at once, if one is
    /// there; returns how many.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    pub fn try_recv_slice(&mut self, elements: &mut [T]) -> Result<usize, TryRecvError> {
        take(self.bytes.endpoint(), elements)
    }

    /// As [`try_recv_slice`](Self::try_recv_slice), but waits for the first message.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_slice(&mut self, elements: &mut [T]) -> Result<usize, RecvError> {
        endless(|| self.recv_slice_by(elements, Deadline::NEVER))
    }

    /// As [`try_recv_slice`](Self::try_recv_slice), but waits for the first message up to
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
        self.bytes.endpoint().retry_by(deadline, |endpoint| take(endpoint, elements))
    }

    /// See [`Consumer::set_backoff`](crate::Consumer::set_backoff).
    pub fn set_backoff(&mut self, backoff: bool) {
        self.bytes.set_backoff(backoff);
    }

    /// Returns an object that ends the waits of this handle from another thread or a signal
    /// handler.
    pub fn interrupter(&self) -> Interrupter {
        self.bytes.interrupter()
    }

    /// How this consumer waits for messages. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.bytes.set_wait_mode(mode);
    }

    /// Closes the ring for good; see [`Consumer::close`](crate::Consumer::close).
    pub fn close(self) {
        self.bytes.close();
    }
}

/// Takes one message, if nothing stands in the way that has to be looked into.
#[inline(always)]
fn take_fast<T: Element>(endpoint: &mut RecvEndpoint) -> Option<T> {
    let mut element = None;
    let taken = endpoint.take_fast(|place, words| {
        element = load(place, words).ok();
        element.is_some()
    });
    if taken { element } else { None }
}

#[inline]
fn take_one<T: Element>(endpoint: &mut RecvEndpoint) -> Result<T, TryRecvError> {
    let mut element = None;
    take_each(endpoint, 1, |_, place, words| {
        element = Some(load(place, words)?);
        Ok(())
    })?;
    // The one message that was taken was loaded.
    element.ok_or(TryRecvError::Empty)
}

#[inline]
fn take<T: Element>(
    endpoint: &mut RecvEndpoint,
    elements: &mut [T],
) -> Result<usize, TryRecvError> {
    if elements.is_empty() {
        return Ok(0);
    }
    take_each(endpoint, elements.len(), |index, place, words| {
        load_into(place, words, &mut elements[index])
    })
}

/// Takes up to `max` messages that `load` could load. One that it could not ends a batch before
/// it; if it is the first, it is damage.
#[inline]
fn take_each(
    endpoint: &mut RecvEndpoint,
    max: usize,
    mut load: impl FnMut(usize, Place, Payload<'_>) -> Result<(), Corrupt>,
) -> Result<usize, TryRecvError> {
    let taken = endpoint.try_take_or(max, |index, place, words| {
        load(index, place, words).map_err(Refusal::Corrupt)
    });
    match taken {
        Ok(count) => Ok(count),
        Err(Refusal::Ring(error)) => Err(error),
        // Returned only for the first, and only if no other consumer took it meanwhile.
        Err(Refusal::Corrupt(corrupt)) => Err(endpoint.poison(corrupt).into()),
    }
}

/// Why no message was taken.
enum Refusal {
    Ring(TryRecvError),
    /// The first one is no value of the type.
    Corrupt(Corrupt),
}

impl From<TryRecvError> for Refusal {
    fn from(error: TryRecvError) -> Self {
        Self::Ring(error)
    }
}

/// # Errors
/// [`Corrupt`] if the message is no value of the type.
#[inline(always)]
fn load<T: Element>(place: Place, words: Payload<'_>) -> Result<T, Corrupt> {
    check_len::<T>(place)?;
    let mut element = Unchecked::zeroed();
    copy::load(words, Unchecked::bytes_mut(from_mut(&mut element)));
    element.check(place.start)
}

/// As [`load`], into an element that is there, which stays as it is if that fails.
#[inline(always)]
fn load_into<T: Element>(place: Place, words: Payload<'_>, element: &mut T) -> Result<(), Corrupt> {
    if let Some(element) = Unchecked::of(from_mut(element)) {
        check_len::<T>(place)?;
        copy::load(words, Unchecked::bytes_mut(element));
    } else {
        *element = load(place, words)?;
    }
    Ok(())
}

#[inline(always)]
fn check_len<T: Element>(place: Place) -> Result<(), Corrupt> {
    if place.len() == T::TYPE.size_bytes {
        return Ok(());
    }
    let what = "the length of an element";
    Err(Corrupt { what, position: place.start, found: place.len() })
}
