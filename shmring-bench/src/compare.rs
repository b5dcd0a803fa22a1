//! Several contenders in alternating rounds, each run between two probes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contestant::Contestant;
use crate::stats::Spread;
use crate::worker::Tick;
use crate::{Error, Options, Placement, Probe, Progress, Transfer, Watch, cpu, probe, transfer};

/// How often a run is redone because the CPUs moved under it. A machine that moves them more often
/// than that has no steady figure to offer.
const MAX_REDOS: u32 = 2;
/// Shorter runs are mostly start-up.
const SHORT_SECONDS: f64 = 0.1;
/// Largest over smallest figure of one contender beyond which more rounds are advised.
const WIDE_RATIO: f64 = 1.5;
/// A worker that waits for its CPU for a larger part of the run shares it with other work.
const BUSY_FRACTION: f64 = 0.1;

/// What a comparison gave.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Comparison {
    /// Bytes moved in each run.
    pub bytes: u64,
    /// Messages moved in each run.
    pub messages: u64,
    /// Rounds, in each of which every contender ran once.
    pub rounds: u32,
    /// Runs that were dropped, and done again, because the CPUs moved under them.
    pub dropped_runs: u32,
    /// One for each contender, in the order given.
    pub contenders: Vec<Summary>,
    /// What to know before believing the figures.
    pub warnings: Vec<Warning>,
}

/// One contender's figures over all rounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// Its name.
    pub contender: String,
    /// What it is and how it was used.
    pub about: String,
    /// The capacity it obtained.
    pub capacity_bytes: u64,
    /// Millions of bytes a second.
    pub mb_per_s: Spread,
    /// Messages a second.
    pub messages_per_s: Spread,
    /// User and system time of both sides.
    pub cpu_ns_per_message: Spread,
    /// The producer's part of it.
    pub producer_cpu_ns_per_message: Spread,
    /// The consumer's part of it.
    pub consumer_cpu_ns_per_message: Spread,
    /// The runs that these figures are made of.
    pub runs: Vec<Run>,
}

/// A transfer between two probes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// What it gave.
    pub transfer: Transfer,
    /// The probe just before it; none without two CPUs.
    pub before: Option<Probe>,
    /// The probe just after it.
    pub after: Option<Probe>,
    /// Whether the two disagree, so that the run is of no one placement.
    pub moved: bool,
}

/// What to know before believing the figures. `Display` says it in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// There are no two CPUs for the two workers.
    OneCpu,
    /// The CPUs moved under some runs, also when these were repeated.
    Moved {
        /// Whose runs.
        contender: String,
        /// How many.
        runs: usize,
    },
    /// Some rounds ran in one placement and some in another.
    Placements {
        /// Which, in the order of distance.
        placements: Vec<Placement>,
    },
    /// Other work took the workers' CPUs.
    Busy {
        /// Whose workers.
        contender: String,
        /// The part of a run that a worker spent ready, but waiting for its CPU.
        waited_fraction: f64,
    },
    /// Runs were short.
    Short {
        /// Whose runs.
        contender: String,
        /// The shortest.
        seconds: f64,
    },
    /// Runs differ much.
    Wide {
        /// Whose runs.
        contender: String,
        /// The fastest over the slowest.
        ratio: f64,
    },
    /// Not all have the same room between their ends.
    Capacity {
        /// Contenders with another capacity than the configured one.
        contender: String,
        /// The capacity it has.
        capacity_bytes: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::OneCpu => write!(
                f,
                "both workers share one CPU and are not pinned: they take turns, and these figures \
                 say nothing about two CPUs"
            ),
            Warning::Moved { contender, runs } => write!(
                f,
                "{contender}: the CPUs moved under {runs} of its runs, also when they were \
                 repeated; those figures belong to no one placement"
            ),
            Warning::Placements { placements } => {
                write!(f, "the rounds ran in different placements: ")?;
                for (index, placement) in placements.iter().enumerate() {
                    write!(f, "{}{placement}", if index == 0 { "" } else { ", " })?;
                }
                write!(f, "; the median mixes them")
            }
            Warning::Busy { contender, waited_fraction } => write!(
                f,
                "{contender}: other programs had its CPUs for {:.0} % of the time; a quiet machine \
                 would give better figures",
                waited_fraction * 100.0
            ),
            Warning::Short { contender, seconds } => write!(
                f,
                "{contender}: a run took only {:.0} ms; move more bytes for a figure to rely on",
                seconds * 1e3
            ),
            Warning::Wide { contender, ratio } => write!(
                f,
                "{contender}: the fastest run is {ratio:.1} times the slowest; do more rounds"
            ),
            Warning::Capacity { contender, capacity_bytes } => write!(
                f,
                "{contender}: has a buffer of {capacity_bytes} bytes, not what was asked for"
            ),
        }
    }
}

/// Runs all contenders once in each round, in turn forwards and backwards, so that whatever drifts
/// falls on all of them.
pub fn compare(
    contenders: &[Contestant],
    options: &Options,
    rounds: u32,
    watch: &mut Watch<'_>,
) -> Result<Comparison, Error> {
    if contenders.is_empty() || rounds == 0 {
        let what = String::from("there is nothing to compare: no contenders, or no rounds");
        return Err(Error::Options { what });
    }
    let size = options.plan()?.size();
    let cpus = cpu::pair();
    let mut runs: Vec<Vec<Run>> = contenders.iter().map(|_| Vec::new()).collect();
    let mut dropped_runs = 0;
    for round in 1..=rounds {
        let mut order: Vec<usize> = (0..contenders.len()).collect();
        if round % 2 == 0 {
            order.reverse();
        }
        for index in order {
            let contender = &contenders[index];
            let mut tick = |bytes_received| {
                let contender = contender.name;
                let bytes_total = size.bytes;
                watch(&Progress { contender, round, rounds, bytes_received, bytes_total })
            };
            let (run, dropped) = steady_run(contender, options, cpus, &mut tick)?;
            runs[index].push(run);
            dropped_runs += dropped;
        }
    }
    let summaries = contenders.iter().zip(runs);
    let summaries: Vec<Summary> =
        summaries.filter_map(|(contender, runs)| summarise(contender, runs)).collect();
    let warnings = warnings(&summaries, cpus.is_none(), options.capacity_bytes);
    Ok(Comparison {
        bytes: size.bytes,
        messages: size.messages,
        rounds,
        dropped_runs,
        contenders: summaries,
        warnings,
    })
}

/// A run under which the CPUs did not move, if a few tries give one; also says how many did not.
fn steady_run(
    contender: &Contestant,
    options: &Options,
    cpus: Option<[usize; 2]>,
    tick: &mut Tick<'_>,
) -> Result<(Run, u32), Error> {
    let mut dropped = 0;
    loop {
        // A probe's progress is none of the transfer's.
        let before = probe::run(&options.executable, cpus, &mut |_| tick(0))?;
        let transfer = transfer::run(contender, options, cpus, tick)?;
        let bytes = transfer.bytes;
        let after = probe::run(&options.executable, cpus, &mut |_| tick(bytes))?;
        let moved = before.zip(after).is_some_and(|(before, after)| after.moved_since(&before));
        if !moved || dropped == MAX_REDOS {
            return Ok((Run { transfer, before, after, moved }, dropped));
        }
        dropped += 1;
    }
}

fn summarise(contender: &Contestant, runs: Vec<Run>) -> Option<Summary> {
    let spread =
        |figure: fn(&Transfer) -> f64| Spread::of(runs.iter().map(|r| figure(&r.transfer)));
    Some(Summary {
        contender: contender.name.to_owned(),
        about: contender.about.to_owned(),
        capacity_bytes: runs.first()?.transfer.capacity_bytes,
        mb_per_s: spread(|transfer| transfer.mb_per_s)?,
        messages_per_s: spread(|transfer| transfer.messages_per_s)?,
        cpu_ns_per_message: spread(Transfer::cpu_ns_per_message)?,
        producer_cpu_ns_per_message: spread(|transfer| transfer.producer.cpu_ns_per_message)?,
        consumer_cpu_ns_per_message: spread(|transfer| transfer.consumer.cpu_ns_per_message)?,
        runs,
    })
}

fn warnings(summaries: &[Summary], one_cpu: bool, capacity_bytes: u64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if one_cpu {
        warnings.push(Warning::OneCpu);
    }
    let steady = summaries.iter().flat_map(|summary| &summary.runs).filter(|run| !run.moved);
    let mut placements: Vec<Placement> =
        steady.filter_map(|run| run.before.map(|probe| probe.placement)).collect();
    placements.sort_unstable();
    placements.dedup();
    if placements.len() > 1 {
        warnings.push(Warning::Placements { placements });
    }
    for summary in summaries {
        warnings.extend(warnings_of(summary, one_cpu, capacity_bytes));
    }
    warnings
}

fn warnings_of(summary: &Summary, one_cpu: bool, capacity_bytes: u64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let contender = summary.contender.clone();
    let moved = summary.runs.iter().filter(|run| run.moved).count();
    if moved > 0 {
        warnings.push(Warning::Moved { contender: contender.clone(), runs: moved });
    }
    let waited_fraction = summary.runs.iter().map(|Run { transfer, .. }| {
        let sides = [&transfer.producer, &transfer.consumer];
        let waited_ns = sides.iter().filter_map(|side| side.waited_ns).max();
        waited_ns.unwrap_or(0) as f64 / 1e9 / transfer.seconds
    });
    let waited_fraction = Spread::of(waited_fraction).map_or(0.0, |spread| spread.median);
    // On one CPU they wait for each other.
    if waited_fraction > BUSY_FRACTION && !one_cpu {
        warnings.push(Warning::Busy { contender: contender.clone(), waited_fraction });
    }
    let seconds = Spread::of(summary.runs.iter().map(|run| run.transfer.seconds));
    if let Some(seconds) = seconds.map(|spread| spread.min).filter(|s| *s < SHORT_SECONDS) {
        warnings.push(Warning::Short { contender: contender.clone(), seconds });
    }
    let ratio = summary.mb_per_s.max / summary.mb_per_s.min;
    if ratio > WIDE_RATIO {
        warnings.push(Warning::Wide { contender: contender.clone(), ratio });
    }
    // Capacities are rounded up to what a mechanism can have.
    if !(capacity_bytes..2 * capacity_bytes).contains(&summary.capacity_bytes) {
        let capacity_bytes = summary.capacity_bytes;
        warnings.push(Warning::Capacity { contender, capacity_bytes });
    }
    warnings
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
