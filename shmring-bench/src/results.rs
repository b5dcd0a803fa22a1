//! What a session gives: tables of scenarios with a row for each contender. This is also the JSON
//! that is written, and read again to be compared or drawn.

use serde::{Deserialize, Serialize};

use crate::contender::Group;
use crate::costs::Unit;
use crate::machine::Machine;
use crate::measure::{Latencies, PERCENTILES};
use crate::probe::Placement;
use crate::scenario::Scenario;
use crate::stats::Spread;

/// Names the form of [`Report`]. It changes whenever a field is removed or means something else.
pub const SCHEMA: &str = "shmring-bench/2";

/// A session's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: String,
    /// The preset.
    pub preset: String,
    /// Where and when.
    pub machine: Machine,
    /// Rounds that were asked for.
    pub rounds: u32,
    /// Rounds that are complete.
    pub rounds_done: u32,
    /// What single steps cost; none if the preset does not ask.
    pub costs: Option<Costs>,
    /// One for each scenario.
    pub tables: Vec<Table>,
}

/// What single steps cost on one CPU, whatever moves messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The steps, in the order of the list.
    pub rows: Vec<CostRow>,
    /// Which have no row, and why.
    pub absent: Vec<Absent>,
    /// What to know before believing the figures.
    pub warnings: Vec<String>,
}

/// A step's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostRow {
    /// Its name.
    pub cost: String,
    /// What is done.
    pub about: String,
    /// What the figures count.
    pub unit: Unit,
    /// Of all rounds.
    pub figure: Spread,
    /// One for each round.
    pub runs: Vec<f64>,
}

/// A scenario's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What all of them did.
    pub scenario: Scenario,
    /// To whom the others' figures are put in relation; none if that one has no row.
    pub reference: Option<String>,
    /// Figures of all rounds are from one placement, if it is known.
    pub placement: Option<Placement>,
    /// From one CPU to the other, in ns, before and after the runs that count.
    pub probe_ns: Option<Spread>,
    /// Runs that were dropped and done again, because the CPUs moved under them.
    pub dropped_runs: u32,
    /// Runs that are left out, because they were in another placement than most.
    pub left_out_runs: u32,
    /// The contenders, in the order of the list.
    pub rows: Vec<Row>,
    /// The contenders without a row, and the reasons.
    pub absent: Vec<Absent>,
    /// What to know before believing the figures.
    pub warnings: Vec<String>,
}

/// A contender or a cost without a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// Its name.
    pub name: String,
    /// Whether it did something wrong, rather than that the machine cannot run it.
    pub failed: bool,
    /// What it did, or what the machine lacks.
    pub why: String,
}

/// A contender's results.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub contender: String,
    /// What kind of mechanism it is.
    pub group: Group,
    /// What it is, and how it was used.
    pub about: String,
    /// The room that it obtained in bytes; 0 if it does not tell.
    pub capacity_bytes: u64,
    /// ns for a message one way, or messages a second, as the scenario wants.
    pub figure: Spread,
    /// The figure over the reference's of the same round.
    pub ratio: Option<Spread>,
    /// Of a latency: the figure over the probe of the same run.
    pub probe_ratio: Option<Spread>,
    /// User and system time of both sides for each message.
    pub cpu_ns_per_message: Spread,
    /// That time over the reference's of the same round.
    pub cpu_ratio: Option<Spread>,
    /// How often a side went to sleep or was made to give way, for each message.
    pub switches_per_message: Spread,
    /// Times of single messages of all rounds.
    pub latency: Option<Latency>,
    /// The runs that count.
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// From 1.
    pub round: u32,
    /// As [`Row::figure`].
    pub figure: f64,
    /// As [`Row::cpu_ns_per_message`]; none in sessions from before it was recorded.
    pub cpu_ns_per_message: Option<f64>,
    /// From one CPU to the other in ns, before and after; none without two CPUs.
    pub probe_ns: Option<[f64; 2]>,
    /// Messages that came through.
    pub messages: u64,
    /// From the first start to the last stop.
    pub seconds: f64,
}

/// Times of single messages, in ns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many were timed.
    pub count: u64,
    /// 50, 90, 99, 99.9 and 99.99 of 100 took at most this; none where fewer than one message took
    /// longer, of which the percentile would be the longest only.
    pub percentiles: [Option<u64>; 5],
    /// The longest.
    pub max: u64,
    /// Points of the distribution: the part that took longer, from 1 down, and at most how long
    /// the others took.
    pub curve: Vec<(f64, u64)>,
}

/// Points of a curve for each tenfold of rarity.
const CURVE_STEPS: i32 = 8;
/// Tenfolds of rarity.
const CURVE_DECADES: i32 = 5;

impl Latency {
    /// `None` if nothing was timed.
    pub fn of(latencies: &Latencies) -> Option<Latency> {
        let count = latencies.count();
        let at = |percent: f64| latencies.percentile(percent).unwrap_or(0);
        let points = (0..=CURVE_STEPS * CURVE_DECADES).map(|step| {
            let longer = 10f64.powf(-f64::from(step) / f64::from(CURVE_STEPS));
            (longer, at((1.0 - longer) * 100.0))
        });
        // A part of less than one message says nothing.
        let curve = points.take_while(|(longer, _)| longer * count as f64 >= 1.0).collect();
        let told = |percent: f64| {
            let longer = (1.0 - percent / 100.0) * count as f64;
            // Rounding must not take the one message that does.
            (longer >= 0.999).then(|| at(percent))
        };
        let max = latencies.max()?;
        Some(Latency { count, percentiles: PERCENTILES.map(told), max, curve })
    }
}

impl Costs {
    /// A step's row.
    pub fn row(&self, cost: &str) -> Option<&CostRow> {
        self.rows.iter().find(|row| row.cost == cost)
    }
}

impl Table {
    /// A contender's row.
    pub fn row(&self, contender: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.contender == contender)
    }
}

impl Row {
    /// This row's figure over another's, round by round.
    pub fn over(&self, other: &Row) -> Option<Spread> {
        self.ratio_of(other, |run| Some(run.figure))
    }

    /// This row's CPU time over another's, round by round.
    pub fn cpu_over(&self, other: &Row) -> Option<Spread> {
        // A run in which the kernel counted no time has no ratio.
        self.ratio_of(other, |run| run.cpu_ns_per_message.filter(|ns| *ns > 0.0))
    }

    fn ratio_of(&self, other: &Row, of: impl Fn(&Run) -> Option<f64>) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(|run| {
            let same = other.runs.iter().find(|theirs| theirs.round == run.round)?;
            Some(of(run)? / of(same)?)
        }))
    }

    /// The figure over the probe of the same run.
    pub fn over_probe(&self) -> Option<Spread> {
        Spread::of(self.runs.iter().filter_map(|run| {
            let [before, after] = run.probe_ns?;
            Some(run.figure / ((before + after) / 2.0))
        }))
    }
}

#[cfg(test)]
#[path = "results_tests.rs"]
pub(crate) mod tests;
