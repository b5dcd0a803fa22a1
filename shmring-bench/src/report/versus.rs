//! One session held against another: a verdict only where the spreads allow one.

use super::{table, units, wrapped};
use crate::costs::Unit;
use crate::results::{Costs, Report, Table};
use crate::stats::Spread;

/// Fewer runs than these give no verdict.
const MIN_RUNS: usize = 5;

/// What the figures of one contender in one scenario say.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    /// The middle halves lie apart: by how many percent the second is better.
    Better(f64),
    /// The same, worse.
    Worse(f64),
    /// The middle halves overlap.
    NoDifference,
    /// Too few runs to tell.
    TooFew,
}

/// Every row that both have, in words.
///
/// Where both have ratios to the same reference, these are held against each other, as they do not
/// depend on what the machine was like; else the figures are, with a remark.
pub fn versus(first: &Report, second: &Report) -> String {
    let commit = |report: &Report| report.machine.commit.clone().unwrap_or("unknown".into());
    let mut text = wrapped(&format!(
        "Of the second (commit {}) over the first (commit {}). A difference is told only where the \
         middle halves of at least {MIN_RUNS} runs each lie apart.",
        commit(second),
        commit(first)
    ));
    let (machine, other) = (&first.machine, &second.machine);
    // Sessions from before it was recorded have no model.
    let is_other_model =
        machine.cpu_model.zip(other.cpu_model).is_some_and(|(first, second)| first != second);
    if machine.cpu != other.cpu || machine.kernel != other.kernel || is_other_model {
        text.push_str("Warning: they were not measured on the same machine and kernel.\n");
    }
    let mut both = 0;
    for table_of_second in &second.tables {
        let same = |table: &&Table| table.scenario == table_of_second.scenario;
        let Some(table_of_first) = first.tables.iter().find(same) else { continue };
        let rows = rows(table_of_first, table_of_second);
        if rows.len() > 1 {
            both += 1;
            text.push_str(&format!("\n{}\n{}", table_of_second.scenario, table(&rows)));
            text.push_str(&placements(table_of_first, table_of_second));
        }
    }
    if let (Some(first), Some(second)) = (&first.costs, &second.costs) {
        let rows = costs(first, second);
        both += usize::from(rows.len() > 1);
        text.push_str(&format!("\ncosts of single steps\n{}", table(&rows)));
    }
    if both == 0 {
        text.push_str("They have no scenario in common.\n");
    }
    text
}

/// Ratios are steadier than figures between placements, but not the same.
fn placements(first: &Table, second: &Table) -> String {
    match (first.placement, second.placement) {
        (Some(a), Some(b)) if a != b => {
            wrapped(&format!("Warning: the CPUs were {a} in the first, {b} in the second."))
        }
        _ => String::new(),
    }
}

fn rows(first: &Table, second: &Table) -> Vec<[String; 4]> {
    let mut rows = vec![["", "first", "second", "verdict"].map(String::from)];
    let relative = first.reference.is_some() && first.reference == second.reference;
    for theirs in &second.rows {
        let Some(ours) = first.row(&theirs.contender) else { continue };
        let latency = second.scenario.flow.is_latency();
        // The reference's own ratio says nothing; its figures tell what the machine was like.
        let itself = first.reference.as_ref() == Some(&theirs.contender);
        let ratios = ours.ratio.zip(theirs.ratio).filter(|_| relative && !itself);
        let runs = ours.runs.len().min(theirs.runs.len());
        let (cells, verdict) = match ratios {
            Some((a, b)) => ([a, b].map(|ratio| units::ratio(&ratio)), judge(runs, a, b, latency)),
            None => (
                [ours, theirs].map(|row| units::of(&second.scenario)(row.figure.median)),
                judge(runs, ours.figure, theirs.figure, latency),
            ),
        };
        let [a, b] = cells;
        let absolute = if ratios.is_none() { " (absolute figures)" } else { "" };
        rows.push([theirs.contender.clone(), a, b, words(verdict) + absolute]);
    }
    rows
}

fn costs(first: &Costs, second: &Costs) -> Vec<[String; 4]> {
    let mut rows = vec![["", "first", "second", "verdict"].map(String::from)];
    for theirs in &second.rows {
        let Some(ours) = first.row(&theirs.cost) else { continue };
        let runs = ours.runs.len().min(theirs.runs.len());
        let verdict = judge(runs, ours.figure, theirs.figure, theirs.unit == Unit::Ns);
        let [a, b] = [ours, theirs].map(|row| units::of_cost(row.unit)(row.figure.median));
        rows.push([theirs.cost.clone(), a, b, words(verdict)]);
    }
    rows
}

/// Of figures of at least so many runs each, of which less is better, or more.
fn judge(runs: usize, first: Spread, second: Spread, less_is_better: bool) -> Verdict {
    if runs < MIN_RUNS {
        return Verdict::TooFew;
    }
    let percent = (second.median / first.median - 1.0).abs() * 100.0;
    let (smaller, larger) = (second.q3 < first.q1, second.q1 > first.q3);
    match (smaller, larger, less_is_better) {
        (true, _, true) | (_, true, false) => Verdict::Better(percent),
        (true, _, false) | (_, true, true) => Verdict::Worse(percent),
        (false, false, _) => Verdict::NoDifference,
    }
}

fn words(verdict: Verdict) -> String {
    match verdict {
        Verdict::Better(percent) => format!("better by {percent:.0} %"),
        Verdict::Worse(percent) => format!("worse by {percent:.0} %"),
        Verdict::NoDifference => "no difference shown".to_owned(),
        Verdict::TooFew => "too few runs to tell".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::CostRow;

    fn spread(q1: f64, median: f64, q3: f64) -> Spread {
        Spread { median, min: q1, max: q3, q1, q3 }
    }

    // Catches a verdict on spreads that overlap, and one in the wrong direction.
    #[test]
    fn a_verdict_needs_spreads_that_lie_apart() {
        let judge = |first, second, less| judge(MIN_RUNS, first, second, less);
        let (low, high) = (spread(0.9, 1.0, 1.1), spread(1.9, 2.0, 2.1));
        let middle = spread(1.0, 1.5, 2.0);
        assert_eq!(judge(low, high, false), Verdict::Better(100.0));
        assert_eq!(judge(low, high, true), Verdict::Worse(100.0));
        assert_eq!(judge(high, low, true), Verdict::Better(50.0));
        assert_eq!(judge(high, low, false), Verdict::Worse(50.0));
        assert_eq!(judge(low, middle, false), Verdict::NoDifference);
        assert_eq!(judge(middle, high, true), Verdict::NoDifference);
    }

    // Catches a verdict on so few runs that chance alone gives one.
    #[test]
    fn a_verdict_needs_enough_runs() {
        let (low, high) = (spread(1.0, 1.0, 1.0), spread(2.0, 2.0, 2.0));
        assert_eq!(judge(MIN_RUNS - 1, low, high, false), Verdict::TooFew);
        assert_eq!(judge(MIN_RUNS, low, high, false), Verdict::Better(100.0));
    }

    // Catches costs that are left out, and GB/s that are judged like ns.
    #[test]
    fn costs_are_compared_by_their_unit() {
        let of = |ns: f64, gb: f64| {
            let row = |cost: &str, unit, figure: f64| CostRow {
                cost: cost.to_owned(),
                about: String::new(),
                unit,
                figure: spread(figure, figure, figure),
                runs: vec![figure; MIN_RUNS],
            };
            let rows = vec![row("call", Unit::Ns, ns), row("copy", Unit::GbPerS, gb)];
            Costs { rows, absent: Vec::new(), warnings: Vec::new() }
        };
        let verdicts = |first, second| -> Vec<String> {
            costs(&first, &second).into_iter().skip(1).map(|[.., verdict]| verdict).collect()
        };
        assert_eq!(verdicts(of(1.0, 1.0), of(2.0, 2.0)), ["worse by 100 %", "better by 100 %"]);
    }
}
