//! `shmring recv`: messages to stdout.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shmring::{RecvTimeoutError, Segment};

use crate::cli::RecvArgs;
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};
use crate::report;
use crate::transfer::attaching::{Patience, attach};
use crate::transfer::framing::Outgoing;
use crate::transfer::message_runs::{Run, Runs};
use crate::transfer::meter::{Meter, Way};
use crate::transfer::peers::{PeerCheck, lacks_peer};
use crate::transfer::watcher::Watcher;

/// What to receive, and how.
pub(crate) struct Plan {
    pub(crate) framing: Outgoing,
    /// `None`: all messages.
    pub(crate) count: Option<u64>,
    /// The maximum wait for each message. `None`: no limit.
    pub(crate) timeout: Option<Duration>,
    /// Whether to print totals at the end.
    pub(crate) stats: bool,
    /// Whether the segment was attached by its name.
    pub(crate) is_named: bool,
}

pub(crate) fn run(args: &RecvArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let segment = Arc::new(attach(&args.attaching, &signals)?);
    let plan = Plan {
        framing: args.framing(),
        count: args.count,
        timeout: args.timeout,
        stats: args.stats,
        is_named: args.attaching.target.socket.is_none(),
    };
    pump(&segment, &plan, &signals)
}

/// Moves the ring's messages to stdout, until the stream ends.
pub(crate) fn pump(segment: &Arc<Segment>, plan: &Plan, signals: &Signals) -> Result<(), Stop> {
    // Without a monitor, this receiver notices the death of the last sender a little later.
    let _monitor = segment.monitor();
    let mut runs = Runs::new(segment, plan.framing)?;
    let mut meter = Meter::new(Way::Out, runs.output(), plan.framing.overhead_bytes());
    let peers = PeerCheck::new(segment, plan.is_named, meter.reporter());
    let output = Some(runs.output().as_fd());
    let watcher = Watcher::start(signals, runs.interrupter(), output, peers)?;
    let result = receive(segment, &mut runs, plan, &mut meter, &watcher);
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
    let were = if lost == 1 { "was" } else { "were" };
    let messages = report::count(lost, "message");
    let loss = format!("{messages} {were} taken from the ring and not written");
    result.map_err(|stop| stop.with_loss(&segment.info().name, loss))
}

fn receive(
    segment: &Segment,
    runs: &mut Runs,
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
        match runs.move_one(wanted, patience, watcher)? {
            Run::Moved => {
                meter.update(runs.moved());
                patience = Patience::new(plan.timeout);
            }
            Run::Ended => return Ok(()),
            Run::Interrupted => {}
            Run::TimedOut => {
                let why = if lacks_peer(segment, Way::Out) { "; it has no sender" } else { "" };
                let message = format!("{:?}: {}{why}", runs.name(), RecvTimeoutError::TimedOut);
                return Err(Stop::new(Exit::TimedOut, message));
            }
        }
    }
}
