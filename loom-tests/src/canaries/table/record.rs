//! The record ring.

use super::{Allowed, Canary, canary};
use crate::models::{producer_dies, record};
use crate::sync::canary::Weakening::Relaxed;

pub(super) const CANARIES: &[Canary] = &[
    // I3: a payload is read after it was written.
    canary(
        ("record/producer.rs", "ring.words.at(self.tail).store(self.first, Ordering::Release);", 1),
        Relaxed,
        record::PADS,
    ),
    canary(
        ("record/mod.rs", "self.words.at(position).load(Ordering::Acquire)", 1),
        Relaxed,
        record::PADS,
    ),
    // I4: space is overwritten after it was read, by the producer and by its successor.
    canary(
        ("record/consumer.rs", "ring.head.store(to, Ordering::Release);", 1),
        Relaxed,
        record::PADS,
    ),
    canary(("mod.rs", "let found = head.load(Ordering::Acquire);", 1), Relaxed, record::PADS),
    canary(
        ("record/producer.rs", "let head = ring.head.load(Ordering::Acquire);", 1),
        Relaxed,
        producer_dies::SUCCESSOR_BESIDE_CONSUMER,
    ),
];

pub(super) const ALLOWED: &[Allowed] = &[];
