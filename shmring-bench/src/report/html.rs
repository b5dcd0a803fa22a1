//! A session as one page that needs no network: for each scenario the ladder of mechanisms, the
//! distribution of latencies and the figures, and throughput over the length of messages.

use std::fmt::Write;

use super::columns::{Column, columns};
use super::svg::{self, Bar, Labels, Line, escaped};
use super::units;
use crate::contender::{Group, Wait};
use crate::costs::Unit;
use crate::results::{Absent, CostRow, Costs, Report, Row, Table};
use crate::scenario::{Flow, Scenario, bytes};

const STYLE: &str = include_str!("style.css");
/// Ticks on the axis of a distribution: the part of the messages that took longer.
const RARITIES: [(f64, &str); 6] = [
    (0.5, "p50"),
    (0.1, "p90"),
    (0.01, "p99"),
    (0.001, "p99.9"),
    (0.0001, "p99.99"),
    (0.00001, "p99.999"),
];

/// The page.
pub fn html(report: &Report) -> String {
    let machine = &report.machine;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>shmring-bench: {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>shmring-bench: {}</h1>\n",
        escaped(&report.preset),
        escaped(&report.preset)
    );
    let kind = if machine.virtual_machine { ", a virtual machine" } else { "" };
    let _ = writeln!(
        page,
        "<p class=\"dim\">{} CPUs of {}{kind} · Linux {} · {} · commit {} · {} of {} rounds</p>",
        machine.cpus,
        escaped(&machine.processor()),
        escaped(&machine.kernel),
        escaped(&machine.date),
        escaped(machine.commit.as_deref().unwrap_or("unknown")),
        report.rounds_done,
        report.rounds
    );
    page.push_str(
        "<p>Each figure is the median of all rounds that ran in one placement of the CPUs; the thin \
         line, and the parentheses, show where the middle half lies. Ratios are of figures of the \
         same round. CPU is user and system time of both sides. All axes are logarithmic; a pointer \
         on a line or its name brings it out.</p>\n<p class=\"key\">",
    );
    for group in groups(report) {
        let _ = write!(
            page,
            "<span><i style=\"background: var(--{})\"></i>{group}</span>",
            class(group)
        );
    }
    page.push_str("</p>\n");
    page.push_str(&contents(report));
    for family in families(report) {
        page.push_str(&over_length(&family));
    }
    for (index, table) in report.tables.iter().enumerate() {
        page.push_str(&section(table, index));
    }
    page.push_str(&report.costs.as_ref().map_or(String::new(), steps));
    page.push_str("</body>\n</html>\n");
    page
}

/// A plot, which a narrow window scrolls.
fn plot(svg: Option<String>) -> String {
    svg.map_or(String::new(), |svg| format!("<div class=\"scroll\">\n{svg}</div>\n"))
}

/// Links to the tables.
fn contents(report: &Report) -> String {
    let tables = report.tables.iter().enumerate();
    let link = |(index, table): (usize, &Table)| {
        format!("<li><a href=\"#t{index}\">{}</a></li>\n", escaped(&table.scenario.to_string()))
    };
    let costs = report.costs.as_ref().map(|_| "<li><a href=\"#costs\">costs</a></li>\n");
    let links: String = tables.map(link).chain(costs.map(String::from)).collect();
    format!("<ul class=\"contents\">\n{links}</ul>\n")
}

fn class(group: Group) -> &'static str {
    match group {
        Group::Limit => "limit",
        Group::Plain => "plain",
        Group::Ring => "ring",
        Group::Kernel => "kernel",
        Group::Peer => "peer",
        Group::Threads => "threads",
    }
}

fn groups(report: &Report) -> Vec<Group> {
    let rows = report.tables.iter().flat_map(|table| &table.rows);
    let mut groups: Vec<Group> = rows.map(|row| row.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// Tables that differ by the length of messages alone, with at least three lengths.
fn families(report: &Report) -> Vec<Vec<&Table>> {
    let mut families: Vec<Vec<&Table>> = Vec::new();
    let key = |scenario: &Scenario| {
        let Scenario { flow, batch, wait, producers, consumers, .. } = scenario;
        (*flow == Flow::Throughput).then_some((*batch, *wait, *producers, *consumers))
    };
    for table in &report.tables {
        let Some(of_table) = key(&table.scenario) else { continue };
        match families.iter_mut().find(|family| key(&family[0].scenario) == Some(of_table)) {
            // Of several rooms for one length, the first counts.
            Some(family) => {
                let len = table.scenario.message_bytes;
                if family.iter().all(|other| other.scenario.message_bytes != len) {
                    family.push(table);
                }
            }
            None => families.push(vec![table]),
        }
    }
    families.retain(|family| family.len() >= 3);
    families.iter_mut().for_each(|family| family.sort_by_key(|it| it.scenario.message_bytes));
    families
}

fn over_length(family: &[&Table]) -> String {
    let Some(first) = family.first() else { return String::new() };
    let mut names: Vec<(&str, Group)> = Vec::new();
    for row in family.iter().flat_map(|table| &table.rows) {
        if names.iter().all(|(name, _)| *name != row.contender) {
            names.push((&row.contender, row.group));
        }
    }
    let point = |table: &&Table, name: &str| {
        let len = table.scenario.message_bytes as f64;
        Some((len, table.row(name)?.figure.median * len))
    };
    let line = |(name, group): (&str, Group)| {
        let points: Vec<_> = family.iter().filter_map(|table| point(table, name)).collect();
        let class = class(group);
        (points.len() >= 2).then(|| Line { name: name.to_owned(), points, class })
    };
    let lines = names.into_iter().filter_map(line).collect();
    let title = format!("Volume by length of message, {}", wait(first.scenario.wait));
    let lengths = family.iter().map(|table| table.scenario.message_bytes as u64);
    let labels = Labels {
        title: title.clone(),
        x: "length of a message",
        x_ticks: lengths.map(|len| (len as f64, bytes(len))).collect(),
        y_tick: units::volume_tick,
        falling: false,
    };
    let plot = plot(svg::lines(&labels, lines));
    format!("<h2>{}</h2>\n{plot}", escaped(&title))
}

fn wait(wait: Wait) -> String {
    format!("{wait} waiting").replace("spinning waiting", "spinning")
}

fn section(table: &Table, index: usize) -> String {
    let Table { scenario, .. } = table;
    let mut text = format!("<h2 id=\"t{index}\">{}</h2>\n", escaped(&scenario.to_string()));
    text.push_str(&ladder(table));
    if scenario.flow.is_latency() {
        text.push_str(&distribution(table));
    }
    text.push_str(&figures(table));
    text.push_str("<ul class=\"remarks\">\n");
    if let Some(probe) = &table.probe_ns {
        let placement = table.placement.map_or(String::new(), |placement| format!(", {placement}"));
        let _ = writeln!(
            text,
            "<li>A cache line took {:.0} ns ({:.0}..{:.0}) from one CPU to the other{placement}.</li>",
            probe.median, probe.q1, probe.q3
        );
    }
    let counts = [
        super::counted(table.dropped_runs, "dropped and repeated: the CPUs moved"),
        super::counted(table.left_out_runs, "left out: in another placement"),
    ];
    for line in counts.into_iter().flatten() {
        let _ = writeln!(text, "<li>{line}</li>");
    }
    text.push_str(&remarks(&table.absent, &table.warnings));
    text.push_str("</ul>\n");
    text
}

fn remarks(absent: &[Absent], warnings: &[String]) -> String {
    let absent = absent.iter().map(|Absent { name, failed, why }| {
        let verb = if *failed { "failed" } else { "skipped" };
        format!("{name} {verb}: {why}")
    });
    let line = |words: String| format!("<li class=\"warning\">{}</li>\n", escaped(&words));
    absent.chain(warnings.iter().cloned()).map(line).collect()
}

/// The costs of single steps: those that take time, then those that move bytes.
fn steps(costs: &Costs) -> String {
    let mut text = String::from("<h2 id=\"costs\">Costs of single steps, on one CPU</h2>\n");
    for (unit, title) in [(Unit::Ns, "Time of one step"), (Unit::GbPerS, "Bytes copied")] {
        let rows: Vec<&CostRow> = costs.rows.iter().filter(|row| row.unit == unit).collect();
        let bars: Vec<Bar> = rows.iter().map(|row| bar_of_cost(row)).collect();
        let tick = match unit {
            Unit::Ns => units::time_tick,
            Unit::GbPerS => |gb_per_second| units::volume_tick(gb_per_second * 1e9),
        };
        text.push_str(&plot(svg::bars(title, &bars, tick)));
    }
    text.push_str("<div class=\"scroll\"><table>\n");
    text.push_str("<tr><th>step</th><th>median</th><th>middle half</th><th class=\"words\">what it is</th></tr>\n");
    for row in &costs.rows {
        let words = units::of_cost(row.unit);
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td class=\"words\">{}</td></tr>",
            escaped(&row.cost),
            words(row.figure.median),
            units::range(row.figure.q1, row.figure.q3, words),
            escaped(&row.about)
        );
    }
    text.push_str("</table></div>\n<ul class=\"remarks\">\n");
    text.push_str(&remarks(&costs.absent, &costs.warnings));
    text.push_str("</ul>\n");
    text
}

fn bar_of_cost(row: &CostRow) -> Bar {
    Bar {
        name: row.cost.clone(),
        value: row.figure.median,
        low: row.figure.q1,
        high: row.figure.q3,
        label: units::of_cost(row.unit)(row.figure.median),
        class: class(Group::Limit),
    }
}

/// All contenders, the best first.
fn ladder(table: &Table) -> String {
    let latency = table.scenario.flow.is_latency();
    let mut rows: Vec<&Row> = table.rows.iter().collect();
    rows.sort_by(|a, b| a.figure.median.total_cmp(&b.figure.median));
    if !latency {
        rows.reverse();
    }
    let bar = |row: &&Row| Bar {
        name: row.contender.clone(),
        value: row.figure.median,
        low: row.figure.q1,
        high: row.figure.q3,
        label: units::of(&table.scenario)(row.figure.median),
        class: class(row.group),
    };
    let bars: Vec<Bar> = rows.iter().map(bar).collect();
    let tick = if latency { units::time_tick } else { units::rate_tick };
    plot(svg::bars(&table.scenario.to_string(), &bars, tick))
}

fn distribution(table: &Table) -> String {
    let line = |row: &Row| {
        let curve = &row.latency.as_ref()?.curve;
        let points = curve.iter().map(|(longer, ns)| (*longer, *ns as f64)).collect();
        Some(Line { name: row.contender.clone(), points, class: class(row.group) })
    };
    let lines: Vec<Line> = table.rows.iter().filter_map(line).collect();
    let rarest = lines.iter().flat_map(|line| &line.points).map(|(longer, _)| *longer);
    let rarest = rarest.fold(1.0, f64::min);
    let ticks = RARITIES.into_iter().filter(|(longer, _)| *longer >= rarest * 0.999);
    let labels = Labels {
        title: format!("Distribution: {}", table.scenario),
        x: "each step to the right is ten times rarer",
        x_ticks: ticks.map(|(longer, label)| (longer, label.to_owned())).collect(),
        y_tick: units::time_tick,
        falling: true,
    };
    plot(svg::lines(&labels, lines))
}

fn figures(table: &Table) -> String {
    let columns = columns(table, |row| row.contender.clone());
    let line = |index: usize, tag: &str| -> String {
        let cell = |column: &Column| format!("<{tag}>{}</{tag}>", escaped(&column.cells[index]));
        columns.iter().map(cell).collect()
    };
    let mut text = format!("<div class=\"scroll\"><table>\n<tr>{}</tr>\n", line(0, "th"));
    for (index, row) in table.rows.iter().enumerate() {
        let about = escaped(&row.about);
        let _ = writeln!(text, "<tr title=\"{about}\">{}</tr>", line(index + 1, "td"));
    }
    text.push_str("</table></div>\n");
    text
}
