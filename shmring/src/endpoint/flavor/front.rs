//! What a waiter that is no handle itself sees of a ring, for each kind.

use crate::format::Shape;
use crate::info::Kind;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::at_or_past;

/// Returns `true` if a message is at head; for a subscriber with that handle, if it would find
/// something.
pub(in crate::endpoint) fn has_message(mapped: &MappedRing, handle: usize) -> bool {
    match mapped.shape() {
        Shape::Records { .. } => mapped.record().has_message(),
        Shape::Slots { kind: Kind::Jobs, .. } => mapped.jobs().front().0,
        Shape::Slots { .. } => mapped.slot().front().0,
        Shape::Elements { .. } => mapped.packed().has_elements(),
        Shape::Broadcast { .. } => mapped.broadcast().has_message(mapped.handles(), handle),
    }
}

/// Returns the position at head of a ticket that is claimed and not complete.
pub(in crate::endpoint) fn unfinished(mapped: &MappedRing) -> Option<u64> {
    match mapped.shape() {
        Shape::Slots { kind: Kind::Jobs, .. } => mapped.jobs().front().1,
        Shape::Slots { .. } => mapped.slot().front().1,
        Shape::Records { .. } | Shape::Elements { .. } | Shape::Broadcast { .. } => None,
    }
}

/// Returns `true` if head has reached `need`.
pub(in crate::endpoint) fn has_room(mapped: &MappedRing, need: u64) -> bool {
    match mapped.shape() {
        Shape::Records { .. } => mapped.record().has_room(need),
        Shape::Slots { kind: Kind::Jobs, .. } => at_or_past(mapped.jobs().advance(), need),
        Shape::Slots { .. } => mapped.slot().has_room(need),
        Shape::Elements { .. } => mapped.packed().has_room(need),
        Shape::Broadcast { .. } => mapped.broadcast().has_room(mapped.handles(), need),
    }
}

/// Returns `true` if nothing that was taken can come back.
pub(in crate::endpoint) fn is_finished(mapped: &MappedRing) -> bool {
    !mapped.has_jobs() || mapped.jobs().is_finished()
}
