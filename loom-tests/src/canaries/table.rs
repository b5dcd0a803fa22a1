//! Which model notices which weakening.

use crate::frame::Model;
use crate::models::{end, producer_dies, record, roles, wake};
use crate::sync::canary::Weakening::{self, NoAcquire, NoFence, NoRelease, Relaxed};

/// A line of `ring`: its file, its trimmed text, and which of the lines with that
/// text it is, from 1.
pub(super) type Site = (&'static str, &'static str, usize);

/// A weakening, and the model that must fail under it.
pub(super) struct Canary {
    pub(super) site: Site,
    pub(super) weakening: Weakening,
    pub(super) caught_by: Model,
}

/// A weakening that no model can notice, and why it must not happen all the same.
pub(super) struct Allowed {
    pub(super) site: Site,
    pub(super) weakening: Weakening,
    pub(super) reason: &'static str,
}

const fn canary(site: Site, weakening: Weakening, caught_by: Model) -> Canary {
    Canary { site, weakening, caught_by }
}

const REFRESHED_HEAD: &str = "let head = ring.head.load(Ordering::Acquire);";
const CLAIM: &str =
    "word.compare_exchange(seen, next.encode(), Ordering::AcqRel, Ordering::Relaxed).is_ok()";
const CLAIM_HANDLE: &str =
    "self.state.compare_exchange(state, next, Ordering::Acquire, Ordering::Relaxed).is_ok()";

pub(super) const CANARIES: &[Canary] = &[
    // I3: a payload is read after it was written.
    canary(
        ("record.rs", "ring.words.at(self.tail).store(self.first, Ordering::Release);", 1),
        Relaxed,
        record::PADS,
    ),
    canary(
        ("record.rs", "let word = ring.words.at(from).load(Ordering::Acquire);", 1),
        Relaxed,
        record::PADS,
    ),
    // I4: space is overwritten after it was read, by the producer and by its successor.
    canary(("record.rs", "ring.head.store(to, Ordering::Release);", 1), Relaxed, record::PADS),
    canary(("record.rs", REFRESHED_HEAD, 2), Relaxed, record::PADS),
    canary(("record.rs", REFRESHED_HEAD, 1), Relaxed, producer_dies::SUCCESSOR_BESIDE_CONSUMER),
    // I7: a successor follows on its predecessor.
    canary(("tables.rs", CLAIM_HANDLE, 1), Relaxed, roles::FREE_THEN_CLAIM),
    canary(
        ("tables.rs", "self.state.store(state & GENERATION_MASK, Ordering::Release);", 1),
        Relaxed,
        roles::FREE_THEN_CLAIM,
    ),
    canary(("roster.rs", CLAIM, 1), NoAcquire, roles::NEXT_CONSUMER),
    canary(("roster.rs", "let _ = word.compare_exchange(", 1), Relaxed, roles::NEXT_CONSUMER),
    // Who sees a role held sees its handle held.
    canary(("roster.rs", CLAIM, 1), NoRelease, roles::TWO_CLAIMANTS),
    // The end of the stream comes after the last message.
    canary(
        ("roster.rs", "Tenure::decode(self.word(role).load(Ordering::Acquire))", 1),
        Relaxed,
        end::VACATE,
    ),
    canary(
        ("roster.rs", "self.flags.fetch_or(CLOSED, Ordering::Release);", 1),
        Relaxed,
        end::CLOSE,
    ),
    canary(
        ("roster.rs", "self.flags.load(Ordering::Acquire) & CLOSED != 0", 1),
        Relaxed,
        end::CLOSE,
    ),
    // I5: no wake is lost; in the order of the text, by sleep, notify and notify_all.
    canary(("wake.rs", "fence(Ordering::SeqCst);", 1), NoFence, wake::DATA),
    canary(("wake.rs", "fence(Ordering::SeqCst);", 2), NoFence, wake::DATA),
    canary(("wake.rs", "fence(Ordering::SeqCst);", 3), NoFence, wake::CLOSE),
];

pub(super) const ALLOWED: &[Allowed] = &[
    Allowed {
        site: ("wake.rs", "word.fetch_or(bit, Ordering::Release);", 1),
        weakening: Relaxed,
        reason: LOAD_BUFFERING,
    },
    Allowed {
        site: ("wake.rs", "let take = || word.fetch_and(!bit, Ordering::Acquire) & bit != 0;", 1),
        weakening: Relaxed,
        reason: LOAD_BUFFERING,
    },
];

const LOAD_BUFFERING: &str = "keeps the sleeper's earlier load of its park word from seeing what \
    the waker adds after it took the bit; a load that sees a store which depends on what follows \
    the load is load buffering, and loom does not explore it";
