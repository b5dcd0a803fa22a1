//! Many producers: lines of a log to one process, jobs to several, and jobs of killed workers.
//!
//! Every end is a process of its own: the producers on one CPU, those that receive on the other. All
//! mechanisms are measured in rounds, forwards and backwards in turn, after each was checked once
//! with every byte of every message written and compared. A run during which the probe moved is
//! made again.

mod ends;
mod jobs;
mod log;
mod report;
mod run;
mod scenarios;
mod ways;

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) use ends::Order;
pub use report::text;
pub use scenarios::{Flow, Scenario};

use crate::contender::{BoxError, Place, Unavailable};
use crate::measure::Stage;
use crate::probe::{self, Probe};
use crate::stats::{Percentiles, Spread};
use crate::worker::Control;
use crate::{Error, cpu};
use run::Outcome;
use ways::Entry;

/// How often a run under which the CPUs moved is made again.
const MAX_REDOS: u32 = 3;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often each mechanism runs in each scenario.
    pub rounds: u32,
    /// Kills in a round.
    pub kills: u32,
    /// What is asked of the mechanisms.
    pub scenarios: Vec<Scenario>,
    /// Only mechanisms whose names contain this, and those that they are compared with.
    pub contender: String,
    /// The executable that workers run.
    pub executable: PathBuf,
    /// Beginning of the names of segments.
    pub name_prefix: String,
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Rounds of each.
    pub rounds: u32,
    /// A cache line's way from one CPU to the other, before and after each run, in ns.
    pub probe_ns: Option<Spread>,
    /// One for each scenario.
    pub tables: Vec<Table>,
}

/// All mechanisms in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What they do.
    pub scenario: Scenario,
    /// The mechanism to whose figures the ratios are; none if it was not measured.
    pub reference: Option<String>,
    /// The kernel's mechanism with the largest figure, if one was measured.
    pub best_of_kernel: Option<String>,
    /// Those that were measured.
    pub rows: Vec<Row>,
    /// Those that were not, and why.
    pub absent: Vec<Absent>,
}

/// One mechanism in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub contender: String,
    /// What it is, and how it was used.
    pub about: String,
    /// Messages a second; of kills, the time in ns from the kill until another worker had the job
    /// (the median of each round).
    pub figure: Spread,
    /// The figure over the reference's of the same round.
    pub ratio: Option<Spread>,
    /// The figure over that of the kernel's best mechanism, of the same round.
    pub kernel_ratio: Option<Spread>,
    /// Of all kills, in ns.
    pub percentiles: Option<Percentiles>,
    /// The same after the kernel had ended the killed process.
    pub after_end: Option<Percentiles>,
    /// How many kills there were.
    pub count: usize,
    /// Bytes of messages a second.
    pub bytes_per_second: Spread,
    /// CPU time of all ends for each message, in ns; of kills, the surviving worker's.
    pub cpu_ns: Spread,
}

/// A mechanism without a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// Its name.
    pub contender: String,
    /// Whether it did wrong, rather than that the machine lacks something.
    pub failed: bool,
    /// What it did, or what the machine lacks.
    pub why: String,
}

/// Does a worker's part.
pub(crate) fn work(order: &Order, place: Place, control: &mut Control) -> Result<Value, BoxError> {
    let found = ways::ALL
        .iter()
        .find(|entry| entry.flow == order.scenario.flow && entry.name == order.contender);
    let entry = found.ok_or_else(|| format!("there is no `{}`", order.contender))?;
    Ok(serde_json::to_value((entry.part)(order, place, control)?)?)
}

/// A scenario's runs so far, by mechanism and round.
struct Sheet {
    scenario: Scenario,
    entries: Vec<Runs>,
}

struct Runs {
    entry: Entry,
    absent: Option<Absent>,
    rounds: Vec<Vec<Outcome>>,
}

impl Runs {
    /// Notes why there are no figures; gives back what ends the session.
    fn give_up(&mut self, error: Error) -> Result<(), BoxError> {
        if matches!(error, Error::Stopped) {
            return Err("interrupted".into());
        }
        let lacks = matches!(&error, Error::Prepare { source, .. } if source.is::<Unavailable>());
        let (contender, why) = (self.entry.name.to_owned(), error.to_string());
        self.absent = Some(Absent { contender, failed: !lacks, why });
        Ok(())
    }
}

/// Measures all mechanisms.
///
/// # Errors
/// If nothing suits the plan, or `go_on` breaks.
pub fn measure(
    plan: &Plan,
    go_on: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Measured, BoxError> {
    let mut sheets = sheets(plan);
    if sheets.is_empty() {
        return Err("no mechanism and scenario has such a name".into());
    }
    let mut hall = Hall { plan, cpus: cpu::pair(), probes_ns: Vec::new(), last: None, go_on };
    for sheet in &mut sheets {
        for runs in &mut sheet.entries {
            if let Err(error) = hall.run(&runs.entry, &sheet.scenario, true) {
                runs.give_up(error)?;
            }
        }
    }
    for round in 1..=plan.rounds {
        for Sheet { scenario, entries } in &mut sheets {
            if round % 2 == 0 {
                entries.iter_mut().rev().try_for_each(|runs| hall.round(scenario, runs))?;
            } else {
                entries.iter_mut().try_for_each(|runs| hall.round(scenario, runs))?;
            }
        }
    }
    Ok(Measured {
        rounds: plan.rounds,
        probe_ns: Spread::of(hall.probes_ns),
        tables: sheets.into_iter().map(report::table).collect(),
    })
}

fn sheets(plan: &Plan) -> Vec<Sheet> {
    let sheet = |scenario: Scenario| {
        let is_named = |entry: &Entry| entry.name.contains(&plan.contender);
        let of_flow = || ways::ALL.into_iter().filter(|entry| entry.flow == scenario.flow);
        let named = of_flow().any(|entry| is_named(&entry));
        let chosen = |entry: &Entry| is_named(entry) || entry.name == scenario.reference();
        let runs = |entry| Runs { entry, absent: None, rounds: Vec::new() };
        let entries = of_flow().filter(chosen).map(runs).collect();
        named.then_some(Sheet { scenario, entries })
    };
    plan.scenarios.iter().cloned().filter_map(sheet).collect()
}

/// The scenarios whose titles contain all of these texts.
pub fn scenarios(only: &[String]) -> Vec<Scenario> {
    let mut all = scenarios::all();
    all.retain(|scenario| {
        let title = scenario.to_string();
        only.iter().all(|part| title.contains(part))
    });
    all
}

/// Where runs take place.
struct Hall<'a> {
    plan: &'a Plan,
    cpus: Option<[usize; 2]>,
    probes_ns: Vec<f64>,
    last: Option<Probe>,
    go_on: &'a mut dyn FnMut() -> ControlFlow<()>,
}

impl Hall<'_> {
    /// A round of one mechanism: one run, or several kills.
    fn round(&mut self, scenario: &Scenario, runs: &mut Runs) -> Result<(), BoxError> {
        let mut outcomes = Vec::new();
        let count = if scenario.flow == Flow::Killed { self.plan.kills } else { 1 };
        for _ in 0..count {
            if runs.absent.is_some() {
                return Ok(());
            }
            match self.steady(&runs.entry, scenario) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => runs.give_up(error)?,
            }
        }
        runs.rounds.push(outcomes);
        Ok(())
    }

    /// A run under which the CPUs did not move, if a few tries give one. A kill is not made again.
    fn steady(&mut self, entry: &Entry, scenario: &Scenario) -> Result<Outcome, Error> {
        if scenario.flow == Flow::Killed {
            return self.run(entry, scenario, false);
        }
        let mut redos = 0;
        loop {
            let before = match self.last.take() {
                None => self.probe()?,
                probe => probe,
            };
            let outcome = self.run(entry, scenario, false)?;
            self.last = self.probe()?;
            let moved = before.zip(self.last).is_some_and(|(it, other)| it.moved_since(&other));
            if !moved || redos == MAX_REDOS {
                return Ok(outcome);
            }
            redos += 1;
        }
    }

    fn probe(&mut self) -> Result<Option<Probe>, Error> {
        let tick = &mut |_| (self.go_on)();
        let probe = probe::run(&self.plan.executable, self.cpus, tick)?;
        self.probes_ns.extend(probe.map(|probe| probe.one_way_ns));
        Ok(probe)
    }

    fn run(&mut self, entry: &Entry, scenario: &Scenario, check: bool) -> Result<Outcome, Error> {
        let Plan { executable, name_prefix, .. } = self.plan;
        let stage = Stage { executable, name_prefix, cpus: self.cpus };
        run::run(entry, scenario, check, stage, &mut |_| (self.go_on)())
    }
}
