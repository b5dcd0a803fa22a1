//! The receiving side.

mod batches;
mod buffers;
mod copies;

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Duration;

use crate::endpoint::RecvEndpoint;
use crate::endpoint::subscribe::Subscribe;
use crate::error::{JoinError, RecvError, RecvTimeoutError, TryRecvError, endless};
use crate::guards::{Peek, Scratch};
use crate::ring::Extent;
use crate::segment::Segment;
use crate::sync::Deadline;

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
/// An [`Interrupter`](crate::Interrupter) ends the wait of a blocked verb, and so does a [close](Segment::close).
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
    /// died, whose unreleased message comes again. Does not wait for a living one. Of a broadcast
    /// ring this is [`subscribe`](Self::subscribe) with [`Subscribe::gating`].
    ///
    /// # Errors
    /// [`JoinError::RoleTaken`] names the living holder of a sole role.
    pub fn consumer(&self) -> Result<Consumer, JoinError> {
        Consumer::new(RecvEndpoint::join(self.view()?, Subscribe::gating())?)
    }

    /// Joins a broadcast ring of messages as a subscriber.
    ///
    /// # Errors
    /// [`JoinError::WrongKind`] of a ring of another kind; [`JoinError::Gone`] if it cannot start
    /// at the position that `how` names; [`JoinError::Outrun`] if the producer is too fast.
    pub fn subscribe(&self, how: Subscribe) -> Result<Consumer, JoinError> {
        self.check_broadcast()?;
        Consumer::new(RecvEndpoint::join(self.view()?, how)?)
    }
}

impl Consumer {
    pub(crate) fn new(endpoint: RecvEndpoint) -> Result<Self, JoinError> {
        Ok(Self { endpoint, scratch: Scratch::default(), not_sync: PhantomData })
    }

    /// Joins the same ring once more, if it can have several consumers; as a subscriber like this
    /// one, from the next message on.
    ///
    /// # Errors
    /// As for [`Segment::consumer`].
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Self::new(self.endpoint.another()?)
    }

    /// Peeks at the next message in place, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`]; [`NotExclusive`](TryRecvError::NotExclusive) where
    /// consumers compete.
    #[inline]
    pub fn try_peek(&mut self) -> Result<Peek<'_>, TryRecvError> {
        self.endpoint.check_exclusive()?;
        if let Some(place) = self.endpoint.next_fast() {
            return Ok(Peek::new(&mut self.endpoint, Extent::Whole(place)));
        }
        self.try_peek_slow()
    }

    #[cold]
    #[inline(never)]
    fn try_peek_slow(&mut self) -> Result<Peek<'_>, TryRecvError> {
        let extent = self.endpoint.next()?;
        Ok(Peek::new(&mut self.endpoint, extent))
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
        if let Some(place) = self.endpoint.next_fast() {
            return Ok(Peek::new(&mut self.endpoint, Extent::Whole(place)));
        }
        self.peek_slow()
    }

    #[cold]
    #[inline(never)]
    fn peek_slow(&mut self) -> Result<Peek<'_>, RecvError> {
        let extent = endless(|| self.endpoint.next_by(Deadline::NEVER))?;
        Ok(Peek::new(&mut self.endpoint, extent))
    }

    /// Peeks at the next message in place. Blocks while none is there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`] and [`try_peek`](Self::try_peek).
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Peek<'_>, RecvTimeoutError> {
        self.endpoint.check_exclusive()?;
        let extent = self.endpoint.next_by(Deadline::after(timeout))?;
        Ok(Peek::new(&mut self.endpoint, extent))
    }

    /// Returns the position of the next message; [`Start::Position`](crate::Start::Position) lets a
    /// subscriber go on there.
    pub fn position(&self) -> u64 {
        self.endpoint.head()
    }

    /// Returns how many bytes of messages and their overhead the ring holds, or all slots
    /// together.
    pub fn capacity_bytes(&self) -> u64 {
        self.endpoint.registration.mapped.shape().capacity_bytes()
    }

    /// Returns the endpoint, for readers that are built on this handle.
    pub(crate) fn endpoint(&mut self) -> &mut RecvEndpoint {
        &mut self.endpoint
    }

    consumer_settings!();
}
