//! A session as text, in at most 100 columns.

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
        report.preset, machine.cpus, machine.cpu, machine.kernel, machine.date
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
    let latency = sheet.scenario.flow.is_latency();
    let columns = if latency { latency_columns(sheet) } else { throughput_columns(sheet) };
    let mut text = format!("{}\n", sheet.scenario);
    if !sheet.rows.is_empty() {
        text.push_str(&fitting(columns));
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

/// A column of a table.
struct Column {
    /// The heading and a cell for each row.
    cells: Vec<String>,
    /// Which one goes first if there are too many; zero for those that stay.
    dispensable: u8,
}

impl Column {
    fn new(sheet: &Table, head: &str, cell: impl Fn(&Row) -> String) -> Column {
        let cells = std::iter::once(head.to_owned()).chain(sheet.rows.iter().map(cell)).collect();
        Column { cells, dispensable: 0 }
    }

    fn dispensable(self, dispensable: u8) -> Column {
        Column { dispensable, ..self }
    }
}

fn name(row: &Row) -> String {
    match row.group {
        Group::Limit => format!("{} *", row.contender),
        Group::Plain => format!("{} +", row.contender),
        Group::Threads => format!("{} [{}]", row.contender, row.group),
        Group::Ring | Group::Kernel | Group::Peer => row.contender.clone(),
    }
}

/// Name, figure and ratio, which all tables begin with.
fn first_columns(sheet: &Table, figure: &str) -> [Column; 3] {
    let reference = sheet.reference.as_deref().map_or(String::new(), |name| format!("x {name}"));
    [
        Column::new(sheet, "", name),
        Column::new(sheet, figure, |row| units::of(&sheet.scenario)(row.figure.median)),
        Column::new(sheet, &reference, |row| {
            row.ratio.as_ref().map_or(String::new(), units::ratio)
        }),
    ]
}

fn last_columns(sheet: &Table) -> [Column; 2] {
    [
        Column::new(sheet, "CPU/msg", |row| units::time(row.cpu_ns_per_message.median)),
        Column::new(sheet, "switches", |row| units::often(row.switches_per_message.median)),
    ]
}

/// Percentiles by what they tell that the others do not: the figure is a median already.
const PERCENTILES: [(&str, u8); 5] =
    [("p50", 4), ("p90", 5), ("p99", 0), ("p99.9", 3), ("p99.99", 2)];

fn latency_columns(sheet: &Table) -> Vec<Column> {
    let mut columns = Vec::from(first_columns(sheet, "one way"));
    for (index, (head, dispensable)) in PERCENTILES.into_iter().enumerate() {
        let cell = |row: &Row| {
            let ns = row.latency.as_ref().and_then(|latency| latency.percentiles[index]);
            ns.map_or(String::new(), |ns| units::time(ns as f64))
        };
        columns.push(Column::new(sheet, head, cell).dispensable(dispensable));
    }
    columns.push(Column::new(sheet, "max", |row| {
        row.latency.as_ref().map_or(String::new(), |latency| units::time(latency.max as f64))
    }));
    columns.extend(last_columns(sheet));
    columns
}

fn throughput_columns(sheet: &Table) -> Vec<Column> {
    let len = sheet.scenario.message_bytes as f64;
    let mut columns = Vec::from(first_columns(sheet, "messages"));
    columns.push(Column::new(sheet, "volume", |row| units::volume(row.figure.median * len)));
    columns.push(Column::new(sheet, "middle half", |row| {
        units::range(row.figure.q1, row.figure.q3, units::rate)
    }));
    columns.extend(last_columns(sheet));
    columns
}

/// A table of as many columns as there is room for, without empty ones.
fn fitting(mut columns: Vec<Column>) -> String {
    let empty = |column: &Column| column.cells.iter().skip(1).all(String::is_empty);
    columns.retain(|column| !empty(column));
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
