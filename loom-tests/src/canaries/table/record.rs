//! The record ring.

use super::{Allowed, Canary, canary};
use crate::models::{producer_dies, record};
use crate::sync::canary::Weakening::{Relaxed, RuleOff, Skipped};

pub(super) const CANARIES: &[Canary] = &[
    // I3: a payload is read after it was written.
    canary(
        ("record/producer.rs", "ring.words.at(self.tail).store(header, Ordering::Release);", 1),
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
    // Rule Z, where it was not seen to ahead of time.
    canary(
        ("record/producer.rs", "if rule(place.end != self.cleared) {", 1),
        RuleOff,
        record::AT_ONCE,
    ),
    canary(
        ("record/producer.rs", "ring.words.at(position).store(0, Ordering::Relaxed);", 1),
        Skipped,
        record::AT_ONCE,
    ),
];

pub(super) const ALLOWED: &[Allowed] = &[];
