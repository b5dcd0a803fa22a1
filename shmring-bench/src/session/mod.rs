//! A session: every contender of every table once in each round, in turn forwards and backwards,
//! with a probe between any two runs. Whatever drifts falls on all of them, and a run under which
//! the CPUs moved is dropped and done again.

mod bench;
mod notes;
mod steps;
mod summary;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::contender::Unavailable;
use crate::contestant::Contestant;
use crate::machine::Machine;
use crate::measure::Outcome;
use crate::presets::Preset;
use crate::probe::Probe;
use crate::results::{Absent, Report, SCHEMA};
use crate::scenario::Scenario;
use crate::{Error, cpu};
use bench::{Bench, Workers};
use steps::Steps;

/// How often a run is redone because the CPUs moved under it.
const MAX_REDOS: u32 = 2;
/// What a run takes beside its own time: processes, memory, a probe. For the forecast.
const RUN_COST: Duration = Duration::from_millis(45);
/// The same for the check before the first round, its messages included.
const CHECK_COST: Duration = Duration::from_millis(60);

/// What a caller chooses.
#[derive(Clone, Debug)]
pub struct Choice {
    /// How many rounds.
    pub rounds: u32,
    /// Only contenders, scenarios and costs whose names contain this; references stay.
    pub only: String,
    /// The executable that workers run. Its `main` must call [`crate::intercept()`] first.
    pub executable: PathBuf,
    /// Begins the names of segments, before the process id and a random part.
    pub name_prefix: String,
}

/// How far a session has come.
#[derive(Clone, Debug)]
pub struct Progress<'a> {
    /// Runs that are done, checks included.
    pub done: u32,
    /// Runs that there will be.
    pub total: u32,
    /// What is running: a contender, or the costs.
    pub what: &'a str,
    /// In which scenario; none for the costs.
    pub scenario: Option<&'a Scenario>,
    /// A forecast.
    pub left: Duration,
}

impl std::fmt::Display for Progress<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.scenario {
            Some(scenario) => write!(f, "{}, {scenario}", self.what),
            None => f.write_str(self.what),
        }
    }
}

/// Called some twenty times a second. On [`ControlFlow::Break`] the session ends, and what is
/// complete is its result.
pub type Watch<'a> = dyn FnMut(&Progress<'_>) -> ControlFlow<()> + 'a;

/// A contender in a scenario.
struct Entry<'a> {
    contender: &'a Contestant,
    runs: Vec<Measured>,
    absent: Option<Absent>,
}

/// A run that counts, unless the placement is another than that of most.
struct Measured {
    round: u32,
    outcome: Outcome,
    before: Option<Probe>,
    after: Option<Probe>,
    moved: bool,
}

struct Sheet<'a> {
    scenario: &'a Scenario,
    reference: Option<&'static str>,
    entries: Vec<Entry<'a>>,
    dropped_runs: u32,
}

/// What a session will run, and how long that takes.
pub struct Session<'a> {
    preset: &'a Preset,
    choice: &'a Choice,
    sheets: Vec<Sheet<'a>>,
    steps: Option<Steps>,
    cpus: Option<[usize; 2]>,
    last_probe: Option<Probe>,
    start: Instant,
    /// Runs that there will be, and how long they take, about.
    total: u32,
    forecast: Duration,
    /// How much of that is done.
    done: u32,
    forecast_done: Duration,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("preset", &self.preset.name).finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// Plans a session of those of `contenders` that the preset's tables have room for.
    ///
    /// # Errors
    /// [`Error::Options`] if that is no contender.
    pub fn new(
        preset: &'a Preset,
        contenders: &'a [Contestant],
        choice: &'a Choice,
    ) -> Result<Session<'a>, Error> {
        let mut sheets = Vec::new();
        for table in &preset.tables {
            let whole = table.scenario.to_string().contains(&choice.only);
            let reference = table.reference();
            let mut wanted = false;
            let chosen = contenders.iter().filter(|contender| {
                let chosen = whole || contender.name.contains(&choice.only);
                let here = table.has(contender);
                wanted |= here && chosen;
                here && (chosen || Some(contender.name) == reference)
            });
            let entries: Vec<Entry<'_>> = chosen
                .map(|contender| Entry { contender, runs: Vec::new(), absent: None })
                .collect();
            if wanted {
                sheets.push(Sheet {
                    scenario: &table.scenario,
                    reference,
                    entries,
                    dropped_runs: 0,
                });
            }
        }
        let steps = if preset.costs { Steps::new(&choice.only) } else { None };
        if (sheets.is_empty() && steps.is_none()) || choice.rounds == 0 {
            let only = &choice.only;
            let what = format!(
                "there is nothing to measure: no round, or nothing whose name contains `{only}`"
            );
            return Err(Error::Options { what });
        }
        let rounds = choice.rounds;
        let entries: usize = sheets.iter().map(|sheet| sheet.entries.len()).sum();
        let of_sheet = |sheet: &Sheet<'_>| {
            (CHECK_COST + rounds * run_cost(sheet.scenario)) * sheet.entries.len() as u32
        };
        let of_steps = rounds * steps.as_ref().map_or(Duration::ZERO, Steps::round_cost);
        Ok(Session {
            preset,
            choice,
            total: entries as u32 * (1 + rounds) + rounds * u32::from(steps.is_some()),
            forecast: sheets.iter().map(of_sheet).sum::<Duration>() + of_steps,
            sheets,
            steps,
            cpus: cpu::pair(),
            last_probe: None,
            start: Instant::now(),
            done: 0,
            forecast_done: Duration::ZERO,
        })
    }

    /// How long it will take, about.
    pub fn forecast(&self) -> Duration {
        self.forecast
    }

    /// Contenders, scenarios and costs, for a head line.
    pub fn size(&self) -> (usize, usize, usize) {
        let entries = self.sheets.iter().flat_map(|sheet| &sheet.entries);
        let names: BTreeSet<&str> = entries.map(|entry| entry.contender.name).collect();
        (names.len(), self.sheets.len(), self.steps.as_ref().map_or(0, Steps::len))
    }

    /// Runs it all, or until `watch` breaks.
    ///
    /// # Errors
    /// Only if the harness itself fails. A contender that does is in the report.
    pub fn run(self, watch: &mut Watch<'_>) -> Result<Report, Error> {
        let mut workers = Workers {
            executable: &self.choice.executable,
            name_prefix: &self.choice.name_prefix,
            cpus: self.cpus,
        };
        self.run_on(&mut workers, watch)
    }

    fn run_on(mut self, bench: &mut dyn Bench, watch: &mut Watch<'_>) -> Result<Report, Error> {
        let machine = Machine::this();
        self.start = Instant::now();
        let rounds_done = match self.rounds(bench, watch) {
            Ok(rounds) => rounds,
            Err((rounds, Error::Stopped)) => rounds,
            Err((_, error)) => return Err(error),
        };
        let cpus = self.cpus.is_some();
        let tables = self.sheets.into_iter();
        Ok(Report {
            schema: SCHEMA.to_owned(),
            preset: self.preset.name.to_owned(),
            rounds: self.choice.rounds,
            rounds_done,
            costs: self.steps.map(Steps::report),
            tables: tables.filter_map(|sheet| summary::table(sheet, &machine, cpus)).collect(),
            machine,
        })
    }

    /// How many rounds are complete; the same beside an error.
    fn rounds(
        &mut self,
        bench: &mut dyn Bench,
        watch: &mut Watch<'_>,
    ) -> Result<u32, (u32, Error)> {
        self.check_all(bench, watch).map_err(|error| (0, error))?;
        for round in 1..=self.choice.rounds {
            self.read_costs(bench, round, watch).map_err(|error| (round - 1, error))?;
            for sheet in 0..self.sheets.len() {
                let count = self.sheets[sheet].entries.len();
                for entry in 0..count {
                    let entry = if round % 2 == 0 { count - 1 - entry } else { entry };
                    self.measure(bench, (sheet, entry), round, watch)
                        .map_err(|error| (round - 1, error))?;
                }
            }
        }
        Ok(self.choice.rounds)
    }

    fn read_costs(
        &mut self,
        bench: &mut dyn Bench,
        round: u32,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let Some(mut steps) = self.steps.take() else { return Ok(()) };
        let read = steps.read(bench, round, &mut |_| watch(&self.progress(steps::NAME, None)));
        let cost = steps.round_cost();
        self.steps = Some(steps);
        read?;
        self.step(cost);
        Ok(())
    }

    /// Runs each contender once with every byte checked. One that fails, or cannot run here, is
    /// out.
    fn check_all(&mut self, bench: &mut dyn Bench, watch: &mut Watch<'_>) -> Result<(), Error> {
        for sheet in 0..self.sheets.len() {
            for entry in 0..self.sheets[sheet].entries.len() {
                let Sheet { scenario, entries, .. } = &self.sheets[sheet];
                let (scenario, contender) = (*scenario, entries[entry].contender);
                let setting = scenario.setting(&self.choice.name_prefix);
                let absent = match (contender.obstacle)(&setting) {
                    Some(why) => Some(Absent { name: contender.name.into(), failed: false, why }),
                    None => self.attempt(bench, contender, scenario, true, watch)?.err(),
                };
                self.sheets[sheet].entries[entry].absent = absent;
                self.step(CHECK_COST);
            }
        }
        Ok(())
    }

    fn step(&mut self, cost: Duration) {
        self.done += 1;
        self.forecast_done += cost;
    }

    fn measure(
        &mut self,
        bench: &mut dyn Bench,
        (sheet, entry): (usize, usize),
        round: u32,
        watch: &mut Watch<'_>,
    ) -> Result<(), Error> {
        let Sheet { scenario, entries, .. } = &self.sheets[sheet];
        let (scenario, contender) = (*scenario, entries[entry].contender);
        if entries[entry].absent.is_none() {
            match self.steady(bench, contender, scenario, round, watch)? {
                Ok((measured, dropped)) => {
                    self.sheets[sheet].entries[entry].runs.push(measured);
                    self.sheets[sheet].dropped_runs += dropped;
                }
                Err(absent) => self.sheets[sheet].entries[entry].absent = Some(absent),
            }
        }
        self.step(run_cost(scenario));
        Ok(())
    }

    /// A run under which the CPUs did not move, if a few tries give one, and how many did not; or
    /// what the contender did wrong.
    fn steady(
        &mut self,
        bench: &mut dyn Bench,
        contender: &Contestant,
        scenario: &Scenario,
        round: u32,
        watch: &mut Watch<'_>,
    ) -> Result<Result<(Measured, u32), Absent>, Error> {
        let mut dropped = 0;
        loop {
            let before = match self.last_probe.take() {
                Some(probe) => Some(probe),
                None => {
                    bench.probe(&mut |_| watch(&self.progress(contender.name, Some(scenario))))?
                }
            };
            let outcome = match self.attempt(bench, contender, scenario, false, watch)? {
                Ok(outcome) => outcome,
                Err(absent) => return Ok(Err(absent)),
            };
            let after =
                bench.probe(&mut |_| watch(&self.progress(contender.name, Some(scenario))))?;
            self.last_probe = after;
            let moved = before.zip(after).is_some_and(|(before, after)| after.moved_since(&before));
            if !moved || dropped == MAX_REDOS {
                let measured = Measured { round, outcome, before, after, moved };
                return Ok(Ok((measured, dropped)));
            }
            dropped += 1;
        }
    }

    /// One run; what the contender did wrong, or the machine lacks, is told apart from what ends
    /// the session.
    fn attempt(
        &self,
        bench: &mut dyn Bench,
        contender: &Contestant,
        scenario: &Scenario,
        check: bool,
        watch: &mut Watch<'_>,
    ) -> Result<Result<Outcome, Absent>, Error> {
        let mut tick = |_| watch(&self.progress(contender.name, Some(scenario)));
        let name = contender.name.to_owned();
        Ok(match bench.run(contender, scenario, check, &mut tick) {
            Ok(outcome) => Ok(outcome),
            Err(Error::Stopped) => return Err(Error::Stopped),
            Err(Error::Prepare { source, .. }) if source.is::<Unavailable>() => {
                Err(Absent { name, failed: false, why: source.to_string() })
            }
            Err(error) => Err(Absent { name, failed: true, why: error.to_string() }),
        })
    }

    fn progress<'b>(&self, what: &'b str, scenario: Option<&'b Scenario>) -> Progress<'b> {
        let left = self.forecast.saturating_sub(self.forecast_done);
        // As much slower or faster as it was up to now.
        let pace = self.start.elapsed().as_secs_f64() / self.forecast_done.as_secs_f64().max(0.5);
        Progress {
            done: self.done,
            total: self.total,
            what,
            scenario,
            left: left.mul_f64(pace.clamp(0.5, 5.0)),
        }
    }
}

fn run_cost(scenario: &Scenario) -> Duration {
    scenario.run_time() + RUN_COST
}

#[cfg(test)]
mod tests;
