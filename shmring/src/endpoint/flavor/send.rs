//! What a producer does, for each kind of ring of messages.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of the caller's messages, whose lengths are real"
)]

use crate::endpoint::registration::Registration;
use crate::error::{Fault, JoinError};
use crate::format::Shape;
use crate::memory::copy;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::slot::Spanning;
use crate::ring::{Extent, Place, Refused, broadcast, packed, record, slot};
use crate::sync::Ordering;
use crate::sys::clock;

/// What a producer keeps of its ring.
///
/// A tag of its own: one in a niche of a variant takes several instructions to read.
#[derive(Debug)]
#[repr(u8)]
pub(in crate::endpoint) enum SendFlavor {
    Record(record::Producer),
    Slot(slot::Producer),
    /// Only for handles of elements.
    Packed(packed::Producer),
    Broadcast(broadcast::Producer),
}

impl SendFlavor {
    /// Goes on where the last holder of a sole role left it.
    pub(in crate::endpoint) fn take_over(mapped: &MappedRing) -> Result<Self, JoinError> {
        let flavor = match mapped.shape() {
            Shape::Records { .. } => record::Producer::take_over(mapped.record()).map(Self::Record),
            Shape::Slots { .. } => slot::Producer::take_over(mapped.slot()).map(Self::Slot),
            Shape::Elements { .. } => {
                packed::Producer::take_over(mapped.packed()).map(Self::Packed)
            }
            Shape::Broadcast { .. } => {
                broadcast::Producer::take_over(mapped.broadcast()).map(Self::Broadcast)
            }
        };
        flavor.map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))
    }

    /// Bytes in the longest message that the ring can take.
    #[inline]
    pub(in crate::endpoint) fn max_message_bytes(&self, mapped: &MappedRing) -> usize {
        match self {
            Self::Record(_) => mapped.record().max_len() as usize,
            Self::Slot(_) => mapped.slot().max_len() as usize,
            Self::Packed(_) => mapped.shape().max_message_bytes() as usize,
            Self::Broadcast(_) => mapped.broadcast().max_len() as usize,
        }
    }

    /// Gives up what was reserved and not committed.
    #[inline]
    pub(in crate::endpoint) fn abandon(&mut self, registration: &Registration) {
        match self {
            Self::Record(ring) => ring.abort(),
            Self::Slot(ring) if ring.has_open() => abandon_tickets(ring, registration),
            // Space that is reserved in a packed ring takes nothing.
            Self::Slot(_) | Self::Packed(_) => {}
            Self::Broadcast(ring) => ring.abort(),
        }
    }

    /// Sends a message if that takes no more than room that is known or found at once.
    /// Returns the position that consumers may wait for.
    #[inline(always)]
    pub(in crate::endpoint) fn send_fast(
        &mut self,
        registration: &Registration,
        message: &[u8],
    ) -> Option<u64> {
        let mapped = &registration.mapped;
        let len = message.len() as u64;
        match self {
            Self::Record(ring) => {
                let records = mapped.record();
                let place = ring.begin(records, len)?;
                copy::store(mapped.payload(place), message);
                ring.finish(records, place);
                Some(ring.tail())
            }
            Self::Slot(ring) => {
                let slots = mapped.slot();
                let fits =
                    len <= slots.slot_len() && !ring.has_open() && !registration.has_waited();
                if !fits || ring.claim(slots, registration.intent(), 1).is_err() {
                    return None;
                }
                copy::store(mapped.payload(ring.place(slots, len)), message);
                ring.publish(slots, len);
                Some(ring.published())
            }
            Self::Packed(_) => None,
            Self::Broadcast(ring) => {
                let records = mapped.broadcast();
                let place = ring.begin(records, len)?;
                copy::store(mapped.payload(place), message);
                ring.finish(records, place);
                Some(ring.tail())
            }
        }
    }

    /// As [`reserve`](Self::reserve), but `None` for whatever needs a closer look.
    #[inline]
    pub(in crate::endpoint) fn reserve_fast(
        &mut self,
        registration: &Registration,
        len: usize,
        count: usize,
    ) -> Option<Place> {
        let mapped = &registration.mapped;
        match self {
            Self::Record(ring) => ring.reserve_fast(mapped.record(), len as u64),
            Self::Slot(ring) => {
                let slots = mapped.slot();
                if len as u64 > slots.slot_len() {
                    return None;
                }
                ring.claim(slots, registration.intent(), count as u64).ok()?;
                Some(ring.place(slots, len as u64))
            }
            Self::Packed(_) => None,
            Self::Broadcast(ring) => ring.reserve_fast(mapped.broadcast(), len as u64),
        }
    }

    /// Reserves space for a message of `len` bytes, the first of several that take `count` slots
    /// together, which are claimed at once if the ring has slots.
    pub(in crate::endpoint) fn reserve(
        &mut self,
        registration: &Registration,
        len: usize,
        count: usize,
    ) -> Result<Extent, Refused> {
        let mapped = &registration.mapped;
        let place = match self {
            Self::Record(ring) => ring.reserve(mapped.record(), len as u64),
            Self::Slot(ring) => return reserve_slots(ring, registration, len as u64, count as u64),
            Self::Packed(ring) => {
                let elements = mapped.packed();
                let span = ring.reserve(elements, count as u64)?;
                Ok(elements.place(span.start, len as u64))
            }
            Self::Broadcast(ring) => {
                let reserved = ring.reserve(mapped.broadcast(), mapped.handles(), len as u64);
                note_full(registration, matches!(reserved, Err(Refused::Full { .. })));
                reserved
            }
        };
        place.map(Extent::Whole)
    }

    /// Returns `true` if head has reached `need`.
    pub(in crate::endpoint) fn has_room(&self, mapped: &MappedRing, need: u64) -> bool {
        match self {
            Self::Record(_) => mapped.record().has_room(need),
            Self::Slot(_) => mapped.slot().has_room(need),
            Self::Packed(_) => mapped.packed().has_room(need),
            Self::Broadcast(_) => mapped.broadcast().has_room(mapped.handles(), need),
        }
    }

    /// As [`has_room`](Self::has_room), but does what those who make room may have left to do. It
    /// takes lines from them, so it is not for those who spin.
    pub(in crate::endpoint) fn makes_room(&self, mapped: &MappedRing, need: u64) -> bool {
        self.has_room(mapped, need) || advance_jobs(mapped) && self.has_room(mapped, need)
    }

    /// Looks whether there is room for a message of `len` bytes, and leaves it there.
    pub(in crate::endpoint) fn look_for_room(
        &mut self,
        mapped: &MappedRing,
        len: usize,
    ) -> Result<(), Refused> {
        match self {
            // Space that is reserved and not staged takes nothing.
            Self::Record(ring) => ring.reserve(mapped.record(), len as u64).map(|_| ()),
            Self::Slot(_) if len as u64 > mapped.slot().max_len() => Err(Refused::TooLong),
            Self::Slot(ring) => {
                advance_jobs(mapped);
                let slots = mapped.slot();
                let need = slots.need_for(ring.published(), slots.slots_of(len as u64));
                need.map_or(Ok(()), |need| Err(Refused::Full { need }))
            }
            Self::Packed(ring) => ring.reserve(mapped.packed(), 1).map(|_| ()),
            Self::Broadcast(ring) => {
                ring.reserve(mapped.broadcast(), mapped.handles(), len as u64).map(|_| ())
            }
        }
    }

    /// Returns the position up to which this producer has published.
    fn position(&self) -> u64 {
        match self {
            Self::Record(ring) => ring.tail(),
            Self::Slot(ring) => ring.published(),
            Self::Packed(ring) => ring.tail(),
            Self::Broadcast(ring) => ring.tail(),
        }
    }

    /// Where the ring ends, once no other producer begins another message.
    pub(in crate::endpoint) fn end(&self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Slot(ring) => mapped.slot().end(ring.published()),
            Self::Record(_) | Self::Packed(_) | Self::Broadcast(_) => self.position(),
        }
    }

    /// How many messages are in the ring; of a broadcast ring those that a gating subscriber has
    /// not received. With those that are claimed and not finished.
    pub(in crate::endpoint) fn messages(&self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Record(_) => mapped.record().count(),
            Self::Slot(_) if mapped.has_jobs() => mapped.jobs().pending(),
            Self::Slot(_) => mapped.slot().messages(),
            Self::Packed(_) => mapped.packed().observe().0,
            Self::Broadcast(ring) => {
                mapped.broadcast().unreceived(mapped.handles(), ring.messages())
            }
        }
    }

    /// What the ring holds, in the units of its positions.
    pub(in crate::endpoint) fn capacity(&self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Record(_) | Self::Broadcast(_) => mapped.shape().capacity_bytes(),
            Self::Slot(_) => mapped.slot().slots(),
            Self::Packed(_) => mapped.packed().slots(),
        }
    }

    /// After a wait beside other producers: wakes one more if there is still room.
    #[inline]
    pub(in crate::endpoint) fn hand_off(&self, registration: &Registration) {
        match self {
            Self::Record(_) | Self::Packed(_) | Self::Broadcast(_) => {}
            Self::Slot(_) => registration.hand_off(|mapped| {
                let (room, head) = mapped.slot().room();
                room.then_some(head)
            }),
        }
    }

    /// Publishes a reserved message, `len` bytes long. Returns the position that consumers
    /// may wait for.
    #[inline]
    pub(in crate::endpoint) fn commit(
        &mut self,
        mapped: &MappedRing,
        space: Extent,
        len: u64,
    ) -> u64 {
        match (self, space) {
            (Self::Record(ring), Extent::Whole(place)) => {
                ring.stage(mapped.record(), place, len);
                ring.publish(mapped.record());
                ring.tail()
            }
            (Self::Slot(ring), Extent::Whole(_)) => {
                ring.publish(mapped.slot(), len);
                ring.published()
            }
            (Self::Packed(ring), Extent::Whole(_)) => {
                ring.publish(mapped.packed(), 1);
                ring.tail()
            }
            (Self::Broadcast(ring), Extent::Whole(place)) => {
                ring.stage(mapped.broadcast(), place, len);
                ring.publish(mapped.broadcast());
                ring.tail()
            }
            (flavor, Extent::Spanning(space)) => flavor.commit_parts(mapped, space, len),
        }
    }

    #[cold]
    #[inline(never)]
    fn commit_parts(&mut self, mapped: &MappedRing, space: Spanning, len: u64) -> u64 {
        if let Self::Slot(ring) = self {
            ring.publish_parts(mapped.slot(), space, len);
        }
        // Others have no such space.
        self.position()
    }

    /// Stores the tail hint for observers.
    pub(in crate::endpoint) fn hint(&mut self, mapped: &MappedRing) {
        match self {
            Self::Record(ring) => ring.hint(mapped.record()),
            Self::Slot(ring) => ring.hint(mapped.slot()),
            Self::Packed(_) => {}
            Self::Broadcast(ring) => ring.hint(mapped.broadcast()),
        }
    }
}

#[cold]
#[inline(never)]
fn reserve_slots(
    ring: &mut slot::Producer,
    registration: &Registration,
    len: u64,
    count: u64,
) -> Result<Extent, Refused> {
    let slots = registration.mapped.slot();
    if len > slots.max_len() {
        return Err(Refused::TooLong);
    }
    let count = count.max(slots.slots_of(len));
    let mut claimed = ring.claim(slots, registration.intent(), count);
    if matches!(claimed, Err(Refused::Full { .. })) && advance_jobs(&registration.mapped) {
        claimed = ring.claim(slots, registration.intent(), count);
    }
    claimed?;
    Ok(if len <= slots.slot_len() {
        Extent::Whole(ring.place(slots, len))
    } else {
        Extent::Spanning(slots.spanning(ring.published(), len))
    })
}

/// Moves head over the jobs of a job ring that are done, which nobody may have done yet. Returns
/// `true` if this is such a ring.
fn advance_jobs(mapped: &MappedRing) -> bool {
    let has_jobs = mapped.has_jobs();
    if has_jobs {
        mapped.jobs().advance();
    }
    has_jobs
}

/// Notes for observers since when there is no room.
fn note_full(registration: &Registration, is_full: bool) {
    let since = &registration.own().full_since;
    if is_full != (since.load(Ordering::Relaxed) != 0) {
        since.store(if is_full { clock::now_ns() } else { 0 }, Ordering::Relaxed);
    }
}

#[cold]
fn abandon_tickets(ring: &mut slot::Producer, registration: &Registration) {
    // A fork child may get here after a panic: the tickets are its parent's.
    if !registration.is_forked() && ring.abandon(registration.mapped.slot()) {
        registration.notify_consumers(ring.published());
    }
}
