//! A subscriber of a broadcast ring, with the line of its handle.

use crate::endpoint::subscribe::Subscribe;
use crate::error::{Fault, JoinError};
use crate::memory::mapped_ring::MappedRing;
use crate::ring::broadcast::{Mode, Refusal, Subscriber};
use crate::ring::{Corrupt, Look, Place};

/// How often a subscriber tries to join, each time as often as [`Subscriber::join`] does. Whoever keeps
/// changing the marks holds it up no longer.
const MAX_JOINS: u32 = 100;

/// What a subscriber keeps of its ring.
#[derive(Debug)]
pub(in crate::endpoint) struct Subscription {
    subscriber: Subscriber,
    handle: usize,
}

impl Subscription {
    pub(super) fn join(
        mapped: &MappedRing,
        handle: usize,
        how: Subscribe,
    ) -> Result<Self, JoinError> {
        let ring = mapped.broadcast();
        for _ in 0..MAX_JOINS {
            match Subscriber::join(ring, mapped.own(handle), handle, how.mode, how.start) {
                Ok(subscriber) => return Ok(Self { subscriber, handle }),
                // The producer passed the mark at each of many tries. Each is as likely to succeed.
                Err(Refusal::Outrun) => {}
                Err(Refusal::Gone) => return Err(JoinError::Gone),
                Err(Refusal::Corrupt(corrupt)) => {
                    return Err(JoinError::Failed(Fault::Corrupt(corrupt)));
                }
            }
        }
        Err(JoinError::Outrun)
    }

    pub(super) fn mode(&self) -> Mode {
        self.subscriber.mode()
    }

    #[inline]
    pub(super) fn position(&self) -> u64 {
        self.subscriber.position()
    }

    #[inline]
    pub(super) fn messages(&self) -> u64 {
        self.subscriber.messages()
    }

    pub(super) fn missed(&self) -> u64 {
        self.subscriber.missed()
    }

    /// How many messages come after the cursor, lost ones included.
    pub(super) fn pending(&self, mapped: &MappedRing) -> u64 {
        mapped.broadcast().tail_point().messages.saturating_sub(self.messages())
    }

    #[inline(always)]
    pub(super) fn look_fast(&mut self, mapped: &MappedRing) -> Option<Place> {
        self.subscriber.look_fast(mapped.broadcast())
    }

    /// As [`look_fast`](Self::look_fast), for a caller that takes the slow path if a
    /// [take](Self::take) fails.
    #[inline(always)]
    pub(super) fn peek_fast(&mut self, mapped: &MappedRing) -> Option<Place> {
        self.subscriber.peek_fast(mapped.broadcast())
    }

    pub(super) fn look(&mut self, mapped: &MappedRing) -> Result<Look, Corrupt> {
        self.subscriber.look(mapped.broadcast(), mapped.own(self.handle))
    }

    #[inline(always)]
    pub(super) fn look_ahead_fast(&mut self, mapped: &MappedRing, from: u64) -> Option<Place> {
        self.subscriber.look_ahead_fast(mapped.broadcast(), from)
    }

    pub(super) fn look_ahead(
        &self,
        mapped: &MappedRing,
        from: u64,
    ) -> Result<Option<Place>, Corrupt> {
        self.subscriber.look_ahead(mapped.broadcast(), from)
    }

    #[inline(always)]
    pub(super) fn take(&mut self, mapped: &MappedRing, to: u64, messages: u64) -> bool {
        self.subscriber.take(mapped.broadcast(), mapped.own(self.handle), to, messages)
    }

    #[inline]
    pub(super) fn is_whole(&self, mapped: &MappedRing) -> bool {
        self.subscriber.is_whole(mapped.broadcast())
    }

    #[inline]
    pub(super) fn has_message(&self, mapped: &MappedRing) -> bool {
        self.subscriber.has_message(mapped.broadcast())
    }
}
