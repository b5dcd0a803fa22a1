//! The sending side.

mod batches;
mod vectored;

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::endpoint::SendEndpoint;
use crate::error::{Fault, JoinError, SendError, SendTimeoutError, TrySendError, endless};
use crate::guards::Reservation;
use crate::info::{HeldUp, RingStatus};
use crate::memory::mapped_ring::MappedRing;
use crate::ring::Extent;
use crate::segment::Segment;
use crate::sync::Deadline;

/// The sending side of a ring of messages.
///
/// Sending a message happens before its consumer receives it. Messages of one producer arrive in
/// the order in which they were sent.
///
/// Verbs that begin with `try_` return at once. While there is no room, `_timeout` and `_deadline`
/// verbs block until that time at most; the others block without limit and never return
/// `TimedOut`. A verb that returns an error has sent nothing. No verb makes a system call unless
/// it sleeps or wakes a consumer. The `try_` verbs do not check for dead consumers: run a
/// [`Monitor`](crate::Monitor), or call a `_timeout` verb now and then.
///
/// An [`Interrupter`](crate::Interrupter) ends the wait of a blocked verb, and so does a [close](Segment::close). A
/// producer that dies in a verb has sent the whole message or nothing of it, in batches as each
/// verb says.
///
/// Dropping the last producer ends the stream: consumers receive what was sent, then the end of
/// the stream, until another producer joins.
///
/// Where producers compete, a message that is claimed and not complete delays those that others
/// send after it. If its producer dies, a consumer closes the ticket. If its producer is stopped,
/// consumers wait for it, as nothing can revoke its stores. They also wait for a stopped producer
/// that only announced a ticket which another producer claimed before it died: nothing shows
/// which of the two owns it.
#[derive(Debug)]
pub struct Producer {
    endpoint: SendEndpoint,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins the ring as a producer of messages. Takes over the role of a sole producer that
    /// died. Does not wait for a living one.
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

    /// Joins the same ring once more, if it can have several producers.
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
        let space = self.try_reserve_place(message.len())?;
        self.endpoint.fill(space, message);
        Ok(())
    }

    /// Sends a message. Blocks while there is no room.
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
        if self.endpoint.send_fast(message) {
            return Ok(());
        }
        self.send_slow(message)
    }

    #[cold]
    #[inline(never)]
    fn send_slow(&mut self, message: &[u8]) -> Result<(), SendError> {
        endless(|| self.send_slow_by(message, Deadline::NEVER))
    }

    /// Sends a message. Blocks while there is no room, for at most `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing of the message is visible then.
    pub fn send_timeout(
        &mut self,
        message: &[u8],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        self.send_by(message, Deadline::after(timeout))
    }

    /// Sends a message. Blocks while there is no room, until `deadline` at most; one that has
    /// passed allows one attempt.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing of the message is visible then.
    pub fn send_deadline(
        &mut self,
        message: &[u8],
        deadline: Instant,
    ) -> Result<(), SendTimeoutError> {
        self.send_by(message, Deadline::at(deadline))
    }

    fn send_by(&mut self, message: &[u8], deadline: Deadline) -> Result<(), SendTimeoutError> {
        if self.endpoint.send_fast(message) {
            return Ok(());
        }
        self.send_slow_by(message, deadline)
    }

    #[cold]
    #[inline(never)]
    fn send_slow_by(&mut self, message: &[u8], deadline: Deadline) -> Result<(), SendTimeoutError> {
        let space = self.reserve_place_by(message.len(), deadline)?;
        self.endpoint.fill(space, message);
        Ok(())
    }

    /// Blocks until there is room for a message of `len` bytes, for at most `timeout`.
    ///
    /// Of a sole producer nobody else can take that room: the next
    /// [`try_send`](Self::try_send) of such a message finds it. Where producers compete, another
    /// one may take it first.
    ///
    /// # Errors
    /// See [`SendTimeoutError`].
    pub fn wait_writable(&mut self, len: usize, timeout: Duration) -> Result<(), SendTimeoutError> {
        self.endpoint.wait_writable(len, Deadline::after(timeout))
    }

    /// Reserves `len` bytes in the ring if there is room now, to be written in place. Where
    /// producers compete, messages that others send meanwhile wait behind it.
    ///
    /// # Errors
    /// See [`TrySendError`].
    #[inline]
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, TrySendError> {
        let space = self.try_reserve_place(len)?;
        Ok(Reservation::new(&mut self.endpoint, space))
    }

    /// As [`try_reserve`](Self::try_reserve), but blocks while there is no room.
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
        let space = endless(|| self.reserve_place_by(len, Deadline::NEVER))?;
        Ok(Reservation::new(&mut self.endpoint, space))
    }

    /// As [`try_reserve`](Self::try_reserve), but blocks while there is no room, for at most
    /// `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`].
    pub fn reserve_timeout(
        &mut self,
        len: usize,
        timeout: Duration,
    ) -> Result<Reservation<'_>, SendTimeoutError> {
        let space = self.reserve_place_by(len, Deadline::after(timeout))?;
        Ok(Reservation::new(&mut self.endpoint, space))
    }

    #[inline]
    fn try_reserve_place(&mut self, len: usize) -> Result<Extent, TrySendError> {
        self.endpoint.abandon();
        Ok(self.endpoint.reserve_place(len, 1)?)
    }

    #[inline]
    fn reserve_place_by(
        &mut self,
        len: usize,
        deadline: Deadline,
    ) -> Result<Extent, SendTimeoutError> {
        self.endpoint.abandon();
        self.endpoint.reserve_place_by(len, 1, deadline)
    }

    /// Returns how many bytes the longest message has that the ring can take.
    pub fn max_message_bytes(&self) -> usize {
        self.endpoint.max_message_bytes()
    }

    /// Returns how many bytes of messages and their overhead the ring holds, or all slots
    /// together.
    pub fn capacity_bytes(&self) -> u64 {
        self.endpoint.registration.mapped.shape().capacity_bytes()
    }

    /// Returns the gating subscriber that keeps this producer of a broadcast ring from sending;
    /// `None` if the last send found room.
    ///
    /// # Errors
    /// As for [`Segment::status`].
    pub fn held_up_by(&self) -> Result<Option<HeldUp>, Fault> {
        let mapped = &self.endpoint.registration.mapped;
        let status = mapped.attach().status()?;
        Ok(status.rings.get(mapped.ring()).and_then(RingStatus::held_up_by))
    }

    producer_settings!();
}
