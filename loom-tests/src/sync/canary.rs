//! Weakening: one ordering of one line of `ring` is demoted while a model runs,
//! and a record is kept of the lines that could be.
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
    /// AcqRel or SeqCst loses its Acquire half.
    NoAcquire,
    /// AcqRel or SeqCst loses its Release half.
    NoRelease,
    /// The ordering of a failed compare-exchange becomes Relaxed.
    FailureRelaxed,
    /// The fence is left out.
    NoFence,
}

/// One weakening of one line of `ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Demotion {
    /// File name inside `ring`.
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
    if order == Ordering::Relaxed { &[] } else { &[Weakening::Relaxed] }
}

/// The weakenings of a read-modify-write.
pub(crate) fn weakenings_both_ways(order: Ordering) -> &'static [Weakening] {
    match order {
        Ordering::AcqRel | Ordering::SeqCst => &[Weakening::NoAcquire, Weakening::NoRelease],
        other => weakenings_one_way(other),
    }
}

/// The weakenings of the ordering of a failed compare-exchange.
pub(crate) fn weakenings_failure(order: Ordering) -> &'static [Weakening] {
    if order == Ordering::Relaxed { &[] } else { &[Weakening::FailureRelaxed] }
}

/// The ordering to use for a load or a store at `caller`.
pub(super) fn one_way(caller: &'static Location<'static>, order: Ordering) -> Ordering {
    weaken(caller, order, weakenings_one_way(order))
}

/// The ordering to use for a read-modify-write at `caller`.
pub(super) fn both_ways(caller: &'static Location<'static>, order: Ordering) -> Ordering {
    weaken(caller, order, weakenings_both_ways(order))
}

/// The ordering to use when a compare-exchange at `caller` fails.
pub(super) fn failure(caller: &'static Location<'static>, order: Ordering) -> Ordering {
    weaken(caller, order, weakenings_failure(order))
}

/// Whether the fence at `caller` stays.
pub(super) fn keeps_fence(caller: &'static Location<'static>) -> bool {
    weaken(caller, Ordering::SeqCst, &[Weakening::NoFence]) == Ordering::SeqCst
}

fn weaken(caller: &'static Location<'static>, order: Ordering, ways: &[Weakening]) -> Ordering {
    if ways.is_empty() {
        return order;
    }
    let Some((_, file)) = caller.file().rsplit_once("/ring/") else {
        return order;
    };
    let line = caller.line();
    RECORD.with_borrow_mut(|record| {
        if let Some(record) = record {
            record.extend(ways.iter().map(|&weakening| Demotion { file, line, weakening }));
        }
    });
    match DEMOTED.get() {
        Some(demoted)
            if demoted.line == line
                && demoted.file == file
                && ways.contains(&demoted.weakening) =>
        {
            demoted.weakening.apply()
        }
        _ => order,
    }
}

impl Weakening {
    /// What is left of an ordering that this can weaken.
    fn apply(self) -> Ordering {
        match self {
            Self::Relaxed | Self::FailureRelaxed | Self::NoFence => Ordering::Relaxed,
            Self::NoAcquire => Ordering::Release,
            Self::NoRelease => Ordering::Acquire,
        }
    }
}
