//! What all kinds of rings share: tables, roles, sleeping and waking.

use super::{Allowed, Canary, Site, allowed, canary};
use crate::models::{end, fences, modes, roles, sets, shares, slot_resolve, wake};
use crate::sync::canary::Weakening::{NoAcquire, NoFence, NoRelease, Relaxed, RuleOff};

const CLAIM: &str =
    "word.compare_exchange(seen, next.encode(), Ordering::AcqRel, Ordering::Relaxed).is_ok()";
const CLAIM_HANDLE: &str =
    "self.state.compare_exchange(state, next, Ordering::Acquire, Ordering::Relaxed).is_ok()";

pub(super) const CANARIES: &[Canary] = &[
    // I7: a successor follows on its predecessor.
    canary(("tables.rs", CLAIM_HANDLE, 1), Relaxed, roles::FREE_THEN_CLAIM),
    canary(
        ("tables.rs", "self.state.store(state & GENERATION_MASK, Ordering::Release);", 1),
        Relaxed,
        roles::FREE_THEN_CLAIM,
    ),
    canary(("membership.rs", CLAIM, 1), NoAcquire, roles::NEXT_CONSUMER),
    canary(("membership.rs", "let _ = word.compare_exchange(", 1), Relaxed, roles::NEXT_CONSUMER),
    // Who sees a role held sees its handle held.
    canary(("membership.rs", CLAIM, 1), NoRelease, roles::TWO_CLAIMANTS),
    canary(("membership.rs", "word.fetch_or(bit, Ordering::Release);", 1), Relaxed, shares::HOLDER),
    // Who sees a handle free sees what its owner published.
    canary(
        ("tables.rs", "let state = self.state.load(Ordering::Acquire);", 1),
        Relaxed,
        slot_resolve::OWNER_LEAVES,
    ),
    // Who sees a holder counted sees the holder.
    canary(
        ("membership.rs", "self.word(role).fetch_add(CLAIM, Ordering::Release);", 1),
        Relaxed,
        shares::COUNTED,
    ),
    // The end of the stream comes after the last message.
    canary(
        (
            "membership.rs",
            "let ownership = Ownership::decode(self.word(role).load(Ordering::Acquire));",
            1,
        ),
        Relaxed,
        end::VACATE,
    ),
    canary(
        ("membership.rs", "members.fetch_and(!bit, Ordering::Release);", 1),
        Relaxed,
        shares::LEAVES,
    ),
    canary(
        ("membership.rs", "handles_of(index, word.load(Ordering::Acquire)).next()", 1),
        Relaxed,
        shares::LEAVES,
    ),
    canary(
        ("membership.rs", "self.flags.fetch_or(CLOSED, Ordering::Release);", 1),
        Relaxed,
        end::CLOSE,
    ),
    canary(
        ("membership.rs", "self.flags.load(Ordering::Acquire) & CLOSED != 0", 1),
        Relaxed,
        end::CLOSE,
    ),
    // I5: no wake is lost; the fences, in the order of the text, of set_bit, of a publisher, of hand_off
    // and of notify_all.
    canary(("wake/sleep.rs", FENCE, 1), NoFence, wake::DATA),
    canary(("wake/mod.rs", FENCE, 1), NoFence, wake::DATA),
    canary(("wake/mod.rs", FENCE, 2), NoFence, modes::FOREIGN_PUBLISHER),
    canary(("wake/mod.rs", FENCE, 3), NoFence, wake::CLOSE),
    canary(ORDER, NoFence, sets::TWO_RINGS_LIGHT),
    canary(SETTLE, NoFence, modes::ONE_SLEEPER_REFUSED),
    canary(
        ("wake/mod.rs", "handle.park.add(1, Ordering::Release);", 1),
        Relaxed,
        fences::POKED_HEAVY,
    ),
    // HEAVY promises what is so: nobody found the word 0 since the barrier, or relaxes it under
    // a sleeper.
    canary(STILL_ARMED, RuleOff, modes::ONE_SLEEPER_LIGHT),
    canary(ASLEEP, RuleOff, modes::TWO_PUBLISHERS_RELAXING),
    // One snapshot: a waker comes to an end, whoever stays armed.
    canary(("wake/mod.rs", "if rule(true) {", 1), RuleOff, wake::DATA),
];

const FENCE: &str = "fence(Ordering::SeqCst);";
const ORDER: Site =
    ("wake/sleep.rs", "if armed.iter().any(|armed| !armed.ordered) && barrier() {", 1);
const SETTLE: Site =
    ("wake/sleep.rs", "} else if settle(&self.handle.park, self.seen, until) {", 1);
const STILL_ARMED: Site = ("wake/sleep.rs", "if rule(found & bit == 0) || found & HEAVY != 0 {", 1);
const ASLEEP: Site = ("wake/sleepers.rs", "if rule(asleep(found)) || found == 0 {", 1);

const ARM: Site = ("wake/sleep.rs", "let old = word.fetch_or(bit, Ordering::AcqRel);", 1);
const RAISE: Site = (
    "wake/sleep.rs",
    "let _ = word.compare_exchange(found, raised, Ordering::Release, Ordering::Relaxed);",
    1,
);
const DISARM: Site =
    ("wake/mod.rs", "let take = || word.fetch_and(!bit, Ordering::AcqRel) & bit != 0;", 1);

pub(super) const ALLOWED: &[Allowed] = &[
    allowed(ARM, NoRelease, LOAD_BUFFERING),
    allowed(
        ARM,
        NoAcquire,
        "with RAISE it carries the barrier to a sleeper that finds HEAVY; here the fences around \
         both do so already, as loom orders them all",
    ),
    allowed(RAISE, Relaxed, "as the Acquire half of the fetch_or in arm, its partner"),
    allowed(DISARM, NoAcquire, LOAD_BUFFERING),
    allowed(
        DISARM,
        NoRelease,
        "carries what was published to a sleeper whose bit was taken, where wakers have no \
         fence; here each thread fences after the store, at somebody's barrier, and loom orders \
         those fences all the same",
    ),
];

const LOAD_BUFFERING: &str = "keeps the sleeper's earlier load of its park word from seeing what \
    the waker adds after it took the bit; a load that sees a store which depends on what follows \
    the load is load buffering, and loom does not explore it";
