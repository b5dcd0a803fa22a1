//! From runs to a table.

use super::{Entry, Measured, Sheet, notes};
use crate::machine::Machine;
use crate::measure::Latencies;
use crate::probe::Placement;
use crate::results::{Latency, Row, Run, Table};
use crate::stats::Spread;

/// `None` for a table of which no run is complete, and of which there is nothing else to say.
pub(super) fn table(sheet: Sheet<'_>, machine: &Machine, pinned: bool) -> Option<Table> {
    let Sheet { scenario, reference, mut entries, dropped_runs } = sheet;
    let placement = prevailing(&entries);
    let mut left_out_runs = 0;
    let mut moved = Vec::new();
    for entry in &mut entries {
        let still_moved = entry.runs.iter().filter(|run| run.moved).count();
        if still_moved > 0 {
            moved.push((entry.contender.name, still_moved));
        }
        let count = entry.runs.len();
        // Where every run moved, figures of no placement are better than none; a warning says so.
        if still_moved < count {
            entry.runs.retain(|run| !run.moved);
        }
        if entry.runs.iter().any(|run| run.placement() == placement) {
            entry.runs.retain(|run| run.placement() == placement);
        }
        left_out_runs += (count - entry.runs.len()) as u32;
    }
    let probes = entries.iter().flat_map(|entry| &entry.runs);
    let probes = probes.flat_map(|run| [run.before, run.after]).flatten();
    let probe_ns = Spread::of(probes.map(|probe| probe.one_way_ns));
    let mut rows: Vec<Row> = entries.iter().filter_map(row).collect();
    let of_reference = rows.iter().find(|row| Some(&*row.contender) == reference).cloned();
    for row in &mut rows {
        row.ratio = of_reference.as_ref().and_then(|reference| row.over(reference));
        row.cpu_ratio = of_reference.as_ref().and_then(|reference| row.cpu_over(reference));
        row.probe_ratio = if scenario.flow.is_latency() { row.over_probe() } else { None };
    }
    let absent: Vec<_> = entries.iter().filter_map(|entry| entry.absent.clone()).collect();
    if rows.is_empty() && absent.is_empty() {
        return None;
    }
    let warnings = notes::warnings(&notes::Facts {
        scenario,
        machine,
        pinned,
        entries: &entries,
        rows: &rows,
        moved: &moved,
    });
    Some(Table {
        scenario: scenario.clone(),
        reference: of_reference.map(|row| row.contender),
        placement,
        probe_ns,
        dropped_runs,
        left_out_runs,
        rows,
        absent,
        warnings,
    })
}

impl Measured {
    fn placement(&self) -> Option<Placement> {
        self.before.map(|probe| probe.placement)
    }
}

/// The placement of most runs that did not move.
fn prevailing(entries: &[Entry<'_>]) -> Option<Placement> {
    let runs = || entries.iter().flat_map(|entry| &entry.runs).filter(|run| !run.moved);
    let count = |placement| runs().filter(|run| run.placement() == Some(placement)).count();
    runs().filter_map(Measured::placement).max_by_key(|placement| count(*placement))
}

fn row(entry: &Entry<'_>) -> Option<Row> {
    let Entry { contender, runs, absent } = entry;
    if absent.is_some() {
        return None;
    }
    let spread = |figure: &dyn Fn(&Measured) -> f64| Spread::of(runs.iter().map(figure));
    let latencies =
        Latencies::together(runs.iter().filter_map(|run| run.outcome.latencies.as_ref()));
    Some(Row {
        contender: contender.name.to_owned(),
        group: contender.nature.group,
        about: contender.about.to_owned(),
        capacity_bytes: runs.first()?.outcome.capacity_bytes,
        figure: spread(&|run| run.outcome.figure)?,
        ratio: None,
        probe_ratio: None,
        cpu_ns_per_message: spread(&|run| run.outcome.cpu_ns_per_message)?,
        cpu_ratio: None,
        switches_per_message: spread(&|Measured { outcome, .. }| {
            let switches = outcome.voluntary_switches + outcome.involuntary_switches;
            switches as f64 / outcome.messages as f64
        })?,
        latency: Latency::of(&latencies),
        runs: runs
            .iter()
            .map(|run| Run {
                round: run.round,
                figure: run.outcome.figure,
                cpu_ns_per_message: Some(run.outcome.cpu_ns_per_message),
                probe_ns: run.before.zip(run.after).map(|(b, a)| [b.one_way_ns, a.one_way_ns]),
                messages: run.outcome.messages,
                seconds: run.outcome.seconds,
            })
            .collect(),
    })
}
