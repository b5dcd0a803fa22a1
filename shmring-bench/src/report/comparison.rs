//! A comparison as text. As data it serialises as it is.

use super::{grouped, table, wrapped};
use crate::compare::{Comparison, Summary};
use crate::message::{HEADER_BYTES, MAX_MESSAGE_BYTES};
use crate::stats::Spread;

/// A table and what to know about it, in at most 100 columns.
pub fn text(comparison: &Comparison) -> String {
    let mut rows = vec![
        ["contender", "MB/s", "min..max", "messages/s", "CPU ns/msg", "send + recv", "speed"]
            .map(String::from),
    ];
    let slowest = comparison.contenders.iter().map(|summary| summary.mb_per_s.median);
    let slowest = slowest.fold(f64::INFINITY, f64::min);
    rows.extend(comparison.contenders.iter().map(|summary| row(summary, slowest)));
    let mut text = table(&rows);
    text.push('\n');
    for line in notes(comparison) {
        text.push_str(&wrapped(&line));
    }
    text
}

fn row(summary: &Summary, slowest: f64) -> [String; 7] {
    let whole = |figure: f64| grouped(figure.round() as u64);
    let Spread { median, min, max, .. } = summary.mb_per_s;
    [
        summary.contender.clone(),
        whole(median),
        format!("{}..{}", whole(min), whole(max)),
        whole(summary.messages_per_s.median),
        whole(summary.cpu_ns_per_message.median),
        format!(
            "{} + {}",
            whole(summary.producer_cpu_ns_per_message.median),
            whole(summary.consumer_cpu_ns_per_message.median)
        ),
        format!("{:.1}x", median / slowest),
    ]
}

/// What was done, and what to beware of.
fn notes(comparison: &Comparison) -> Vec<String> {
    let Comparison { bytes, messages, rounds, dropped_runs, .. } = comparison;
    let plural = |count: u32| if count == 1 { "" } else { "s" };
    let mut notes = vec![format!(
        "{} MB in {} messages of {HEADER_BYTES} B to at most {} KiB (mean {} B), every one \
         verified; median of {rounds} alternating round{}.",
        grouped((*bytes as f64 / 1e6).round() as u64),
        grouped(*messages),
        MAX_MESSAGE_BYTES >> 10,
        grouped(bytes / (*messages).max(1)),
        plural(*rounds),
    )];
    let runs = comparison.contenders.iter().flat_map(|summary| &summary.runs);
    let probes = runs.flat_map(|run| [run.before, run.after]).flatten();
    if let Some(spread) = Spread::of(probes.map(|probe| probe.one_way_ns)) {
        let placement = crate::Placement::guess(spread.median);
        notes.push(format!(
            "A cache line took {:.0} ns from one CPU to the other ({:.0}..{:.0}): {placement}, as \
             a guess.",
            spread.median, spread.min, spread.max
        ));
    }
    if *dropped_runs > 0 {
        notes.push(format!(
            "{dropped_runs} run{} dropped and repeated, as the CPUs moved meanwhile.",
            plural(*dropped_runs)
        ));
    }
    notes.extend(comparison.warnings.iter().map(|warning| format!("Warning: {warning}.")));
    notes
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
