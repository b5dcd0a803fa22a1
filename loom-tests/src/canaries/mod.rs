//! Canaries: every ordering of `ring` that is stronger than Relaxed, every fence and
//! every rule is weakened in turn, and a model must fail. An ordering that no model
//! needs is not needed or not tested.

mod scan;
mod table;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::catch_unwind;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::frame::Model;
use crate::models::{FAMILIES, OMISSIONS};
use crate::sync::canary::{self, Demotion, Weakening};
use table::{Site, canaries, exceptions};

/// OS threads that run canaries beside one another.
const WORKERS: usize = 2;

std::thread_local! {
    /// Whether a panic on this OS thread is expected.
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Lists the weakenings in `these` as rows of the table.
fn rows(these: &BTreeSet<Demotion>) -> String {
    these.iter().fold(String::new(), |mut rows, demotion| {
        let (text, nth) = scan::text_of(demotion.file, demotion.line);
        let Demotion { file, weakening, .. } = demotion;
        writeln!(rows, "(({file:?}, {text:?}, {nth}), {weakening:?})").expect("memory");
        rows
    })
}

fn demotion((file, text, nth): Site, weakening: Weakening) -> Demotion {
    let line = scan::line_of(file, text, nth);
    let line = line.unwrap_or_else(|| panic!("{file} has no {nth}. line {text:?}"));
    Demotion { file, line, weakening }
}

/// What the models can weaken is what the text of `ring` shows. Explores only
/// executions without preemption, which is enough to reach every line.
#[test]
fn models_reach_every_ordering() {
    let scanned = scan::demotions();
    let reached = canary::record(|| {
        for model in FAMILIES.iter().copied().flatten() {
            model.explore(Some(0));
        }
    });
    let missed = &scanned - &reached;
    assert!(missed.is_empty(), "no model reaches\n{}", rows(&missed));
    let unknown = &reached - &scanned;
    assert!(unknown.is_empty(), "the scanner overlooks\n{}", rows(&unknown));
}

/// Every weakening is a canary or allowed, and every row names one.
#[test]
fn the_table_is_complete() {
    let scanned = scan::demotions();
    let mut listed = BTreeSet::new();
    let rows_of_canaries = canaries().map(|canary| (canary.site, canary.weakening));
    let rows_of_exceptions = exceptions().map(|allowed| (allowed.site, allowed.weakening));
    for (site, weakening) in rows_of_canaries.chain(rows_of_exceptions) {
        assert!(listed.insert(demotion(site, weakening)), "{site:?} {weakening:?} is listed twice");
    }
    assert!(exceptions().all(|allowed| !allowed.reason.is_empty()));
    let missing = &scanned - &listed;
    assert!(missing.is_empty(), "without a row:\n{}", rows(&missing));
    let mut stale = &listed - &scanned;
    // A store that is left out is no weakening that the scanner proposes.
    stale.retain(|row| row.weakening != Weakening::Skipped || !scan::stores(row.file, row.line));
    assert!(stale.is_empty(), "not in ring:\n{}", rows(&stale));
}

/// Each canary makes its model fail.
#[test]
fn every_weakening_is_noticed() {
    let all: Vec<_> = canaries().collect();
    let missed = beside_one_another(&all, |canary| {
        let demotion = demotion(canary.site, canary.weakening);
        (!fails(canary.caught_by, Some(demotion))).then_some((demotion, canary.caught_by.name))
    });
    assert!(missed.is_empty(), "not noticed: {missed:#?}");
}

/// Models that leave out a step which is not of `ring` fail.
#[test]
fn every_omission_is_noticed() {
    let missed = beside_one_another(&OMISSIONS.concat(), |model| {
        (!fails(*model, None)).then_some(model.name)
    });
    assert!(missed.is_empty(), "not noticed: {missed:#?}");
}

/// What `judge` finds, on [`WORKERS`] threads.
fn beside_one_another<T: Sync, F: Send>(
    all: &[T],
    judge: impl Fn(&T) -> Option<F> + Sync,
) -> Vec<F> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut found = Vec::new();
        while let Some(item) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.extend(judge(item));
        }
        found
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker ends")).collect()
    })
}

/// Whether `model` fails, under `demotion` if there is one. Runs it on an OS thread of
/// its own, to which the demotion is confined.
fn fails(model: Model, demotion: Option<Demotion>) -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                report(panic);
            }
        }));
    });
    let run = move || {
        QUIET.set(true);
        if let Some(demotion) = demotion {
            canary::demote(demotion);
        }
        catch_unwind(|| model.explore(model.bound)).is_err()
    };
    thread::Builder::new()
        .spawn(run)
        .expect("a thread starts")
        .join()
        .expect("the panic was caught")
}
