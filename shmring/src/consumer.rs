//! The receiving side.

mod waiting;

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::endpoint::interrupt::Interrupter;
use crate::endpoint::park::WaitMode;
use crate::endpoint::{CopyOut, RecvEndpoint};
use crate::error::{JoinError, RecvError, RecvIntoError, RecvTimeoutError, TryRecvError, endless};
use crate::guards::{Lookahead, Message, Peek, Scratch};
use crate::iter::Iter;
use crate::memory::copy;
use crate::memory::payload::Payload;
use crate::ring::Place;
use crate::segment::Segment;
use crate::sync::Deadline;

/// The most messages in a batch where consumers compete: they are copied before they
/// are taken, and the more there are, the likelier someone else takes the first.
const MAX_SHARED_BATCH: usize = 256;

/// The receiving side of a ring of messages.
///
/// Each message is received once and whole. If several consumers share the ring, one of them
/// receives it, and each consumer receives the messages of one producer in their order.
/// Receiving a message happens after everything that its producer did before sending it.
///
/// Verbs that begin with `try_` return at once. While no message is there, `_timeout` and
/// `_deadline` verbs block until that time at most; the others block without limit and never
/// return `TimedOut`. A verb that returns an error has taken nothing. No verb makes a system call
/// unless it sleeps or wakes a producer. The `try_` verbs do not check for dead producers: run a
/// [`Monitor`](crate::Monitor), or call a `_timeout` verb now and then.
///
/// An [`Interrupter`] ends the wait of a blocked verb, and so does a [close](Segment::close).
///
/// The stream ends when the ring is empty and was closed, or its last producer has gone. From
/// then on verbs return `Eof` until another producer joins, unless [`set_eof`](Self::set_eof)
/// makes the consumer wait for it. A consumer that joins after another one got `Eof` waits for
/// the next producer, as one that joins before the first does.
///
/// Dropping the consumer leaves the messages that it did not receive to the other consumers or to
/// the next one. When the last one has gone, producers get a broken pipe until another joins.
#[derive(Debug)]
pub struct Consumer {
    endpoint: RecvEndpoint,
    /// Where competing consumers keep the messages of a batch.
    scratch: Scratch,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins the ring as a consumer of messages. Takes over the role of a sole consumer that
    /// died, whose unreleased message comes again. Does not wait for a living one.
    ///
    /// # Errors
    /// [`JoinError::RoleTaken`] names the living holder of a sole role.
    pub fn consumer(&self) -> Result<Consumer, JoinError> {
        Consumer::new(RecvEndpoint::join(self.view()?)?)
    }
}

impl Consumer {
    pub(crate) fn new(endpoint: RecvEndpoint) -> Result<Self, JoinError> {
        Ok(Self { endpoint, scratch: Scratch::default(), not_sync: PhantomData })
    }

    /// Joins the same ring once more, if it can have several consumers.
    ///
    /// # Errors
    /// As for [`Segment::consumer`].
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Self::new(RecvEndpoint::join(self.endpoint.registration.mapped.another())?)
    }

    /// Peeks at the next message in place, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`]; [`NotExclusive`](TryRecvError::NotExclusive) where
    /// consumers compete.
    #[inline]
    pub fn try_peek(&mut self) -> Result<Peek<'_>, TryRecvError> {
        self.endpoint.check_exclusive()?;
        let place = self.endpoint.next()?;
        Ok(Peek::new(&mut self.endpoint, place))
    }

    /// Peeks at the next message in place. Blocks while none is there.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("frames", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send(b"header and payload")?;
    ///
    /// // A message that is not released stays, and is marked as redelivered.
    /// drop(consumer.peek()?);
    ///
    /// let peek = consumer.peek()?;
    /// let mut header = [0; 6];
    /// peek.copy_to(&mut header);
    /// assert_eq!(&header, b"header");
    /// assert!(peek.is_redelivered());
    /// peek.release();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`] and [`try_peek`](Self::try_peek).
    #[inline]
    pub fn peek(&mut self) -> Result<Peek<'_>, RecvError> {
        if !self.endpoint.is_exclusive() {
            return Err(RecvError::NotExclusive);
        }
        let place = endless(|| self.endpoint.next_by(Deadline::NEVER))?;
        Ok(Peek::new(&mut self.endpoint, place))
    }

    /// Peeks at the next message in place. Blocks while none is there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`] and [`try_peek`](Self::try_peek).
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Peek<'_>, RecvTimeoutError> {
        self.endpoint.check_exclusive()?;
        let place = self.endpoint.next_by(Deadline::after(timeout))?;
        Ok(Peek::new(&mut self.endpoint, place))
    }

    /// Receives the next message into `buffer`, if one is there; returns its length
    /// in bytes.
    ///
    /// # Errors
    /// See [`RecvIntoError`] and [`TryRecvError`]. A message that is longer than the buffer
    /// stays.
    #[inline(always)]
    pub fn try_recv_into(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<usize, RecvIntoError<TryRecvError>> {
        take_into(&mut self.endpoint, buffer)
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Blocks while none is
    /// there.
    ///
    /// # Errors
    /// See [`RecvIntoError`] and [`RecvError`]. A message that is longer than the buffer stays.
    #[inline(always)]
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        // Most often a message is there, or the rest need not be looked at.
        if let Some(len) = take_into_fast(&mut self.endpoint, buffer) {
            return Ok(len);
        }
        self.recv_into_slow(buffer)
    }

    #[inline(never)]
    fn recv_into_slow(&mut self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        let taken = endless(|| self.recv_into_by(buffer, Deadline::NEVER))?;
        taken.map_err(TooSmall::error)
    }

    /// Receives the next message into `buffer` if it fits. The inner result is of a message
    /// that was there.
    #[inline(always)]
    fn recv_into_by(
        &mut self,
        buffer: &mut [u8],
        deadline: Deadline,
    ) -> Result<Result<usize, TooSmall>, RecvTimeoutError> {
        self.endpoint.retry_by(deadline, |endpoint| match take_into(endpoint, buffer) {
            Ok(len) => Ok(Ok(len)),
            Err(RecvIntoError::TooSmall { len }) => Ok(Err(TooSmall { len })),
            Err(RecvIntoError::Recv(error)) => Err(error),
        })
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Blocks while none is
    /// there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvIntoError`] and [`RecvTimeoutError`]. A message that is longer than the buffer
    /// stays.
    pub fn recv_into_timeout(
        &mut self,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, RecvIntoError<RecvTimeoutError>> {
        let taken = self.recv_into_by(buffer, Deadline::after(timeout))?;
        taken.map_err(TooSmall::error)
    }

    /// Receives the next message into `message`, in place of what it holds, if one is there;
    /// returns its length in bytes. Grows the vector if it has to, and so allocates nothing once
    /// it has held the longest message.
    ///
    /// # Errors
    /// See [`TryRecvError`]. The vector is empty then.
    pub fn try_recv_into_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, TryRecvError> {
        message.clear();
        take_copy(&mut self.endpoint, message).inspect_err(|_| message.clear())?;
        Ok(message.len())
    }

    /// As [`try_recv_into_vec`](Self::try_recv_into_vec), but blocks while no message is there.
    ///
    /// ```
    /// use shmring::{Config, RecvError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["one", "three"])?;
    ///
    /// let mut message = Vec::new();
    /// let mut lengths = Vec::new();
    /// while consumer.recv_into_vec(&mut message) != Err(RecvError::Eof) {
    ///     lengths.push(message.len());
    /// }
    /// assert_eq!(lengths, [3, 5]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`]. The vector is empty then.
    pub fn recv_into_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, RecvError> {
        endless(|| self.recv_into_vec_by(message, Deadline::NEVER))
    }

    /// As [`try_recv_into_vec`](Self::try_recv_into_vec), but blocks while no message is there,
    /// for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`]. The vector is empty then.
    pub fn recv_into_vec_timeout(
        &mut self,
        message: &mut Vec<u8>,
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        self.recv_into_vec_by(message, Deadline::after(timeout))
    }

    /// Receives a copy of the next message, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<Vec<u8>, TryRecvError> {
        let mut message = Vec::new();
        take_copy(&mut self.endpoint, &mut message)?;
        Ok(message)
    }

    /// Receives a copy of the next message. Blocks while none is there. Allocates;
    /// [`recv_into`](Self::recv_into) does not.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shmring::{Config, RecvError, RecvTimeoutError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// let mut consumer = segment.consumer()?;
    ///
    /// producer.send(b"EURUSD 1.0842")?;
    /// assert_eq!(consumer.recv()?, b"EURUSD 1.0842");
    /// let timed = consumer.recv_timeout(Duration::from_millis(1));
    /// assert_eq!(timed, Err(RecvTimeoutError::TimedOut));
    /// drop(producer);
    /// assert_eq!(consumer.recv(), Err(RecvError::Eof));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<Vec<u8>, RecvError> {
        endless(|| self.recv_by(Deadline::NEVER))
    }

    /// Receives a copy of the next message. Blocks while none is there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        self.recv_by(Deadline::after(timeout))
    }

    /// Receives a copy of the next message. Blocks while none is there, until `deadline` at
    /// most; one that has passed allows one attempt.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Vec<u8>, RecvTimeoutError> {
        self.recv_by(Deadline::at(deadline))
    }

    fn recv_by(&mut self, deadline: Deadline) -> Result<Vec<u8>, RecvTimeoutError> {
        let mut message = Vec::new();
        self.recv_into_vec_by(&mut message, deadline)?;
        Ok(message)
    }

    /// Returns an iterator over copies of all messages up to the end of the stream. Each step is
    /// a [`recv`](Self::recv). An error other than the end is the last item. `for message in
    /// &mut consumer` does the same.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["one", "two"])?;
    ///
    /// let mut lines = Vec::new();
    /// for message in consumer.iter() {
    ///     lines.push(String::from_utf8(message?)?);
    /// }
    /// assert_eq!(lines, ["one", "two"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&mut self) -> Iter<'_> {
        Iter::new(self)
    }

    /// Receives a copy of the next message in place of what `message` holds; returns its length.
    pub(crate) fn recv_into_vec_by(
        &mut self,
        message: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<usize, RecvTimeoutError> {
        message.clear();
        self.endpoint
            .retry_by(deadline, |endpoint| take_copy(endpoint, message))
            .inspect_err(|_| message.clear())?;
        Ok(message.len())
    }

    /// Receives up to `max` messages at once and passes them to `visit`, in order. Returns their
    /// number.
    ///
    /// A sole consumer passes them in place and then releases all of them: if `visit` panics,
    /// it releases none. A consumer that competes copies them, at most 256 at once, takes them,
    /// and passes the copies: if `visit` panics, the rest is lost.
    ///
    /// # Errors
    /// See [`TryRecvError`], if there is no message to begin with.
    #[inline]
    pub fn try_recv_batch(
        &mut self,
        max: usize,
        mut visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, TryRecvError> {
        take_batch(&mut self.endpoint, &mut self.scratch, max, &mut visit)
    }

    /// As [`try_recv_batch`](Self::try_recv_batch), but blocks while no message is there.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("jobs", &Config::mpmc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["one", "two", "three"])?;
    ///
    /// let mut jobs = Vec::new();
    /// while jobs.len() < 3 {
    ///     // As many as are there, but no more than two.
    ///     consumer.recv_batch(2, |job| jobs.push((job.end_position(), job.to_vec())))?;
    /// }
    /// assert_eq!(jobs[2], (3, b"three".to_vec()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn recv_batch(
        &mut self,
        max: usize,
        visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvError> {
        let mut visit = visit;
        endless(|| self.recv_batch_by(max, Deadline::NEVER, &mut visit))
    }

    /// As [`try_recv_batch`](Self::try_recv_batch), but blocks while no message is there, for at
    /// most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_batch_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
        mut visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvTimeoutError> {
        self.recv_batch_by(max, Deadline::after(timeout), &mut visit)
    }

    #[inline]
    fn recv_batch_by(
        &mut self,
        max: usize,
        deadline: Deadline,
        visit: &mut impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvTimeoutError> {
        let Self { endpoint, scratch, .. } = self;
        endpoint.retry_by(deadline, |endpoint| take_batch(endpoint, scratch, max, visit))
    }

    /// Looks at messages in place, one after the other, before any of them is
    /// consumed. Does not wait: [`peek`](Self::peek) first where that is wanted.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["first", "second", "third"])?;
    ///
    /// let mut ahead = consumer.lookahead()?;
    /// let mut bytes = 0;
    /// while let Some(message) = ahead.next() {
    ///     bytes += message.len();
    /// }
    /// assert_eq!(bytes, 16);
    /// ahead.release_first(2);
    /// assert_eq!(consumer.recv()?, b"third");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TryRecvError::NotExclusive`] where consumers compete.
    pub fn lookahead(&mut self) -> Result<Lookahead<'_>, TryRecvError> {
        self.endpoint.check_exclusive()?;
        Ok(Lookahead::new(&mut self.endpoint))
    }

    /// Whether this consumer looks at messages in place: no other one takes them.
    pub fn is_exclusive(&self) -> bool {
        self.endpoint.is_exclusive()
    }

    /// Sets whether a wait that spins may look at the ring less often under load, by a few
    /// microseconds, so that more messages come at once; see [`WaitMode`]. The default is
    /// `true`. Without it each message is seen as soon as possible, and fewer come through.
    pub fn set_backoff(&mut self, backoff: bool) {
        self.endpoint.registration.backoff = backoff;
    }

    /// Returns an object that ends the waits of this handle from another thread or a signal
    /// handler.
    pub fn interrupter(&self) -> Interrupter {
        self.endpoint.registration.interrupter()
    }

    /// Returns how many bytes of messages and their overhead the ring holds, or all slots
    /// together.
    pub fn capacity_bytes(&self) -> u64 {
        self.endpoint.registration.mapped.shape().capacity_bytes()
    }

    /// Returns how many messages are in the ring. A slot ring counts those that a producer has
    /// begun and not finished; a record ring is walked, a step for each message.
    ///
    /// Of an exclusive consumer the number can only rise until it receives: in a record ring at
    /// least as many can be received without a wait.
    pub fn len(&self) -> usize {
        self.endpoint.messages() as usize
    }

    /// Returns `true` if no message can be received now. Once it is `false` for an exclusive
    /// consumer, it stays so until that consumer receives.
    pub fn is_empty(&self) -> bool {
        self.endpoint.registration.check().is_err() || !self.endpoint.has_message()
    }

    /// Returns how this consumer waits for messages.
    pub fn wait_mode(&self) -> WaitMode {
        self.endpoint.registration.mode
    }

    /// Sets how this consumer waits for messages. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.endpoint.registration.mode = mode;
    }

    /// Closes the ring for good: no producer can send any more, but for a send that is under
    /// way. What is in the ring stays for the next consumer.
    pub fn close(self) {
        self.endpoint.registration.close();
    }

    /// The side, for handles that are built on this one.
    pub(crate) fn endpoint(&mut self) -> &mut RecvEndpoint {
        &mut self.endpoint
    }
}

/// A message that is longer than the buffer for it.
struct TooSmall {
    len: usize,
}

impl TooSmall {
    fn error<E>(self) -> RecvIntoError<E> {
        RecvIntoError::TooSmall { len: self.len }
    }
}

#[inline(always)]
fn take_into(
    endpoint: &mut RecvEndpoint,
    buffer: &mut [u8],
) -> Result<usize, RecvIntoError<TryRecvError>> {
    match take_into_fast(endpoint, buffer) {
        Some(len) => Ok(len),
        None => take_into_slow(endpoint, buffer),
    }
}

#[inline(always)]
fn take_into_fast(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Option<usize> {
    // Most often the caller knows the length, and then so does the compiler, here.
    if endpoint.copy_out_fast(Fill(buffer)) {
        Some(buffer.len())
    } else {
        fit_fast(endpoint, buffer)
    }
}

/// Copies a message that is as long as the buffer.
struct Fill<'b>(&'b mut [u8]);

impl CopyOut for Fill<'_> {
    #[inline(always)]
    fn copy_out(self, place: Place, payload: Payload<'_>) -> bool {
        let fills = place.len() as usize == self.0.len();
        if fills {
            copy::load(payload, self.0);
        }
        fills
    }
}

/// Copies a message that is no longer than the buffer, and stores its length.
struct Fit<'b>(&'b mut [u8], &'b mut usize);

impl CopyOut for Fit<'_> {
    #[inline]
    fn copy_out(self, place: Place, payload: Payload<'_>) -> bool {
        *self.1 = place.len() as usize;
        self.0.get_mut(..*self.1).map(|buffer| copy::load(payload, buffer)).is_some()
    }
}

/// Takes a message that fits into the buffer, on the fast path. Returns its length.
#[inline(never)]
fn fit_fast(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Option<usize> {
    let mut len = 0;
    endpoint.copy_out_fast(Fit(buffer, &mut len)).then_some(len)
}

#[cold]
#[inline(never)]
fn take_into_slow(
    endpoint: &mut RecvEndpoint,
    buffer: &mut [u8],
) -> Result<usize, RecvIntoError<TryRecvError>> {
    let mut len = 0;
    endpoint.try_take_or(1, |_, place, words| {
        len = place.len() as usize;
        let Some(buffer) = buffer.get_mut(..len) else {
            return Err(RecvIntoError::TooSmall { len });
        };
        copy::load(words, buffer);
        Ok(())
    })?;
    Ok(len)
}

fn take_copy(endpoint: &mut RecvEndpoint, message: &mut Vec<u8>) -> Result<(), TryRecvError> {
    endpoint.try_take(1, |_, place, words| {
        message.resize(place.len() as usize, 0);
        copy::load(words, message);
        Ok(())
    })?;
    Ok(())
}

#[inline]
fn take_batch(
    endpoint: &mut RecvEndpoint,
    scratch: &mut Scratch,
    max: usize,
    visit: &mut impl FnMut(&Message<'_>),
) -> Result<usize, TryRecvError> {
    if endpoint.is_exclusive() || max == 0 {
        take_in_place(endpoint, max, visit)
    } else {
        take_copies(endpoint, scratch, max, visit)
    }
}

#[inline]
fn take_in_place(
    endpoint: &mut RecvEndpoint,
    max: usize,
    visit: &mut impl FnMut(&Message<'_>),
) -> Result<usize, TryRecvError> {
    let mut batch = Lookahead::new(endpoint);
    batch.look_through(max, visit);
    if batch.messages() == 0 {
        batch = batch.restarted()?;
    }
    while batch.messages() < max
        && let Some(message) = batch.next()
    {
        visit(&message);
        batch.look_through(max, visit);
    }
    // The caller's code ran, and may have forked.
    batch.release_or_forked()
}

#[inline]
fn take_copies(
    endpoint: &mut RecvEndpoint,
    scratch: &mut Scratch,
    max: usize,
    visit: &mut impl FnMut(&Message<'_>),
) -> Result<usize, TryRecvError> {
    let copy = |index, place: Place, words: Payload<'_>| {
        scratch.put(index, place.end, words);
        Ok(())
    };
    let count = endpoint.try_take(max.min(MAX_SHARED_BATCH), copy)?;
    scratch.messages(count).for_each(|message| visit(&message));
    Ok(count)
}
