//! Runs as figures, and figures as text.

use std::fmt::Write as _;

use super::run::Outcome;
use super::{Cost, Flow, Measured, Row, Runs, Sheet, Table};
use crate::contender::Group;
use crate::stats::{Percentiles, Spread};

/// A round's figure: what the scenario is about.
fn figure(flow: Flow, round: &[Outcome]) -> Option<f64> {
    let median = |figures: Vec<f64>| Spread::of(figures).map(|spread| spread.median);
    match flow {
        Flow::Throughput | Flow::OneSlow => round.first().map(|run| run.per_second),
        Flow::Bursts { .. } => round.first().and_then(|run| median(run.late_ns.clone())),
        Flow::Kill => median(round.iter().filter_map(|run| run.held_up_ns).collect()),
    }
}

/// Figures of the same round over others, those of rounds that lack one left out.
fn ratio(of: &[Option<f64>], over: &[Option<f64>]) -> Option<Spread> {
    let pairs = of.iter().zip(over).filter_map(|(of, over)| (*of).zip(*over));
    Spread::of(pairs.map(|(of, over)| of / over.max(1e-9)))
}

pub(super) fn table(sheet: Sheet) -> Table {
    let Sheet { scenario, mut entries } = sheet;
    let flow = scenario.flow;
    let absent = entries.iter_mut().filter_map(|runs| runs.absent.take()).collect::<Vec<_>>();
    let gone = |runs: &Runs| absent.iter().any(|absent| absent.contender == runs.entry.name);
    entries.retain(|runs| !gone(runs));
    let figures = |runs: &Runs| -> Vec<Option<f64>> {
        runs.rounds.iter().map(|round| figure(flow, round)).collect()
    };
    let reference = entries.iter().find(|runs| runs.entry.name == scenario.reference());
    let base = reference.map(figures);
    let row = |runs: &Runs| {
        let all = || runs.rounds.iter().flatten();
        let figures = figures(runs);
        let timed: Vec<f64> =
            all().flat_map(|run| run.late_ns.iter().copied().chain(run.held_up_ns)).collect();
        Some(Row {
            contender: runs.entry.name.to_owned(),
            group: runs.entry.nature.group,
            about: runs.entry.about.to_owned(),
            figure: Spread::of(figures.iter().flatten().copied())?,
            ratio: base.as_ref().and_then(|base| ratio(&figures, base)),
            count: timed.len(),
            percentiles: Percentiles::of(timed),
            send_ns: Spread::of(all().map(|run| run.send_ns))?,
            cpu_ns: Spread::of(all().map(|run| run.cpu_ns))?,
            missed: Spread::of(all().filter_map(|run| run.missed)),
        })
    };
    let rows = entries.iter().filter_map(row).collect();
    Table { reference: reference.map(|runs| runs.entry.name.to_owned()), scenario, rows, absent }
}

/// The producer's cost with the most subscribers over that with one, of those measured with both.
pub(super) fn costs(sheets: &[Sheet]) -> Vec<Cost> {
    // A send by itself takes about as long as a look at the clock.
    let is_burst = |flow| matches!(flow, Flow::Bursts { messages: 2.., .. });
    let sends = |runs: &Runs| -> Vec<Option<f64>> {
        runs.rounds.iter().map(|round| round.first().map(|run| run.send_ns)).collect()
    };
    let of = |most: &Sheet, runs: &Runs| {
        let alone = sheets.iter().find(|sheet| {
            let alone = super::Scenario { subscribers: 1, ..most.scenario.clone() };
            sheet.scenario == alone
        })?;
        let one = alone.entries.iter().find(|one| one.entry.name == runs.entry.name)?;
        let ratio = ratio(&sends(runs), &sends(one))?;
        let (contender, scenario) = (runs.entry.name.to_owned(), most.scenario.clone());
        Some(Cost { contender, scenario, ratio })
    };
    let most = sheets.iter().map(|sheet| sheet.scenario.subscribers).max().unwrap_or(0);
    let chosen = sheets.iter().filter(|sheet| {
        is_burst(sheet.scenario.flow) && sheet.scenario.subscribers == most && most > 1
    });
    chosen.flat_map(|sheet| sheet.entries.iter().filter_map(move |runs| of(sheet, runs))).collect()
}

/// The figures as tables.
pub fn text(measured: &Measured) -> String {
    let mut text = String::new();
    let Measured { cpus, rounds, probe_ns, tables, costs } = measured;
    // Writing to a string does not fail.
    let _ = write!(text, "{rounds} rounds, medians (middle half)");
    if let Some(probe) = probe_ns {
        let _ = write!(text, "; a line from CPU to CPU: {} ns", spread(*probe, 1.0));
    }
    text.push('\n');
    for table in tables {
        table_text(&mut text, table, *cpus);
    }
    if !costs.is_empty() {
        text.push_str("\na send's cost with the most subscribers, over that with one\n");
    }
    for Cost { contender, scenario, ratio } in costs {
        let _ = writeln!(text, "  {contender:<28}{:>22}  {scenario}", times(*ratio));
    }
    text
}

fn table_text(text: &mut String, table: &Table, cpus: usize) {
    let Table { scenario, reference, rows, absent } = table;
    let ends = scenario.ends();
    let crowd = if ends > cpus { format!(": {ends} ends on {cpus} CPUs") } else { String::new() };
    let _ = writeln!(text, "\n{scenario}{crowd}");
    let (unit, scale) = match scenario.flow {
        Flow::Throughput | Flow::OneSlow => ("M messages/s", 1e6),
        Flow::Bursts { .. } => ("last, p50, us", 1e3),
        Flow::Kill => ("held up, p50, ms", 1e6),
    };
    let against = reference.as_ref().map(|name| format!("x {name}")).unwrap_or_default();
    let _ = writeln!(
        text,
        "  {:<28}{unit:>22}{against:>26}{:>10}{:>10}{:>24}{:>24}{:>8}",
        "", "p99", "max", "send, ns", "CPU/receipt, ns", "missed"
    );
    for row in rows {
        let marked = match row.group {
            Group::Threads => format!("{} [threads]", row.contender),
            _ => row.contender.clone(),
        };
        let part = |figure: Option<f64>| {
            figure.map(|figure| format!("{:.1}", figure / scale)).unwrap_or_default()
        };
        let missed = row.missed.map(|missed| format!("{:.0} %", 100.0 * missed.median));
        let _ = writeln!(
            text,
            "  {marked:<28}{:>22}{:>26}{:>10}{:>10}{:>24}{:>24}{:>8}",
            spread(row.figure, scale),
            row.ratio.map(times).unwrap_or_default(),
            part(row.percentiles.map(|percentiles| percentiles.p99)),
            part(row.percentiles.map(|percentiles| percentiles.max)),
            spread(row.send_ns, 1.0),
            spread(row.cpu_ns, 1.0),
            missed.unwrap_or_default()
        );
    }
    for absent in absent {
        let what = if absent.failed { "failed" } else { "skipped" };
        let _ = writeln!(text, "  {what}: {}: {}", absent.contender, absent.why);
    }
}

fn times(ratio: Spread) -> String {
    format!("{:.2} ({:.2}..{:.2})", ratio.median, ratio.q1, ratio.q3)
}

fn spread(spread: Spread, scale: f64) -> String {
    let digits = match spread.median / scale {
        figure if figure < 10.0 => 2,
        figure if figure < 100.0 => 1,
        _ => 0,
    };
    let [median, q1, q3] = [spread.median, spread.q1, spread.q3].map(|figure| figure / scale);
    format!("{median:.digits$} ({q1:.digits$}..{q3:.digits$})")
}
