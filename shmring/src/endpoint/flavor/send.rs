//! What a producer does, for each kind of ring of messages.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of the caller's messages, whose lengths are real"
)]

use crate::endpoint::registration::Registration;
use crate::error::{Fault, JoinError, TrySendError};
use crate::format::Shape;
use crate::memory::copy;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::sentinel::is_whole;
use crate::ring::record::Staging;
use crate::ring::{Place, Refused, broadcast, packed, record, slot};
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

/// How a batch is sent.
pub(in crate::endpoint) enum Batch {
    /// Each message is reserved and staged; all are published at once.
    Staged,
    /// All are claimed at once, `count` of up to `longest` bytes, and published one by one.
    Claimed { longest: usize, count: usize },
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
                let fits = len <= slots.max_len() && !ring.has_open() && !registration.has_waited();
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
                if len as u64 > slots.max_len() {
                    return None;
                }
                ring.claim(slots, registration.intent(), count as u64).ok()?;
                Some(ring.place(slots, len as u64))
            }
            Self::Packed(_) => None,
            Self::Broadcast(ring) => ring.reserve_fast(mapped.broadcast(), len as u64),
        }
    }

    /// Reserves space for a message of `len` bytes, the first of `count` whose space is
    /// claimed at once if the ring has slots.
    pub(in crate::endpoint) fn reserve(
        &mut self,
        registration: &Registration,
        len: usize,
        count: usize,
    ) -> Result<Place, Refused> {
        let mapped = &registration.mapped;
        match self {
            Self::Record(ring) => ring.reserve(mapped.record(), len as u64),
            Self::Slot(ring) => {
                let slots = mapped.slot();
                if len as u64 > slots.max_len() {
                    return Err(Refused::TooLong);
                }
                ring.claim(slots, registration.intent(), count as u64)?;
                Ok(ring.place(slots, len as u64))
            }
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
        }
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
            Self::Slot(ring) => match mapped.slot().room_from(ring.published()) {
                (true, _) => Ok(()),
                (false, head) => Err(Refused::Full { need: head.wrapping_add(1) }),
            },
            Self::Packed(ring) => ring.reserve(mapped.packed(), 1).map(|_| ()),
            Self::Broadcast(ring) => {
                ring.reserve(mapped.broadcast(), mapped.handles(), len as u64).map(|_| ())
            }
        }
    }

    /// Where the ring ends, once no other producer begins another message.
    pub(in crate::endpoint) fn end(&self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Record(ring) => ring.tail(),
            Self::Slot(ring) => mapped.slot().end(ring.published()),
            Self::Packed(ring) => ring.tail(),
            Self::Broadcast(ring) => ring.tail(),
        }
    }

    /// How many messages are in the ring; of a broadcast ring those that a gating subscriber has
    /// not received. With those that are claimed and not finished.
    pub(in crate::endpoint) fn messages(&self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Record(_) => mapped.record().count(),
            Self::Slot(_) => mapped.slot().observe().0,
            Self::Packed(_) => mapped.packed().observe().0,
            Self::Broadcast(ring) => {
                mapped.broadcast().unreceived(mapped.handles(), ring.messages())
            }
        }
    }

    /// Whether batches are [`Staged`](Batch::Staged), so that a part of one can be published.
    pub(in crate::endpoint) fn is_staging(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Broadcast(_))
    }

    fn is_broadcast(&self) -> bool {
        matches!(self, Self::Broadcast(_))
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
        place: Place,
        len: u64,
    ) -> u64 {
        match self {
            Self::Record(ring) => {
                ring.stage(mapped.record(), place, len);
                ring.publish(mapped.record());
                ring.tail()
            }
            Self::Slot(ring) => {
                ring.publish(mapped.slot(), len);
                ring.published()
            }
            Self::Packed(ring) => {
                ring.publish(mapped.packed(), 1);
                ring.tail()
            }
            Self::Broadcast(ring) => {
                ring.stage(mapped.broadcast(), place, len);
                ring.publish(mapped.broadcast());
                ring.tail()
            }
        }
    }

    /// How to send a batch of messages.
    ///
    /// # Errors
    /// The batch does not fit into the empty ring.
    #[inline(always)]
    pub(in crate::endpoint) fn plan<'m>(
        &self,
        mapped: &MappedRing,
        messages: impl Iterator<Item = &'m [u8]>,
    ) -> Result<Batch, TrySendError> {
        match self {
            Self::Record(_) | Self::Broadcast(_) => {
                let max = self.max_message_bytes(mapped);
                let lens = messages.map(|message| message.len() as u64);
                let len = if self.is_broadcast() {
                    mapped.broadcast().batch_len(lens)
                } else {
                    mapped.record().batch_len(lens)
                };
                if len > max as u64 {
                    return Err(TrySendError::TooLong { len: len as usize, max });
                }
                Ok(Batch::Staged)
            }
            Self::Slot(_) | Self::Packed(_) => {
                let (mut count, mut longest) = (0, 0);
                for message in messages {
                    (count, longest) = (count + 1, longest.max(message.len()));
                }
                let max = self.capacity(mapped) as usize;
                if count > max {
                    return Err(TrySendError::TooMany { count, max });
                }
                Ok(Batch::Claimed { longest, count })
            }
        }
    }

    /// Stages messages while the fast path serves them. Returns the first that it does not.
    /// Only for batches that are [`Staged`](Batch::Staged).
    #[inline(always)]
    pub(in crate::endpoint) fn stage_fast<'m>(
        &mut self,
        mapped: &MappedRing,
        messages: &mut impl Iterator<Item = &'m [u8]>,
    ) -> Option<&'m [u8]> {
        // The header of the first one is kept for the commit.
        if !self.has_staged() {
            let message = messages.next()?;
            if !self.stage_first(mapped, message) {
                return Some(message);
            }
        }
        match self {
            Self::Record(ring) => stage_rest(ring.staging(mapped.record()), mapped, messages).0,
            Self::Broadcast(ring) => {
                let (rest, count) = stage_rest(ring.staging(mapped.broadcast()), mapped, messages);
                ring.count_staged(count);
                rest
            }
            Self::Slot(_) | Self::Packed(_) => messages.next(),
        }
    }

    #[inline(always)]
    fn has_staged(&self) -> bool {
        match self {
            Self::Record(ring) => ring.has_staged(),
            Self::Broadcast(ring) => ring.has_staged(),
            Self::Slot(_) | Self::Packed(_) => false,
        }
    }

    /// Stages a message before any other. Returns `false` if the caller must take the slow path.
    #[inline(always)]
    fn stage_first(&mut self, mapped: &MappedRing, message: &[u8]) -> bool {
        let len = message.len() as u64;
        // The caller's code returned the message, and may have forked.
        if !is_whole(mapped.sentinel()) {
            return false;
        }
        let reserved = match self {
            Self::Record(ring) => ring.reserve_fast(mapped.record(), len),
            Self::Broadcast(ring) => ring.reserve_fast(mapped.broadcast(), len),
            Self::Slot(_) | Self::Packed(_) => None,
        };
        let Some(place) = reserved else {
            return false;
        };
        copy::store(mapped.payload(place), message);
        self.stage(mapped, place, len);
        true
    }

    /// Stages a message whose bytes are stored.
    #[inline]
    pub(in crate::endpoint) fn stage(&mut self, mapped: &MappedRing, place: Place, len: u64) {
        match self {
            Self::Record(ring) => ring.stage(mapped.record(), place, len),
            Self::Broadcast(ring) => ring.stage(mapped.broadcast(), place, len),
            // No batch of theirs is staged.
            Self::Slot(_) | Self::Packed(_) => {}
        }
    }

    /// Publishes what is staged. Returns the position that consumers may wait for.
    #[inline]
    pub(in crate::endpoint) fn publish_staged(&mut self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Record(ring) => {
                ring.publish(mapped.record());
                ring.tail()
            }
            Self::Slot(ring) => ring.published(),
            Self::Packed(ring) => ring.tail(),
            Self::Broadcast(ring) => {
                ring.publish(mapped.broadcast());
                ring.tail()
            }
        }
    }

    /// Stores and publishes the messages of a batch that is [`Claimed`](Batch::Claimed), one
    /// after the other, until one that comes after a fork. The messages are those that were
    /// planned for, or the caller gives the rest of the tickets up.
    #[inline(always)]
    pub(in crate::endpoint) fn publish_claimed<'m>(
        &mut self,
        mapped: &MappedRing,
        messages: impl Iterator<Item = &'m [u8]>,
        longest: usize,
    ) {
        let ring = match self {
            Self::Slot(ring) => ring,
            // Batches of records are staged, and those of elements go in one copy.
            Self::Record(_) | Self::Packed(_) | Self::Broadcast(_) => return,
        };
        let sentinel = mapped.sentinel();
        let mut publishing = ring.publishing(mapped.slot());
        for message in messages {
            // The caller's code returned the message, and may have forked.
            if !is_whole(sentinel) {
                break;
            }
            let len = message.len().min(longest);
            copy::store(mapped.payload(publishing.place(len as u64)), &message[..len]);
            publishing.publish(len as u64);
        }
    }

    /// After [`publish_claimed`](Self::publish_claimed), in the process that owns the tickets:
    /// returns the position that consumers may wait for.
    #[inline]
    pub(in crate::endpoint) fn finish_claimed(&mut self, mapped: &MappedRing) -> u64 {
        match self {
            Self::Record(ring) => ring.tail(),
            Self::Slot(ring) => {
                ring.hint_if_due(mapped.slot());
                ring.published()
            }
            Self::Packed(ring) => ring.tail(),
            Self::Broadcast(ring) => ring.tail(),
        }
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

/// Stages messages while there is room that is known. Returns the first one without, and how many
/// were staged.
#[inline(always)]
fn stage_rest<'m>(
    mut staging: Staging<'_, '_>,
    mapped: &MappedRing,
    messages: &mut impl Iterator<Item = &'m [u8]>,
) -> (Option<&'m [u8]>, u64) {
    let mut count = 0;
    for message in messages {
        // The caller's code returned the message, and may have forked.
        if !is_whole(mapped.sentinel()) {
            return (Some(message), count);
        }
        let Some(place) = staging.reserve_fast(message.len() as u64) else {
            return (Some(message), count);
        };
        copy::store(mapped.payload(place), message);
        staging.stage(place);
        count += 1;
    }
    (None, count)
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
