//! The receiving side.

use std::cell::Cell;
use std::marker::PhantomData;
use std::time::Duration;

use crate::error::{JoinError, RecvError, TryRecvError};
use crate::grant::{Lookahead, Message, Peek, copy};
use crate::ring::record::Place;
use crate::segment::Segment;
use crate::side::RecvSide;
use crate::sync::Deadline;
use crate::wait::WaitMode;

/// The receiving side of a ring.
///
/// Each message is received once, whole and in order. Receiving one happens after
/// everything that its producer did before sending it.
///
/// The stream ends when the ring is empty and was closed, or its producer has gone.
/// A consumer that was told so is told again until another producer joins; a consumer
/// that joins after the end was told waits for another producer, as one that joins
/// before the first does.
///
/// Dropping the consumer leaves the messages that it did not receive to the next
/// one, and gives the producer a broken pipe until there is one.
#[derive(Debug)]
pub struct Consumer {
    side: RecvSide,
    /// Producers whose end an earlier consumer was told: this one waits for another.
    past_producers: u64,
    /// One thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl Segment {
    /// Joins the ring as its consumer. The role of a consumer that died is taken
    /// over, and the message that it had not released comes again.
    ///
    /// # Errors
    /// [`JoinError::RoleTaken`] names the living holder.
    pub fn consumer(&self) -> Result<Consumer, JoinError> {
        let side = RecvSide::join(self.view())?;
        let past_producers = side.seat.view.control().consumer.ends_told();
        Ok(Consumer { side, past_producers, not_sync: PhantomData })
    }
}

impl Consumer {
    /// Looks at the next message in place, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub fn try_peek(&mut self) -> Result<Peek<'_>, TryRecvError> {
        let place = self.next()?;
        Ok(Peek::new(&mut self.side, place))
    }

    /// Looks at the next message in place; waits for one as long as it takes.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn peek(&mut self) -> Result<Peek<'_>, RecvError> {
        let place = self.next_by(Deadline::NEVER)?;
        Ok(Peek::new(&mut self.side, place))
    }

    /// Looks at the next message in place; waits for one up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn peek_timeout(&mut self, timeout: Duration) -> Result<Peek<'_>, RecvError> {
        let place = self.next_by(Deadline::after(timeout))?;
        Ok(Peek::new(&mut self.side, place))
    }

    /// Receives the next message into `buffer`, if one is there; returns its length
    /// in bytes.
    ///
    /// # Errors
    /// See [`TryRecvError`]. A message that is longer than the buffer stays.
    #[inline]
    pub fn try_recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        let place = self.next()?;
        self.take_into(place, buffer)
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Waits
    /// for one as long as it takes.
    ///
    /// # Errors
    /// See [`RecvError`]. A message that is longer than the buffer stays.
    #[inline]
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvError> {
        let place = self.next_by(Deadline::NEVER)?;
        Ok(self.take_into(place, buffer)?)
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
        let place = self.next_by(Deadline::after(timeout))?;
        Ok(self.take_into(place, buffer)?)
    }

    /// Receives a copy of the next message, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<Vec<u8>, TryRecvError> {
        let place = self.next()?;
        Ok(self.take_copy(place))
    }

    /// Receives a copy of the next message; waits for one as long as it takes.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<Vec<u8>, RecvError> {
        let place = self.next_by(Deadline::NEVER)?;
        Ok(self.take_copy(place))
    }

    /// Receives a copy of the next message; waits for one up to `timeout`.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Vec<u8>, RecvError> {
        let place = self.next_by(Deadline::after(timeout))?;
        Ok(self.take_copy(place))
    }

    /// Shows up to `max` messages to `visit`, in order and in place, and then
    /// consumes all of them at once; returns how many. If `visit` panics, none is
    /// consumed.
    ///
    /// # Errors
    /// See [`TryRecvError`], if there is no message to begin with.
    pub fn try_recv_batch(
        &mut self,
        max: usize,
        visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, TryRecvError> {
        self.next()?;
        Ok(self.take_batch(max, visit))
    }

    /// As [`try_recv_batch`](Self::try_recv_batch), but waits for the first message.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv_batch(
        &mut self,
        max: usize,
        visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvError> {
        self.next_by(Deadline::NEVER)?;
        Ok(self.take_batch(max, visit))
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
        self.next_by(Deadline::after(timeout))?;
        Ok(self.take_batch(max, visit))
    }

    fn take_batch(&mut self, max: usize, mut visit: impl FnMut(&Message<'_>)) -> usize {
        let mut batch = self.lookahead();
        for _ in 0..max {
            match batch.next() {
                Some(message) => visit(&message),
                None => break,
            }
        }
        batch.release()
    }

    /// Looks at messages in place, one after the other, before any of them is
    /// consumed. Does not wait: [`peek`](Self::peek) first where that is wanted.
    pub fn lookahead(&mut self) -> Lookahead<'_> {
        Lookahead::new(&mut self.side)
    }

    /// How this consumer waits for messages. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.side.seat.mode = mode;
    }

    /// Closes the ring for good: no producer can send any more. What is in the ring
    /// stays for the next consumer.
    pub fn close(self) {
        self.side.seat.close();
    }

    /// Where the next message is.
    #[inline]
    fn next(&mut self) -> Result<Place, TryRecvError> {
        match self.place()? {
            Some(place) => Ok(place),
            None => self.look_for_end(),
        }
    }

    #[inline]
    fn place(&mut self) -> Result<Option<Place>, TryRecvError> {
        self.side.place_at(self.side.ring.head()).map_err(TryRecvError::Failed)
    }

    /// Tells an empty ring from an ended one. Only a look at the ring after the
    /// look at the producer makes sure that nothing was sent in between.
    #[cold]
    fn look_for_end(&mut self) -> Result<Place, TryRecvError> {
        let Some(producers) = self.ended() else {
            return Err(TryRecvError::Empty);
        };
        if let Some(place) = self.place()? {
            return Ok(place);
        }
        self.side.seat.view.control().consumer.tell_end(producers);
        Err(TryRecvError::Eof)
    }

    /// How many producers have come and gone, if no more messages can come of them.
    fn ended(&self) -> Option<u64> {
        self.side.seat.view.control().roles.ended(self.past_producers)
    }

    #[inline]
    pub(crate) fn next_by(&mut self, deadline: Deadline) -> Result<Place, RecvError> {
        loop {
            match self.next() {
                Ok(place) => return Ok(place),
                Err(TryRecvError::Empty) => self.await_message(deadline)?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    #[cold]
    fn await_message(&mut self, deadline: Deadline) -> Result<(), RecvError> {
        let ring = self.side.seat.view.record();
        let ready = || self.side.ring.has_message(ring) || self.ended().is_some();
        // Any commit moves the tail past head.
        let need = self.side.ring.head().wrapping_add(1);
        if self.side.seat.wait(need, deadline, ready) { Ok(()) } else { Err(RecvError::TimedOut) }
    }

    fn take_into(&mut self, place: Place, buffer: &mut [u8]) -> Result<usize, TryRecvError> {
        let len = place.len as usize;
        if len > buffer.len() {
            return Err(TryRecvError::TooSmall { len });
        }
        copy::load(self.side.payload(place), &mut buffer[..len]);
        self.side.release(place.end(), 1);
        Ok(len)
    }

    fn take_copy(&mut self, place: Place) -> Vec<u8> {
        let message = Message::new(&self.side.seat, place).to_vec();
        self.side.release(place.end(), 1);
        message
    }
}
