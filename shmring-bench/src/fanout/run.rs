//! The parent's side of a run.

use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

use super::contender::{Entry, Shared};
use super::loops::{Found, MISSED, Order, Part};
use super::scenarios::{Flow, Scenario};
use crate::contender::Setting;
use crate::cpu::now_ns;
use crate::measure::Stage;
use crate::random::Random;
use crate::task::Task;
use crate::worker::{Crew, Tick};
use crate::{Error, WorkerFailure};

/// Beyond the time that a run is to take: then it hangs.
const RUN_LIMIT: Duration = Duration::from_secs(10);
/// Time from the start of a run until its victim is killed, at least, ...
const KILL_AFTER: Duration = Duration::from_millis(30);
/// ... and how much longer at most, so that the producer is killed at any phase of its wait.
const KILL_SPREAD_US: usize = 150_000;

/// What a run gave. There is none for a run in which a message was not right.
pub(super) struct Outcome {
    /// Messages a second, from the first start to the last stop.
    pub(super) per_second: f64,
    /// The last subscriber's latency of each burst, in ns.
    pub(super) late_ns: Vec<f64>,
    /// The producer's time for each message, in ns: CPU time, or of a send where those are timed.
    pub(super) send_ns: f64,
    /// CPU time for each message that a subscriber received, in ns.
    pub(super) cpu_ns: f64,
    /// The share of messages that lossy subscribers missed; none if there are none of these.
    pub(super) missed: Option<f64>,
    /// From the kill until the producer's send returned, in ns; none if it was not held up then.
    pub(super) held_up_ns: Option<f64>,
}

/// Runs a mechanism once. With `check`, every byte is checked and nothing is timed.
pub(super) fn run(
    entry: &Entry,
    scenario: &Scenario,
    check: bool,
    stage: Stage<'_>,
    tick: &mut Tick<'_>,
) -> Result<Outcome, Error> {
    let setting = scenario.setting(stage.name_prefix);
    let prepare = |source| Error::Prepare { contender: entry.name, source };
    let mut shared = (entry.prepare)(&setting).map_err(prepare)?;
    let cast = Cast { entry, scenario, check, setting, stage };
    let last = scenario.subscribers - 1;
    let kills = scenario.flow == Flow::Kill && !check;

    let mut victim = Crew::new();
    if kills {
        cast.start(&mut victim, Part::Victim(last), &mut shared)?;
    }
    let mut crew = Crew::new();
    if entry.threads {
        cast.start(&mut crew, Part::All, &mut shared)?;
    } else {
        for index in 0..scenario.subscribers - u32::from(kills) {
            cast.start(&mut crew, Part::Subscriber(index), &mut shared)?;
        }
        cast.start(&mut crew, Part::Producer, &mut shared)?;
    }
    victim.wait_ready(tick)?;
    crew.wait_ready(tick)?;
    // Every end is open: neither names nor the parent's descriptors are needed any more.
    let _kept = shared.kept;
    drop(shared.names);

    let mut murder = kills.then(|| Murder::plan(victim));
    let limit = RUN_LIMIT + Duration::from_millis(scenario.run_ms);
    let results = crew.run(limit, &mut |bytes| {
        if let Some(murder) = &mut murder {
            murder.commit_if_due();
        }
        tick(bytes)
    })?;
    let mut found = Vec::new();
    for (role, result) in results {
        let some: Vec<Found> =
            serde_json::from_value(result).map_err(|source| Error::Result { role, source })?;
        found.extend(some);
    }
    outcome(entry, scenario, &found, murder.and_then(|murder| murder.killed_ns))
        .map_err(|what| Error::Workers(vec![WorkerFailure { role: "subscriber", what }]))
}

/// What the workers of a run have in common.
struct Cast<'a> {
    entry: &'a Entry,
    scenario: &'a Scenario,
    check: bool,
    setting: Setting,
    stage: Stage<'a>,
}

impl Cast<'_> {
    fn start(&self, crew: &mut Crew, part: Part, shared: &mut Shared) -> Result<(), Error> {
        let subscriber_fds = &mut shared.subscriber_fds;
        let mut of = |index: u32| subscriber_fds.get_mut(index as usize).map(std::mem::take);
        let (role, end, fds): (_, _, Option<Vec<OwnedFd>>) = match part {
            Part::Producer => ("producer", Some(0), Some(std::mem::take(&mut shared.sender_fds))),
            Part::Subscriber(index) => ("subscriber", Some(1), of(index)),
            Part::Victim(index) => ("victim", Some(1), of(index)),
            Part::All => ("threads", None, None),
        };
        let cpus = self.stage.cpus;
        let order = Order {
            scenario: self.scenario.clone(),
            part,
            check: self.check,
            cpus: cpus.map_or(Vec::new(), Vec::from),
        };
        let task = Task::FanOut {
            contender: self.entry.name.to_owned(),
            order,
            setting: self.setting.clone(),
            address: shared.address.clone(),
        };
        let cpu = end.and_then(|end: usize| cpus.map(|cpus| cpus[end]));
        crew.start(role, self.stage.executable, cpu, &task, fds.unwrap_or_default())
    }
}

/// The death of a subscriber, at a time that nobody knows before.
struct Murder {
    victim: Option<Crew>,
    due: Instant,
    killed_ns: Option<u64>,
}

impl Murder {
    fn plan(victim: Crew) -> Murder {
        let seed = now_ns().unwrap_or_default();
        let more = Random(seed).below(KILL_SPREAD_US) as u64;
        let due = Instant::now() + KILL_AFTER + Duration::from_micros(more);
        Murder { victim: Some(victim), due, killed_ns: None }
    }

    /// Kills the victim when it is due, and reaps it at once: some mechanisms take a process for
    /// alive until it is.
    fn commit_if_due(&mut self) {
        let left = self.due.saturating_duration_since(Instant::now());
        // The caller comes at fixed times.
        if left > Duration::from_millis(60) {
            return;
        }
        if let Some(victim) = self.victim.take() {
            thread::sleep(left);
            self.killed_ns = now_ns().ok();
            // It has no word to say.
            let _ = victim.kill_all();
        }
    }
}

/// Puts what all ends found together, and checks that each message arrived or was missed.
fn outcome(
    entry: &Entry,
    scenario: &Scenario,
    found: &[Found],
    killed_ns: Option<u64>,
) -> Result<Outcome, String> {
    let producer = found.iter().find(|found| found.part == Part::Producer);
    let producer = producer.ok_or("there was no producer")?;
    let subscribers = found.iter().filter_map(|found| match found.part {
        Part::Subscriber(index) => Some((index, found)),
        _ => None,
    });
    let sent = producer.messages;
    let [mut missed, mut missable, mut received] = [0; 3];
    for (index, subscriber) in subscribers.clone() {
        let got = subscriber.messages + subscriber.missed;
        let lossy = entry.nature.lossy.includes(index, scenario.subscribers);
        // Not every mechanism says what a lossy subscriber missed before the end.
        let is_right = if lossy && !entry.nature.says_missed { got <= sent } else { got == sent };
        if !is_right {
            return Err(format!("{sent} messages were sent, subscriber {index} received {got}"));
        }
        if lossy {
            missed += sent - subscriber.messages;
            missable += sent;
        }
        received += subscriber.messages;
    }
    let spans = || found.iter().map(|found| &found.span);
    let start_ns = spans().map(|span| span.start_ns).min().unwrap_or(0);
    let stop_ns = spans().map(|span| span.stop_ns).max().unwrap_or(0);
    let is_timed = producer.send_ns.is_some();
    let send_ns = producer.send_ns.unwrap_or(producer.span.cpu_ns as f64 / sent.max(1) as f64);
    // A producer that spins until a burst is due has only its sends counted.
    let sends_ns = if is_timed { send_ns * sent as f64 } else { producer.span.cpu_ns as f64 };
    let receives_ns: u64 = subscribers.clone().map(|(_, found)| found.span.cpu_ns).sum();
    let held_up = killed_ns.and_then(|killed| {
        let stall = producer.stalls_ns.iter().find(|[from, to]| (from..to).contains(&&killed));
        stall.map(|[_, to]| to - killed)
    });
    Ok(Outcome {
        per_second: sent as f64 / stop_ns.saturating_sub(start_ns).max(1) as f64 * 1e9,
        late_ns: last_ns(subscribers.map(|(_, found)| &found.late_ns[..])),
        send_ns,
        cpu_ns: (sends_ns + receives_ns as f64) / received.max(1) as f64,
        missed: (missable > 0).then(|| missed as f64 / missable as f64),
        held_up_ns: held_up.map(|ns| ns as f64),
    })
}

/// For each burst that all have received, the latency of the last.
fn last_ns<'a>(mut all: impl Iterator<Item = &'a [u64]>) -> Vec<f64> {
    let mut last = all.next().unwrap_or_default().to_vec();
    for others in all {
        last.resize(last.len().min(others.len()), MISSED);
        last.iter_mut().zip(others).for_each(|(last, other)| *last = (*last).max(*other));
    }
    let warm_up = last.len() / 10;
    last[warm_up..].iter().filter(|ns| **ns != MISSED).map(|ns| *ns as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::super::contender::Lossy;
    use super::super::{contenders, scenarios};
    use super::*;
    use crate::cpu::Meter;

    /// What a producer of ten messages and subscribers that received and missed so many come to.
    fn outcome_of(lossy: Lossy, says_missed: bool, got: [[u64; 2]; 2]) -> Result<Outcome, String> {
        let mut entry = contenders::all().next().expect("a mechanism");
        entry.nature.lossy = lossy;
        entry.nature.says_missed = says_missed;
        let scenario = Scenario { subscribers: 2, ..scenarios::all().remove(0) };
        let found = |part, messages, missed| Found {
            part,
            span: Meter::start().and_then(Meter::stop).expect("a span"),
            messages,
            missed,
            send_ns: None,
            late_ns: Vec::new(),
            stalls_ns: Vec::new(),
        };
        let subscriber = |(index, [messages, missed]): (u32, [u64; 2])| {
            found(Part::Subscriber(index), messages, missed)
        };
        let mut all: Vec<Found> = (0..).zip(got).map(subscriber).collect();
        all.push(found(Part::Producer, 10, 0));
        outcome(&entry, &scenario, &all, None)
    }

    // Catches a subscriber that lacks the last messages, and a lossy one that is taken for another.
    #[test]
    fn every_message_is_accounted_for() {
        assert!(outcome_of(Lossy::None, false, [[10, 0], [10, 0]]).is_ok());
        assert!(outcome_of(Lossy::None, false, [[10, 0], [9, 0]]).is_err());
        assert!(outcome_of(Lossy::None, false, [[10, 0], [11, 0]]).is_err());
        assert!(outcome_of(Lossy::Last, true, [[9, 1], [10, 0]]).is_ok());
        assert!(outcome_of(Lossy::Last, true, [[10, 0], [8, 1]]).is_err());
        assert!(outcome_of(Lossy::Last, false, [[9, 0], [10, 0]]).is_err());
        let outcome = outcome_of(Lossy::All, false, [[10, 0], [4, 1]]).expect("an outcome");
        assert_eq!(outcome.missed, Some(0.3));
    }

    // Catches the first or any other subscriber that is taken for the last, and a message that one
    // of them missed.
    #[test]
    fn the_last_subscriber_counts() {
        let all: [&[u64]; 3] = [&[1, 5, 2], &[3, 4, MISSED], &[2, 1, 1, 9]];
        assert_eq!(last_ns(all.into_iter()), [3.0, 5.0]);
    }
}
