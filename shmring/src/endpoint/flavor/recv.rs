//! What a consumer does, for each kind of ring of messages.

use super::broadcast::Subscription;
use crate::endpoint::backoff::{self, Progress};
use crate::endpoint::recv::CopyOut;
use crate::endpoint::registration::Registration;
use crate::endpoint::subscribe::{Start, Subscribe};
use crate::error::{Fault, JoinError, Role};
use crate::format::Shape;
use crate::info::Kind;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::broadcast::Mode;
use crate::ring::jobs::{self, Take, Taken};
use crate::ring::{Corrupt, Extent, Look, Place, packed, record, slot};
use crate::sync::Ordering;

/// What a consumer keeps of its ring.
///
/// A tag of its own: one in a niche of a variant takes several instructions to read.
#[derive(Debug)]
#[repr(u8)]
pub(in crate::endpoint) enum RecvFlavor {
    Record(record::Consumer),
    Slot(slot::Consumer),
    /// Only for handles of elements.
    Packed(packed::Consumer),
    Broadcast(Subscription),
    Jobs(jobs::Worker),
}

/// No more than this part of a packed ring is left to the producer to get ahead.
const STRETCH_PARTS: u64 = 16;

impl RecvFlavor {
    /// Goes on where the last holder of a sole role left it, or subscribes as `how` says.
    pub(in crate::endpoint) fn take_over(
        registration: &Registration,
        how: Subscribe,
    ) -> Result<Self, JoinError> {
        let mapped = &registration.mapped;
        match mapped.shape() {
            Shape::Records { .. } => record::Consumer::take_over(mapped.record())
                .map(Self::Record)
                .map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt))),
            Shape::Slots { kind: Kind::Jobs, .. } => {
                // The last owner of the handle may have died with jobs.
                registration.own().full_since.store(0, Ordering::Relaxed);
                Ok(Self::Jobs(jobs::Worker::join(mapped.jobs(), registration.handle())))
            }
            Shape::Slots { .. } => Ok(Self::Slot(slot::Consumer::take_over(mapped.slot()))),
            Shape::Elements { .. } => {
                Ok(Self::Packed(packed::Consumer::take_over(mapped.packed())))
            }
            Shape::Broadcast { .. } => {
                Subscription::join(mapped, registration.handle(), how).map(Self::Broadcast)
            }
        }
    }

    /// The position of the oldest message that this consumer knows not to be taken.
    #[inline]
    pub(in crate::endpoint) fn head(&self) -> u64 {
        match self {
            Self::Record(ring) => ring.head(),
            Self::Slot(ring) => ring.head(),
            Self::Packed(ring) => ring.head(),
            Self::Broadcast(ring) => ring.position(),
            Self::Jobs(worker) => worker.position(),
        }
    }

    /// The position that a wait for a message needs the other side to pass.
    #[inline]
    pub(in crate::endpoint) fn need(&self) -> u64 {
        match self {
            // A job that comes back may lie anywhere, and each publish passes this.
            Self::Jobs(worker) => worker.position(),
            // Any commit moves the tail past head.
            _ => self.head().wrapping_add(1),
        }
    }

    /// Returns `true` if nothing that was taken can come back.
    pub(in crate::endpoint) fn is_finished(&self, mapped: &MappedRing) -> bool {
        !matches!(self, Self::Jobs(_)) || mapped.jobs().is_finished()
    }

    /// Returns `true` if messages can be read in place: nobody else takes them, and they are not
    /// overwritten meanwhile.
    #[inline]
    pub(in crate::endpoint) fn is_exclusive(&self, mapped: &MappedRing) -> bool {
        match self {
            Self::Record(_) | Self::Packed(_) => true,
            Self::Slot(_) => !mapped.shape().kind().shares(Role::Consumer),
            Self::Broadcast(ring) => ring.mode() == Mode::Gating,
            Self::Jobs(_) => false,
        }
    }

    /// Returns how another handle joins the same ring.
    pub(in crate::endpoint) fn another(&self) -> Subscribe {
        let mode = match self {
            Self::Record(_) | Self::Slot(_) | Self::Packed(_) | Self::Jobs(_) => Mode::Gating,
            Self::Broadcast(ring) => ring.mode(),
        };
        Subscribe { mode, start: Start::Next }
    }

    /// Returns how many messages were lost or skipped since this subscriber joined.
    pub(in crate::endpoint) fn missed(&self) -> u64 {
        match self {
            Self::Record(_) | Self::Slot(_) | Self::Packed(_) | Self::Jobs(_) => 0,
            Self::Broadcast(ring) => ring.missed(),
        }
    }

    /// Passes the next message to `copy` and takes it if `copy` agrees, on the fast path only.
    /// Returns the position that producers may wait for.
    #[inline(always)]
    pub(in crate::endpoint) fn take_fast(
        &mut self,
        registration: &Registration,
        copy: impl CopyOut,
    ) -> Option<u64> {
        let mapped = &registration.mapped;
        match self {
            Self::Record(ring) => {
                let records = mapped.record();
                match ring.peek_first(records) {
                    Some(place) if copy.copy_out(place, mapped.payload(place)) => {
                        ring.release(records, place.end, 1);
                        Some(place.end)
                    }
                    _ => None,
                }
            }
            Self::Slot(ring) => {
                let slots = mapped.slot();
                match ring.look_fast(slots) {
                    Some(place)
                        if !registration.has_waited()
                            && copy.copy_out(place, mapped.payload(place))
                            && ring.take_first(slots, place) =>
                    {
                        Some(place.end)
                    }
                    _ => None,
                }
            }
            Self::Packed(_) | Self::Jobs(_) => None,
            Self::Broadcast(ring) => match ring.peek_fast(mapped) {
                Some(place)
                    if copy.copy_out(place, mapped.payload(place))
                        && ring.take(mapped, place.end, 1) =>
                {
                    Some(place.end)
                }
                _ => None,
            },
        }
    }

    /// After a wait beside other consumers: wakes one more if there is more.
    #[inline]
    pub(in crate::endpoint) fn hand_off(&self, registration: &Registration) {
        match self {
            Self::Record(_) | Self::Packed(_) | Self::Broadcast(_) => {}
            Self::Slot(ring) => registration.hand_off(|mapped| {
                let (message, reached) = ring.has_message(mapped.slot());
                message.then_some(reached)
            }),
            Self::Jobs(worker) => registration.hand_off(|mapped| {
                mapped
                    .jobs()
                    .front()
                    .0
                    .then(|| worker.position().wrapping_add(mapped.slot().slots()))
            }),
        }
    }

    /// Returns `true` if the message at head is still there for this consumer, so that what was
    /// copied of it is not torn.
    pub(in crate::endpoint) fn is_current(&self, mapped: &MappedRing) -> bool {
        match self {
            Self::Record(_) | Self::Packed(_) | Self::Jobs(_) => true,
            Self::Slot(ring) => ring.is_current(mapped.slot()),
            Self::Broadcast(ring) => ring.is_whole(mapped),
        }
    }

    /// Takes everything up to `to`, which is `messages` messages. Returns `false` if another
    /// consumer had some of it.
    #[inline]
    pub(in crate::endpoint) fn take(
        &mut self,
        mapped: &MappedRing,
        to: u64,
        messages: u64,
    ) -> bool {
        match self {
            Self::Record(ring) => {
                ring.release(mapped.record(), to, messages);
                true
            }
            Self::Slot(ring) => ring.take(mapped.slot(), to, messages),
            Self::Packed(ring) => {
                ring.release(mapped.packed(), messages);
                true
            }
            Self::Broadcast(ring) => ring.take(mapped, to, messages),
            // A job is taken when it is found.
            Self::Jobs(_) => false,
        }
    }

    /// The message at `from`, the end of one that was looked at before, on the fast path.
    #[inline(always)]
    pub(in crate::endpoint) fn look_ahead_fast(
        &mut self,
        mapped: &MappedRing,
        from: u64,
    ) -> Option<Place> {
        match self {
            Self::Record(ring) => ring.peek_fast(mapped.record(), from),
            Self::Slot(ring) => ring.look_ahead_fast(mapped.slot(), from),
            Self::Packed(_) | Self::Jobs(_) => None,
            // Without a check, a subscriber that was evicted would look ahead for ever.
            Self::Broadcast(ring) if ring.is_whole(mapped) => ring.look_ahead_fast(mapped, from),
            Self::Broadcast(_) => None,
        }
    }

    /// The message at `from`, the end of one that was looked at before.
    ///
    /// # Errors
    /// `Corrupt` if the words there are not those of a message.
    pub(in crate::endpoint) fn look_ahead(
        &mut self,
        mapped: &MappedRing,
        from: u64,
    ) -> Result<Option<Extent>, Corrupt> {
        let place = match self {
            Self::Record(ring) => ring.peek(mapped.record(), from)?,
            Self::Slot(ring) => return ring.look_ahead(mapped.slot(), from),
            Self::Packed(ring) => {
                let elements = mapped.packed();
                let wanted = from.wrapping_sub(ring.head()).wrapping_add(1);
                let is_there = ring.filled(elements, wanted)?.count >= wanted;
                is_there.then(|| elements.place(from, mapped.shape().max_message_bytes()))
            }
            Self::Broadcast(ring) => ring.look_ahead(mapped, from)?,
            Self::Jobs(_) => None,
        };
        Ok(place.map(Extent::Whole))
    }

    /// Passes messages from `next` on to `visit`, which returns where to go on, on the fast
    /// path only.
    #[inline(always)]
    pub(in crate::endpoint) fn look_through(
        &mut self,
        mapped: &MappedRing,
        mut next: Option<u64>,
        mut visit: impl FnMut(Option<Place>) -> Option<u64>,
    ) {
        match self {
            Self::Record(ring) => {
                let records = mapped.record();
                // In registers, as what is called in between could change it otherwise.
                let mut looking = ring.clone();
                let reach = looking.reach(records, next.unwrap_or_else(|| looking.head()));
                while let Some(from) = next {
                    next = visit(looking.peek_before(records, from, reach));
                }
                *ring = looking;
            }
            Self::Slot(ring) => {
                let slots = mapped.slot();
                while let Some(from) = next {
                    next = visit(ring.look_ahead_fast(slots, from));
                }
            }
            Self::Packed(_) | Self::Jobs(_) => {}
            Self::Broadcast(ring) if !ring.is_whole(mapped) => {}
            Self::Broadcast(ring) => {
                while let Some(from) = next {
                    next = visit(ring.look_ahead_fast(mapped, from));
                }
            }
        }
    }

    /// The next message, on the fast path. A job is taken by that.
    #[inline]
    pub(in crate::endpoint) fn next_fast(&mut self, registration: &Registration) -> Option<Place> {
        let mapped = &registration.mapped;
        match self {
            Self::Record(ring) => ring.peek_first(mapped.record()),
            Self::Slot(ring) => ring.look_fast(mapped.slot()),
            Self::Packed(ring) => {
                let span = ring.filled_fast(1)?;
                Some(mapped.packed().place(span.start, mapped.shape().max_message_bytes()))
            }
            Self::Broadcast(ring) => ring.look_fast(mapped),
            Self::Jobs(worker) => worker.take_fast(mapped.jobs(), registration.own()),
        }
    }

    /// Looks for the next message. A job is taken by that. Wakes a producer if that released
    /// space.
    pub(in crate::endpoint) fn look(
        &mut self,
        registration: &Registration,
    ) -> Result<Look, Corrupt> {
        let mapped = &registration.mapped;
        match self {
            Self::Record(ring) => {
                let place = ring.peek(mapped.record(), ring.head())?;
                Ok(place.map_or(Look::Empty, Look::Message))
            }
            Self::Slot(ring) => {
                let look = ring.look(mapped.slot());
                if ring.take_skipped() {
                    registration.notify_producers(ring.head());
                }
                look
            }
            Self::Packed(ring) => {
                let elements = mapped.packed();
                let filled = ring.filled(elements, 1)?;
                let place = elements.place(filled.start, mapped.shape().max_message_bytes());
                Ok(if filled.count > 0 { Look::Message(place) } else { Look::Empty })
            }
            Self::Broadcast(ring) => ring.look(mapped),
            Self::Jobs(worker) => {
                let take = worker.take(mapped.jobs(), registration.own());
                if worker.take_advanced() {
                    registration.notify_producers(worker.position());
                }
                Ok(match take? {
                    Take::Job(Extent::Whole(place)) => Look::Message(place),
                    Take::Job(Extent::Spanning(message)) => Look::Spanning(message),
                    Take::Empty => Look::Empty,
                    Take::Held => Look::Held,
                    Take::InFlight { position } => Look::InFlight { position },
                    Take::Outrun => Look::Outrun,
                    Take::HandsFull => Look::HandsFull,
                })
            }
        }
    }

    /// How many messages are in the ring; of a slot ring with those that are claimed and not
    /// finished.
    pub(in crate::endpoint) fn messages(&self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Record(_) => mapped.record().count(),
            Self::Slot(_) => mapped.slot().messages(),
            Self::Packed(_) => mapped.packed().observe().0,
            Self::Broadcast(ring) => ring.pending(mapped),
            Self::Jobs(_) => mapped.jobs().pending(),
        }
    }

    /// How far this consumer has come.
    pub(in crate::endpoint) fn progress(&self, mapped: &MappedRing) -> Progress {
        let (messages, position, capacity) = match self {
            Self::Record(ring) => (ring.messages(), ring.head(), mapped.shape().capacity_bytes()),
            Self::Slot(ring) => (ring.head(), ring.head(), mapped.slot().slots()),
            Self::Packed(ring) => (ring.head(), ring.head(), mapped.packed().slots()),
            Self::Broadcast(ring) => {
                (ring.messages(), ring.position(), mapped.shape().capacity_bytes())
            }
            Self::Jobs(worker) => (worker.position(), worker.position(), mapped.slot().slots()),
        };
        Progress { messages, position, capacity }
    }

    /// Returns `true` if a message is at head.
    #[inline]
    pub(in crate::endpoint) fn has_message(&self, mapped: &MappedRing) -> bool {
        match self {
            Self::Record(ring) => ring.has_message(mapped.record()),
            Self::Slot(ring) => ring.has_message(mapped.slot()).0,
            Self::Packed(ring) => ring.has_elements(mapped.packed()),
            Self::Broadcast(ring) => ring.has_message(mapped),
            Self::Jobs(_) => mapped.jobs().front().0,
        }
    }

    /// Returns `true` if this consumer need not spin: a message is at head, and if it is to let
    /// its producer get ahead, as many as keep it some lines away from its producer. Only the
    /// position in a packed ring shows how many are there.
    #[inline]
    pub(in crate::endpoint) fn has_enough(&self, mapped: &MappedRing, stretches: bool) -> bool {
        let Self::Packed(ring) = self else {
            return self.has_message(mapped);
        };
        let there = ring.there(mapped.packed());
        let element_bytes = mapped.shape().max_message_bytes();
        let stretch =
            || backoff::stretch(element_bytes).min(mapped.packed().slots() / STRETCH_PARTS);
        there > 0 && (!stretches || there >= stretch())
    }

    /// Returns the job that the last look took, and how many this worker has.
    pub(in crate::endpoint) fn taken(&self) -> Option<(Taken, u32)> {
        match self {
            Self::Jobs(worker) => Some((worker.taken(), worker.in_hand())),
            _ => None,
        }
    }

    /// Acknowledges a job in hand.
    pub(in crate::endpoint) fn acknowledge(&mut self, mapped: &MappedRing, job: Taken) {
        if let Self::Jobs(worker) = self {
            worker.acknowledge(mapped.jobs(), job);
        }
    }

    /// Gives a job in hand back.
    pub(in crate::endpoint) fn give_back(&mut self, mapped: &MappedRing, job: Taken) {
        if let Self::Jobs(worker) = self {
            worker.give_back(mapped.jobs(), job);
        }
    }
}
