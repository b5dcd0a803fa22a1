//! What a producer does with many messages at once, for each kind of ring of messages.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of the caller's messages, whose lengths are real"
)]

use super::SendFlavor;
use crate::error::TrySendError;
use crate::memory::copy;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::parts::Parts;
use crate::memory::sentinel::is_whole;
use crate::ring::Extent;
use crate::ring::record::Staging;
use crate::ring::slot::Publishing;

/// How a batch is sent.
pub(in crate::endpoint) enum Batch {
    /// Each message is reserved and staged; all are published at once.
    Staged,
    /// All are claimed at once, `count` of up to `longest` bytes that take `slots` together, and
    /// published one by one.
    Claimed { longest: usize, count: usize, slots: usize },
}

impl SendFlavor {
    /// Whether batches are [`Staged`](Batch::Staged), so that a part of one can be published.
    pub(in crate::endpoint) fn is_staging(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Broadcast(_))
    }

    fn is_broadcast(&self) -> bool {
        matches!(self, Self::Broadcast(_))
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
            Self::Slot(_) => {
                let (mut count, mut longest, mut more) = (0, 0, 0);
                let (ring, slot_len) = (mapped.slot(), mapped.slot().slot_len() as usize);
                for message in messages {
                    let len = message.len();
                    (count, longest) = (count + 1, longest.max(len));
                    if len > slot_len {
                        more += ring.slots_of(len as u64) as usize - 1;
                    }
                }
                let max = ring.max_len() as usize;
                if longest > max {
                    return Err(TrySendError::TooLong { len: longest, max });
                }
                let (slots, max) = (count + more, ring.slots() as usize);
                if slots > max {
                    return Err(TrySendError::TooMany { count: slots, max });
                }
                Ok(Batch::Claimed { longest, count, slots })
            }
            // Batches of elements go in one copy.
            Self::Packed(_) => Ok(Batch::Claimed { longest: 0, count: 0, slots: 0 }),
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
        self.stage(mapped, Extent::Whole(place), len);
        true
    }

    /// Stages a message whose bytes are stored.
    #[inline]
    pub(in crate::endpoint) fn stage(&mut self, mapped: &MappedRing, space: Extent, len: u64) {
        match (self, space) {
            (Self::Record(ring), Extent::Whole(place)) => ring.stage(mapped.record(), place, len),
            (Self::Broadcast(ring), Extent::Whole(place)) => {
                ring.stage(mapped.broadcast(), place, len);
            }
            // No batch of theirs is staged.
            (Self::Slot(_) | Self::Packed(_), _) | (_, Extent::Spanning(_)) => {}
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
        let slots = mapped.slot();
        if longest as u64 > slots.slot_len() {
            return publish_spans(ring.publishing(slots), mapped, messages);
        }
        let mut publishing = ring.publishing(slots);
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

/// As [`SendFlavor::publish_claimed`], of messages that may span several slots.
#[cold]
#[inline(never)]
fn publish_spans<'m>(
    mut publishing: Publishing<'_, '_>,
    mapped: &MappedRing,
    messages: impl Iterator<Item = &'m [u8]>,
) {
    for message in messages {
        // As above; and a message can be longer than the one that was planned for.
        if !is_whole(mapped.sentinel()) || !publishing.has_open() {
            return;
        }
        let space = publishing.spanning(message.len() as u64);
        let len = space.len as usize;
        Parts::new(mapped, Extent::Spanning(space)).store(&message[..len]);
        publishing.publish_parts(space, len as u64);
    }
}
