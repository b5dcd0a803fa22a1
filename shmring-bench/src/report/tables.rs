//! A session as text, in at most 100 columns.

use super::columns::{Column, columns};
use super::{table, units, wrapped};
use crate::contender::Group;
use crate::goals::{self, Against, Goal};
use crate::results::{Absent, Costs, Report, Row, Table};

/// What a terminal is wide at least.
const COLUMNS: usize = 100;

/// All tables, with what to know about them.
pub fn tables(report: &Report) -> String {
    let machine = &report.machine;
    let kind = if machine.virtual_machine { ", a virtual machine" } else { "" };
    let commit = machine.commit.as_deref().unwrap_or("unknown");
    let mut text = wrapped(&format!(
        "{}: {} CPUs of {}{kind}; Linux {}; {}; commit {commit}.",
        report.preset,
        machine.cpus,
        machine.processor(),
        machine.kernel,
        machine.date
    ));
    let done = match (report.rounds_done, report.rounds) {
        (done, all) if done < all => format!("{done} of {all} rounds, as it was interrupted"),
        (_, all) => format!("{all} rounds"),
    };
    text.push_str(&wrapped(&format!(
        "Medians of {done}; in parentheses where the middle half lies. A ratio is of figures of the \
         same round, CPU is user and system time of both sides, switches are those of both. \
         Limits are marked *, simple rings of the usual shape +: these survive no death."
    )));
    for table in &report.tables {
        text.push('\n');
        text.push_str(&one(table));
    }
    if let Some(costs) = &report.costs {
        text.push('\n');
        text.push_str(&steps(costs));
    }
    if report.preset == "goals" {
        text.push('\n');
        text.push_str(&all_goals(report));
    }
    text
}

/// A scenario's table and what to know about it.
fn one(sheet: &Table) -> String {
    let mut text = format!("{}\n", sheet.scenario);
    if !sheet.rows.is_empty() {
        text.push_str(&fitting(columns(sheet, name)));
    }
    if let Some(probe) = &sheet.probe_ns {
        let placement = sheet.placement.map_or(String::new(), |where_| format!(", {where_}"));
        text.push_str(&wrapped(&format!(
            "A cache line took {:.0} ns ({:.0}..{:.0}) from one CPU to the other{placement}.",
            probe.median, probe.q1, probe.q3
        )));
    }
    let counts = [
        super::counted(sheet.dropped_runs, "dropped and repeated: the CPUs moved"),
        super::counted(sheet.left_out_runs, "left out: in another placement"),
    ];
    counts.into_iter().flatten().for_each(|line| text.push_str(&wrapped(&line)));
    text + &remarks(&sheet.absent, &sheet.warnings)
}

fn remarks(absent: &[Absent], warnings: &[String]) -> String {
    let absent = absent.iter().map(|Absent { name, failed, why }| {
        let verb = if *failed { "FAILED" } else { "skipped" };
        wrapped(&format!("{name} {verb}: {why}"))
    });
    let warnings = warnings.iter().map(|warning| wrapped(&format!("Warning: {warning}.")));
    absent.chain(warnings).collect()
}

fn name(row: &Row) -> String {
    match row.group {
        Group::Limit => format!("{} *", row.contender),
        Group::Plain => format!("{} +", row.contender),
        Group::Threads => format!("{} [{}]", row.contender, row.group),
        Group::Ring | Group::Kernel | Group::Peer => row.contender.clone(),
    }
}

/// A table of as many columns as there is room for.
fn fitting(mut columns: Vec<Column>) -> String {
    loop {
        let count = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
        let row = |index: usize| -> Vec<String> {
            columns.iter().map(|column| column.cells[index].clone()).collect()
        };
        let rows: Vec<Vec<String>> = (0..count).map(row).collect();
        let text = table(&rows);
        let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        let least = columns.iter().map(|column| column.dispensable).max().unwrap_or(0);
        if widest <= COLUMNS || least == 0 {
            return text;
        }
        columns.retain(|column| column.dispensable != least);
    }
}

/// The costs of single steps, each with what it is.
fn steps(costs: &Costs) -> String {
    let cells = costs.rows.iter().map(|row| {
        let text = units::of_cost(row.unit);
        [
            row.cost.clone(),
            text(row.figure.median),
            units::range(row.figure.q1, row.figure.q3, text),
        ]
    });
    let rows: Vec<[String; 3]> = cells.collect();
    let mut text = String::from("costs of single steps, on one CPU (memcpy: bytes copied)\n");
    for (line, row) in table(&rows).lines().zip(&costs.rows) {
        text.push_str(&format!("{line}  {}\n", row.about));
    }
    text + &remarks(&costs.absent, &costs.warnings)
}

/// Each goal, with what was reached.
fn all_goals(report: &Report) -> String {
    let heading = ["", "", "ratio", "goal", "verdict"].map(String::from).to_vec();
    let mut rows = vec![heading];
    for goal in goals::all() {
        let (verdict, spread) = goal.judge(report);
        let Goal { scenario, ring, against, ratio } = &goal;
        let bound = if scenario.flow.is_latency() { "<=" } else { ">=" };
        let against = match against {
            Against::Row(name) => name,
            Against::Probe => "probe",
        };
        rows.push(vec![
            scenario.to_string().trim_end_matches(", spinning").to_owned(),
            ring.to_string(),
            spread.as_ref().map_or(String::new(), units::ratio),
            format!("{bound} {ratio} x {against}"),
            verdict.to_string(),
        ]);
    }
    table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html;
    use crate::results::Latency;
    use crate::results::tests::whole;
    use crate::stats::Spread;

    /// The headings of tables whose contender is called so: of throughput, and of latencies.
    fn headings(name: &str) -> [String; 2] {
        let mut report = whole();
        let spread = |middle: f64| Spread {
            median: middle,
            min: 0.5 * middle,
            max: 2.0 * middle,
            q1: 0.99 * middle,
            q3: 1.01 * middle,
        };
        for table in &mut report.tables {
            let row = &mut table.rows[0];
            row.contender = name.to_owned();
            (row.figure, row.ratio) = (spread(999_000.0), Some(spread(0.05)));
            row.cpu_ns_per_message = spread(99_900.0);
            let (percentiles, max) = ([Some(1_000_000); 5], 99_900_000);
            row.latency = Some(Latency { count: 9, percentiles, max, curve: Vec::new() });
        }
        let text = tables(&report);
        assert!(text.lines().all(|line| line.chars().count() <= COLUMNS), "{text}");
        ["volume", "p99"].map(|head| {
            let heading = text.lines().find(|line| line.contains(head));
            heading.expect(head).to_owned()
        })
    }

    // Catches a table that is wider than the terminal, one that leaves out more than it must, and
    // one without what no table may lack.
    #[test]
    fn as_many_columns_are_shown_as_there_is_room_for() {
        let [of_throughput, of_latency] = headings("pipe");
        assert!(of_throughput.contains("middle half"), "{of_throughput}");
        let all = ["p99 ", "p99.9 ", "p99.99"];
        assert!(all.iter().all(|head| of_latency.contains(head)), "{of_latency}");
        let [long_throughput, long_latency] = headings("mpmc ring, watched at 10 Hz");
        assert!(!long_throughput.contains("middle half"), "{long_throughput}");
        assert!(!long_latency.contains("p90"), "{long_latency}");
        for heading in [of_latency, long_latency] {
            let kept = ["one way", "x pipe", "p99 ", "max", "CPU/msg", "switches"];
            assert!(kept.iter().all(|head| heading.contains(head)), "{heading}");
        }
    }

    // Catches a page without a percentile, or without the costs.
    #[test]
    fn the_page_has_all_columns_and_the_costs() {
        let page = html(&whole());
        for head in ["p50", "p90", "p99", "p99.9", "p99.99", "max", "CPU/msg", "switches"] {
            assert!(page.contains(&format!("<th>{head}</th>")), "{head}");
        }
        assert!(page.contains("Costs of single steps") && page.contains("<td>clock</td>"));
    }
}
