//! The receiving side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::slice::from_mut;
use std::time::{Duration, Instant};

use super::Iter;
use crate::element::{Element, Unchecked};
use crate::endpoint::subscribe::Subscribe;
use crate::endpoint::{CopyElement, RecvEndpoint, check_len, wrong_len};
use crate::error::{Corrupt, JoinError, RecvError, RecvTimeoutError, TryRecvError, endless};
use crate::guards::{Values, load_value as load_one, load_values};
use crate::memory::copy::ElementPlace;
use crate::ring::packed::Span;
use crate::ring::{Extent, Place};
use crate::segment::Segment;
use crate::sync::Deadline;

/// A consumer of values of one type.
///
/// Each value is received once, and those of one producer in their order. When verbs block, the
/// end of the stream, and what happens when the consumer goes, are as for a
/// [`Consumer`](crate::Consumer) of messages.
///
/// Bytes that are no value of the type are damage: a verb that receives them returns [`Corrupt`],
/// and so do all later ones of this handle. [`Values`] show them without that end, so that they
/// can be looked at and released.
#[derive(Debug)]
pub struct Consumer<T> {
    endpoint: RecvEndpoint,
    value: PhantomData<T>,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins a ring of values as a consumer. The role of a sole consumer that died is taken over,
    /// and what it had not released comes again. Does not wait for a living one.
    ///
    /// # Errors
    /// [`JoinError::WrongType`] if the ring is for another type, or for bytes;
    /// [`JoinError::RoleTaken`] names the living holder of a sole role.
    pub fn value_consumer<T: Element>(&self) -> Result<Consumer<T>, JoinError> {
        let mapped = self.mapped_ring_of(Some(T::TYPE))?;
        Consumer::new(RecvEndpoint::join_any(mapped, Subscribe::gating()))
    }

    /// Joins a broadcast ring of values as a subscriber.
    ///
    /// # Errors
    /// As for [`subscribe`](Self::subscribe) and [`value_consumer`](Self::value_consumer).
    pub fn subscribe_values<T: Element>(&self, how: Subscribe) -> Result<Consumer<T>, JoinError> {
        self.check_broadcast()?;
        let mapped = self.mapped_ring_of(Some(T::TYPE))?;
        Consumer::new(RecvEndpoint::join_any(mapped, how))
    }
}

impl<T: Element> Consumer<T> {
    fn new(endpoint: Result<RecvEndpoint, JoinError>) -> Result<Self, JoinError> {
        Ok(Self { endpoint: endpoint?, value: PhantomData, not_sync: PhantomData })
    }

    /// Joins the same ring once more, if it can have several consumers; as a subscriber like this
    /// one, from the next value on.
    ///
    /// # Errors
    /// As for [`Segment::value_consumer`].
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Self::new(self.endpoint.another())
    }

    /// Receives the next value, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline(always)]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match take_fast(&mut self.endpoint) {
            Some(value) => Ok(value),
            None => take_slow(&mut self.endpoint),
        }
    }

    /// Receives the next value. Blocks while none is there.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline(always)]
    pub fn recv(&mut self) -> Result<T, RecvError> {
        match take_fast(&mut self.endpoint) {
            Some(value) => Ok(value),
            None => self.recv_slow(),
        }
    }

    #[inline(never)]
    fn recv_slow(&mut self) -> Result<T, RecvError> {
        endless(|| self.recv_by(Deadline::NEVER))
    }

    /// Receives the next value. Blocks while none is there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recv_by(Deadline::after(timeout))
    }

    /// Receives the next value. Blocks while none is there, until `deadline` at most; one that has
    /// passed allows one attempt.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.recv_by(Deadline::at(deadline))
    }

    fn recv_by(&mut self, deadline: Deadline) -> Result<T, RecvTimeoutError> {
        match take_fast(&mut self.endpoint) {
            Some(value) => Ok(value),
            None => self.endpoint.retry_by(deadline, take_slow),
        }
    }

    /// Returns an iterator over all values up to the end of the stream. Each step is a
    /// [`recv`](Self::recv). An error is the last item, but for the
    /// end, `Lagged` and `Evicted`. `for value in &mut
    /// consumer` does the same.
    pub fn iter(&mut self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// Receives as many values as are there and fit into `values`, at once, if one is there;
    /// returns how many. What is behind these in `values` may have changed as well. Returns 0,
    /// whatever is there, if nothing fits.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub fn try_recv_slice(&mut self, values: &mut [T]) -> Result<usize, TryRecvError> {
        take_slice(&mut self.endpoint, values)
    }

    /// As [`try_recv_slice`](Self::try_recv_slice), but blocks while no value is there.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn recv_slice(&mut self, values: &mut [T]) -> Result<usize, RecvError> {
        endless(|| self.recv_slice_by(values, Deadline::NEVER))
    }

    /// As [`try_recv_slice`](Self::try_recv_slice), but blocks while no value is there, for at
    /// most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_slice_timeout(
        &mut self,
        values: &mut [T],
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        self.recv_slice_by(values, Deadline::after(timeout))
    }

    #[inline]
    fn recv_slice_by(
        &mut self,
        values: &mut [T],
        deadline: Deadline,
    ) -> Result<usize, RecvTimeoutError> {
        self.endpoint.retry_by(deadline, |endpoint| take_slice(endpoint, values))
    }

    /// Peeks at up to `max` values in place and at one at least, as many as are there, if one is.
    /// A slot ring shows one at a time.
    ///
    /// # Errors
    /// See [`TryRecvError`]; [`NotExclusive`](TryRecvError::NotExclusive) where consumers compete.
    pub fn try_peek(&mut self, max: usize) -> Result<Values<'_, T>, TryRecvError> {
        self.endpoint.check_exclusive()?;
        let run = self.endpoint.next_elements(max.max(1), size_of::<T>())?;
        Ok(Values::new(&mut self.endpoint, run))
    }

    /// As [`try_peek`](Self::try_peek), but blocks while no value is there.
    ///
    /// # Errors
    /// See [`RecvError`] and [`try_peek`](Self::try_peek).
    pub fn peek(&mut self, max: usize) -> Result<Values<'_, T>, RecvError> {
        if !self.endpoint.is_exclusive() {
            return Err(RecvError::NotExclusive);
        }
        let endpoint = &mut self.endpoint;
        let run =
            endless(|| endpoint.next_elements_by(max.max(1), size_of::<T>(), Deadline::NEVER))?;
        Ok(Values::new(endpoint, run))
    }

    /// As [`try_peek`](Self::try_peek), but blocks while no value is there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`] and [`try_peek`](Self::try_peek).
    pub fn peek_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
    ) -> Result<Values<'_, T>, RecvTimeoutError> {
        self.endpoint.check_exclusive()?;
        let deadline = Deadline::after(timeout);
        let run = self.endpoint.next_elements_by(max.max(1), size_of::<T>(), deadline)?;
        Ok(Values::new(&mut self.endpoint, run))
    }

    /// Returns how many values the ring holds.
    pub fn capacity(&self) -> usize {
        self.endpoint.registration.mapped.shape().most_elements() as usize
    }

    consumer_settings!();
}

/// Takes one value, on the fast path.
#[inline(always)]
fn take_fast<T: Element>(endpoint: &mut RecvEndpoint) -> Option<T> {
    let mut value = None;
    let taken = endpoint.take_element_fast(size_of::<T>(), LoadInto(&mut value));
    if taken { value } else { None }
}

/// Loads a value, if the bytes are one.
struct LoadInto<'a, T>(&'a mut Option<T>);

impl<T: Element> CopyElement for LoadInto<'_, T> {
    #[inline(always)]
    fn copy_element(self, message: Place, element: ElementPlace<'_>) -> bool {
        *self.0 = load(message, element).ok();
        self.0.is_some()
    }
}

#[inline(never)]
fn take_slow<T: Element>(endpoint: &mut RecvEndpoint) -> Result<T, TryRecvError> {
    if endpoint.is_packed() {
        let run = endpoint.next_elements(1, size_of::<T>())?;
        let loaded = load_one(endpoint.elements(run), 0);
        let value = loaded.map_err(|corrupt| endpoint.poison(corrupt))?;
        endpoint.take_elements(run, 1);
        return Ok(value);
    }
    let mut taken = None;
    take_each(endpoint, 1, |_, message, place| {
        taken = Some(load(message, place)?);
        Ok(())
    })?;
    // The one message that was taken was loaded.
    taken.ok_or(TryRecvError::Empty)
}

#[inline]
fn take_slice<T: Element>(
    endpoint: &mut RecvEndpoint,
    values: &mut [T],
) -> Result<usize, TryRecvError> {
    if values.is_empty() {
        return Ok(0);
    }
    if endpoint.is_packed() {
        let run = endpoint.next_elements(values.len(), size_of::<T>())?;
        return take_run(endpoint, run, values);
    }
    take_each(endpoint, values.len(), |index, message, place| {
        load_into(message, place, &mut values[index])
    })
}

#[inline]
fn take_run<T: Element>(
    endpoint: &mut RecvEndpoint,
    run: Span,
    values: &mut [T],
) -> Result<usize, TryRecvError> {
    let count = values.len().min(run.count as usize);
    match load_values(endpoint.elements(run), 0, &mut values[..count]) {
        Ok(count) => {
            endpoint.take_elements(run, count);
            Ok(count)
        }
        Err(corrupt) => Err(endpoint.poison(corrupt).into()),
    }
}

/// Takes up to `max` messages that `load` could load. One that it could not ends a batch before
/// it; if it is the first, it is damage.
#[inline]
fn take_each(
    endpoint: &mut RecvEndpoint,
    max: usize,
    mut load: impl FnMut(usize, Place, ElementPlace<'_>) -> Result<(), Corrupt>,
) -> Result<usize, TryRecvError> {
    let taken =
        endpoint.try_take_or(max, |index, message| match (message.extent(), message.whole()) {
            (Extent::Whole(place), Some(payload)) => {
                load(index, place, ElementPlace::Message(payload)).map_err(Refusal::Corrupt)
            }
            (extent, _) => Err(Refusal::Corrupt(wrong_len(extent.start(), extent.len()))),
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
fn load<T: Element>(message: Place, place: ElementPlace<'_>) -> Result<T, Corrupt> {
    check_len(message, size_of::<T>())?;
    let mut value = Unchecked::zeroed();
    place.load(size_of::<T>(), Unchecked::bytes_mut(from_mut(&mut value)));
    value.check(message.start)
}

/// As [`load`], into a value that is there, which stays as it is if that fails.
#[inline(always)]
fn load_into<T: Element>(
    message: Place,
    place: ElementPlace<'_>,
    value: &mut T,
) -> Result<(), Corrupt> {
    if let Some(value) = Unchecked::of(from_mut(value)) {
        check_len(message, size_of::<T>())?;
        place.load(size_of::<T>(), Unchecked::bytes_mut(value));
    } else {
        *value = load(message, place)?;
    }
    Ok(())
}
