//! The packed ring. How it refreshes its copy of head is among the record ring's.

use super::{Allowed, Canary, canary};
use crate::models::{packed, packed_dies};
use crate::sync::canary::Weakening::Relaxed;

pub(super) const CANARIES: &[Canary] = &[
    // I3: an element is read after it was written.
    canary(
        ("packed.rs", "ring.tail.store(self.tail, Ordering::Release);", 1),
        Relaxed,
        packed::ONE_SLOT,
    ),
    canary(
        ("packed.rs", "let tail = ring.tail.load(Ordering::Acquire);", 1),
        Relaxed,
        packed::ONE_SLOT,
    ),
    // I4: space is overwritten after it was read, by the producer and by its successor.
    canary(
        ("packed.rs", "ring.head.store(self.head, Ordering::Release);", 1),
        Relaxed,
        packed::ONE_SLOT,
    ),
    canary(
        ("packed.rs", "let head = ring.head.load(Ordering::Acquire);", 1),
        Relaxed,
        packed_dies::SUCCESSOR_BESIDE_CONSUMER,
    ),
];

pub(super) const ALLOWED: &[Allowed] = &[];
