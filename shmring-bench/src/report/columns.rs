//! The columns of a scenario's table, for text and page.

use super::units;
use crate::contender::Wait;
use crate::results::{Row, Table};
use crate::scenario::Flow;

/// A column of a table.
pub(super) struct Column {
    /// The heading and a cell for each row.
    pub(super) cells: Vec<String>,
    /// Which one goes first if there are too many; zero for those that stay.
    pub(super) dispensable: u8,
}

/// Percentiles by what they tell that the others do not: the figure is a median already.
const PERCENTILES: [(&str, u8); 5] =
    [("p50", 4), ("p90", 5), ("p99", 0), ("p99.9", 3), ("p99.99", 2)];

/// All columns that are not empty, the first with what `name` calls the contenders.
pub(super) fn columns(sheet: &Table, name: fn(&Row) -> String) -> Vec<Column> {
    let Table { scenario, reference, .. } = sheet;
    let latency = scenario.flow.is_latency();
    let column = |head: &str, dispensable: u8, cell: &dyn Fn(&Row) -> String| {
        let cells = std::iter::once(head.to_owned()).chain(sheet.rows.iter().map(cell)).collect();
        Column { cells, dispensable }
    };
    let reference = reference.as_deref().map_or(String::new(), |name| format!("x {name}"));
    let figure = units::of(scenario);
    let mut columns = vec![
        column("", 0, &name),
        column(if latency { "one way" } else { "messages" }, 0, &|row| figure(row.figure.median)),
        column(&reference, 0, &|row| row.ratio.as_ref().map_or(String::new(), units::ratio)),
    ];
    // To wait for a wake-up, or for when a message is due, is nothing beside a cache line's way.
    if scenario.flow == Flow::PingPong && scenario.wait == Wait::Spin {
        let over_probe = |row: &Row| row.probe_ratio.as_ref().map_or(String::new(), units::ratio);
        columns.push(column("x probe", 6, &over_probe));
    }
    if latency {
        columns.extend(PERCENTILES.into_iter().enumerate().map(|(index, (head, dispensable))| {
            column(head, dispensable, &|row| {
                time(row.latency.as_ref().and_then(|latency| latency.percentiles[index]))
            })
        }));
        columns.push(column("max", 0, &|row| time(row.latency.as_ref().map(|it| it.max))));
    } else {
        let len = scenario.message_bytes as f64;
        columns.push(column("volume", 0, &|row| units::volume(row.figure.median * len)));
        columns.push(column("middle half", 2, &|row| {
            units::range(row.figure.q1, row.figure.q3, units::rate)
        }));
    }
    columns.push(column("CPU/msg", 0, &|row| units::time(row.cpu_ns_per_message.median)));
    // Of a sender and a receiver that sleep, this is what the table is about.
    if matches!(scenario.flow, Flow::Paced { .. }) {
        let cpu_ratio = |row: &Row| row.cpu_ratio.as_ref().map_or(String::new(), units::ratio);
        columns.push(column(&format!("CPU {reference}"), 1, &cpu_ratio));
    }
    columns.push(column("switches", 0, &|row| units::often(row.switches_per_message.median)));
    columns.retain(|column| !column.cells.iter().skip(1).all(String::is_empty));
    columns
}

fn time(ns: Option<u64>) -> String {
    ns.map_or(String::new(), |ns| units::time(ns as f64))
}
