//! The broadcast ring.

use super::{Allowed, Canary, canary};
use crate::models::{broadcast, broadcast_dies, broadcast_evict};
use crate::sync::canary::Weakening::{NoFence, Relaxed, RuleOff, Skipped};

const FENCE: &str = "fence(Ordering::SeqCst);";

pub(super) const CANARIES: &[Canary] = &[
    // A subscriber that joins and a raise do not miss one another, but for one raise of a chunk.
    canary(("broadcast/join.rs", FENCE, 1), NoFence, broadcast::JOIN_OLDEST),
    canary(("broadcast/producer.rs", FENCE, 2), NoFence, broadcast::JOIN_OLDEST),
    canary(("broadcast/producer.rs", FENCE, 1), NoFence, broadcast_evict::LOSSY_AFTER_A_DEATH),
    canary(
        ("broadcast/join.rs", "if rule(!at_or_past(mark.position, from)) {", 1),
        RuleOff,
        broadcast::JOIN_OLDEST,
    ),
    canary(("broadcast/producer.rs", "if rule(by > chunk) {", 1), RuleOff, broadcast::JOIN_OLDEST),
    // Nor does a raise take the cursor of a handle's last owner.
    canary(
        ("broadcast/gates.rs", "word.fetch_or(bit, Ordering::Release);", 1),
        Relaxed,
        broadcast::JOIN_OLDEST,
    ),
    canary(
        ("broadcast/gates.rs", "handles_of(index, word.load(Ordering::Acquire))", 1),
        Relaxed,
        broadcast::JOIN_OLDEST,
    ),
    // I4: space is overwritten after it was read.
    canary(
        ("broadcast/gates.rs", "word.fetch_and(!bit, Ordering::Release);", 1),
        Relaxed,
        broadcast::LEAVE,
    ),
    // The dead keep no gate.
    canary(
        ("broadcast/gates.rs", "if rule(word.load(Ordering::Relaxed) & bit != 0) {", 1),
        RuleOff,
        broadcast_dies::SUBSCRIBING,
    ),
    // What a lossy subscriber copied is whole, or it does not count.
    canary(("broadcast/mod.rs", "copy_fence();", 1), NoFence, broadcast_evict::OVERRUN),
    canary(
        (
            "broadcast/mod.rs",
            "!rule(!at_or_past(position.wrapping_add(self.chunk()), join_from))",
            1,
        ),
        RuleOff,
        broadcast_evict::OVERRUN,
    ),
    // Nor does what one copied that was evicted, which learns it.
    canary(("broadcast/gates.rs", "copy_fence();", 1), NoFence, broadcast_evict::RECEIVE),
    canary(
        ("broadcast/gates.rs", "!rule(bits & gate.bit == 0)", 1),
        RuleOff,
        broadcast_evict::RECEIVE,
    ),
    // Who sees the floor sees a mark past it.
    canary(
        ("broadcast/mod.rs", "self.join_from.load(Ordering::Acquire)", 1),
        Relaxed,
        broadcast::LAID_MARK,
    ),
    // A mark has its own count.
    canary(
        ("broadcast/marks.rs", "mark.messages.store(point.messages, Ordering::Release);", 1),
        Relaxed,
        broadcast::RELAID_MARK,
    ),
    canary(
        ("broadcast/marks.rs", "mark.position.store(point.position, Ordering::Release);", 1),
        Relaxed,
        broadcast::OVERTAKEN,
    ),
    canary(
        ("broadcast/marks.rs", "let position = mark.position.load(Ordering::Acquire);", 1),
        Relaxed,
        broadcast::OVERTAKEN,
    ),
    canary(
        ("broadcast/marks.rs", "let messages = mark.messages.load(Ordering::Acquire);", 1),
        Relaxed,
        broadcast::RELAID_MARK,
    ),
    canary(
        ("broadcast/marks.rs", "mark.position.store(NONE, Ordering::Relaxed);", 1),
        Skipped,
        broadcast::RELAID_MARK,
    ),
    // Who sees the hint sees its mark.
    canary(
        ("broadcast/producer.rs", "ring.hint.store(position, Ordering::Release);", 1),
        Relaxed,
        broadcast::HINT,
    ),
    canary(
        ("broadcast/mod.rs", "let hint = self.hint.load(Ordering::Acquire);", 1),
        Relaxed,
        broadcast::HINT,
    ),
    // And it has a mark, whenever the producer dies.
    canary(
        ("broadcast/producer.rs", "if rule(position ^ self.hint < ring.chunk()) {", 1),
        RuleOff,
        broadcast_dies::SENDING_TO_A_LOSSY,
    ),
];

pub(super) const ALLOWED: &[Allowed] = &[];
