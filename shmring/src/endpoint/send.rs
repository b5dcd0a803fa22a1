//! The producer's endpoint.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of the caller's messages, whose lengths are real"
)]

mod drain;
mod some;

use std::sync::Arc;

use crate::endpoint::flavor::{Batch, SendFlavor};
use crate::endpoint::liveness::Consumers;
use crate::endpoint::park::{self, WaitError};
use crate::endpoint::registration::Registration;
use crate::endpoint::watch::Watch;
use crate::error::{JoinError, Role, SendTimeoutError, TrySendError};
use crate::info::Kind;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::parts::Parts;
use crate::ring::{Extent, Place, Refused};
use crate::sync::Deadline;

/// The producer's endpoint of a ring.
#[derive(Debug)]
pub(crate) struct SendEndpoint {
    pub(super) flavor: SendFlavor,
    pub(crate) registration: Registration,
    pub(crate) consumers: Consumers,
}

/// Why no space was reserved, for verbs that wait and verbs that do not.
pub(crate) enum Stop {
    /// Wait until head reaches `need`.
    Full {
        need: u64,
    },
    /// Try again.
    Outrun,
    Error(TrySendError),
}

impl From<Stop> for TrySendError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Full { .. } => Self::Full,
            Stop::Outrun => Self::WouldBlock,
            Stop::Error(error) => error,
        }
    }
}

impl SendEndpoint {
    /// Claims a producer's role; a sole one continues where its last holder ended.
    pub(crate) fn join(mapped: MappedRing) -> Result<Self, JoinError> {
        let registration = Registration::take(mapped, Role::Producer)?;
        let flavor = SendFlavor::take_over(&registration.mapped)?;
        // A broadcast ring goes on without subscribers.
        let required = registration.mapped.shape().kind() != Kind::Broadcast;
        let consumers = Consumers::of(&registration.mapped.control().roles, required);
        Ok(Self { flavor, registration, consumers })
    }

    /// Sets whether to refuse messages once the last consumer has gone.
    pub(crate) fn set_require_consumer(&mut self, require: bool) {
        self.consumers.required = require;
        if let Some(watch) = self.registration.watched() {
            watch.set_end(self.consumers.end());
        }
    }

    /// Returns what wait sets share with this producer.
    pub(crate) fn watch(&self) -> &Arc<Watch> {
        self.registration.watch(self.consumers.end())
    }

    /// Bytes in the longest message that the ring can take.
    #[inline]
    pub(crate) fn max_message_bytes(&self) -> usize {
        self.flavor.max_message_bytes(&self.registration.mapped)
    }

    /// Returns the space of a reserved message.
    #[inline]
    pub(crate) fn parts(&self, space: Extent) -> Parts<'_> {
        Parts::new(&self.registration.mapped, space)
    }

    /// Abandons what was reserved and not committed, now or by an earlier verb that unwound or
    /// whose guard was forgotten.
    #[inline]
    pub(crate) fn abandon(&mut self) {
        self.flavor.abandon(&self.registration);
    }

    /// Sends a message on the fast path. Returns `false` if the caller must take the slow one.
    #[inline(always)]
    pub(crate) fn send_fast(&mut self, message: &[u8]) -> bool {
        if !self.is_plain() {
            return false;
        }
        match self.flavor.send_fast(&self.registration, message) {
            Some(reached) => {
                self.registration.notify_consumers(reached);
                true
            }
            None => false,
        }
    }

    /// Reserves space for a message of `len` bytes, the first of several that take `count` slots
    /// together, which are claimed at once if the ring has slots.
    #[inline]
    pub(crate) fn reserve_place(&mut self, len: usize, count: usize) -> Result<Extent, Stop> {
        match self.reserve_place_fast(len, count) {
            Some(place) => Ok(Extent::Whole(place)),
            None => self.reserve_place_slow(len, count),
        }
    }

    /// Returns `true` if only a full ring can keep this producer from sending.
    #[inline(always)]
    pub(super) fn is_plain(&self) -> bool {
        let roles = &self.registration.mapped.control().roles;
        self.registration.is_clear() && (roles.takes_messages() || self.sends_to_nobody())
    }

    /// Returns `true` if the ring is open and this producer requires no consumer.
    #[cold]
    fn sends_to_nobody(&self) -> bool {
        !self.consumers.required && !self.registration.mapped.control().roles.is_closed()
    }

    /// As [`reserve_place`](Self::reserve_place), on the fast path only.
    #[inline]
    fn reserve_place_fast(&mut self, len: usize, count: usize) -> Option<Place> {
        if !self.is_plain() {
            return None;
        }
        self.flavor.reserve_fast(&self.registration, len, count)
    }

    #[cold]
    fn reserve_place_slow(&mut self, len: usize, count: usize) -> Result<Extent, Stop> {
        self.check().map_err(Stop::Error)?;
        let reserved = self.flavor.reserve(&self.registration, len, count);
        reserved.map_err(|refused| self.refuse(refused, len))
    }

    #[cold]
    pub(super) fn refuse(&mut self, refused: Refused, len: usize) -> Stop {
        match refused {
            Refused::Full { need } => {
                if let Some(watch) = self.registration.watched() {
                    watch.set_full(need);
                }
                Stop::Full { need }
            }
            Refused::Outrun => Stop::Outrun,
            Refused::TooLong => {
                Stop::Error(TrySendError::TooLong { len, max: self.max_message_bytes() })
            }
            Refused::Corrupt(corrupt) => {
                Stop::Error(TrySendError::Failed(self.registration.poison(corrupt)))
            }
        }
    }

    /// # Errors
    /// What keeps this producer from sending, whether there is room or not.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), TrySendError> {
        self.registration.check()?;
        match self.consumers.refusal(&self.registration.mapped.control().roles) {
            None => Ok(()),
            Some(refusal) => {
                // Consumers that are gone with the memory they were entered in are not gone.
                self.registration.check()?;
                Err(refusal)
            }
        }
    }

    /// As [`reserve_place`](Self::reserve_place), but waits for room. Makes at most one attempt
    /// after the deadline: where other producers take all room, waits end at once and attempts
    /// fail.
    #[inline]
    pub(crate) fn reserve_place_by(
        &mut self,
        len: usize,
        count: usize,
        deadline: Deadline,
    ) -> Result<Extent, SendTimeoutError> {
        match self.reserve_place_fast(len, count) {
            Some(place) => {
                self.hand_off();
                Ok(Extent::Whole(place))
            }
            None => self.reserve_place_waiting(len, count, deadline),
        }
    }

    #[cold]
    fn reserve_place_waiting(
        &mut self,
        len: usize,
        count: usize,
        deadline: Deadline,
    ) -> Result<Extent, SendTimeoutError> {
        self.retry_by(deadline, |endpoint| {
            let reserved = endpoint.reserve_place(len, count);
            endpoint.hand_off();
            reserved
        })
    }

    /// Repeats an attempt, with waits for room in between. After the deadline it is made once
    /// more at most.
    pub(crate) fn retry_by<R>(
        &mut self,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut Self) -> Result<R, Stop>,
    ) -> Result<R, SendTimeoutError> {
        let mut waited = false;
        loop {
            match attempt(self) {
                Ok(done) => return Ok(done),
                Err(Stop::Full { .. }) if waited && deadline.passed() => {
                    return Err(SendTimeoutError::TimedOut);
                }
                Err(Stop::Full { need }) => {
                    self.await_room(need, deadline)?;
                    waited = true;
                }
                Err(Stop::Outrun) if deadline.passed() => return Err(SendTimeoutError::TimedOut),
                Err(Stop::Outrun) => {}
                Err(Stop::Error(error)) => return Err(error.into()),
            }
        }
    }

    #[cold]
    pub(crate) fn await_room(
        &mut self,
        need: u64,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError> {
        self.hint();
        let (mapped, roles) =
            (&self.registration.mapped, &self.registration.mapped.control().roles);
        let has_room = |need| self.flavor.has_room(mapped, need);
        let capacity = self.flavor.capacity(mapped);
        let low_water_mark = park::low_water_mark(need, capacity);
        let backs_off = self.registration.backoff && self.registration.spins();
        if backs_off && park::spin_sparsely(|| has_room(low_water_mark)) {
            return Ok(());
        }
        // The check before a sleep must miss nothing.
        let is_armed = || mapped.control().senders.is_armed(self.registration.handle());
        let makes_room = || mapped.has_jobs() && is_armed() && self.flavor.makes_room(mapped, need);
        let ready = || has_room(need) || makes_room() || self.consumers.refusal(roles).is_some();
        let waited = self.registration.wait(need, deadline, ready);
        if waited == Err(WaitError::Interrupted) {
            self.hand_off();
        }
        Ok(waited?)
    }

    /// After a wait beside other producers: wakes one more if there is still room.
    #[inline]
    pub(super) fn hand_off(&mut self) {
        self.flavor.hand_off(&self.registration);
    }

    /// Stores a message in the space reserved for it, and publishes it.
    #[inline]
    pub(crate) fn fill(&mut self, space: Extent, message: &[u8]) {
        self.parts(space).store(message);
        self.commit(space, message.len() as u64);
    }

    /// Publishes a reserved message, `len` bytes long.
    #[inline]
    pub(crate) fn commit(&mut self, space: Extent, len: u64) {
        let reached = self.flavor.commit(&self.registration.mapped, space, len);
        self.registration.notify_consumers(reached);
    }

    /// Sends all messages: in a record ring all at once, in a slot ring one after the
    /// other, but with nothing between them. `reserve_place` reserves the space of one message,
    /// and as many slots as given if the ring has slots.
    pub(crate) fn send_all<'m, E: From<TrySendError>>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        reserve_place: impl Fn(&mut Self, usize, usize) -> Result<Extent, E>,
    ) -> Result<(), E> {
        self.check()?;
        self.abandon();
        match self.flavor.plan(&self.registration.mapped, messages.clone())? {
            Batch::Staged => self.send_staged(messages, reserve_place),
            Batch::Claimed { count: 0, .. } => Ok(()),
            Batch::Claimed { longest, count, slots } => {
                reserve_place(self, longest, slots)?;
                self.send_claimed(messages.take(count), longest).map_err(E::from)
            }
        }
    }

    fn send_staged<'m, E: From<TrySendError>>(
        &mut self,
        mut messages: impl Iterator<Item = &'m [u8]>,
        reserve_place: impl Fn(&mut Self, usize, usize) -> Result<Extent, E>,
    ) -> Result<(), E> {
        while let Some(message) = self.stage_fast(&mut messages) {
            let space = match reserve_place(self, message.len(), 1) {
                Ok(space) => space,
                Err(error) => {
                    self.abandon();
                    return Err(error);
                }
            };
            self.parts(space).store(message);
            self.flavor.stage(&self.registration.mapped, space, message.len() as u64);
        }
        let reached = self.flavor.publish_staged(&self.registration.mapped);
        self.registration.notify_consumers(reached);
        Ok(())
    }

    /// Stages messages on the fast path. Returns the first that must take the slow one.
    #[inline(always)]
    fn stage_fast<'m>(
        &mut self,
        messages: &mut impl Iterator<Item = &'m [u8]>,
    ) -> Option<&'m [u8]> {
        if !self.is_plain() {
            return messages.next();
        }
        self.flavor.stage_fast(&self.registration.mapped, messages)
    }

    #[inline(always)]
    fn send_claimed<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]>,
        longest: usize,
    ) -> Result<(), TrySendError> {
        self.flavor.publish_claimed(&self.registration.mapped, messages, longest);
        self.registration.check()?;
        let reached = self.flavor.finish_claimed(&self.registration.mapped);
        self.registration.notify_consumers(reached);
        self.abandon();
        Ok(())
    }

    /// Stores the tail hint for observers.
    fn hint(&mut self) {
        self.flavor.hint(&self.registration.mapped);
    }
}

impl Drop for SendEndpoint {
    fn drop(&mut self) {
        if !self.registration.is_forked() {
            self.abandon();
            self.hint();
        }
    }
}
