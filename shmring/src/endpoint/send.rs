//! The producer's side.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of the caller's messages, whose lengths are real"
)]

use crate::endpoint::liveness::Consumers;
use crate::endpoint::park;
use crate::endpoint::registration::Registration;
use crate::error::{Fault, JoinError, Role, SendError, TrySendError};
use crate::format::Shape;
use crate::memory::copy;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::payload::Payload;
use crate::memory::sentinel::is_whole;
use crate::ring::{Place, Refused, record, slot};
use crate::sync::Deadline;

/// The ring, as a producer plays it.
#[derive(Debug)]
enum Ring {
    Record(record::Producer),
    Slot(slot::Producer),
}

/// The producer's side of a ring of messages.
#[derive(Debug)]
pub(crate) struct SendEndpoint {
    ring: Ring,
    pub(crate) registration: Registration,
    pub(crate) consumers: Consumers,
}

/// # Errors
/// What keeps a producer from sending, whether there is room or not.
#[inline]
pub(crate) fn check(
    registration: &Registration,
    consumers: &Consumers,
) -> Result<(), TrySendError> {
    registration.check()?;
    match consumers.refusal(&registration.mapped.control().roles) {
        None => Ok(()),
        Some(refusal) => {
            // Consumers that are gone with the memory they were entered in are not gone.
            registration.check()?;
            Err(refusal)
        }
    }
}

/// Why no space was granted, for those who wait and those who do not.
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
    /// Takes a producer's role; a sole one from where its last holder left it.
    pub(crate) fn join(mapped: MappedRing) -> Result<Self, JoinError> {
        let registration = Registration::take(mapped, Role::Producer)?;
        let mapped = &registration.mapped;
        let ring = match mapped.shape() {
            Shape::Records { .. } => record::Producer::take_over(mapped.record()).map(Ring::Record),
            Shape::Slots { .. } => slot::Producer::take_over(mapped.slot()).map(Ring::Slot),
            Shape::Elements { .. } => return Err(JoinError::packed(mapped.shape().kind())),
        };
        let ring = ring.map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?;
        let consumers = Consumers::of(&mapped.control().roles);
        Ok(Self { ring, registration, consumers })
    }

    /// Bytes in the longest message that the ring can take.
    #[inline]
    pub(crate) fn max_message_bytes(&self) -> usize {
        match &self.ring {
            Ring::Record(_) => self.registration.mapped.record().max_len() as usize,
            Ring::Slot(_) => self.registration.mapped.slot().max_len() as usize,
        }
    }

    /// The payload words of a granted message.
    #[inline]
    pub(crate) fn payload(&self, place: Place) -> Payload<'_> {
        self.registration.mapped.payload(place)
    }

    /// Gives up what was granted and not committed, now or by an earlier verb that
    /// unwound, or whose guard was forgotten.
    #[inline]
    pub(crate) fn abandon(&mut self) {
        match &mut self.ring {
            Ring::Record(ring) => ring.abort(),
            Ring::Slot(ring) if ring.has_open() => self.abandon_tickets(),
            Ring::Slot(_) => {}
        }
    }

    #[cold]
    fn abandon_tickets(&mut self) {
        // A fork child may get here after a panic: the tickets are its parent's.
        if let Ring::Slot(ring) = &mut self.ring
            && !self.registration.is_forked()
            && ring.abandon(self.registration.mapped.slot())
        {
            self.registration.notify_consumers(ring.published());
        }
    }

    /// Sends a message, if nothing stands in the way that has to be looked into; whether it
    /// did.
    #[inline(always)]
    pub(crate) fn send_fast(&mut self, message: &[u8]) -> bool {
        if !self.is_plain() {
            return false;
        }
        let mapped = &self.registration.mapped;
        let len = message.len() as u64;
        let reached = match &mut self.ring {
            Ring::Record(ring) => {
                let records = mapped.record();
                let Some(place) = ring.begin(records, len) else {
                    return false;
                };
                copy::store(mapped.payload(place), message);
                ring.finish(records, place);
                ring.tail()
            }
            Ring::Slot(ring) => {
                let slots = mapped.slot();
                let fits =
                    len <= slots.max_len() && !ring.has_open() && !self.registration.has_waited();
                if !fits || ring.claim(slots, self.registration.intent(), 1).is_err() {
                    return false;
                }
                copy::store(mapped.payload(ring.place(slots, len)), message);
                ring.publish(slots, len);
                ring.published()
            }
        };
        self.registration.notify_consumers(reached);
        true
    }

    /// Grants space for a message of `len` bytes, the first of `count` whose space is
    /// claimed at once if the ring has slots.
    #[inline]
    pub(crate) fn reserve_place(&mut self, len: usize, count: usize) -> Result<Place, Stop> {
        match self.reserve_place_fast(len, count) {
            Some(place) => Ok(place),
            None => self.reserve_place_slow(len, count),
        }
    }

    /// Whether nothing but a full ring can keep this producer from sending.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        self.registration.is_clear() && self.registration.mapped.control().roles.takes_messages()
    }

    /// As [`reserve_place`](Self::grant), if nothing stands in the way that has to be looked into.
    #[inline]
    fn reserve_place_fast(&mut self, len: usize, count: usize) -> Option<Place> {
        if !self.is_plain() {
            return None;
        }
        let mapped = &self.registration.mapped;
        match &mut self.ring {
            Ring::Record(ring) => ring.reserve_fast(mapped.record(), len as u64),
            Ring::Slot(ring) => {
                let slots = mapped.slot();
                if len as u64 > slots.max_len() {
                    return None;
                }
                ring.claim(slots, self.registration.intent(), count as u64).ok()?;
                Some(ring.place(slots, len as u64))
            }
        }
    }

    #[cold]
    fn reserve_place_slow(&mut self, len: usize, count: usize) -> Result<Place, Stop> {
        self.check().map_err(Stop::Error)?;
        let mapped = &self.registration.mapped;
        let granted = match &mut self.ring {
            Ring::Record(ring) => ring.reserve(mapped.record(), len as u64),
            Ring::Slot(ring) => {
                let slots = mapped.slot();
                if len as u64 > slots.max_len() {
                    Err(Refused::TooLong)
                } else {
                    ring.claim(slots, self.registration.intent(), count as u64)
                        .map(|()| ring.place(slots, len as u64))
                }
            }
        };
        granted.map_err(|refused| self.refuse(refused, len))
    }

    #[cold]
    fn refuse(&mut self, refused: Refused, len: usize) -> Stop {
        match refused {
            Refused::Full { need } => Stop::Full { need },
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
        check(&self.registration, &self.consumers)
    }

    /// As [`reserve_place`](Self::grant), but waits for room. After the deadline it tries once more
    /// at most: where others take what room there is, waits end at once and attempts fail.
    #[inline]
    pub(crate) fn reserve_place_by(
        &mut self,
        len: usize,
        count: usize,
        deadline: Deadline,
    ) -> Result<Place, SendError> {
        match self.reserve_place_fast(len, count) {
            Some(place) => {
                self.hand_off();
                Ok(place)
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
    ) -> Result<Place, SendError> {
        self.retry_by(deadline, |endpoint| {
            let granted = endpoint.reserve_place(len, count);
            endpoint.hand_off();
            granted
        })
    }

    /// Repeats an attempt, with waits for room in between. After the deadline it is made once
    /// more at most.
    pub(crate) fn retry_by<R>(
        &mut self,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut Self) -> Result<R, Stop>,
    ) -> Result<R, SendError> {
        let mut waited = false;
        loop {
            match attempt(self) {
                Ok(granted) => return Ok(granted),
                Err(Stop::Full { .. }) if waited && deadline.passed() => {
                    return Err(SendError::TimedOut);
                }
                Err(Stop::Full { need }) => {
                    self.await_room(need, deadline)?;
                    waited = true;
                }
                Err(Stop::Outrun) if deadline.passed() => return Err(SendError::TimedOut),
                Err(Stop::Outrun) => {}
                Err(Stop::Error(error)) => return Err(error.into()),
            }
        }
    }

    #[cold]
    pub(crate) fn await_room(&mut self, need: u64, deadline: Deadline) -> Result<(), SendError> {
        self.hint();
        let (mapped, roles) =
            (&self.registration.mapped, &self.registration.mapped.control().roles);
        let has_room = |need| match &self.ring {
            Ring::Record(_) => mapped.record().has_room(need),
            Ring::Slot(_) => mapped.slot().has_room(need),
        };
        let capacity = match &self.ring {
            Ring::Record(_) => mapped.shape().capacity_bytes(),
            Ring::Slot(_) => mapped.slot().slots(),
        };
        let low_water_mark = park::low_water_mark(need, capacity);
        if self.registration.spins() && park::spin_sparsely(|| has_room(low_water_mark)) {
            return Ok(());
        }
        let ready = || has_room(need) || self.consumers.refusal(roles).is_some();
        let in_time = self.registration.wait(need, deadline, ready).map_err(SendError::Failed)?;
        if in_time { Ok(()) } else { Err(SendError::TimedOut) }
    }

    /// After a wait beside other producers: wakes one more if there is still room.
    #[inline]
    fn hand_off(&mut self) {
        if let Ring::Slot(_) = self.ring {
            self.registration.hand_off(|mapped| {
                let (room, head) = mapped.slot().room();
                room.then_some(head)
            });
        }
    }

    /// Stores a message where space was granted for it, and makes it visible.
    #[inline]
    pub(crate) fn fill(&mut self, place: Place, message: &[u8]) {
        copy::store(self.payload(place), message);
        self.commit(place, message.len() as u64);
    }

    /// Makes a granted message visible, `len` bytes long.
    #[inline]
    pub(crate) fn commit(&mut self, place: Place, len: u64) {
        let mapped = &self.registration.mapped;
        let reached = match &mut self.ring {
            Ring::Record(ring) => {
                ring.stage(mapped.record(), place, len);
                ring.publish(mapped.record());
                ring.tail()
            }
            Ring::Slot(ring) => {
                ring.publish(mapped.slot(), len);
                ring.published()
            }
        };
        self.registration.notify_consumers(reached);
    }

    /// Sends all messages: in a record ring all at once, in a slot ring one after the
    /// other, but with nothing between them. `reserve_place` grants the space of one message,
    /// and of as many as are counted if the ring has slots.
    pub(crate) fn send_all<'m, E: From<TrySendError>>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        reserve_place: impl Fn(&mut Self, usize, usize) -> Result<Place, E>,
    ) -> Result<(), E> {
        self.check()?;
        self.abandon();
        match self.ring {
            Ring::Record(_) => self.send_records(messages, reserve_place),
            Ring::Slot(_) => self.send_slots(messages, reserve_place),
        }
    }

    fn send_records<'m, E: From<TrySendError>>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        reserve_place: impl Fn(&mut Self, usize, usize) -> Result<Place, E>,
    ) -> Result<(), E> {
        let max = self.max_message_bytes();
        let lens = messages.clone().map(|message| message.len() as u64);
        let len = self.registration.mapped.record().batch_len(lens);
        if len > max as u64 {
            return Err(TrySendError::TooLong { len: len as usize, max }.into());
        }
        let mut messages = messages;
        while let Some(message) = self.stage_fast(&mut messages) {
            let place = match reserve_place(self, message.len(), 1) {
                Ok(place) => place,
                Err(error) => {
                    self.abandon();
                    return Err(error);
                }
            };
            copy::store(self.payload(place), message);
            if let Ring::Record(ring) = &mut self.ring {
                ring.stage(self.registration.mapped.record(), place, message.len() as u64);
            }
        }
        if let Ring::Record(ring) = &mut self.ring {
            ring.publish(self.registration.mapped.record());
            self.registration.notify_consumers(ring.tail());
        }
        Ok(())
    }

    /// Puts messages behind the staged ones, as long as nothing stands in the way that has
    /// to be looked into; the first one for which something does.
    #[inline(always)]
    fn stage_fast<'m>(
        &mut self,
        messages: &mut impl Iterator<Item = &'m [u8]>,
    ) -> Option<&'m [u8]> {
        if !self.is_plain() {
            return messages.next();
        }
        let mapped = &self.registration.mapped;
        let Ring::Record(ring) = &mut self.ring else {
            return None;
        };
        let (records, sentinel) = (mapped.record(), mapped.sentinel());
        // In registers: stores to the ring wait the longer, the more others are between them.
        let mut staged = ring.clone();
        let left = loop {
            let Some(message) = messages.next() else {
                break None;
            };
            let len = message.len() as u64;
            // The caller's code returned the message, and may have forked.
            if !is_whole(sentinel) {
                break Some(message);
            }
            let Some(place) = staged.reserve_fast(records, len) else {
                break Some(message);
            };
            copy::store(mapped.payload(place), message);
            staged.stage(records, place, len);
        };
        *ring = staged;
        left
    }

    fn send_slots<'m, E: From<TrySendError>>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        reserve_place: impl Fn(&mut Self, usize, usize) -> Result<Place, E>,
    ) -> Result<(), E> {
        let (mut count, mut longest) = (0, 0);
        for message in messages.clone() {
            (count, longest) = (count + 1, longest.max(message.len()));
        }
        let max = self.registration.mapped.slot().slots() as usize;
        if count > max {
            return Err(TrySendError::TooMany { count, max }.into());
        }
        if count == 0 {
            return Ok(());
        }
        reserve_place(self, longest, count)?;
        let Ring::Slot(ring) = &mut self.ring else {
            return Ok(());
        };
        let mapped = &self.registration.mapped;
        let slots = mapped.slot();
        let sentinel = mapped.sentinel();
        let mut publishing = ring.publishing(slots);
        // The messages are those of the first pass, or the rest of the tickets are
        // given up below and by the next verb.
        for message in messages.take(count) {
            // The caller's code returned the message, and may have forked.
            if !is_whole(sentinel) {
                break;
            }
            let place = publishing.place(message.len() as u64);
            copy::store(mapped.payload(place), &message[..place.len() as usize]);
            publishing.publish(place.len());
        }
        drop(publishing);
        self.registration.check().map_err(TrySendError::from)?;
        ring.hint_if_due(slots);
        self.registration.notify_consumers(ring.published());
        self.abandon();
        Ok(())
    }

    /// Tells observers where the tail is.
    fn hint(&mut self) {
        match &mut self.ring {
            Ring::Record(ring) => ring.hint(self.registration.mapped.record()),
            Ring::Slot(ring) => ring.hint(self.registration.mapped.slot()),
        }
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
