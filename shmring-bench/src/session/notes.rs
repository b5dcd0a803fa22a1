//! What to know before believing a table's figures, in words.

use super::Entry;
use crate::contender::Wait;
use crate::machine::Machine;
use crate::results::{CostRow, Row};
use crate::scenario::Scenario;
use crate::stats::Spread;

/// Third over first quartile beyond which more rounds are advised.
const WIDE_RATIO: f64 = 1.5;
/// A side that waits for its CPU for a larger part of the run shares it with other work.
const BUSY_FRACTION: f64 = 0.1;
/// Fewer runs than these give no spread worth the name.
const FEW_RUNS: usize = 3;

pub(super) struct Facts<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) machine: &'a Machine,
    pub(super) pinned: bool,
    pub(super) entries: &'a [Entry<'a>],
    pub(super) rows: &'a [Row],
    /// Whose runs the CPUs moved under, also when they were repeated, and how many.
    pub(super) moved: &'a [(&'static str, usize)],
}

pub(super) fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let Facts { scenario, machine, pinned, entries, rows, moved } = facts;
    let mut warnings = Vec::new();
    let ends = scenario.producers as usize + scenario.consumers as usize;
    let oversubscribed = ends > machine.cpus.min(2);
    if !pinned {
        warnings.push(
            "there are no two CPUs: both sides share one and are not pinned, they take turns, and \
             the figures say nothing about two CPUs"
                .to_owned(),
        );
    } else if oversubscribed {
        let spins = if scenario.wait == Wait::Spin { ", and waits by spinning" } else { "" };
        warnings.push(format!(
            "{ends} processes share two CPUs{spins}: what the scheduler does is in the figures"
        ));
    }
    if let Some(governor) = machine.governor.as_ref().filter(|name| *name != "performance") {
        warnings.push(format!("the clock rate is not fixed (governor `{governor}`)"));
    }
    if !moved.is_empty() {
        let names = list(moved.iter().map(|(name, runs)| format!("{name} ({runs})")));
        warnings.push(format!("the CPUs moved under runs, also when these were repeated: {names}"));
    }
    let few = rows.iter().filter(|row| row.runs.len() < FEW_RUNS);
    let few = list(few.map(|row| format!("{} ({})", row.contender, row.runs.len())));
    if !few.is_empty() {
        warnings.push(format!("few runs count: {few}"));
    }
    if !oversubscribed && *pinned {
        let busy = list(entries.iter().filter_map(busy));
        if !busy.is_empty() {
            warnings.push(format!("other programs had the CPUs for part of the time: {busy}"));
        }
    }
    let wide = rows.iter().filter(|row| row.figure.q3 / row.figure.q1 > WIDE_RATIO);
    let wide = list(wide.map(|row| row.contender.clone()));
    if !wide.is_empty() {
        warnings.push(format!("the middle half of the figures lies far apart: {wide}"));
    }
    warnings
}

/// The same for the costs, which one CPU suffices for.
pub(super) fn of_costs(rows: &[CostRow]) -> Vec<String> {
    let wide = rows.iter().filter(|row| row.figure.q3 / row.figure.q1 > WIDE_RATIO);
    let wide = list(wide.map(|row| row.cost.clone()));
    if wide.is_empty() {
        return Vec::new();
    }
    vec![format!("the middle half of the figures lies far apart: {wide}")]
}

fn busy(entry: &Entry<'_>) -> Option<String> {
    let waited = entry.runs.iter().filter_map(|run| run.outcome.waited_fraction);
    let waited = Spread::of(waited)?.median;
    let busy = waited > BUSY_FRACTION;
    busy.then(|| format!("{} ({:.0} %)", entry.contender.name, waited * 100.0))
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}
