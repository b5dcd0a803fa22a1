//! The receiving side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Duration;

use crate::endpoint::RecvEndpoint;
use crate::endpoint::interrupt::Interrupter;
use crate::endpoint::park::WaitMode;
use crate::error::{JoinError, RecvError, TryRecvError};
use crate::guards::{Lookahead, Message, Peek, Scratch};
use crate::iter::until_end;
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
/// Each message is received once, whole and in order: of a ring that several consumers
/// share by one of them, and each sees the messages of one producer in their order.
/// Receiving a message happens after everything that its producer did before sending it.
///
/// Verbs that begin with `try_` return at once; `_timeout` ones wait for a message up to a
/// timeout, the others as long as it takes. None makes a system call unless it has to sleep,
/// or a producer sleeps that it wakes. The `try_` ones do not look for the dead: poll beside a
/// [`Monitor`](crate::Monitor), or call a `_timeout` one now and then.
///
/// The stream ends when the ring is empty and was closed, or its last producer has gone.
/// A consumer that was told so is told again until another producer joins; a consumer
/// that joins after the end was told waits for another producer, as one that joins
/// before the first does.
///
/// Dropping the consumer leaves the messages that it did not receive to the others or
/// to the next one; producers get a broken pipe when the last one has gone, until there
/// is one again.
#[derive(Debug)]
pub struct Consumer {
    endpoint: RecvEndpoint,
    /// Where competing consumers keep the messages of a batch.
    scratch: Scratch,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins the ring as a consumer of messages. The role of a sole consumer that died is
    /// taken over, and the message that it had not released comes again; one that is held is
    /// not waited for.
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

    /// Another consumer of the same ring, where it can have many.
    ///
    /// # Errors
    /// As for [`Segment::consumer`].
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Self::new(RecvEndpoint::join(self.endpoint.registration.mapped.another())?)
    }

    /// Looks at the next message in place, if one is there.
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

    /// Looks at the next message in place; waits for one as long as it takes.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("frames", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send(b"header and payload")?;
    ///
    /// // What is not released stays, and says so when it is shown again.
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
        self.peek_by(Deadline::NEVER)
    }

    /// Looks at the next message in place; waits for one up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvError`] and [`try_peek`](Self::try_peek).
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Peek<'_>, RecvError> {
        self.peek_by(Deadline::after(timeout))
    }

    #[inline]
    fn peek_by(&mut self, deadline: Deadline) -> Result<Peek<'_>, RecvError> {
        self.endpoint.check_exclusive()?;
        let place = self.endpoint.next_by(deadline)?;
        Ok(Peek::new(&mut self.endpoint, place))
    }

    /// Receives the next message into `buffer`, if one is there; returns its length
    /// in bytes.
    ///
    /// # Errors
    /// See [`TryRecvError`]. A message that is longer than the buffer stays.
    #[inline(always)]
    pub fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        take_into(&mut self.endpoint, buffer)
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Waits
    /// for one as long as it takes.
    ///
    /// # Errors
    /// See [`RecvError`]. A message that is longer than the buffer stays.
    #[inline(always)]
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        // Most often a message is there, or the rest need not be looked at.
        if let Some(len) = take_into_fast(&mut self.endpoint, buffer) {
            return Ok(len);
        }
        self.recv_into_slow(buffer)
    }

    #[inline(never)]
    fn recv_into_slow(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        self.endpoint.retry_by(Deadline::NEVER, |endpoint| take_into(endpoint, buffer))
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Waits
    /// for one up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvError`]. A message that is longer than the buffer stays.
    pub fn recv_into_timeout(
        &mut self,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, RecvError> {
        self.endpoint.retry_by(Deadline::after(timeout), |endpoint| take_into(endpoint, buffer))
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

    /// Receives a copy of the next message; waits for one as long as it takes. It allocates;
    /// [`recv_into`](Self::recv_into) does not.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shmring::{Config, RecvError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// let mut consumer = segment.consumer()?;
    ///
    /// producer.send(b"EURUSD 1.0842")?;
    /// assert_eq!(consumer.recv()?, b"EURUSD 1.0842");
    /// assert_eq!(consumer.recv_timeout(Duration::from_millis(1)), Err(RecvError::TimedOut));
    /// drop(producer);
    /// assert_eq!(consumer.recv(), Err(RecvError::Eof));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<Vec<u8>, RecvError> {
        self.recv_by(Deadline::NEVER)
    }

    /// Receives a copy of the next message; waits for one up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Vec<u8>, RecvError> {
        self.recv_by(Deadline::after(timeout))
    }

    fn recv_by(&mut self, deadline: Deadline) -> Result<Vec<u8>, RecvError> {
        let mut message = Vec::new();
        self.recv_to_by(&mut message, deadline)?;
        Ok(message)
    }

    /// Copies of all messages up to the end of the stream, for a `for` loop: each step is a
    /// [`recv`](Self::recv). An error other than the end is the last item.
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
    pub fn iter(&mut self) -> impl Iterator<Item = Result<Vec<u8>, RecvError>> {
        until_end(|| self.recv())
    }

    /// Receives a copy of the next message in place of what `message` holds.
    pub(crate) fn recv_to_by(
        &mut self,
        message: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<(), RecvError> {
        self.endpoint.retry_by(deadline, |endpoint| take_copy(endpoint, message))
    }

    /// Receives up to `max` messages at once and shows them to `visit`, in order; returns
    /// how many.
    ///
    /// A sole consumer shows them in place and then consumes all of them: if `visit`
    /// panics, none is consumed. Where consumers compete, it copies them, at most 256 at
    /// once, consumes them and shows the copies: if `visit` panics, the rest is lost.
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

    /// As [`try_recv_batch`](Self::try_recv_batch), but waits for the first message.
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
        self.recv_batch_by(max, Deadline::NEVER, visit)
    }

    /// As [`try_recv_batch`](Self::try_recv_batch), but waits for the first message
    /// up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_batch_timeout(
        &mut self,
        max: usize,
        timeout: Duration,
        visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvError> {
        self.recv_batch_by(max, Deadline::after(timeout), visit)
    }

    #[inline]
    fn recv_batch_by(
        &mut self,
        max: usize,
        deadline: Deadline,
        mut visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvError> {
        let Self { endpoint, scratch, .. } = self;
        endpoint.retry_by(deadline, |endpoint| take_batch(endpoint, scratch, max, &mut visit))
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

    /// How this consumer waits for messages. [`WaitMode::Adaptive`] unless set.
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

#[inline(always)]
fn take_into(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
    match take_into_fast(endpoint, buffer) {
        Some(len) => Ok(len),
        None => take_into_slow(endpoint, buffer),
    }
}

#[inline(always)]
fn take_into_fast(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Option<usize> {
    // Most often the caller knows the length, and then so does the compiler, here.
    if fill_fast(endpoint, buffer) { Some(buffer.len()) } else { fit_fast(endpoint, buffer) }
}

/// Takes a message that is as long as the buffer, if nothing stands in the way that has to be
/// looked into; whether it did.
#[inline(always)]
fn fill_fast(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> bool {
    endpoint.take_fast(|place, words| {
        let fills = place.len() as usize == buffer.len();
        if fills {
            copy::load(words, buffer);
        }
        fills
    })
}

/// The same for any message that fits into the buffer; its length.
#[inline(never)]
fn fit_fast(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Option<usize> {
    let mut len = 0;
    let taken = endpoint.take_fast(|place, words| {
        len = place.len() as usize;
        buffer.get_mut(..len).map(|buffer| copy::load(words, buffer)).is_some()
    });
    taken.then_some(len)
}

#[cold]
#[inline(never)]
fn take_into_slow(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
    let mut len = 0;
    endpoint.try_take(1, |_, place, words| {
        len = place.len() as usize;
        let Some(buffer) = buffer.get_mut(..len) else {
            return Err(TryRecvError::TooSmall { len });
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
