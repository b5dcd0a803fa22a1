//! Receives from several rings in one thread.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use shmring::wait_set::Key;
use shmring::{Fault, Monitor, MonitorError, RecvTimeoutError, Segment, WaitError, WaitSet};

use super::{Plan, report_missed};
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop, fault_exit, say};
use crate::report;
use crate::transfer::attaching::Patience;
use crate::transfer::losses::Loss;
use crate::transfer::message_runs::{Run, Wait};
use crate::transfer::meter::{Meter, Moved, Reporter, Way};
use crate::transfer::output::Output;
use crate::transfer::peers::{PeerCheck, lacks_peer};
use crate::transfer::source::Source;
use crate::transfer::watcher::Watcher;

/// Moves the messages of all rings to stdout, until all streams have ended.
pub(super) fn pump(
    segments: Vec<Arc<Segment>>,
    plan: &Plan,
    signals: &Signals,
) -> Result<(), Stop> {
    let output = Output::stdout()?;
    let mut set = WaitSet::new();
    let rings = join(segments, plan, &mut set)?;
    let meter = Meter::new(Way::Out, &output, plan.framing.overhead_bytes());
    let segments = rings.iter().map(|ring| &ring.segment);
    let peers = PeerCheck::new(segments, plan.is_named, meter.reporter());
    let watcher = Watcher::start(signals, set.interrupter(), Some(output.as_fd()), peers)?;
    let reporter = meter.reporter();
    let mut receiver =
        Receiver { plan, rings, set, left: Vec::new(), failed: None, output, meter, reporter };
    let result = receiver.receive(&watcher);
    receiver.finish(watcher, result)
}

/// Joins the rings, and returns them in the order of `segments`.
fn join(segments: Vec<Arc<Segment>>, plan: &Plan, set: &mut WaitSet) -> Result<Vec<Ring>, Stop> {
    let mut order: Vec<_> = segments.into_iter().enumerate().collect();
    // If a ring refuses this consumer, those joined before are left again, which breaks the
    // pipes of their senders. So the rings that may refuse it come first.
    order.sort_by_key(|(_, segment)| !may_refuse(segment));
    let mut joined = Vec::new();
    for (index, segment) in order {
        let runs = Source::new(&segment, plan.framing, plan.is_prefixed, plan.subscription)?;
        joined.push((index, segment, runs));
    }
    joined.sort_by_key(|(index, ..)| *index);
    let rings = joined.into_iter().map(|(_, segment, runs)| {
        // Without a monitor, this receiver notices the death of the last sender a little later,
        // or not at all while another ring is busy.
        let monitor = segment.monitor();
        Ring { key: runs.add_to(set), runs, _monitor: monitor, segment }
    });
    Ok(rings.collect())
}

/// Returns the end by a wait that no ring is to blame for.
fn failed(error: &WaitError) -> Stop {
    let exit = match error {
        WaitError::Failed(fault) => fault_exit(fault),
        _ => Exit::Failed,
    };
    Stop::new(exit, format!("waiting for messages: {error}"))
}

/// Returns `true` if a consumer of bytes may not get a handle.
fn may_refuse(segment: &Segment) -> bool {
    segment.info().ring().element.is_some()
        || segment.status().map_or(true, |status| {
            let ring = status.ring();
            ring.closed || !ring.consumers.is_empty()
        })
}

/// A ring whose stream has not ended. The fields are dropped in this order.
#[derive(Debug)]
struct Ring {
    key: Key,
    runs: Source,
    _monitor: Result<Monitor, MonitorError>,
    segment: Arc<Segment>,
}

/// What was received from a ring that this receiver has left.
#[derive(Debug)]
struct Left {
    key: Key,
    name: String,
    moved: Moved,
    loss: Option<Loss>,
    /// What there is to say of a subscription.
    totals: Option<String>,
    began: Option<Instant>,
}

struct Receiver<'a> {
    plan: &'a Plan,
    rings: Vec<Ring>,
    set: WaitSet,
    left: Vec<Left>,
    /// The exit code of the first ring that failed.
    failed: Option<Exit>,
    output: Output,
    meter: Meter,
    reporter: Reporter,
}

impl Receiver<'_> {
    fn receive(&mut self, watcher: &Watcher<'_>) -> Result<(), Stop> {
        let mut patience = Patience::new(self.plan.timeout);
        while !self.rings.is_empty() && self.wanted() > 0 {
            watcher.check()?;
            let timeout = self.plan.timeout.map(|_| patience.remaining());
            let set = &mut self.set;
            let ready = watcher.waiting(|| set.wait(timeout).map(Iterator::collect::<Vec<_>>));
            let ready = match ready {
                Ok(ready) => ready,
                // The check finds out why.
                Err(WaitError::Interrupted) => continue,
                // What this process may not do concerns no single ring.
                Err(error) => return Err(failed(&error)),
            };
            let rings = self.rings.len();
            if self.round(&ready, watcher)? {
                patience = Patience::new(self.plan.timeout);
            } else if patience.is_over() && self.rings.len() == rings {
                return Err(self.timed_out());
            }
        }
        Ok(())
    }

    /// Moves one run of each ring that is ready: none waits for more than a run of each other
    /// one. Returns `true` if a message was moved.
    fn round(&mut self, ready: &[Key], watcher: &Watcher<'_>) -> Result<bool, Stop> {
        let mut has_moved = false;
        for key in ready {
            let wanted = self.wanted();
            let Some(index) = self.rings.iter().position(|ring| ring.key == *key) else {
                continue;
            };
            if wanted == 0 {
                break;
            }
            watcher.check()?;
            let runs = &mut self.rings[index].runs;
            match runs.move_one(wanted, Wait::Not, watcher, &mut self.output)? {
                Run::Moved => {
                    has_moved = true;
                    let moved = self.moved();
                    self.meter.update(moved);
                }
                // Messages come after those that were missed.
                Run::Missed(missed) => {
                    has_moved = true;
                    report_missed(&self.reporter, self.rings[index].runs.name(), missed);
                }
                // Another consumer took the messages.
                Run::TimedOut | Run::Interrupted => {}
                Run::Ended => self.leave(index),
                Run::Failed(fault) => self.fail(index, &fault),
            }
        }
        Ok(has_moved)
    }

    /// Returns how many messages the command line asks for besides those written.
    fn wanted(&self) -> u64 {
        self.plan.count.unwrap_or(u64::MAX) - self.moved().messages
    }

    /// Returns what was written so far.
    fn moved(&self) -> Moved {
        let rings = self.rings.iter().map(|ring| ring.runs.moved());
        let all = rings.chain(self.left.iter().map(|left| left.moved));
        all.fold(Moved::default(), |sum, one| Moved {
            messages: sum.messages + one.messages,
            bytes: sum.bytes + one.bytes,
        })
    }

    /// Leaves a ring, so that other receivers can have it.
    fn leave(&mut self, index: usize) {
        let ring = self.rings.remove(index);
        self.set.remove(ring.key);
        self.left.push(Left {
            key: ring.key,
            name: ring.runs.name().to_owned(),
            moved: ring.runs.moved(),
            loss: ring.runs.loss(),
            totals: ring.runs.totals(),
            began: ring.runs.began(),
        });
    }

    /// Leaves a ring that cannot be read any more.
    fn fail(&mut self, index: usize, fault: &Fault) {
        self.reporter.say(format!("{:?}: {fault}", self.rings[index].runs.name()));
        self.failed.get_or_insert(fault_exit(fault));
        self.leave(index);
    }

    fn timed_out(&self) -> Stop {
        let names = |rings: &mut dyn Iterator<Item = &Ring>| {
            let names: Vec<_> = rings.map(|ring| format!("{:?}", ring.runs.name())).collect();
            names.join(", ")
        };
        let all = names(&mut self.rings.iter());
        let lonely =
            names(&mut self.rings.iter().filter(|ring| lacks_peer(&ring.segment, Way::Out)));
        let why = if lonely.is_empty() { lonely } else { format!("; no sender: {lonely}") };
        Stop::new(Exit::TimedOut, format!("{all}: {}{why}", RecvTimeoutError::TimedOut))
    }

    /// Leaves all rings and prints what is to be said at the end.
    fn finish(mut self, watcher: Watcher<'_>, result: Result<(), Stop>) -> Result<(), Stop> {
        // A run that failed may have moved messages, too.
        let moved = self.moved();
        self.meter.update(moved);
        // Before the wait for the terminal: senders may be waiting for this receiver.
        while !self.rings.is_empty() {
            self.leave(0);
        }
        drop(self.set);
        drop(watcher);
        let began = self.left.iter().filter_map(|left| left.began).min();
        self.meter.set_start(began.unwrap_or_else(Instant::now));
        self.meter.finish(self.plan.stats);
        // In the order of the command line.
        self.left.sort_by_key(|left| left.key);
        for Left { name, moved, loss, totals, .. } in &self.left {
            if self.plan.stats {
                let messages = report::count(moved.messages, "message");
                let totals = totals.iter().map(|totals| format!(", {totals}")).collect::<String>();
                say(format_args!("{name:?}: {messages}, {}{totals}", report::bytes(moved.bytes)));
            }
            let concerns =
                |loss: &&Loss| result.as_ref().err().is_some_and(|stop| loss.concerns(stop));
            if let Some(loss) = loss.as_ref().filter(concerns) {
                say(format_args!("{name:?}: {loss}"));
            }
        }
        match (result, self.failed) {
            (Err(Stop::Failed { message, .. }), Some(exit)) => Err(Stop::new(exit, message)),
            (Ok(()) | Err(Stop::OutputClosed), Some(exit)) => Err(Stop::Reported(exit)),
            (result, _) => result,
        }
    }
}
