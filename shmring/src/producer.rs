//! The sending side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Duration;

use crate::endpoint::SendEndpoint;
use crate::endpoint::interrupt::Interrupter;
use crate::endpoint::park::WaitMode;
use crate::error::{JoinError, SendError, TrySendError};
use crate::guards::Reservation;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::Place;
use crate::segment::Segment;
use crate::sync::Deadline;

/// The sending side of a ring of messages.
///
/// What is written before a message is sent happens before what its receiver
/// reads. Messages of one producer arrive in the order in which they were sent.
///
/// Verbs that begin with `try_` return at once; `_timeout` ones wait for room up to a
/// timeout, the others as long as it takes. None makes a system call unless it has to sleep,
/// or a consumer sleeps that it wakes. The `try_` ones do not look for the dead: poll beside a
/// [`Monitor`](crate::Monitor), or call a `_timeout` one now and then.
///
/// Dropping the last producer ends the stream: consumers get what was sent, then
/// the end of the stream, until another producer joins.
///
/// Where producers compete, a message that is being sent holds back those that others
/// send after it, until it is complete. A producer that dies meanwhile is found out; one
/// that is stopped there is waited for, as nothing can take its stores back. So is one that
/// is stopped when it has only announced a ticket, if another producer claimed that ticket and
/// died: which of the two has it cannot be told.
#[derive(Debug)]
pub struct Producer {
    endpoint: SendEndpoint,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins the ring as a producer of messages. The role of a sole producer that died is
    /// taken over; one that is held is not waited for.
    ///
    /// # Errors
    /// [`JoinError::RoleTaken`] names the living holder of a sole role;
    /// [`JoinError::WrongType`] if the ring is for elements of one type.
    pub fn producer(&self) -> Result<Producer, JoinError> {
        Producer::join(self.mapped_ring_of(None)?)
    }
}

impl Producer {
    pub(crate) fn join(mapped: MappedRing) -> Result<Self, JoinError> {
        let endpoint = SendEndpoint::join(mapped)?;
        Ok(Self { endpoint, not_sync: PhantomData })
    }

    /// Another producer of the same ring, where it can have many.
    ///
    /// # Errors
    /// As for [`Segment::producer`].
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        let endpoint = SendEndpoint::join(self.endpoint.registration.mapped.another())?;
        Ok(Self { endpoint, not_sync: PhantomData })
    }

    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of the message is visible then.
    #[inline(always)]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        if self.endpoint.send_fast(message) {
            return Ok(());
        }
        self.try_send_slow(message)
    }

    #[cold]
    #[inline(never)]
    fn try_send_slow(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        let place = self.try_reserve_place(message.len())?;
        self.endpoint.fill(place, message);
        Ok(())
    }

    /// Sends a message; waits for room as long as it takes.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// producer.send(b"EURUSD 1.0842")?;
    /// assert_eq!(segment.consumer()?.recv()?, b"EURUSD 1.0842");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the message is visible then.
    #[inline(always)]
    pub fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.send_by(message, Deadline::NEVER)
    }

    /// Sends a message; waits for room up to `timeout`.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the message is visible then.
    pub fn send_timeout(&mut self, message: &[u8], timeout: Duration) -> Result<(), SendError> {
        self.send_by(message, Deadline::after(timeout))
    }

    #[inline(always)]
    fn send_by(&mut self, message: &[u8], deadline: Deadline) -> Result<(), SendError> {
        if self.endpoint.send_fast(message) {
            return Ok(());
        }
        self.send_slow(message, deadline)
    }

    #[cold]
    #[inline(never)]
    fn send_slow(&mut self, message: &[u8], deadline: Deadline) -> Result<(), SendError> {
        let place = self.reserve_place_by(message.len(), deadline)?;
        self.endpoint.fill(place, message);
        Ok(())
    }

    /// Sends all messages if there is room for all now, with no other producer's
    /// between them.
    ///
    /// In a record ring the consumer sees none of them or all. Together they may have as
    /// many bytes as one message can, where each but the first counts 8 bytes more and
    /// all are rounded up to 8. In a slot ring they may be as many as it has slots, and
    /// become visible one after the other: a producer that dies may have sent only the
    /// first of them. A batch that fills much of the ring waits until as much is free at
    /// one moment, which busy producers beside it may prevent for long.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of the batch is visible then.
    pub fn try_send_batch<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<(), TrySendError> {
        self.try_send_all(messages.iter().map(AsRef::as_ref))
    }

    /// As [`try_send_batch`](Self::try_send_batch), but waits for room.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// let mut consumer = segment.consumer()?;
    ///
    /// producer.send_batch(&["all of them", "or none"])?;
    /// let mut lengths = Vec::new();
    /// let count = consumer.recv_batch(10, |message| lengths.push(message.len()))?;
    /// assert_eq!((count, &lengths[..]), (2, &[11, 7][..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the batch is visible then.
    pub fn send_batch<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<(), SendError> {
        self.send_all_by(messages.iter().map(AsRef::as_ref), Deadline::NEVER)
    }

    /// As [`try_send_batch`](Self::try_send_batch), but waits for room up to `timeout`.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the batch is visible then.
    pub fn send_batch_timeout<M: AsRef<[u8]>>(
        &mut self,
        messages: &[M],
        timeout: Duration,
    ) -> Result<(), SendError> {
        self.send_all_by(messages.iter().map(AsRef::as_ref), Deadline::after(timeout))
    }

    pub(crate) fn try_send_all<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
    ) -> Result<(), TrySendError> {
        self.endpoint
            .send_all(messages, |endpoint, len, count| Ok(endpoint.reserve_place(len, count)?))
    }

    pub(crate) fn send_all_by<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        deadline: Deadline,
    ) -> Result<(), SendError> {
        self.endpoint.send_all(messages, |endpoint, len, count| {
            endpoint.reserve_place_by(len, count, deadline)
        })
    }

    /// Reserves `len` bytes in the ring if there is room now, to be written in place. Where
    /// producers compete, messages that others send meanwhile wait behind it.
    ///
    /// # Errors
    /// See [`TrySendError`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, TrySendError> {
        let place = self.try_reserve_place(len)?;
        Ok(Reservation::new(&mut self.endpoint, place))
    }

    /// As [`try_reserve`](Self::try_reserve), but waits for room.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("frames", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// let mut consumer = segment.consumer()?;
    ///
    /// let mut space = producer.reserve(1000)?;
    /// space.write_at(7, b"and payload");
    /// space.write_at(0, b"header ");
    /// space.commit(); // What was written; it need not be all of it.
    ///
    /// // One that is dropped is given up, and nobody sees it.
    /// drop(producer.reserve(1000)?);
    ///
    /// assert_eq!(consumer.recv()?, b"header and payload");
    /// assert!(consumer.try_recv().is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`SendError`].
    #[inline]
    pub fn reserve(&mut self, len: usize) -> Result<Reservation<'_>, SendError> {
        self.reserve_by(len, Deadline::NEVER)
    }

    /// As [`try_reserve`](Self::try_reserve), but waits for room up to `timeout`.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn reserve_timeout(
        &mut self,
        len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_>, SendError> {
        self.reserve_by(len, Deadline::after(timeout))
    }

    #[inline]
    fn reserve_by(&mut self, len: usize, deadline: Deadline) -> Result<Reservation<'_>, SendError> {
        let place = self.reserve_place_by(len, deadline)?;
        Ok(Reservation::new(&mut self.endpoint, place))
    }

    #[inline]
    fn try_reserve_place(&mut self, len: usize) -> Result<Place, TrySendError> {
        self.endpoint.abandon();
        Ok(self.endpoint.reserve_place(len, 1)?)
    }

    #[inline]
    fn reserve_place_by(&mut self, len: usize, deadline: Deadline) -> Result<Place, SendError> {
        self.endpoint.abandon();
        self.endpoint.reserve_place_by(len, 1, deadline)
    }

    /// Bytes in the longest message that the ring can take.
    pub fn max_message_bytes(&self) -> usize {
        self.endpoint.max_message_bytes()
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

    /// Whether to refuse messages once the last consumer has gone, as a pipe does; true
    /// unless set. A producer that joins while no consumer is there waits for one,
    /// as a FIFO does for its reader, and fills the ring meanwhile. If not required,
    /// messages are kept for a later consumer until the ring is full.
    pub fn set_require_consumer(&mut self, require: bool) {
        self.endpoint.consumers.required = require;
    }

    /// Closes the ring for good: no producer can send any more, and the stream ends
    /// when the ring is drained, for consumers that come later too. A send of another
    /// producer that is under way may still succeed.
    pub fn close(self) {
        self.endpoint.registration.close();
    }
}
