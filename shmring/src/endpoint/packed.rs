//! The two endpoints of a packed ring.

use crate::endpoint::backoff::{Backoff, Progress};
use crate::endpoint::flavor::check_packed;
use crate::endpoint::liveness::{Consumers, Producers};
use crate::endpoint::registration::Registration;
use crate::endpoint::send::{Stop, check};
use crate::endpoint::{backoff, park};
use crate::error::{
    Fault, JoinError, RecvTimeoutError, Role, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::memory::mapped_ring::MappedRing;
use crate::ring::packed::{self, Span};
use crate::ring::{Refused, at_or_past};
use crate::sync::Deadline;
use crate::sys::clock;

/// No more than this part of the ring is left to the producer to get ahead.
const STRETCH_PARTS: u64 = 16;

fn register(mapped: MappedRing, role: Role) -> Result<Registration, JoinError> {
    check_packed(&mapped)?;
    Registration::take(mapped, role)
}

/// The producer's endpoint of a packed ring.
#[derive(Debug)]
pub(crate) struct PackedSendEndpoint {
    ring: packed::Producer,
    pub(crate) registration: Registration,
    pub(crate) consumers: Consumers,
}

impl PackedSendEndpoint {
    /// Claims the producer's role and continues where its last holder ended.
    pub(crate) fn join(mapped: MappedRing) -> Result<Self, JoinError> {
        let registration = register(mapped, Role::Producer)?;
        let ring = packed::Producer::take_over(registration.mapped.packed())
            .map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?;
        let consumers = Consumers::of(&registration.mapped.control().roles);
        Ok(Self { ring, registration, consumers })
    }

    /// Reserves space for at least `min` elements, and for up to `max` if that much is free.
    #[inline]
    pub(crate) fn reserve_place(&mut self, min: usize, max: usize) -> Result<Span, Stop> {
        match self.reserve_place_fast(max) {
            Some(span) => Ok(span),
            None => self.reserve_place_slow(min, max),
        }
    }

    /// Reserves space for `max` elements, on the fast path. Returns `None` if the caller must
    /// take the slow path.
    #[inline(always)]
    pub(crate) fn reserve_place_fast(&mut self, max: usize) -> Option<Span> {
        let mapped = &self.registration.mapped;
        if !self.registration.is_clear() || !mapped.control().roles.takes_messages() {
            return None;
        }
        self.ring.reserve_fast(mapped.packed(), max as u64)
    }

    /// Where the next element goes, if it can be seen to be free.
    #[inline(always)]
    pub(crate) fn free_position(&self) -> Option<u64> {
        let span = self.ring.reserve_fast(self.registration.mapped.packed(), 1);
        span.map(|span| span.start)
    }

    #[cold]
    fn reserve_place_slow(&mut self, min: usize, max: usize) -> Result<Span, Stop> {
        check(&self.registration, &self.consumers).map_err(Stop::Error)?;
        let ring = self.registration.mapped.packed();
        let reserved = match self.ring.room(ring, max as u64) {
            Ok(room) if room.count >= min as u64 => {
                Ok(Span { count: room.count.min(max as u64), ..room })
            }
            Ok(_) => self.ring.reserve(ring, min as u64),
            Err(corrupt) => Err(Refused::Corrupt(corrupt)),
        };
        reserved.map_err(|refused| self.refuse(refused, min))
    }

    #[cold]
    fn refuse(&mut self, refused: Refused, count: usize) -> Stop {
        match refused {
            Refused::Full { need } => Stop::Full { need },
            Refused::Outrun => Stop::Outrun,
            Refused::TooLong => {
                let max = self.registration.mapped.packed().slots() as usize;
                Stop::Error(TrySendError::TooMany { count, max })
            }
            Refused::Corrupt(corrupt) => Stop::Error(self.registration.poison(corrupt).into()),
        }
    }

    /// As [`reserve_place`](Self::reserve_place), but waits for room.
    #[inline]
    pub(crate) fn reserve_place_by(
        &mut self,
        min: usize,
        max: usize,
        deadline: Deadline,
    ) -> Result<Span, SendTimeoutError> {
        match self.reserve_place_fast(max) {
            Some(span) => Ok(span),
            None => self.reserve_place_waiting(min, max, deadline),
        }
    }

    #[cold]
    fn reserve_place_waiting(
        &mut self,
        min: usize,
        max: usize,
        deadline: Deadline,
    ) -> Result<Span, SendTimeoutError> {
        let mut waited = false;
        loop {
            match self.reserve_place(min, max) {
                Ok(span) => return Ok(span),
                // As in `SendEndpoint`.
                Err(Stop::Full { .. }) if waited && deadline.passed() => {
                    return Err(SendTimeoutError::TimedOut);
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
    pub(crate) fn await_room(
        &mut self,
        need: u64,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError> {
        let (ring, roles) =
            (self.registration.mapped.packed(), &self.registration.mapped.control().roles);
        let low_water_mark = park::low_water_mark(need, ring.slots());
        let backs_off = self.registration.backoff && self.registration.spins();
        if backs_off && park::spin_sparsely(|| ring.has_room(low_water_mark)) {
            return Ok(());
        }
        let ready = || ring.has_room(need) || self.consumers.refusal(roles).is_some();
        Ok(self.registration.wait(need, deadline, ready)?)
    }

    /// Publishes the first `count` reserved elements at once.
    #[inline(always)]
    pub(crate) fn publish(&mut self, count: u64) {
        self.ring.publish(self.registration.mapped.packed(), count);
        self.registration.notify_consumers(self.ring.tail());
    }
}

/// The consumer's endpoint of a packed ring.
#[derive(Debug)]
pub(crate) struct PackedRecvEndpoint {
    ring: packed::Consumer,
    pub(crate) registration: Registration,
    producers: Producers,
    backoff: Backoff,
    element_bytes: u64,
}

impl PackedRecvEndpoint {
    /// Claims the consumer's role and continues where its last holder ended.
    pub(crate) fn join(mapped: MappedRing) -> Result<Self, JoinError> {
        let registration = register(mapped, Role::Consumer)?;
        let ring = packed::Consumer::take_over(registration.mapped.packed());
        let producers = Producers::of(registration.mapped.control());
        let element_bytes = registration.mapped.shape().slot_bytes().unwrap_or(1);
        Ok(Self { ring, registration, producers, backoff: Backoff::START, element_bytes })
    }

    /// The next elements, up to `max`.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub(crate) fn next(&mut self, max: usize) -> Result<Span, TryRecvError> {
        match self.next_fast(max) {
            Some(span) => Ok(span),
            None => self.next_slow(max),
        }
    }

    /// The next `max` elements, if the last look at the producer's position saw as many.
    #[inline(always)]
    pub(crate) fn next_fast(&mut self, max: usize) -> Option<Span> {
        if !self.registration.is_clear() {
            return None;
        }
        self.ring.filled_fast(max as u64)
    }

    fn next_slow(&mut self, max: usize) -> Result<Span, TryRecvError> {
        match self.look(max) {
            Err(TryRecvError::Empty) => self.look_for_end(max),
            found => found,
        }
    }

    fn look(&mut self, max: usize) -> Result<Span, TryRecvError> {
        self.registration.check()?;
        match self.ring.filled(self.registration.mapped.packed(), max as u64) {
            Ok(Span { count: 0, .. }) => Err(TryRecvError::Empty),
            Ok(filled) => Ok(Span { count: filled.count.min(max as u64), ..filled }),
            Err(corrupt) => Err(self.registration.poison(corrupt).into()),
        }
    }

    #[cold]
    fn look_for_end(&mut self, max: usize) -> Result<Span, TryRecvError> {
        let Some(ended) = self.producers.ended(&self.registration.mapped.control().roles) else {
            return Err(TryRecvError::Empty);
        };
        let look = self.look(max);
        let concluded = Producers::conclude(self.registration.mapped.control(), ended, look);
        // As in `RecvEndpoint`.
        self.registration.check()?;
        concluded
    }

    /// As [`next`](Self::next), but waits for an element.
    #[inline]
    pub(crate) fn next_by(
        &mut self,
        max: usize,
        deadline: Deadline,
    ) -> Result<Span, RecvTimeoutError> {
        if let Some(span) = self.next_fast(max) {
            return Ok(span);
        }
        self.next_waiting(max, deadline)
    }

    /// As in `RecvEndpoint`: here each look at the producer's position tells how far it is ahead.
    fn spin(&mut self) {
        if self.registration.is_forked() {
            return;
        }
        let ring = self.registration.mapped.packed();
        let there = self.ring.there(ring);
        let backs_off = self.registration.backoff;
        if there > 0 && (!backs_off || !self.backoff.lags() || there >= self.stretch(ring.slots()))
        {
            return;
        }
        if !self.registration.spins() {
            return;
        }
        let now = Progress {
            messages: self.ring.head(),
            position: self.ring.head(),
            capacity: ring.slots(),
        };
        if backs_off {
            park::pause(self.backoff.lag(now, clock::now_ns));
        }
        if !park::spin(|| self.ring.has_elements(ring)) {
            self.backoff.idle();
        }
    }

    /// So many elements keep this consumer some lines away from its producer.
    fn stretch(&self, slots: u64) -> u64 {
        backoff::stretch(self.element_bytes).min(slots / STRETCH_PARTS)
    }

    fn next_waiting(&mut self, max: usize, deadline: Deadline) -> Result<Span, RecvTimeoutError> {
        let mut waited = false;
        loop {
            self.spin();
            match self.next(max) {
                // As in `RecvEndpoint`.
                Err(TryRecvError::Empty) if waited && deadline.passed() => {
                    return Err(RecvTimeoutError::TimedOut);
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
    pub(crate) fn await_element(&mut self, deadline: Deadline) -> Result<(), RecvTimeoutError> {
        let (ring, roles) =
            (self.registration.mapped.packed(), &self.registration.mapped.control().roles);
        let ready = || self.ring.has_elements(ring) || self.producers.ended(roles).is_some();
        let need = self.ring.head().wrapping_add(1);
        Ok(self.registration.wait(need, deadline, ready)?)
    }

    /// Notes that elements are shown in place; how many of them, from the first on, were
    /// before.
    #[inline]
    pub(crate) fn mark_peeked(&self, Span { start, count }: Span) -> u64 {
        let line = &self.registration.mapped.control().consumer;
        let peeked = line.peeked();
        line.mark_peeked(start.wrapping_add(count), peeked);
        if at_or_past(peeked, start) { peeked.wrapping_sub(start).min(count) } else { 0 }
    }

    /// Consumes the first `count` elements, and wakes the producer if it waits for that.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: u64) {
        self.ring.release(self.registration.mapped.packed(), count);
        self.registration.notify_producers(self.ring.head());
    }
}
