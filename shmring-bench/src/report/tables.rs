//! A session as text, in at most 100 columns.

use super::{table, units, wrapped};
use crate::contender::Group;
use crate::goals::{self, Against, Goal};
use crate::results::{Report, Row, Table};

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
         same round, CPU is user and system time of both sides, switches are those of both."
    )));
    for table in &report.tables {
        text.push('\n');
        text.push_str(&one(table));
    }
    if report.preset == "goals" {
        text.push('\n');
        text.push_str(&all_goals(report));
    }
    text
}

/// The heading and the cells of rows.
fn one(sheet: &Table) -> String {
    let latency = sheet.scenario.flow.is_latency();
    let reference = sheet.reference.as_deref().map_or(String::new(), |name| format!("x {name}"));
    let head = if latency {
        ["", "one way", &reference, "p50", "p99", "p99.9", "max", "CPU/msg", "switches"]
    } else {
        ["", "messages", &reference, "volume", "middle half", "", "", "CPU/msg", "switches"]
    };
    let mut rows = vec![head.map(String::from)];
    rows.extend(sheet.rows.iter().map(|row| cells(sheet, row)));
    let mut text = format!("{}\n", sheet.scenario);
    text.push_str(&without_empty_columns(rows));
    for line in remarks(sheet) {
        text.push_str(&wrapped(&line));
    }
    text
}

fn cells(sheet: &Table, row: &Row) -> [String; 9] {
    let Table { scenario, .. } = sheet;
    let name = match row.group {
        Group::Limit | Group::Plain | Group::Threads => {
            format!("{} [{}]", row.contender, row.group)
        }
        _ => row.contender.clone(),
    };
    let ratio = row.ratio.as_ref().map_or(String::new(), units::ratio);
    let middle = match &row.latency {
        Some(latency) if scenario.flow.is_latency() => {
            let [p50, _, p99, p999, _] = latency.percentiles;
            [p50, p99, p999, latency.max].map(|ns| units::time(ns as f64))
        }
        _ => [
            units::volume(row.figure.median * scenario.message_bytes as f64),
            units::rates(row.figure.q1, row.figure.q3),
            String::new(),
            String::new(),
        ],
    };
    let [a, b, c, d] = middle;
    [
        name,
        units::figure(scenario, row.figure.median),
        ratio,
        a,
        b,
        c,
        d,
        units::time(row.cpu_ns_per_message.median),
        units::often(row.switches_per_message.median),
    ]
}

fn without_empty_columns(rows: Vec<[String; 9]>) -> String {
    let kept: Vec<usize> = (0..9)
        .filter(|column| *column == 0 || rows.iter().any(|row| !row[*column].is_empty()))
        .collect();
    let narrow = |row: &[String; 9]| kept.iter().map(|column| row[*column].clone()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(narrow).collect();
    table(&rows)
}

fn remarks(sheet: &Table) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(probe) = &sheet.probe_ns {
        let placement = sheet.placement.map_or(String::new(), |where_| format!(", {where_}"));
        remarks.push(format!(
            "A cache line took {:.0} ns ({:.0}..{:.0}) from one CPU to the other{placement}.",
            probe.median, probe.q1, probe.q3
        ));
    }
    remarks.extend(super::counted(sheet.dropped_runs, "dropped and repeated: the CPUs moved"));
    remarks.extend(super::counted(sheet.left_out_runs, "left out: in another placement"));
    for absent in &sheet.absent {
        let verb = if absent.failed { "FAILED" } else { "skipped" };
        remarks.push(format!("{} {verb}: {}", absent.contender, absent.why));
    }
    remarks.extend(sheet.warnings.iter().map(|warning| format!("Warning: {warning}.")));
    remarks
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
