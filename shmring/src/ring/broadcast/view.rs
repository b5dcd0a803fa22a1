//! What wait sets, the reactor and observers see of a ring: parties that are neither its producer
//! nor one of its subscribers.

use super::{Point, Ring, Subscribed, marks};
use crate::ring::tables::Handle;
use crate::ring::{Place, WORD_BYTES, at_or_past};
use crate::sync::Ordering;

/// Returns how many messages of `len` bytes a ring of `capacity` bytes, aligned to `align`, holds at
/// most: the floor stays a chunk behind the newest mark.
pub(crate) fn most_records(capacity: u64, align: u64, len: u64) -> u64 {
    let bytes = len.saturating_add(WORD_BYTES).checked_next_multiple_of(align.max(WORD_BYTES));
    let free = capacity.saturating_sub(super::chunk_bytes(capacity));
    free.checked_div(bytes.unwrap_or(u64::MAX)).unwrap_or(0)
}

impl Ring<'_> {
    /// Returns the place of a message of `len` bytes whose record is at `position`. Its caller was
    /// given that position.
    #[inline(always)]
    pub(crate) fn place(self, position: u64, len: u64) -> Place {
        self.records.place(position, len)
    }

    /// Returns `true` if the subscriber with the handle of that index would find something, for a
    /// waiter that is not the subscriber itself: a message, a loss, an eviction, or damage.
    pub(crate) fn has_message(self, handles: &[Handle], handle: usize) -> bool {
        let Some(own) = handles.get(handle).map(|handle| &handle.own) else {
            return false;
        };
        // ORDERING: Relaxed. Only a hint; the subscriber looks again.
        let cursor = own.cursor.load(Ordering::Relaxed);
        self.subscribed(own).has_message()
            || !self.is_kept(cursor)
            || self.subscription(handles, handle).is_some_and(Subscribed::is_to_be_told)
    }

    /// Returns where the oldest message is that a mark leads to, for observers.
    pub(crate) fn oldest_point(self) -> Point {
        marks::oldest(self, self.floor()).unwrap_or_else(|| self.tail_point())
    }

    /// Returns the position of the slowest gating subscriber, with the messages before it, or tail
    /// if there is none; for observers.
    pub(crate) fn gate_point(self, handles: &[Handle]) -> Point {
        let tail = self.tail_point();
        let points = self.gates.closed(handles).map(|own| Point {
            position: own.cursor.load(Ordering::Relaxed),
            messages: own.messages.load(Ordering::Relaxed),
        });
        let behind = points.filter(|point| at_or_past(tail.position, point.position));
        behind.max_by_key(|point| tail.position.wrapping_sub(point.position)).unwrap_or(tail)
    }

    /// Returns how many of the first `messages` messages a gating subscriber has not received.
    pub(crate) fn unreceived(self, handles: &[Handle], messages: u64) -> u64 {
        messages.saturating_sub(self.gate_point(handles).messages)
    }
}
