//! Weakening: one ordering, rule or store of one line of `ring` is demoted while a
//! model runs, and a record is kept of the lines that could be.
//!
//! The state is per OS thread. loom runs all threads of a model on the OS thread
//! that called it, so models on other OS threads are not disturbed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::Location;

use super::Ordering;

/// A way to weaken an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weakening {
    /// The ordering becomes Relaxed.
    Relaxed,
    /// AcqRel loses its Acquire half.
    NoAcquire,
    /// AcqRel loses its Release half.
    NoRelease,
    /// The ordering of a failed compare-exchange becomes Relaxed.
    FailureRelaxed,
    /// The fence is left out.
    NoFence,
    /// The rule never holds.
    RuleOff,
    /// The store is left out. Not recorded, and found by no scan: most stores are
    /// their algorithm's very substance, so only a few are worth a canary.
    Skipped,
}

/// One weakening of one line of `ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Demotion {
    /// Path inside `ring`.
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) weakening: Weakening,
}

std::thread_local! {
    static DEMOTED: Cell<Option<Demotion>> = const { Cell::new(None) };
    static RECORD: RefCell<Option<BTreeSet<Demotion>>> = const { RefCell::new(None) };
}

/// Demotes the models that this OS thread runs from now on.
pub(crate) fn demote(demotion: Demotion) {
    DEMOTED.set(Some(demotion));
}

/// Runs `models` and returns every demotion that would have changed something.
pub(crate) fn record(models: impl FnOnce()) -> BTreeSet<Demotion> {
    RECORD.set(Some(BTreeSet::new()));
    models();
    RECORD.take().unwrap_or_default()
}

/// The weakenings of a load or a store.
pub(crate) fn weakenings_one_way(order: Ordering) -> &'static [Weakening] {
    match order {
        Ordering::Relaxed => &[],
        _ => &[Weakening::Relaxed],
    }
}

/// The weakenings of a read-modify-write.
pub(crate) fn weakenings_both_ways(order: Ordering) -> &'static [Weakening] {
    match order {
        Ordering::AcqRel => &[Weakening::NoAcquire, Weakening::NoRelease],
        other => weakenings_one_way(other),
    }
}

/// The weakenings of the ordering of a failed compare-exchange.
pub(crate) fn weakenings_failure(order: Ordering) -> &'static [Weakening] {
    if order == Ordering::Relaxed { &[] } else { &[Weakening::FailureRelaxed] }
}

/// The ordering to use for a load or a store at `caller`.
pub(super) fn one_way(caller: &'static Location<'static>, order: Ordering) -> Ordering {
    assert_ne!(order, Ordering::SeqCst, "loom takes SeqCst accesses for AcqRel ones");
    weaken(caller, order, weakenings_one_way(order))
}

/// The ordering to use for a read-modify-write at `caller`.
pub(super) fn both_ways(caller: &'static Location<'static>, order: Ordering) -> Ordering {
    assert_ne!(order, Ordering::SeqCst, "loom takes SeqCst accesses for AcqRel ones");
    weaken(caller, order, weakenings_both_ways(order))
}

/// The ordering to use when a compare-exchange at `caller` fails.
pub(super) fn failure(caller: &'static Location<'static>, order: Ordering) -> Ordering {
    weaken(caller, order, weakenings_failure(order))
}

/// Whether the fence at `caller` stays.
pub(super) fn keeps_fence(caller: &'static Location<'static>) -> bool {
    weakened(caller, &[Weakening::NoFence]).is_none()
}

/// Whether the rule at `caller` stays.
pub(super) fn keeps_rule(caller: &'static Location<'static>) -> bool {
    weakened(caller, &[Weakening::RuleOff]).is_none()
}

/// Whether the store at `caller` stays.
pub(super) fn keeps_store(caller: &'static Location<'static>) -> bool {
    DEMOTED
        .get()
        .is_none_or(|demoted| demoted.weakening != Weakening::Skipped || !demoted.is_at(caller))
}

fn weaken(caller: &'static Location<'static>, order: Ordering, ways: &[Weakening]) -> Ordering {
    weakened(caller, ways).map_or(order, Weakening::apply)
}

/// Which of the `ways` to weaken the line of `caller` applies now. Records them all.
fn weakened(caller: &'static Location<'static>, ways: &[Weakening]) -> Option<Weakening> {
    if ways.is_empty() {
        return None;
    }
    let (file, line) = site(caller)?;
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            record.extend(ways.iter().map(|&weakening| Demotion { file, line, weakening }));
        }
    });
    let demoted = DEMOTED.get()?;
    (demoted.is_at(caller) && ways.contains(&demoted.weakening)).then_some(demoted.weakening)
}

/// The path inside `ring` and the line of `caller`, if it is there.
fn site(caller: &'static Location<'static>) -> Option<(&'static str, u32)> {
    let (_, file) = caller.file().rsplit_once("/ring/")?;
    Some((file, caller.line()))
}

impl Demotion {
    fn is_at(self, caller: &'static Location<'static>) -> bool {
        site(caller) == Some((self.file, self.line))
    }
}

impl Weakening {
    /// What is left of an ordering that this can weaken.
    fn apply(self) -> Ordering {
        match self {
            Self::Relaxed | Self::FailureRelaxed => Ordering::Relaxed,
            Self::NoAcquire => Ordering::Release,
            Self::NoRelease => Ordering::Acquire,
            Self::NoFence | Self::RuleOff | Self::Skipped => unreachable!("no ordering"),
        }
    }
}
