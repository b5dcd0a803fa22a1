//! The producer's side.

use crate::error::{Fault, JoinError, Role, SendError, TrySendError};
use crate::grant::copy;
use crate::layout::Shape;
use crate::peers::Consumers;
use crate::ring::{Place, Refused, record, slot};
use crate::seat::Seat;
use crate::segment::View;
use crate::sync::{AtomicU64, Deadline};
use crate::sys::sentinel::is_whole;
use crate::wait;

/// The ring, as a producer plays it.
#[derive(Debug)]
enum Ring {
    Record(record::Producer),
    Slot(slot::Producer),
}

/// The producer's side of a ring of messages.
#[derive(Debug)]
pub(crate) struct SendSide {
    ring: Ring,
    pub(crate) seat: Seat,
    pub(crate) consumers: Consumers,
}

/// # Errors
/// What keeps a producer from sending, whether there is room or not.
#[inline]
pub(super) fn check(seat: &Seat, consumers: &Consumers) -> Result<(), TrySendError> {
    seat.check()?;
    match consumers.refusal(&seat.view.control().roles) {
        None => Ok(()),
        Some(refusal) => {
            // Consumers that are gone with the memory they were entered in are not gone.
            seat.check()?;
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

impl SendSide {
    /// Takes a producer's role; a sole one from where its last holder left it.
    pub(crate) fn join(view: View) -> Result<Self, JoinError> {
        let seat = Seat::take(view, Role::Producer)?;
        let view = &seat.view;
        let ring = match view.shape() {
            Shape::Records { .. } => record::Producer::take_over(view.record()).map(Ring::Record),
            Shape::Slots { .. } => slot::Producer::take_over(view.slot()).map(Ring::Slot),
            Shape::Elements { .. } => return Err(JoinError::packed(view.shape().kind())),
        };
        let ring = ring.map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?;
        let consumers = Consumers::of(&view.control().roles);
        Ok(Self { ring, seat, consumers })
    }

    /// Bytes in the longest message that the ring can take.
    #[inline]
    pub(crate) fn max_message_bytes(&self) -> usize {
        match &self.ring {
            Ring::Record(_) => self.seat.view.record().max_len() as usize,
            Ring::Slot(_) => self.seat.view.slot().max_len() as usize,
        }
    }

    /// The payload words of a granted message.
    #[inline]
    pub(crate) fn payload(&self, place: Place) -> &[AtomicU64] {
        self.seat.view.payload(place)
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
            && !self.seat.is_forked()
            && ring.abandon(self.seat.view.slot())
        {
            self.seat.notify_consumers(ring.published());
        }
    }

    /// Sends a message, if nothing stands in the way that has to be looked into; whether it
    /// did.
    #[inline(always)]
    pub(crate) fn send_plainly(&mut self, message: &[u8]) -> bool {
        if !self.is_plain() {
            return false;
        }
        let view = &self.seat.view;
        let len = message.len() as u64;
        let reached = match &mut self.ring {
            Ring::Record(ring) => {
                let records = view.record();
                let Some(place) = ring.begin(records, len) else {
                    return false;
                };
                copy::store(view.payload(place), message);
                ring.finish(records, place);
                ring.tail()
            }
            Ring::Slot(ring) => {
                let slots = view.slot();
                let fits = len <= slots.max_len() && !ring.has_open() && !self.seat.has_waited();
                if !fits || ring.claim(slots, self.seat.intent(), 1).is_err() {
                    return false;
                }
                copy::store(view.payload(ring.place(slots, len)), message);
                ring.publish(slots, len);
                ring.published()
            }
        };
        self.seat.notify_consumers(reached);
        true
    }

    /// Grants space for a message of `len` bytes, the first of `count` whose space is
    /// claimed at once if the ring has slots.
    #[inline]
    pub(crate) fn grant(&mut self, len: usize, count: usize) -> Result<Place, Stop> {
        match self.grant_plainly(len, count) {
            Some(place) => Ok(place),
            None => self.grant_otherwise(len, count),
        }
    }

    /// Whether nothing but a full ring can keep this producer from sending.
    #[inline(always)]
    fn is_plain(&self) -> bool {
        self.seat.is_clear() && self.seat.view.control().roles.takes_messages()
    }

    /// As [`grant`](Self::grant), if nothing stands in the way that has to be looked into.
    #[inline]
    fn grant_plainly(&mut self, len: usize, count: usize) -> Option<Place> {
        if !self.is_plain() {
            return None;
        }
        let view = &self.seat.view;
        match &mut self.ring {
            Ring::Record(ring) => ring.reserve_plainly(view.record(), len as u64),
            Ring::Slot(ring) => {
                let slots = view.slot();
                if len as u64 > slots.max_len() {
                    return None;
                }
                ring.claim(slots, self.seat.intent(), count as u64).ok()?;
                Some(ring.place(slots, len as u64))
            }
        }
    }

    #[cold]
    fn grant_otherwise(&mut self, len: usize, count: usize) -> Result<Place, Stop> {
        self.check().map_err(Stop::Error)?;
        let view = &self.seat.view;
        let granted = match &mut self.ring {
            Ring::Record(ring) => ring.reserve(view.record(), len as u64),
            Ring::Slot(ring) => {
                let slots = view.slot();
                if len as u64 > slots.max_len() {
                    Err(Refused::TooLong)
                } else {
                    ring.claim(slots, self.seat.intent(), count as u64)
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
                Stop::Error(TrySendError::Failed(self.seat.poison(corrupt)))
            }
        }
    }

    /// # Errors
    /// What keeps this producer from sending, whether there is room or not.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), TrySendError> {
        check(&self.seat, &self.consumers)
    }

    /// As [`grant`](Self::grant), but waits for room. After the deadline it tries once more
    /// at most: where others take what room there is, waits end at once and attempts fail.
    #[inline]
    pub(crate) fn grant_by(
        &mut self,
        len: usize,
        count: usize,
        deadline: Deadline,
    ) -> Result<Place, SendError> {
        match self.grant_plainly(len, count) {
            Some(place) => {
                self.pass_on();
                Ok(place)
            }
            None => self.grant_waiting(len, count, deadline),
        }
    }

    #[cold]
    fn grant_waiting(
        &mut self,
        len: usize,
        count: usize,
        deadline: Deadline,
    ) -> Result<Place, SendError> {
        self.retry_by(deadline, |side| {
            let granted = side.grant(len, count);
            side.pass_on();
            granted
        })
    }

    /// Repeats an attempt, with waits for room in between. After the deadline it is made once
    /// more at most.
    pub(super) fn retry_by<R>(
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
    pub(super) fn await_room(&mut self, need: u64, deadline: Deadline) -> Result<(), SendError> {
        self.hint();
        let (view, roles) = (&self.seat.view, &self.seat.view.control().roles);
        let has_room = |need| match &self.ring {
            Ring::Record(_) => view.record().has_room(need),
            Ring::Slot(_) => view.slot().has_room(need),
        };
        let capacity = match &self.ring {
            Ring::Record(_) => view.shape().capacity_bytes(),
            Ring::Slot(_) => view.slot().slots(),
        };
        let plenty = wait::plenty(need, capacity);
        if self.seat.spins() && wait::glance_sparsely(|| has_room(plenty)) {
            return Ok(());
        }
        let ready = || has_room(need) || self.consumers.refusal(roles).is_some();
        let in_time = self.seat.wait(need, deadline, ready).map_err(SendError::Failed)?;
        if in_time { Ok(()) } else { Err(SendError::TimedOut) }
    }

    /// After a wait beside other producers: wakes one more if there is still room.
    #[inline]
    fn pass_on(&mut self) {
        if let Ring::Slot(_) = self.ring {
            self.seat.pass_on(|view| {
                let (room, head) = view.slot().room();
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
        let view = &self.seat.view;
        let reached = match &mut self.ring {
            Ring::Record(ring) => {
                ring.stage(view.record(), place, len);
                ring.publish(view.record());
                ring.tail()
            }
            Ring::Slot(ring) => {
                ring.publish(view.slot(), len);
                ring.published()
            }
        };
        self.seat.notify_consumers(reached);
    }

    /// Sends all messages: in a record ring all at once, in a slot ring one after the
    /// other, but with nothing between them. `grant` grants the space of one message,
    /// and of as many as are counted if the ring has slots.
    pub(crate) fn send_all<'m, E: From<TrySendError>>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        grant: impl Fn(&mut Self, usize, usize) -> Result<Place, E>,
    ) -> Result<(), E> {
        self.check()?;
        self.abandon();
        match self.ring {
            Ring::Record(_) => self.send_records(messages, grant),
            Ring::Slot(_) => self.send_slots(messages, grant),
        }
    }

    fn send_records<'m, E: From<TrySendError>>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        grant: impl Fn(&mut Self, usize, usize) -> Result<Place, E>,
    ) -> Result<(), E> {
        let max = self.max_message_bytes();
        let lens = messages.clone().map(|message| message.len() as u64);
        let len = self.seat.view.record().batch_len(lens);
        if len > max as u64 {
            return Err(TrySendError::TooLong { len: len as usize, max }.into());
        }
        let mut messages = messages;
        while let Some(message) = self.stage_plainly(&mut messages) {
            let place = match grant(self, message.len(), 1) {
                Ok(place) => place,
                Err(error) => {
                    self.abandon();
                    return Err(error);
                }
            };
            copy::store(self.payload(place), message);
            if let Ring::Record(ring) = &mut self.ring {
                ring.stage(self.seat.view.record(), place, message.len() as u64);
            }
        }
        if let Ring::Record(ring) = &mut self.ring {
            ring.publish(self.seat.view.record());
            self.seat.notify_consumers(ring.tail());
        }
        Ok(())
    }

    /// Puts messages behind the staged ones, as long as nothing stands in the way that has
    /// to be looked into; the first one for which something does.
    #[inline(always)]
    fn stage_plainly<'m>(
        &mut self,
        messages: &mut impl Iterator<Item = &'m [u8]>,
    ) -> Option<&'m [u8]> {
        if !self.is_plain() {
            return messages.next();
        }
        let view = &self.seat.view;
        let Ring::Record(ring) = &mut self.ring else {
            return None;
        };
        let (records, sentinel) = (view.record(), view.sentinel());
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
            let Some(place) = staged.reserve_plainly(records, len) else {
                break Some(message);
            };
            copy::store(view.payload(place), message);
            staged.stage(records, place, len);
        };
        *ring = staged;
        left
    }

    fn send_slots<'m, E: From<TrySendError>>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
        grant: impl Fn(&mut Self, usize, usize) -> Result<Place, E>,
    ) -> Result<(), E> {
        let (mut count, mut longest) = (0, 0);
        for message in messages.clone() {
            (count, longest) = (count + 1, longest.max(message.len()));
        }
        let max = self.seat.view.slot().slots() as usize;
        if count > max {
            return Err(TrySendError::TooMany { count, max }.into());
        }
        if count == 0 {
            return Ok(());
        }
        grant(self, longest, count)?;
        let Ring::Slot(ring) = &mut self.ring else {
            return Ok(());
        };
        let view = &self.seat.view;
        let slots = view.slot();
        let sentinel = view.sentinel();
        let mut publishing = ring.publishing(slots);
        // The messages are those of the first pass, or the rest of the tickets are
        // given up below and by the next verb.
        for message in messages.take(count) {
            // The caller's code returned the message, and may have forked.
            if !is_whole(sentinel) {
                break;
            }
            let len = message.len().min(longest);
            copy::store(view.payload(publishing.place(len as u64)), &message[..len]);
            publishing.publish(len as u64);
        }
        drop(publishing);
        self.seat.check().map_err(TrySendError::from)?;
        ring.hint_if_due(slots);
        self.seat.notify_consumers(ring.published());
        self.abandon();
        Ok(())
    }

    /// Tells observers where the tail is.
    fn hint(&mut self) {
        match &mut self.ring {
            Ring::Record(ring) => ring.hint(self.seat.view.record()),
            Ring::Slot(ring) => ring.hint(self.seat.view.slot()),
        }
    }
}

impl Drop for SendSide {
    fn drop(&mut self) {
        if !self.seat.is_forked() {
            self.abandon();
            self.hint();
        }
    }
}
