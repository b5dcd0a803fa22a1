//! The sending side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Duration;

use crate::error::{JoinError, Role, SendError, TrySendError};
use crate::grant::{Reservation, copy};
use crate::ring::record::{self, Place, Refused};
use crate::ring::roster::Tenure;
use crate::segment::Segment;
use crate::side::SendSide;
use crate::sync::Deadline;
use crate::wait::WaitMode;

/// The sending side of a ring.
///
/// What is written before a message is sent happens before what its receiver
/// reads. Messages arrive in the order in which they were sent.
///
/// Dropping the producer ends the stream: the consumer gets what was sent, then
/// the end of the stream, until another producer joins.
#[derive(Debug)]
pub struct Producer {
    side: SendSide,
    /// Consumers that had come before this producer saw one: their going is not its
    /// concern.
    past_consumers: u64,
    require_consumer: bool,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

/// Why no space was granted, for those who wait and those who do not.
enum Stop {
    /// Wait until head reaches `need`.
    Full {
        need: u64,
    },
    Error(TrySendError),
}

impl From<Stop> for TrySendError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Full { .. } => Self::Full,
            Stop::Error(error) => error,
        }
    }
}

impl Segment {
    /// Joins the ring as its producer. The role of a producer that died is taken over.
    ///
    /// # Errors
    /// [`JoinError::RoleTaken`] names the living holder.
    pub fn producer(&self) -> Result<Producer, JoinError> {
        let side = SendSide::join(self.view())?;
        let past_consumers = match side.seat.view.control().roles.tenure(Role::Consumer) {
            Tenure::Held { claims, .. } => claims.saturating_sub(1),
            tenure => tenure.claims(),
        };
        Ok(Producer { side, past_consumers, require_consumer: true, not_sync: PhantomData })
    }
}

impl Producer {
    /// Sends a message if there is room now.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of the message is visible then.
    #[inline]
    pub fn try_send(&mut self, message: &[u8]) -> Result<(), TrySendError> {
        self.side.ring.abort();
        let place = self.grant(message.len())?;
        self.fill(place, message);
        Ok(())
    }

    /// Sends a message; waits for room as long as it takes.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the message is visible then.
    #[inline]
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

    #[inline]
    fn send_by(&mut self, message: &[u8], deadline: Deadline) -> Result<(), SendError> {
        self.side.ring.abort();
        let place = self.grant_by(message.len(), deadline)?;
        self.fill(place, message);
        Ok(())
    }

    /// Sends all messages at once if there is room for all now: the consumer sees
    /// none of them or all. Together they may have as many bytes as one message can,
    /// where each but the first counts 8 bytes more and all are rounded up to 8.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of the batch is visible then.
    pub fn try_send_batch<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<(), TrySendError> {
        self.stage_all(messages, |producer, len| producer.grant(len).map_err(TrySendError::from))
    }

    /// As [`try_send_batch`](Self::try_send_batch), but waits for room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the batch is visible then.
    pub fn send_batch<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<(), SendError> {
        self.stage_all(messages, |producer, len| producer.grant_by(len, Deadline::NEVER))
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
        let deadline = Deadline::after(timeout);
        self.stage_all(messages, |producer, len| producer.grant_by(len, deadline))
    }

    fn stage_all<M: AsRef<[u8]>, E: From<TrySendError>>(
        &mut self,
        messages: &[M],
        grant: impl Fn(&mut Self, usize) -> Result<Place, E>,
    ) -> Result<(), E> {
        self.check()?;
        // A batch that unwound may have left something.
        self.side.ring.abort();
        let max = self.max_message_bytes();
        let len = record::batch_len(messages.iter().map(|message| message.as_ref().len() as u64));
        if len > max as u64 {
            return Err(TrySendError::TooLong { len: len as usize, max }.into());
        }
        for message in messages {
            let message = message.as_ref();
            match grant(self, message.len()) {
                Ok(place) => {
                    copy::store(self.side.payload(place), message);
                    let SendSide { ring, seat } = &mut self.side;
                    ring.stage(seat.view.record(), place, message.len() as u64);
                }
                Err(error) => {
                    self.side.ring.abort();
                    return Err(error);
                }
            }
        }
        self.side.publish();
        Ok(())
    }

    /// Reserves `len` bytes in the ring if there is room now, to be written in place.
    ///
    /// # Errors
    /// See [`TrySendError`].
    pub fn try_reserve(&mut self, len: usize) -> Result<Reservation<'_>, TrySendError> {
        self.side.ring.abort();
        let place = self.grant(len)?;
        Ok(Reservation::new(&mut self.side, place))
    }

    /// As [`try_reserve`](Self::try_reserve), but waits for room.
    ///
    /// # Errors
    /// See [`SendError`].
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

    fn reserve_by(&mut self, len: usize, deadline: Deadline) -> Result<Reservation<'_>, SendError> {
        self.side.ring.abort();
        let place = self.grant_by(len, deadline)?;
        Ok(Reservation::new(&mut self.side, place))
    }

    /// Bytes in the longest message that the ring can take.
    pub fn max_message_bytes(&self) -> usize {
        self.side.seat.view.attach().description.max_message_bytes as usize
    }

    /// How this producer waits for room. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.side.seat.mode = mode;
    }

    /// Whether to refuse messages once the consumer has gone, as a pipe does; true
    /// unless set. A producer that joins while no consumer is there waits for one,
    /// as a FIFO does for its reader, and fills the ring meanwhile. If not required,
    /// messages are kept for a later consumer until the ring is full.
    pub fn set_require_consumer(&mut self, require: bool) {
        self.require_consumer = require;
    }

    /// Closes the ring for good: no producer can send any more, and the stream ends
    /// when the ring is drained.
    pub fn close(self) {
        self.side.seat.close();
    }

    #[inline]
    fn grant(&mut self, len: usize) -> Result<Place, Stop> {
        self.check().map_err(Stop::Error)?;
        let ring = self.side.seat.view.record();
        self.side.ring.reserve(ring, len as u64).map_err(|refused| match refused {
            Refused::Full { need } => Stop::Full { need },
            Refused::TooLong => {
                Stop::Error(TrySendError::TooLong { len, max: self.max_message_bytes() })
            }
            Refused::Corrupt(corrupt) => {
                Stop::Error(TrySendError::Failed(self.side.seat.poison(corrupt)))
            }
        })
    }

    /// # Errors
    /// What keeps this producer from sending, whether there is room or not.
    #[inline]
    fn check(&self) -> Result<(), TrySendError> {
        self.side.seat.check().map_err(TrySendError::Failed)?;
        self.ended().map_or(Ok(()), Err)
    }

    /// Why nobody would receive what is sent now.
    #[inline]
    fn ended(&self) -> Option<TrySendError> {
        let roles = &self.side.seat.view.control().roles;
        if roles.is_closed() {
            return Some(TrySendError::Closed);
        }
        let gone = self.require_consumer && roles.consumer_gone(self.past_consumers);
        gone.then_some(TrySendError::BrokenPipe)
    }

    #[inline]
    fn grant_by(&mut self, len: usize, deadline: Deadline) -> Result<Place, SendError> {
        loop {
            match self.grant(len) {
                Ok(place) => return Ok(place),
                Err(Stop::Full { need }) => self.await_room(need, deadline)?,
                Err(Stop::Error(error)) => return Err(error.into()),
            }
        }
    }

    #[cold]
    fn await_room(&mut self, need: u64, deadline: Deadline) -> Result<(), SendError> {
        let ring = self.side.seat.view.record();
        self.side.ring.hint(ring);
        let ready = || ring.has_room(need) || self.ended().is_some();
        if self.side.seat.wait(need, deadline, ready) { Ok(()) } else { Err(SendError::TimedOut) }
    }

    #[inline]
    fn fill(&mut self, place: Place, message: &[u8]) {
        copy::store(self.side.payload(place), message);
        self.side.commit(place, message.len() as u64);
    }
}
