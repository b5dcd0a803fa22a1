//! The consumer's side.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "counts of messages of one call, and intervals with a limit"
)]

mod look;
mod wait;

use std::time::Duration;

use crate::endpoint::backoff::Backoff;
use crate::endpoint::liveness::Producers;
use crate::endpoint::registration::Registration;
use crate::error::{Fault, JoinError, Role, TryRecvError};
use crate::format::Shape;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::payload::Payload;
use crate::ring::{Corrupt, Place, record, slot};
use crate::sync::Deadline;

/// How often a receive starts over because other consumers were faster, before it
/// returns to its caller.
const MAX_TRIES: u32 = 64;

/// The ring, as a consumer plays it.
#[derive(Debug)]
enum Ring {
    Record(record::Consumer),
    Slot(slot::Consumer),
}

/// A claimed ticket that was not published when it was last looked at.
#[derive(Debug)]
struct Stuck {
    position: u64,
    interval: Duration,
    /// When to look after its owner.
    due: Deadline,
}

/// The consumer's side of a ring of messages.
#[derive(Debug)]
pub(crate) struct RecvEndpoint {
    ring: Ring,
    pub(crate) registration: Registration,
    producers: Producers,
    stuck: Option<Stuck>,
    backoff: Backoff,
}

impl RecvEndpoint {
    /// Takes a consumer's role; a sole one from where its last holder left it.
    pub(crate) fn join(mapped: MappedRing) -> Result<Self, JoinError> {
        let registration = Registration::take(mapped, Role::Consumer)?;
        let mapped = &registration.mapped;
        let ring = match mapped.shape() {
            Shape::Records { .. } => record::Consumer::take_over(mapped.record())
                .map(Ring::Record)
                .map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?,
            Shape::Slots { .. } => Ring::Slot(slot::Consumer::take_over(mapped.slot())),
            Shape::Elements { .. } => return Err(JoinError::packed(mapped.shape().kind())),
        };
        let producers = Producers::of(mapped.control());
        Ok(Self { ring, registration, producers, stuck: None, backoff: Backoff::START })
    }

    /// Whether messages may be looked at in place: no other consumer takes them.
    #[inline]
    pub(crate) fn is_exclusive(&self) -> bool {
        !self.registration.is_shared()
    }

    /// # Errors
    /// [`TryRecvError::NotExclusive`] if other consumers may take what is looked at.
    #[inline]
    pub(crate) fn check_exclusive(&self) -> Result<(), TryRecvError> {
        if self.is_exclusive() { Ok(()) } else { Err(TryRecvError::NotExclusive) }
    }

    /// Notes that what lies before `end` is shown in place; whether all of it was before.
    #[inline]
    pub(crate) fn mark_peeked(&self, end: u64) -> bool {
        let line = &self.registration.mapped.control().consumer;
        line.mark_peeked(end, line.peeked())
    }

    /// The payload words of a message.
    #[inline]
    pub(crate) fn payload(&self, place: Place) -> Payload<'_> {
        self.registration.mapped.payload(place)
    }

    /// The position of the oldest message that this consumer knows not to be taken.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        match &self.ring {
            Ring::Record(ring) => ring.head(),
            Ring::Slot(ring) => ring.head(),
        }
    }

    /// Shows the next message to `copy` and takes it, if nothing stands in the way that has
    /// to be looked into and `copy` agrees; whether it did.
    #[inline(always)]
    pub(crate) fn take_fast(&mut self, copy: impl FnOnce(Place, Payload<'_>) -> bool) -> bool {
        if !self.registration.is_clear() {
            return false;
        }
        let mapped = &self.registration.mapped;
        let reached = match &mut self.ring {
            Ring::Record(ring) => {
                let records = mapped.record();
                match ring.peek_fast(records, ring.head()) {
                    Some(place) if copy(place, mapped.payload(place)) => {
                        ring.release(records, place.end, 1);
                        place.end
                    }
                    _ => return false,
                }
            }
            Ring::Slot(ring) => {
                let slots = mapped.slot();
                match ring.look_fast(slots) {
                    Some(place)
                        if !self.registration.has_waited()
                            && copy(place, mapped.payload(place))
                            && ring.take(slots, place.end, 1) =>
                    {
                        place.end
                    }
                    _ => return false,
                }
            }
        };
        self.registration.notify_producers(reached);
        true
    }

    /// Shows up to `max` messages, in order, to `copy`, and then takes all of them at
    /// once; returns how many. `copy` gets the index of a message among them, its place
    /// and its words. Where consumers compete, it may be called for messages that then
    /// turn out to be someone else's; it starts over at index 0.
    ///
    /// # Errors
    /// Those of [`next`](Self::next), and that of `copy` for the first message, which
    /// is not taken then; for another message it ends the batch before it.
    #[inline]
    pub(crate) fn try_take(
        &mut self,
        max: usize,
        mut copy: impl FnMut(usize, Place, Payload<'_>) -> Result<(), TryRecvError>,
    ) -> Result<usize, TryRecvError> {
        let result = self.try_take_some(max, &mut copy);
        if let Ring::Slot(ring) = &self.ring {
            // After a wait beside other consumers: wakes one more if there is more.
            self.registration.hand_off(|mapped| {
                let (message, reached) = ring.has_message(mapped.slot());
                message.then_some(reached)
            });
        }
        result
    }

    #[inline]
    fn try_take_some(
        &mut self,
        max: usize,
        copy: &mut impl FnMut(usize, Place, Payload<'_>) -> Result<(), TryRecvError>,
    ) -> Result<usize, TryRecvError> {
        for _ in 0..MAX_TRIES {
            let mut place = self.next()?;
            let (mut end, mut count) = (place.start, 0);
            loop {
                if let Err(error) = copy(count, place, self.payload(place)) {
                    if count == 0 && self.is_current() {
                        return Err(error);
                    }
                    break;
                }
                (end, count) = (place.end, count + 1);
                if count == max {
                    break;
                }
                match self.look_ahead(end) {
                    Ok(Some(next)) => place = next,
                    _ => break,
                }
            }
            if count > 0 && self.take(end, count as u64) {
                return Ok(count);
            }
        }
        Err(TryRecvError::WouldBlock)
    }

    /// Whether the message at head is still there for this consumer.
    #[cold]
    fn is_current(&self) -> bool {
        match &self.ring {
            Ring::Record(_) => true,
            Ring::Slot(ring) => ring.is_current(self.registration.mapped.slot()),
        }
    }

    /// Splits off what takes messages, so that they can be read meanwhile.
    #[inline]
    pub(crate) fn releaser(&mut self) -> Releaser<'_> {
        Releaser { ring: &mut self.ring, registration: &self.registration }
    }

    /// As [`Releaser::take`].
    #[inline]
    pub(crate) fn take(&mut self, to: u64, messages: u64) -> bool {
        self.releaser().take(to, messages)
    }

    /// Ends the use of this side: what a message holds is not what the ring is for.
    #[cold]
    pub(crate) fn poison(&mut self, corrupt: Corrupt) -> Fault {
        self.registration.poison(corrupt)
    }
}

/// What takes messages, while they are read through the same registration.
#[derive(Debug)]
pub(crate) struct Releaser<'a> {
    ring: &'a mut Ring,
    pub(crate) registration: &'a Registration,
}

impl Releaser<'_> {
    /// Takes everything up to `to`, which is `messages` messages, and wakes a producer
    /// that waits for it. Whether no other consumer had some of it.
    #[inline]
    pub(crate) fn take(self, to: u64, messages: u64) -> bool {
        match self.ring {
            Ring::Record(ring) => ring.release(self.registration.mapped.record(), to, messages),
            Ring::Slot(ring) => {
                if !ring.take(self.registration.mapped.slot(), to, messages) {
                    return false;
                }
            }
        }
        self.registration.notify_producers(to);
        true
    }
}
