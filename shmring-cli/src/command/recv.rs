//! `shmring recv`: messages to stdout.

use std::time::Duration;

use shmring::{RecvError, Segment};

use crate::attaching::{Patience, attach};
use crate::cli::RecvArgs;
use crate::framing::Outgoing;
use crate::meter::{Meter, Way};
use crate::run::{Run, Runs};
use crate::signals::Signals;
use crate::stop::{Exit, Stop};

/// What to receive.
pub(crate) struct Plan {
    pub(crate) framing: Outgoing,
    /// `None`: all messages.
    pub(crate) count: Option<u64>,
    /// How long to wait for each message. `None`: for ever.
    pub(crate) timeout: Option<Duration>,
    /// Whether to say what was received.
    pub(crate) stats: bool,
}

pub(crate) fn run(args: &RecvArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let segment = attach(&args.attaching, &signals)?;
    let plan = Plan {
        framing: args.framing(),
        count: args.count,
        timeout: args.timeout,
        stats: args.stats,
    };
    pump(&segment, &plan, &signals)
}

/// Moves the ring's messages to stdout, until the stream ends.
pub(crate) fn pump(segment: &Segment, plan: &Plan, signals: &Signals) -> Result<(), Stop> {
    // Where it cannot be had, the death of the last sender is noticed a little later.
    let _monitor = segment.monitor();
    let mut runs = Runs::new(segment, plan.framing)?;
    let mut meter = Meter::new(Way::Out, runs.output(), plan.framing.overhead_bytes());
    let result = receive(&mut runs, plan, signals, &mut meter);
    // Also of a run that failed.
    meter.update(runs.moved());
    // The stream ends here, whatever the terminal does.
    drop(runs);
    meter.finish(plan.stats);
    result
}

fn receive(runs: &mut Runs, plan: &Plan, signals: &Signals, meter: &mut Meter) -> Result<(), Stop> {
    let mut patience = Patience::new(plan.timeout);
    loop {
        let wanted = plan.count.unwrap_or(u64::MAX) - runs.moved().messages;
        if wanted == 0 {
            return Ok(());
        }
        signals.check()?;
        // Everything that came was written, so nothing is held back by waiting.
        match runs.move_one(wanted, patience.slice(), signals)? {
            Run::Moved => {
                meter.update(runs.moved());
                patience = Patience::new(plan.timeout);
            }
            Run::Ended => return Ok(()),
            // Nobody would read the next message: leave it in the ring.
            Run::Nothing if runs.output().is_closed() => return Err(Stop::OutputClosed),
            Run::Nothing if patience.is_over() => {
                let message = format!("{:?}: {}", runs.name(), RecvError::TimedOut);
                return Err(Stop::new(Exit::TimedOut, message));
            }
            Run::Nothing => meter.waited(),
        }
    }
}
