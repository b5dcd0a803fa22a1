//! Figures as text.

use std::fmt::Write as _;

use super::run::Outcome;
use super::{Flow, Measured, Row, Runs, Sheet, Table};
use crate::contender::Group;
use crate::stats::{Percentiles, Spread};

fn median(figures: impl IntoIterator<Item = f64>) -> Option<f64> {
    Spread::of(figures).map(|spread| spread.median)
}

/// The figure of each round: of kills, the median.
fn figures(runs: &Runs) -> Vec<Option<f64>> {
    let figure = |round: &Vec<Outcome>| median(round.iter().map(|run| run.figure));
    runs.rounds.iter().map(figure).collect()
}

/// Figures of the same round over others, those of rounds that lack one left out.
fn ratio(of: &[Option<f64>], over: &[Option<f64>]) -> Option<Spread> {
    let pairs = of.iter().zip(over).filter_map(|(of, over)| (*of).zip(*over));
    Spread::of(pairs.map(|(of, over)| of / over.max(1e-9)))
}

pub(super) fn table(sheet: Sheet) -> Table {
    let Sheet { scenario, mut entries } = sheet;
    let absent = entries.iter_mut().filter_map(|runs| runs.absent.take()).collect::<Vec<_>>();
    let gone = |runs: &Runs| absent.iter().any(|absent| absent.contender == runs.entry.name);
    entries.retain(|runs| !gone(runs));
    let reference = entries.iter().find(|runs| runs.entry.name == scenario.reference());
    let base = reference.map(figures);
    let middle = |runs: &Runs| median(figures(runs).into_iter().flatten()).unwrap_or(0.0);
    let kernel = entries.iter().filter(|runs| runs.entry.group == Group::Kernel);
    let best = kernel.max_by(|one, other| middle(one).total_cmp(&middle(other)));
    let best_figures = best.map(figures);
    let row = |runs: &Runs| {
        let all = || runs.rounds.iter().flatten();
        let figures = figures(runs);
        let of_kills = |figure: fn(&Outcome) -> f64| -> Vec<f64> {
            let is_kill = scenario.flow == Flow::Killed;
            all().filter(|_| is_kill).map(figure).collect()
        };
        let kills = of_kills(|run| run.figure);
        Some(Row {
            contender: runs.entry.name.to_owned(),
            about: runs.entry.about.to_owned(),
            figure: Spread::of(figures.iter().flatten().copied())?,
            ratio: base.as_ref().and_then(|base| ratio(&figures, base)),
            kernel_ratio: best_figures.as_ref().and_then(|best| ratio(&figures, best)),
            count: kills.len(),
            percentiles: Percentiles::of(kills),
            after_end: Percentiles::of(of_kills(|run| run.after_end_ns)),
            bytes_per_second: Spread::of(all().map(|run| run.bytes_per_second))?,
            cpu_ns: Spread::of(all().map(|run| run.cpu_ns))?,
        })
    };
    let rows = entries.iter().filter_map(row).collect();
    Table {
        reference: reference.map(|runs| runs.entry.name.to_owned()),
        best_of_kernel: best.map(|runs| runs.entry.name.to_owned()),
        scenario,
        rows,
        absent,
    }
}

/// The figures as tables.
pub fn text(measured: &Measured) -> String {
    let mut text = String::new();
    let Measured { rounds, probe_ns, tables, .. } = measured;
    // Writing to a string does not fail.
    let _ = write!(text, "{rounds} rounds, medians (middle half)");
    if let Some(probe) = probe_ns {
        let _ = write!(text, "; a line from CPU to CPU: {} ns", spread(*probe, 1.0));
    }
    text.push('\n');
    for table in tables {
        table_text(&mut text, table);
    }
    text
}

fn table_text(text: &mut String, table: &Table) {
    let Table { scenario, reference, best_of_kernel, rows, absent } = table;
    let is_kill = scenario.flow == Flow::Killed;
    let (unit, scale) = match scenario.flow {
        Flow::Log | Flow::Jobs => ("M messages/s", 1e6),
        Flow::Killed => ("job taken, p50, ms", 1e6),
    };
    let against = |name: &Option<String>| name.as_ref().map(|it| format!("x {it}"));
    let _ = writeln!(
        text,
        "\n{scenario}\n  {:<18}{unit:>24}{:>22}{:>22}{:>22}{:>22}{:>8}{:>8}{:>8}  {}",
        "",
        against(reference).unwrap_or_default(),
        against(best_of_kernel).unwrap_or_default(),
        "MB/s",
        "CPU/message, ns",
        "p99",
        "max",
        "kills",
        if is_kill { "after the end, p50, p99, max" } else { "" }
    );
    for row in rows {
        let part = |figure: Option<f64>| figure.map(|it| format!("{:.2}", it / scale));
        let percentiles = row.percentiles;
        let unless_kill = |spread: String| if is_kill { String::new() } else { spread };
        let _ = writeln!(
            text,
            "  {:<18}{:>24}{:>22}{:>22}{:>22}{:>22}{:>8}{:>8}{:>8}  {}",
            row.contender,
            spread(row.figure, scale),
            row.ratio.map(times).unwrap_or_default(),
            row.kernel_ratio.map(times).unwrap_or_default(),
            unless_kill(spread(row.bytes_per_second, 1e6)),
            unless_kill(spread(row.cpu_ns, 1.0)),
            part(percentiles.map(|it| it.p99)).unwrap_or_default(),
            part(percentiles.map(|it| it.max)).unwrap_or_default(),
            percentiles.map(|_| row.count.to_string()).unwrap_or_default(),
            row.after_end.map(|it| three(it, scale)).unwrap_or_default()
        );
    }
    for absent in absent {
        let what = if absent.failed { "failed" } else { "skipped" };
        let _ = writeln!(text, "  {what}: {}: {}", absent.contender, absent.why);
    }
}

fn three(of: Percentiles, scale: f64) -> String {
    let [p50, p99, max] = [of.p50, of.p99, of.max].map(|figure| figure / scale);
    format!("{p50:.2}, {p99:.2}, {max:.2}")
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
