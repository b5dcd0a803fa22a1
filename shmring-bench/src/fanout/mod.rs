//! One producer and several subscribers, each of which receives each message.
//!
//! Every end is a process of its own (or a thread, of mechanisms between threads): the producer on
//! one CPU, all subscribers on the other. All mechanisms are measured in rounds, forwards and
//! backwards in turn, in all scenarios, after each was checked once with every byte of every
//! message written and compared. A run during which the probe moved is made again.

mod contender;
mod contenders;
mod loops;
mod report;
mod run;
mod scenarios;

use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[cfg(feature = "peers")]
pub(crate) use contender::FanOutInProcess;
pub(crate) use contender::{Entry, FanOut, Lossy, Nature, Received, Shared, Subscriber};
pub(crate) use loops::Order;
pub use report::text;
pub use scenarios::{Flow, Scenario};

use crate::contender::{BoxError, Group, Place, Unavailable};
use crate::measure::Stage;
use crate::probe::{self, Probe};
use crate::stats::{Percentiles, Spread};
use crate::worker::Control;
use crate::{Error, cpu};
use run::Outcome;

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
    /// CPUs on which the session could run.
    pub cpus: usize,
    /// Rounds of each.
    pub rounds: u32,
    /// A cache line's way from one CPU to the other, before and after each run, in ns.
    pub probe_ns: Option<Spread>,
    /// One for each scenario.
    pub tables: Vec<Table>,
    /// What the number of subscribers adds to the producer's cost.
    pub costs: Vec<Cost>,
}

/// All mechanisms in one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// What they do.
    pub scenario: Scenario,
    /// The mechanism to whose figures the ratios are; none if it was not measured.
    pub reference: Option<String>,
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
    /// What kind of mechanism it is.
    pub group: Group,
    /// What it is, and how it was used.
    pub about: String,
    /// Messages a second; of bursts, the last subscriber's latency in ns (the median of each run);
    /// of kills, the time in ns from the kill until the producer's send returned (the median of
    /// each round).
    pub figure: Spread,
    /// The figure over the reference's of the same round.
    pub ratio: Option<Spread>,
    /// Of all latencies, or of all kills, in ns.
    pub percentiles: Option<Percentiles>,
    /// How many of these there were.
    pub count: usize,
    /// The producer's time for each message in ns: of a send in bursts, else CPU time.
    pub send_ns: Spread,
    /// CPU time of all ends for each message that a subscriber received, in ns. A producer that
    /// spins until bursts are due has only its sends counted.
    pub cpu_ns: Spread,
    /// The share of messages that lossy subscribers missed.
    pub missed: Option<Spread>,
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

/// What a send costs the producer with the most subscribers, over what it costs with one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// The mechanism.
    pub contender: String,
    /// The scenario with the most subscribers.
    pub scenario: Scenario,
    /// The ratio, round by round.
    pub ratio: Spread,
}

/// Does a worker's part.
pub(crate) fn work(
    contender: &str,
    order: &Order,
    place: Place,
    control: &mut Control,
) -> Result<Value, BoxError> {
    let len = place.setting.message_bytes;
    let found = contenders::all().find(|entry| {
        // Several have one name if it is compiled for lengths of messages.
        entry.name == contender && entry.nature.sizes.contain(len)
    });
    let entry = found.ok_or_else(|| format!("there is no `{contender}` for {len} bytes"))?;
    (entry.part)(order, place, control)
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
    fn give_up(&mut self, error: &Error, flow: Flow) {
        let (failed, why) = match error {
            Error::Prepare { source, .. } if source.is::<Unavailable>() => {
                (false, error.to_string())
            }
            // It was checked before: what it does not come back from is the death.
            Error::TimedOut { limit, .. } if flow == Flow::Kill => {
                (false, format!("the producer was held up for more than {} s", limit.as_secs()))
            }
            _ => (true, error.to_string()),
        };
        self.absent = Some(Absent { contender: self.entry.name.to_owned(), failed, why });
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
                stop(&error)?;
                runs.give_up(&error, Flow::Throughput);
            }
        }
    }
    for round in 1..=plan.rounds {
        for sheet in &mut sheets {
            if round % 2 == 0 {
                sheet
                    .entries
                    .iter_mut()
                    .rev()
                    .try_for_each(|runs| hall.round(&sheet.scenario, runs))?;
            } else {
                sheet.entries.iter_mut().try_for_each(|runs| hall.round(&sheet.scenario, runs))?;
            }
        }
    }
    Ok(Measured {
        cpus: cpu::count(),
        rounds: plan.rounds,
        probe_ns: Spread::of(hall.probes_ns),
        costs: report::costs(&sheets),
        tables: sheets.into_iter().map(report::table).collect(),
    })
}

fn sheets(plan: &Plan) -> Vec<Sheet> {
    let sheet = |scenario: Scenario| {
        let chosen = |entry: &Entry| {
            let named = entry.name.contains(&plan.contender);
            scenario.suits(entry) && (named || entry.name == scenario.reference())
        };
        let entries: Vec<Entry> = contenders::all().filter(|entry| chosen(entry)).collect();
        let named = entries.iter().any(|entry| entry.name.contains(&plan.contender));
        let runs = |entry| Runs { entry, absent: None, rounds: Vec::new() };
        let entries = entries.into_iter().map(runs).collect();
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

/// What ends a session, rather than a mechanism's part in it.
fn stop(error: &Error) -> Result<(), BoxError> {
    if matches!(error, Error::Stopped) { Err("interrupted".into()) } else { Ok(()) }
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
        let count = if scenario.flow == Flow::Kill { self.plan.kills } else { 1 };
        for _ in 0..count {
            if runs.absent.is_some() {
                return Ok(());
            }
            match self.steady(&runs.entry, scenario) {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) => {
                    stop(&error)?;
                    runs.give_up(&error, scenario.flow);
                }
            }
        }
        runs.rounds.push(outcomes);
        Ok(())
    }

    /// A run under which the CPUs did not move, if a few tries give one.
    fn steady(&mut self, entry: &Entry, scenario: &Scenario) -> Result<Outcome, Error> {
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
