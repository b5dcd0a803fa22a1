//! The two sides of a packed ring.

use super::send::{Stop, check};
use crate::error::{Fault, JoinError, RecvError, Role, SendError, TryRecvError, TrySendError};
use crate::layout::Shape;
use crate::pace::{self, Pace, Progress};
use crate::peers::{Consumers, Producers};
use crate::ring::Refused;
use crate::ring::at_or_past;
use crate::ring::packed::{self, Span};
use crate::seat::Seat;
use crate::segment::View;
use crate::sync::Deadline;
use crate::sys::clock;
use crate::wait;

/// No more than this part of the ring is left to the producer to get ahead.
const STRETCH_PARTS: u64 = 16;

/// # Errors
/// [`JoinError::WrongKind`] if the ring is not packed.
fn take_seat(view: View, role: Role) -> Result<Seat, JoinError> {
    match view.shape() {
        Shape::Elements { .. } => Seat::take(view, role),
        other => Err(JoinError::WrongKind { kind: other.kind(), wanted: "a packed ring" }),
    }
}

/// The producer's side of a packed ring.
#[derive(Debug)]
pub(crate) struct SendElements {
    ring: packed::Producer,
    pub(crate) seat: Seat,
    pub(crate) consumers: Consumers,
}

impl SendElements {
    /// Takes the producer's role, from where its last holder left it.
    pub(crate) fn join(view: View) -> Result<Self, JoinError> {
        let seat = take_seat(view, Role::Producer)?;
        let ring = packed::Producer::take_over(seat.view.packed())
            .map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?;
        let consumers = Consumers::of(&seat.view.control().roles);
        Ok(Self { ring, seat, consumers })
    }

    /// Grants space for at least `min` elements, and for up to `max` if there is as much.
    #[inline]
    pub(crate) fn grant(&mut self, min: usize, max: usize) -> Result<Span, Stop> {
        match self.grant_plainly(max) {
            Some(span) => Ok(span),
            None => self.grant_otherwise(min, max),
        }
    }

    /// Grants space for `max` elements, if nothing stands in the way that has to be looked
    /// into.
    #[inline(always)]
    pub(crate) fn grant_plainly(&mut self, max: usize) -> Option<Span> {
        let view = &self.seat.view;
        if !self.seat.is_clear() || !view.control().roles.takes_messages() {
            return None;
        }
        self.ring.reserve_plainly(view.packed(), max as u64)
    }

    /// Where the next element goes, if it can be seen to be free.
    #[inline(always)]
    pub(crate) fn free_position(&self) -> Option<u64> {
        let span = self.ring.reserve_plainly(self.seat.view.packed(), 1);
        span.map(|span| span.start)
    }

    #[cold]
    fn grant_otherwise(&mut self, min: usize, max: usize) -> Result<Span, Stop> {
        check(&self.seat, &self.consumers).map_err(Stop::Error)?;
        let ring = self.seat.view.packed();
        let granted = match self.ring.room(ring, max as u64) {
            Ok(room) if room.count >= min as u64 => {
                Ok(Span { count: room.count.min(max as u64), ..room })
            }
            Ok(_) => self.ring.reserve(ring, min as u64),
            Err(corrupt) => Err(Refused::Corrupt(corrupt)),
        };
        granted.map_err(|refused| self.refuse(refused, min))
    }

    #[cold]
    fn refuse(&mut self, refused: Refused, count: usize) -> Stop {
        match refused {
            Refused::Full { need } => Stop::Full { need },
            Refused::Outrun => Stop::Outrun,
            Refused::TooLong => {
                let max = self.seat.view.packed().slots() as usize;
                Stop::Error(TrySendError::TooMany { count, max })
            }
            Refused::Corrupt(corrupt) => Stop::Error(self.seat.poison(corrupt).into()),
        }
    }

    /// As [`grant`](Self::grant), but waits for room.
    #[inline]
    pub(crate) fn grant_by(
        &mut self,
        min: usize,
        max: usize,
        deadline: Deadline,
    ) -> Result<Span, SendError> {
        match self.grant_plainly(max) {
            Some(span) => Ok(span),
            None => self.grant_waiting(min, max, deadline),
        }
    }

    #[cold]
    fn grant_waiting(
        &mut self,
        min: usize,
        max: usize,
        deadline: Deadline,
    ) -> Result<Span, SendError> {
        let mut waited = false;
        loop {
            match self.grant(min, max) {
                Ok(span) => return Ok(span),
                // As in `SendSide`.
                Err(Stop::Full { .. }) if waited && deadline.passed() => {
                    return Err(SendError::TimedOut);
                }
                Err(Stop::Full { need }) => {
                    self.await_room(need, deadline)?;
                    waited = true;
                }
                Err(stop) => return Err(TrySendError::from(stop).into()),
            }
        }
    }

    #[cold]
    pub(super) fn await_room(&mut self, need: u64, deadline: Deadline) -> Result<(), SendError> {
        let (ring, roles) = (self.seat.view.packed(), &self.seat.view.control().roles);
        let plenty = wait::plenty(need, ring.slots());
        if self.seat.spins() && wait::glance_sparsely(|| ring.has_room(plenty)) {
            return Ok(());
        }
        let ready = || ring.has_room(need) || self.consumers.refusal(roles).is_some();
        let in_time = self.seat.wait(need, deadline, ready).map_err(SendError::Failed)?;
        if in_time { Ok(()) } else { Err(SendError::TimedOut) }
    }

    /// Makes the first `count` granted elements visible at once.
    #[inline(always)]
    pub(crate) fn publish(&mut self, count: u64) {
        self.ring.publish(self.seat.view.packed(), count);
        self.seat.notify_consumers(self.ring.tail());
    }
}

/// The consumer's side of a packed ring.
#[derive(Debug)]
pub(crate) struct RecvElements {
    ring: packed::Consumer,
    pub(crate) seat: Seat,
    producers: Producers,
    pace: Pace,
    element_bytes: u64,
}

impl RecvElements {
    /// Takes the consumer's role, from where its last holder left it.
    pub(crate) fn join(view: View) -> Result<Self, JoinError> {
        let seat = take_seat(view, Role::Consumer)?;
        let ring = packed::Consumer::take_over(seat.view.packed());
        let producers = Producers::of(seat.view.control());
        let element_bytes = seat.view.shape().slot_bytes().unwrap_or(1);
        Ok(Self { ring, seat, producers, pace: Pace::START, element_bytes })
    }

    /// The next elements, up to `max`.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub(crate) fn next(&mut self, max: usize) -> Result<Span, TryRecvError> {
        match self.next_plainly(max) {
            Some(span) => Ok(span),
            None => self.next_otherwise(max),
        }
    }

    /// The next `max` elements, if the last look at the producer's position saw as many.
    #[inline(always)]
    pub(crate) fn next_plainly(&mut self, max: usize) -> Option<Span> {
        if !self.seat.is_clear() {
            return None;
        }
        self.ring.filled_plainly(max as u64)
    }

    fn next_otherwise(&mut self, max: usize) -> Result<Span, TryRecvError> {
        match self.look(max) {
            Err(TryRecvError::Empty) => self.look_for_end(max),
            found => found,
        }
    }

    fn look(&mut self, max: usize) -> Result<Span, TryRecvError> {
        self.seat.check()?;
        match self.ring.filled(self.seat.view.packed(), max as u64) {
            Ok(Span { count: 0, .. }) => Err(TryRecvError::Empty),
            Ok(filled) => Ok(Span { count: filled.count.min(max as u64), ..filled }),
            Err(corrupt) => Err(self.seat.poison(corrupt).into()),
        }
    }

    #[cold]
    fn look_for_end(&mut self, max: usize) -> Result<Span, TryRecvError> {
        let Some(ended) = self.producers.ended(&self.seat.view.control().roles) else {
            return Err(TryRecvError::Empty);
        };
        let look = self.look(max);
        let concluded = Producers::conclude(self.seat.view.control(), ended, look);
        // As in `RecvSide`.
        self.seat.check()?;
        concluded
    }

    /// As [`next`](Self::next), but waits for an element.
    #[inline]
    pub(crate) fn next_by(&mut self, max: usize, deadline: Deadline) -> Result<Span, RecvError> {
        if let Some(span) = self.next_plainly(max) {
            return Ok(span);
        }
        self.next_waiting(max, deadline)
    }

    /// As in `RecvSide`: here each look at the producer's position tells how far it is ahead.
    fn glance(&mut self) {
        if self.seat.is_forked() {
            return;
        }
        let ring = self.seat.view.packed();
        let there = self.ring.there(ring);
        if there > 0 && (!self.pace.lags() || there >= self.stretch(ring.slots())) {
            return;
        }
        if !self.seat.spins() {
            return;
        }
        let now = Progress {
            messages: self.ring.head(),
            position: self.ring.head(),
            capacity: ring.slots(),
        };
        wait::pause(self.pace.lag(now, clock::now_ns));
        if !wait::glance(|| self.ring.has_elements(ring)) {
            self.pace.idle();
        }
    }

    /// So many elements keep this consumer some lines away from its producer.
    fn stretch(&self, slots: u64) -> u64 {
        pace::stretch(self.element_bytes).min(slots / STRETCH_PARTS)
    }

    fn next_waiting(&mut self, max: usize, deadline: Deadline) -> Result<Span, RecvError> {
        let mut waited = false;
        loop {
            self.glance();
            match self.next(max) {
                // As in `RecvSide`.
                Err(TryRecvError::Empty) if waited && deadline.passed() => {
                    return Err(RecvError::TimedOut);
                }
                Err(TryRecvError::Empty) => {
                    self.await_element(deadline)?;
                    waited = true;
                }
                result => return Ok(result?),
            }
        }
    }

    #[cold]
    pub(super) fn await_element(&mut self, deadline: Deadline) -> Result<(), RecvError> {
        let (ring, roles) = (self.seat.view.packed(), &self.seat.view.control().roles);
        let ready = || self.ring.has_elements(ring) || self.producers.ended(roles).is_some();
        let need = self.ring.head().wrapping_add(1);
        let in_time = self.seat.wait(need, deadline, ready).map_err(RecvError::Failed)?;
        if in_time { Ok(()) } else { Err(RecvError::TimedOut) }
    }

    /// Notes that elements are shown in place; how many of them, from the first on, were
    /// before.
    #[inline]
    pub(crate) fn show(&self, Span { start, count }: Span) -> u64 {
        let line = &self.seat.view.control().consumer;
        let shown = line.shown();
        line.show(start.wrapping_add(count), shown);
        if at_or_past(shown, start) { shown.wrapping_sub(start).min(count) } else { 0 }
    }

    /// Consumes the first `count` elements, and wakes the producer if it waits for that.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u64) {
        self.ring.release(self.seat.view.packed(), count);
        self.seat.notify_producers(self.ring.head());
    }
}
