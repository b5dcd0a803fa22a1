//! The job ring.

use super::{Allowed, Canary, Site, allowed, canary};
use crate::models::{jobs, jobs_dies};
use crate::sync::canary::Weakening::{Relaxed, RuleOff, Skipped};

const CLAIM_SEEN: Site =
    ("jobs/mod.rs", "let word = self.claim(position).load(Ordering::Acquire);", 1);
const ADVANCE: Site = (
    "jobs/mod.rs",
    "match word.compare_exchange(head, end, Ordering::Release, Ordering::Relaxed) {",
    1,
);
const OWNED_BY_THE_DEAD: Site =
    ("jobs/mod.rs", "Claim::Taken { handle: owner, attempts } if rule(owner == handle) => {", 1);
const RETURN: Site = ("jobs/mod.rs", "let _ = self.claim(position).compare_exchange(", 1);
const MOVE_ON: Site = (
    "jobs/mod.rs",
    "let _ = self.next.compare_exchange(next, to, Ordering::Release, Ordering::Relaxed);",
    1,
);
const VERSION: Site = ("jobs/mod.rs", "let version = if rule(true) { VERSION } else { 0 };", 1);
const PAST: Site =
    ("jobs/mod.rs", "let new = if rule(at_or_past(old, position)) { position } else { old };", 1);
const MOVE_BACK: Site = (
    "jobs/mod.rs",
    "self.next.compare_exchange(next, moved, Ordering::Release, Ordering::Relaxed);",
    1,
);
const NEXT: Site = ("jobs/worker.rs", "let next = ring.next.load(Ordering::Acquire);", 1);
const NOTE: Site = ("jobs/worker.rs", "noted.store(position, Ordering::Relaxed);", 1);
const CLAIM: Site = (
    "jobs/worker.rs",
    "let claimed = claim.compare_exchange(found, taken, Ordering::Release, Ordering::Relaxed);",
    1,
);
const LEFT: Site =
    ("jobs/worker.rs", "if head != position && rule(self.is_left(ring, head)?) {", 1);
const RESTART: Site =
    ("jobs/worker.rs", "let head = ring.slots.head().load(Ordering::Acquire);", 1);
const DONE: Site = (
    "jobs/worker.rs",
    "ring.claim(job.position).store(claim::done(job.position), Ordering::Release);",
    1,
);
const GIVE_BACK: Site =
    ("jobs/worker.rs", "ring.claim(job.position).store(returned, Ordering::Release);", 1);

pub(super) const CANARIES: &[Canary] = &[
    // I4: a payload is overwritten after it was read.
    canary(DONE, Relaxed, jobs::REUSE),
    canary(CLAIM_SEEN, Relaxed, jobs::REUSE),
    canary(ADVANCE, Relaxed, jobs::REUSE),
    // A slow worker knows a later position's claim.
    canary(CLAIM, Relaxed, jobs::SLOW),
    // Next is never seen past a tail that is not.
    canary(MOVE_ON, Relaxed, jobs::BESIDE),
    // What comes back is taken next.
    canary(PAST, RuleOff, jobs::GIVE_BACK),
    canary(VERSION, RuleOff, jobs::TAKE_AND_GIVE_BACK),
    canary(MOVE_BACK, Relaxed, jobs::GIVE_BACK),
    canary(NEXT, Relaxed, jobs::GIVE_BACK_AT_END),
    canary(LEFT, RuleOff, jobs::LOST_HINT),
    // And so is what the dead had.
    canary(NOTE, Skipped, jobs_dies::WORKER_DIES),
    canary(OWNED_BY_THE_DEAD, RuleOff, jobs_dies::WORKER_DIES),
];

const BY_NEXT: &str = "next, which is moved back after it with Release, orders it for every worker \
                       but one that loaded next before, and then walked over other jobs";

pub(super) const ALLOWED: &[Allowed] = &[
    allowed(GIVE_BACK, Relaxed, BY_NEXT),
    allowed(RETURN, Relaxed, BY_NEXT),
    allowed(
        RESTART,
        Relaxed,
        "a worker that moves next to head and sees no tail so far hands that on to a third worker, \
         beside a producer and one that moves head: more threads than a model has",
    ),
];
