//! `shmring recv`: messages to stdout.

mod several;

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shmring::{RecvTimeoutError, Segment};

use crate::cli::{RecvArgs, Target};
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};
use crate::report;
use crate::transfer::attaching::{Patience, attach_all};
use crate::transfer::framing::Outgoing;
use crate::transfer::message_runs::{Run, Runs, Wait};
use crate::transfer::meter::{Meter, Way};
use crate::transfer::output::Output;
use crate::transfer::peers::{PeerCheck, lacks_peer};
use crate::transfer::watcher::Watcher;

/// What to receive, and how.
pub(crate) struct Plan {
    pub(crate) framing: Outgoing,
    /// Whether the name of the ring precedes each message.
    pub(crate) is_prefixed: bool,
    /// `None`: all messages.
    pub(crate) count: Option<u64>,
    /// The maximum wait for each message. `None`: no limit.
    pub(crate) timeout: Option<Duration>,
    /// Whether to print totals at the end.
    pub(crate) stats: bool,
    /// Whether the segments were attached by their names.
    pub(crate) is_named: bool,
}

pub(crate) fn run(args: &RecvArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let targets = args.targets();
    refuse_duplicates(&targets)?;
    let segments = attach_all(&targets, &args.terms, &signals)?;
    let segments: Vec<_> = segments.into_iter().map(Arc::new).collect();
    let plan = Plan {
        framing: args.framing(),
        is_prefixed: args.prefix,
        count: args.count,
        timeout: args.timeout,
        stats: args.stats,
        is_named: targets.iter().all(|target| target.socket.is_none()),
    };
    match &*segments {
        [segment] => pump(segment, &plan, &signals),
        _ => several::pump(segments, &plan, &signals),
    }
}

/// Refuses a ring that is named twice: its messages would go to one of two consumers.
fn refuse_duplicates(targets: &[Target]) -> Result<(), Stop> {
    let mut names = HashSet::new();
    for name in targets.iter().filter_map(|target| target.name.as_deref()) {
        if !names.insert(name.strip_prefix('/').unwrap_or(name)) {
            return Err(Stop::new(Exit::Usage, format!("{name:?} is given twice")));
        }
    }
    Ok(())
}

/// Moves the ring's messages to stdout, until the stream ends.
pub(crate) fn pump(segment: &Arc<Segment>, plan: &Plan, signals: &Signals) -> Result<(), Stop> {
    // Without a monitor, this receiver notices the death of the last sender a little later.
    let _monitor = segment.monitor();
    let mut runs = Runs::new(segment, plan.framing, plan.is_prefixed)?;
    let mut output = Output::stdout()?;
    let mut meter = Meter::new(Way::Out, &output, plan.framing.overhead_bytes());
    let peers = PeerCheck::new([segment], plan.is_named, meter.reporter());
    let watcher = Watcher::start(signals, runs.interrupter(), Some(output.as_fd()), peers)?;
    let result = receive(segment, (&mut runs, &mut output), plan, &mut meter, &watcher);
    // A run that failed may have moved messages, too.
    meter.update(runs.moved());
    meter.set_start(runs.began().unwrap_or_else(Instant::now));
    let lost = runs.lost();
    // Before the wait for the terminal: a sender may be waiting for this receiver.
    drop(runs);
    drop(watcher);
    meter.finish(plan.stats);
    if lost == 0 {
        return result;
    }
    result.map_err(|stop| stop.with_loss(&segment.info().name, loss(lost)))
}

fn loss(messages: u64) -> String {
    let were = if messages == 1 { "was" } else { "were" };
    format!("{} {were} taken from the ring and not written", report::count(messages, "message"))
}

fn receive(
    segment: &Segment,
    (runs, output): (&mut Runs, &mut Output),
    plan: &Plan,
    meter: &mut Meter,
    watcher: &Watcher<'_>,
) -> Result<(), Stop> {
    let mut patience = Patience::new(plan.timeout);
    loop {
        let wanted = plan.count.unwrap_or(u64::MAX) - runs.moved().messages;
        if wanted == 0 {
            return Ok(());
        }
        watcher.check()?;
        // All received messages are written: a wait delays none.
        match runs.move_one(wanted, Wait::AtMost(patience), watcher, output)? {
            Run::Moved => {
                meter.update(runs.moved());
                patience = Patience::new(plan.timeout);
            }
            Run::Ended => return Ok(()),
            Run::Failed(fault) => return Err(Stop::fault(runs.name(), &fault)),
            Run::Interrupted => {}
            Run::TimedOut => {
                let why = if lacks_peer(segment, Way::Out) { "; it has no sender" } else { "" };
                let message = format!("{:?}: {}{why}", runs.name(), RecvTimeoutError::TimedOut);
                return Err(Stop::new(Exit::TimedOut, message));
            }
        }
    }
}
