//! What the rings are to reach: ratios between two rows of one table.

use std::fmt;

use crate::contender::{Room, Wait};
use crate::presets::{Planned, Who};
use crate::results::{Report, Row};
use crate::scenario::Scenario;
use crate::stats::Spread;

/// Against what a ring is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// Another row.
    Row(&'static str),
    /// The way of a cache line from one CPU to the other, just before and after the run.
    Probe,
}

/// One ratio that is to be reached.
#[derive(Clone, Debug)]
pub struct Goal {
    /// In which scenario.
    pub scenario: Scenario,
    /// Which ring.
    pub ring: &'static str,
    /// Held against what.
    pub against: Against,
    /// The ratio: at most this of a latency, at least this of a throughput.
    pub ratio: f64,
}

/// Whether a goal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The median is on the right side.
    Reached,
    /// The median is not, but the quarter of the runs that did best is.
    Near,
    /// It is not.
    Missed,
    /// There are no figures.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Verdict::Reached => "reached",
            Verdict::Near => "near",
            Verdict::Missed => "missed",
            Verdict::Unknown => "no figures",
        })
    }
}

impl Goal {
    /// What the report says of it.
    pub fn judge(&self, report: &Report) -> (Verdict, Option<Spread>) {
        let table = report.tables.iter().find(|table| table.scenario == self.scenario);
        let ratio = table.and_then(|table| {
            let row: &Row = table.row(self.ring)?;
            match self.against {
                Against::Row(other) => row.over(table.row(other)?),
                Against::Probe => row.over_probe(),
            }
        });
        let Some(spread) = ratio else { return (Verdict::Unknown, None) };
        let reached = |ratio: f64| match self.scenario.flow.is_latency() {
            true => ratio <= self.ratio,
            false => ratio >= self.ratio,
        };
        let best = if self.scenario.flow.is_latency() { spread.q1 } else { spread.q3 };
        let verdict = match (reached(spread.median), reached(best)) {
            (true, _) => Verdict::Reached,
            (false, true) => Verdict::Near,
            (false, false) => Verdict::Missed,
        };
        (verdict, Some(spread))
    }
}

/// All goals.
pub fn all() -> Vec<Goal> {
    let deep = Room::Messages(1024);
    let line = |scenario: &Scenario, ring, against, ratio| Goal {
        scenario: scenario.clone(),
        ring,
        against,
        ratio,
    };
    let mut goals = Vec::new();
    for (len, ratio) in [(8, 1.05), (56, 1.3), (64, 1.3)] {
        goals.push(line(&Scenario::ping_pong(len), "record ring", Against::Probe, ratio));
    }
    let words = Against::Row("packed words");
    let one = Scenario::throughput(8, deep);
    let batches = one.clone().batch(32);
    goals.push(line(&one, "packed ring", words, 1.0));
    goals.push(line(&batches, "packed ring", words, 2.2));
    goals.push(line(&one, "record ring", words, 0.6));
    goals.push(line(&batches, "record ring", words, 1.0));
    let spsc = Against::Row("plain spsc");
    for depth in [1024, 65_536] {
        let scenario = Scenario::throughput(64, Room::Messages(depth));
        goals.push(line(&scenario, "record ring", spsc, 1.2));
        goals.push(line(&scenario, "packed ring of lines", spsc, 1.2));
    }
    for room in [Room::Bytes(1 << 20), Room::Bytes(8 << 20)] {
        for (len, ratio) in [(1 << 10, 1.0), (4 << 10, 1.3), (64 << 10, 1.0)] {
            goals.push(line(&Scenario::throughput(len, room), "record ring", spsc, ratio));
        }
    }
    for len in [4 << 10, 64 << 10] {
        let scenario = Scenario::throughput(len, Room::Bytes(1 << 20)).in_place();
        goals.push(line(&scenario, "record ring", spsc, 1.3));
    }
    let mpmc = Against::Row("plain mpmc");
    for (producers, consumers) in [(1, 1), (2, 1), (2, 2), (4, 4)] {
        let scenario = match (producers, consumers) {
            (1, 1) => one.clone(),
            _ => one.clone().between(producers, consumers),
        };
        goals.push(line(&scenario, "mpmc ring", mpmc, 1.7));
    }
    let blocking = Scenario::ping_pong(8).wait(Wait::Block);
    goals.push(line(&blocking, "record ring", Against::Row("bare futex"), 1.1));
    goals
}

/// The tables that all goals need.
pub(crate) fn tables() -> Vec<Planned> {
    let mut tables: Vec<Planned> = Vec::new();
    for goal in all() {
        if tables.iter().all(|table| table.scenario != goal.scenario) {
            let who = Who::Named(&[
                "cache line",
                "bare futex",
                "packed words",
                "line ring",
                "plain spsc",
                "plain mpmc",
                "record ring",
                "packed ring",
                "packed ring of lines",
                "mpmc ring",
            ]);
            tables.push(Planned { scenario: goal.scenario, who });
        }
    }
    tables
}
