//! The slot ring.

use super::{Allowed, Canary, Site, canary};
use crate::models::{slot, slot_batch, slot_resolve, slot_span, slot_span_dies};
use crate::sync::canary::Weakening::{NoFence, Relaxed, RuleOff, Skipped};

const LOOK_AT_HEAD: Site =
    ("slot/consumer.rs", "self.head = ring.head.load(Ordering::Acquire);", 1);
const TAKE: Site = (
    "slot/consumer.rs",
    "ring.head.compare_exchange(self.head, to, Ordering::Release, Ordering::Relaxed);",
    1,
);
const TAKE_ALONE: Site = ("slot/consumer.rs", "ring.head.store(to, Ordering::Release);", 1);
const READ: Site = ("slot/mod.rs", "self.slots.stamp(position).load(Ordering::Acquire)", 1);
const WITHDRAW: Site = ("slot/intent.rs", "intent.store(IDLE, Ordering::Release);", 1);
const FIRST_HEAD: Site = ("slot/producer.rs", "let head = ring.head.load(Ordering::Acquire);", 1);
const HEAD: Site = ("slot/producer.rs", "let head = ring.head.load(Ordering::Acquire);", 2);
const TAIL: Site = ("slot/producer.rs", "let tail = ring.tail.load(Ordering::Acquire);", 1);
const ANNOUNCE: Site =
    ("slot/producer.rs", "intent.store(announcement(tail, count), Ordering::Release);", 1);
const CLAIM: Site = (
    "slot/producer.rs",
    "let claim = ring.tail.compare_exchange(tail, end, Ordering::Release, Ordering::Relaxed);",
    1,
);
const PUBLISH: Site =
    ("slot/producer.rs", "stamp.store(stamp::published(self.next, len), Ordering::Release);", 1);
const ABANDON: Site = (
    "slot/producer.rs",
    "ring.slots.stamp(self.next).store(stamp::tombstone(self.next), Ordering::Release);",
    1,
);
const RESOLVED_TAIL: Site = ("slot/resolve.rs", "let tail = ring.tail.load(Ordering::Acquire);", 1);
const INTENT: Site =
    ("slot/resolve.rs", "let intent = handle.own.intent.load(Ordering::Acquire);", 1);
const ANNOUNCED_BY_THE_LIVING: Site =
    ("slot/resolve.rs", "if rule(announces(intent, position) && is_alive(attach)) {", 1);
const SEEN: Site = ("slot/resolve.rs", "let seen = slot.load(Ordering::Acquire);", 1);
const NOT_AT_HEAD: Site = ("slot/resolve.rs", "if rule(!is_stuck) {", 1);
const ALREADY_STAMPED: Site = ("slot/resolve.rs", "if rule(stamp::is_for(seen, position)) {", 1);
const CLOSE: Site = (
    "slot/resolve.rs",
    "match slot.compare_exchange(seen, tombstone, Ordering::Release, Ordering::Relaxed) {",
    1,
);

const PART: Site =
    ("slot/producer.rs", "ring.slots.stamp(position).store(word, Ordering::Release);", 1);
const COMMIT: Site =
    ("slot/producer.rs", "first.store(stamp::published(space.start, len), Ordering::Release);", 1);
const COPY_FENCE: Site = ("slot/mod.rs", "copy_fence();", 1);
const PART_OF_THE_DEAD: Site =
    ("slot/mod.rs", "Stamp::Continuation if rule(!self.many.producers) => Ok(Seen::Nothing),", 1);

pub(super) const CANARIES: &[Canary] = &[
    // I3: a payload is read after it was written.
    canary(PUBLISH, Relaxed, slot::SPMC_ONE_SLOT),
    canary(READ, Relaxed, slot::SPMC_ONE_SLOT),
    // I4: a slot is written again after it was read. Of competing consumers, whose reads
    // have no ghosts, this shows in the order of the two writes.
    canary(TAKE, Relaxed, slot::MPMC_ONE_SLOT),
    canary(TAKE_ALONE, Relaxed, slot::MPSC_ONE_SLOT),
    canary(HEAD, Relaxed, slot::MPSC_ONE_SLOT),
    canary(FIRST_HEAD, Relaxed, slot::JOINS),
    // I1: nobody sees one end of the window without the other.
    canary(TAIL, Relaxed, slot::MPSC_ONE_SLOT),
    canary(LOOK_AT_HEAD, Relaxed, slot::MPMC_ONE_PRODUCER),
    canary(ABANDON, Relaxed, slot_batch::TOMBSTONE),
    canary(CLOSE, Relaxed, slot_resolve::AGAIN),
    // A tombstone never hides a message: the announcement is seen,
    canary(CLAIM, Relaxed, slot_resolve::SLOW_OWNER),
    canary(RESOLVED_TAIL, Relaxed, slot_resolve::SLOW_OWNER),
    canary(ANNOUNCED_BY_THE_LIVING, RuleOff, slot_resolve::SLOW_OWNER),
    // or what was published before it went,
    canary(ANNOUNCE, Relaxed, slot_resolve::ANNOUNCES_AGAIN),
    canary(INTENT, Relaxed, slot_resolve::ANNOUNCES_AGAIN),
    canary(WITHDRAW, Relaxed, slot_resolve::OWNER_LEAVES),
    canary(ALREADY_STAMPED, RuleOff, slot_resolve::LATE),
    // or a later lap's message.
    canary(SEEN, Relaxed, slot_resolve::LATE),
    canary(NOT_AT_HEAD, RuleOff, slot_resolve::LATE),
    // And one is set: who lost a claim is not taken for its winner.
    canary(WITHDRAW, Skipped, slot_resolve::LOSER),
    // A message in several slots is read after all of it was written, and after its other
    // stamps.
    canary(COMMIT, Relaxed, slot_span::PRODUCERS),
    canary(COMMIT, Skipped, slot_span::AGAIN_SPSC),
    canary(PART, Skipped, slot_span::AGAIN_SPSC),
    // Who finds other stamps knows that they are a later lap's.
    canary(PART, Relaxed, slot_span::BESIDE_SPMC),
    canary(COPY_FENCE, NoFence, slot_span::BESIDE_SPMC),
    // What a sole producer left is written again.
    canary(PART_OF_THE_DEAD, RuleOff, slot_span_dies::SOLE_SPSC),
];

pub(super) const ALLOWED: &[Allowed] = &[];
