//! The parent's side of a run.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use super::ends::{Found, Order, Part};
use super::scenarios::{Flow, Scenario};
use super::ways::Entry;
use crate::contender::{Prepared, Setting};
use crate::cpu::now_ns;
use crate::measure::Stage;
use crate::random::Random;
use crate::task::Task;
use crate::worker::{Crew, Tick};
use crate::{Error, WorkerFailure};

/// Beyond the time that a run is to take: then it hangs.
const RUN_LIMIT: Duration = Duration::from_secs(10);
/// Time from the start of a wait until the other worker is killed, at least, ...
const KILL_AFTER: Duration = Duration::from_millis(30);
/// ... and how much longer at most, so that it dies at any phase of the wait.
const KILL_SPREAD_US: usize = 150_000;
/// The parent comes by this often.
const TICK: Duration = Duration::from_millis(60);

/// What a run gave. There is none for a run in which a message was not right.
pub(super) struct Outcome {
    /// Messages a second, from the first start to the last stop; of a kill, the time in ns until
    /// the other worker had the job.
    pub(super) figure: f64,
    /// Of a kill, the part of that time after the kernel had ended the process.
    pub(super) after_end_ns: f64,
    /// Bytes of messages a second.
    pub(super) bytes_per_second: f64,
    /// CPU time of all ends for each message, in ns.
    pub(super) cpu_ns: f64,
}

/// Runs a mechanism once. With `check`, every byte is checked and nothing is timed.
pub(super) fn run(
    entry: &Entry,
    scenario: &Scenario,
    check: bool,
    stage: Stage<'_>,
    tick: &mut Tick<'_>,
) -> Result<Outcome, Error> {
    let setting = scenario.setting(entry, stage.name_prefix);
    let prepare = |source| Error::Prepare { contender: entry.name, source };
    let prepared = (entry.prepare)(&setting).map_err(prepare)?;
    let cast = Cast { entry, scenario, check, setting, stage, prepared: &prepared };

    let mut victim = Crew::new();
    let kills = scenario.flow == Flow::Killed;
    if kills {
        cast.start(&mut victim, Part::Victim)?;
        // It has the job before anybody else can take it.
        victim.wait_ready(tick)?;
    }
    let mut crew = Crew::new();
    for _ in 0..scenario.consumers() {
        cast.start(&mut crew, Part::Consumer)?;
    }
    for index in 0..scenario.producers() {
        cast.start(&mut crew, Part::Producer(index))?;
    }
    crew.wait_ready(tick)?;
    // Every end is open: neither names nor the parent's descriptors are needed any more.
    let Prepared { kept: _kept, names, sender_fds, receiver_fds, .. } = prepared;
    drop((names, sender_fds, receiver_fds));

    let mut kill = kills.then(|| Kill::plan(victim));
    let limit = RUN_LIMIT + Duration::from_millis(scenario.run_ms);
    let results = crew.run(limit, &mut |bytes| {
        if let Some(kill) = &mut kill {
            kill.commit_if_due();
        }
        tick(bytes)
    })?;
    let found = |(role, result)| {
        serde_json::from_value(result).map_err(|source| Error::Result { role, source })
    };
    let found: Vec<Found> = results.into_iter().map(found).collect::<Result<_, Error>>()?;
    let outcome = match kill {
        Some(kill) => kill_outcome(&found, kill.times_ns),
        None => outcome(&found),
    };
    outcome.map_err(|what| Error::Workers(vec![WorkerFailure { role: "consumer", what }]))
}

/// What the workers of a run have in common.
struct Cast<'a> {
    entry: &'a Entry,
    scenario: &'a Scenario,
    check: bool,
    setting: Setting,
    stage: Stage<'a>,
    prepared: &'a Prepared,
}

impl Cast<'_> {
    fn start(&self, crew: &mut Crew, part: Part) -> Result<(), Error> {
        let Prepared { sender_fds, receiver_fds, address, .. } = self.prepared;
        let (role, end, fds) = match part {
            Part::Producer(_) => ("producer", 0, sender_fds),
            Part::Victim => ("victim", 0, receiver_fds),
            Part::Consumer => ("consumer", 1, receiver_fds),
        };
        let copies: Result<Vec<OwnedFd>, _> = fds.iter().map(OwnedFd::try_clone).collect();
        let order = Order {
            contender: self.entry.name.to_owned(),
            scenario: self.scenario.clone(),
            part,
            check: self.check,
        };
        let (address, setting) = (address.clone(), self.setting.clone());
        let task = Task::Queue { order, setting, address };
        let cpu = self.stage.cpus.map(|cpus| cpus[end]);
        let copies = copies.map_err(Error::os("copying a worker's descriptors"))?;
        crew.start(role, self.stage.executable, cpu, &task, copies)
    }
}

/// The death of a worker, at a time that nobody knows before.
struct Kill {
    victim: Option<Crew>,
    due: Instant,
    /// When it was killed, and when it had ended.
    times_ns: Option<[u64; 2]>,
}

impl Kill {
    fn plan(victim: Crew) -> Kill {
        let seed = now_ns().unwrap_or_default();
        let more = Random(seed).below(KILL_SPREAD_US) as u64;
        let due = Instant::now() + KILL_AFTER + Duration::from_micros(more);
        Kill { victim: Some(victim), due, times_ns: None }
    }

    /// Kills the victim when it is due, and reaps it at once.
    fn commit_if_due(&mut self) {
        let left = self.due.saturating_duration_since(Instant::now());
        if left > TICK {
            return;
        }
        if let Some(victim) = self.victim.take() {
            thread::sleep(left);
            let killed_ns = now_ns().ok();
            // It has no word to say.
            let _ = victim.kill_all();
            self.times_ns = killed_ns.zip(now_ns().ok()).map(|(killed, ended)| [killed, ended]);
        }
    }
}

fn kill_outcome(found: &[Found], times_ns: Option<[u64; 2]>) -> Result<Outcome, String> {
    let survivor = found.first().ok_or("no worker survived")?;
    let taken_ns = survivor.taken_ns.ok_or("the survivor took no job")?;
    let [killed_ns, ended_ns] =
        times_ns.ok_or("a worker had the job before the other was killed")?;
    let late_ns = taken_ns.checked_sub(killed_ns).ok_or("the job was taken before the kill")?;
    let cpu_ns = survivor.span.cpu_ns as f64;
    let after_end_ns = taken_ns.saturating_sub(ended_ns) as f64;
    Ok(Outcome { figure: late_ns as f64, after_end_ns, bytes_per_second: 0.0, cpu_ns })
}

/// Puts what all ends found together, and checks that each message arrived once.
fn outcome(found: &[Found]) -> Result<Outcome, String> {
    let [sent, received] = [true, false].map(|produces| {
        let of = found.iter().filter(|it| matches!(it.part, Part::Producer(_)) == produces);
        of.fold([0; 3], |[messages, bytes, sum], it| {
            [messages + it.messages, bytes + it.bytes, it.sum.wrapping_add(sum)]
        })
    });
    if sent != received {
        return Err(format!("{sent:?} were sent (messages, bytes, sum), {received:?} received"));
    }
    let spans = || found.iter().map(|found| &found.span);
    let start_ns = spans().map(|span| span.start_ns).min().unwrap_or(0);
    let stop_ns = spans().map(|span| span.stop_ns).max().unwrap_or(0);
    let seconds = stop_ns.saturating_sub(start_ns).max(1) as f64 / 1e9;
    let [messages, bytes, _] = received.map(|count| count as f64);
    let cpu_ns: u64 = spans().map(|span| span.cpu_ns).sum();
    Ok(Outcome {
        figure: messages / seconds,
        after_end_ns: 0.0,
        bytes_per_second: bytes / seconds,
        cpu_ns: cpu_ns as f64 / messages.max(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::Meter;

    // Catches messages that are lost, or another one for a lost one.
    #[test]
    fn every_message_is_accounted_for() {
        let found = |part, messages, sum| Found {
            part,
            span: Meter::start().and_then(Meter::stop).expect("a span"),
            messages,
            bytes: 8 * messages,
            sum,
            taken_ns: None,
        };
        let of = |received, sum| {
            outcome(&[
                found(Part::Producer(0), 5, 7),
                found(Part::Producer(1), 1, 2),
                found(Part::Consumer, 2, 4),
                found(Part::Consumer, received, sum),
            ])
        };
        assert!(of(4, 5).is_ok());
        assert!(of(3, 5).is_err());
        assert!(of(4, 6).is_err());
    }
}
