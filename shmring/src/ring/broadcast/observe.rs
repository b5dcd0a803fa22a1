//! What observers see of a broadcast ring. Everything may be out of date when they read it, and
//! anything if a peer is hostile.

use super::{Point, Ring};
use crate::ring::tables::{Handle, HandleOwn};
use crate::sync::Ordering;

/// What a handle is in the ring, as its owner stores it.
pub(super) const NO_SUBSCRIBER: u64 = 0;
pub(super) const GATING: u64 = 1;
pub(super) const LOSSY: u64 = 2;
pub(super) const LATEST: u64 = 3;
/// Lossy since it was evicted.
pub(super) const EVICTED: u64 = 4;

/// What a subscriber does when the producer is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SubscriberState {
    /// It holds the producer up.
    Gating,
    /// It was evicted, and has not learned it.
    Evicted,
    /// It misses messages.
    Lossy,
    /// It receives only the newest message.
    Latest,
    /// It was evicted, and misses messages since then.
    LossyEvicted,
}

/// A subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subscribed {
    pub(crate) state: SubscriberState,
    /// The position that it has reached.
    pub(crate) cursor: u64,
    /// The messages before that position since creation, received or not.
    pub(crate) messages: u64,
    /// How many of them it missed since it joined.
    pub(crate) missed: u64,
}

impl Subscribed {
    /// Returns `true` if its next look tells it that it was evicted.
    pub(super) fn is_to_be_told(self) -> bool {
        self.state == SubscriberState::Evicted
    }

    /// Returns how many bytes and messages the subscriber is behind `tail`; 0 if it is not.
    pub(crate) fn lag(self, tail: Point) -> (u64, u64) {
        let behind = |tail: u64, reached: u64| tail.wrapping_sub(reached).cast_signed().max(0);
        let bytes = behind(tail.position, self.cursor);
        let messages = behind(tail.messages, self.messages);
        (bytes.unsigned_abs(), messages.unsigned_abs())
    }
}

/// Stores that a handle is no subscriber any more.
pub(crate) fn withdraw(own: &HandleOwn) {
    own.subscription.store(NO_SUBSCRIBER, Ordering::Relaxed);
}

impl Ring<'_> {
    /// Returns tail, and the messages before it.
    pub(crate) fn tail_point(self) -> Point {
        let newest = self.newest().unwrap_or(Point { position: self.floor(), messages: 0 });
        self.walk(newest, |_| false).unwrap_or(newest)
    }

    /// Returns the bytes from the floor to tail, and the messages before tail.
    #[cfg(test)]
    pub(crate) fn observe(self) -> (u64, u64) {
        let floor = self.floor();
        let tail = self.tail_point();
        let used = tail.position.wrapping_sub(floor).min(self.records.capacity());
        (used, tail.messages)
    }

    /// Returns how many subscribers were evicted since creation.
    pub(crate) fn evictions(self) -> u64 {
        self.gates.evictions.load(Ordering::Relaxed)
    }

    /// Returns `true` if the handle of that index gates.
    pub(crate) fn is_gating(self, handle: usize) -> bool {
        self.gates.is_set(handle)
    }

    /// Returns what the handle of that index subscribes to; `None` if it is no subscriber, or
    /// beyond the table.
    pub(crate) fn subscription(self, handles: &[Handle], handle: usize) -> Option<Subscribed> {
        let own = &handles.get(handle)?.own;
        // ORDERING: Relaxed, as for all here. A subscriber that joins or leaves meanwhile is seen
        // as it was, or is to be.
        let state = match own.subscription.load(Ordering::Relaxed) {
            GATING if self.is_gating(handle) => SubscriberState::Gating,
            GATING => SubscriberState::Evicted,
            LOSSY => SubscriberState::Lossy,
            LATEST => SubscriberState::Latest,
            EVICTED => SubscriberState::LossyEvicted,
            _ => return None,
        };
        Some(Subscribed {
            state,
            cursor: own.cursor.load(Ordering::Relaxed),
            messages: own.messages.load(Ordering::Relaxed),
            missed: own.missed.load(Ordering::Relaxed),
        })
    }
}
