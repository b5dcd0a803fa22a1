//! The configurations that are searched, and for each rule of the algorithm one that
//! shows what it is for.

use super::config::{Config, Rule};
use super::moves::Violation;
use super::search::Fault;
use super::span::MISSED_PART;
use super::{breaks, holds};

/// Declares configurations: each as a constant and as a test.
macro_rules! configurations {
    ($($(#[$doc:meta])* $constant:ident: $test:ident, at least $at_least:literal, $config:expr;)*) => {
        $(
            $(#[$doc])*
            const $constant: Config = $config;

            #[test]
            fn $test() {
                holds($constant, $at_least);
            }
        )*
    };
}

configurations! {
    /// Two producers wait for each other's message to be taken, and both may die.
    ONE_SLOT: one_slot, at least 55_000, Config::new(1, &[&[1, 1], &[1]], 1).deaths(2);
    /// One producer laps consumers that are still busy with an earlier position.
    LAPS: laps, at least 14_000, Config::new(1, &[&[1, 1, 1]], 2).deaths(1);
    /// Consumers resolve and take beside one another.
    TWO_CONSUMERS: two_consumers, at least 700_000,
        Config::new(1, &[&[1, 1], &[1]], 2).deaths(1);
    /// The same with fewer messages and more deaths.
    TWO_CONSUMERS_TWO_DEATHS: two_consumers_two_deaths, at least 240_000,
        Config::new(1, &[&[1], &[1]], 2).deaths(2);
    /// A batch of which any part may be published when its producer dies.
    BATCH: batch, at least 94_000, Config::new(2, &[&[2, 1], &[1]], 1).deaths(1);
    /// Batches on both sides, of which any part may be given up.
    BATCHES_GIVEN_UP: batches_given_up, at least 320_000,
        Config::new(2, &[&[2], &[2]], 1).takes_two().abandons().deaths(2);
    /// Batches on both sides, and consumers who lose theirs to one another.
    BATCHES_TWO_CONSUMERS: batches_two_consumers, at least 700_000,
        Config::new(2, &[&[2], &[1]], 2).takes_two().deaths(1);
    /// Tickets that the living give up beside those that the dead leave.
    GIVEN_UP: given_up, at least 120_000, Config::new(1, &[&[1, 1], &[1]], 1).abandons().deaths(1);
    /// Three producers want one slot.
    THREE_PRODUCERS: three_producers, at least 1_000_000,
        Config::new(1, &[&[1], &[1], &[1]], 1).deaths(1);
    /// A producer takes the handle of one that left or was cleaned up, while a
    /// resolver looks at it.
    SHARED_HANDLES: shared_handles, at least 640_000,
        Config::new(1, &[&[1], &[1], &[1]], 1).shared_handles(2).deaths(2);
    /// The same with a slot more, so that a ticket lies behind the one that is stuck.
    SHARED_HANDLES_TWO_SLOTS: shared_handles_two_slots, at least 750_000,
        Config::new(2, &[&[1], &[1], &[1]], 1).shared_handles(2).deaths(1);
    /// A message in two slots, of which any part may be stamped when its producer dies.
    SPANS: spans, at least 45_000, Config::new(2, &[&[2, 1], &[1]], 1).spans().deaths(1);
    /// The same on both sides, and either may die.
    SPANS_BOTH: spans_both, at least 35_000, Config::new(2, &[&[2], &[2]], 1).spans().deaths(2);
    /// Consumers who look at a message whose slots another one frees.
    SPANS_TWO_CONSUMERS: spans_two_consumers, at least 300_000,
        Config::new(2, &[&[2], &[2]], 2).spans().deaths(1);
}

fn is_wedge(fault: &Fault) -> bool {
    matches!(fault, Fault::Wedge { .. })
}

fn is(what: &'static str) -> impl Fn(&Fault) -> bool {
    move |&fault| fault == Fault::Violation(Violation(what))
}

const LIVING: &str = "a tombstone on a ticket of the living";
const SETTLED: &str = "a tombstone on a published ticket or a later lap";

/// A dead producer's ticket stops everybody behind it.
#[test]
fn without_resolve() {
    breaks(ONE_SLOT, Rule::Resolve, is_wedge);
}

/// The loser of a claim goes on announcing the ticket of a dead one, and waits for
/// ever for it to be taken.
#[test]
fn without_withdrawal() {
    breaks(ONE_SLOT, Rule::Withdraw, is_wedge);
}

/// The owner published between the consumer's look and the resolver's.
#[test]
fn without_settled_check() {
    breaks(ONE_SLOT, Rule::SettledCheck, is(SETTLED));
}

/// A slow producer is taken for a dead one.
#[test]
fn without_liveness_check() {
    breaks(ONE_SLOT, Rule::LivenessCheck, is(LIVING));
}

/// A resolver takes the slot's next lap for the ticket that it is stuck behind: it
/// finds tail too far ahead, and would overwrite a message next.
#[test]
fn without_passed_check() {
    breaks(LAPS, Rule::PassedCheck, is("a tail reported as corrupt"));
}

/// A resolver comes between the claim and its announcement.
#[test]
fn without_announcement_first() {
    breaks(ONE_SLOT, Rule::AnnounceFirst, is(LIVING));
}

/// A tombstone stops everybody as the ticket did.
#[test]
fn without_skipping() {
    breaks(ONE_SLOT, Rule::SkipTombstones, is_wedge);
}

/// A message is overwritten between taking and copying.
#[test]
fn without_copying_first() {
    breaks(ONE_SLOT, Rule::CopyFirst, is("a torn message"));
}

/// A ticket that is given up silently has a living owner, who waits for ever for it
/// to be taken.
#[test]
fn without_tombstones_of_the_living() {
    breaks(GIVEN_UP, Rule::AbandonCloses, is_wedge);
}

/// The next owner of a dead one's handle seems to announce the dead one's ticket, and
/// waits for ever for it to be taken.
#[test]
fn without_the_cleaners_withdrawal() {
    breaks(SHARED_HANDLES, Rule::CleanerWithdraws, is_wedge);
}

/// Who leaves withdraws what the next owner of its handle has announced.
#[test]
fn without_withdrawal_before_freeing() {
    breaks(ONE_SLOT, Rule::WithdrawBeforeFree, is(LIVING));
}

/// A part without its first slot stops everybody as a ticket did.
#[test]
fn without_skipping_parts() {
    breaks(SPANS, Rule::SkipParts, is_wedge);
}

/// A message is there before its parts.
#[test]
fn without_committing_last() {
    breaks(SPANS, Rule::CommitLast, is(MISSED_PART));
}

/// The stamps of another lap are taken for damage.
#[test]
fn without_parts_of_a_later_lap() {
    breaks(SPANS_TWO_CONSUMERS, Rule::PartsOfALaterLap, is(MISSED_PART));
}
