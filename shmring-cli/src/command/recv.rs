//! `shmring recv`: messages to stdout.

use std::time::Duration;

use shmring::{RecvError, Segment};

use crate::attaching::{Patience, attach};
use crate::cli::RecvArgs;
use crate::framing::Outgoing;
use crate::output::Output;
use crate::run::Runs;
use crate::signals::Signals;
use crate::stop::{Exit, Stop};

/// What to receive.
pub(crate) struct Plan {
    pub(crate) framing: Outgoing,
    /// `None`: all messages.
    pub(crate) count: Option<u64>,
    /// How long to wait for each message. `None`: for ever.
    pub(crate) timeout: Option<Duration>,
}

pub(crate) fn run(args: &RecvArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let segment = attach(&args.name, args.wait, &signals)?;
    let plan = Plan { framing: args.framing(), count: args.count, timeout: args.timeout };
    pump(&segment, &plan, &signals)
}

/// Moves the ring's messages to stdout, until the stream ends.
pub(crate) fn pump(segment: &Segment, plan: &Plan, signals: &Signals) -> Result<(), Stop> {
    let name = &segment.description().name;
    let consumer = segment.consumer().map_err(|error| Stop::join(name, &error))?;
    let mut runs = Runs::new(consumer, plan.framing, Output::stdout()?);
    let mut wanted = plan.count.unwrap_or(u64::MAX);
    while wanted > 0 {
        signals.check()?;
        match runs.move_one(wanted, signals)? {
            // Everything that came was written, so nothing is held back by waiting.
            0 if ended(&mut runs, name, plan.timeout, signals)? => break,
            count => wanted -= count,
        }
    }
    Ok(())
}

/// Waits for a message (`false`) or for the end of the stream (`true`).
fn ended(
    runs: &mut Runs,
    name: &str,
    timeout: Option<Duration>,
    signals: &Signals,
) -> Result<bool, Stop> {
    let patience = Patience::new(timeout);
    loop {
        match runs.consumer().peek_timeout(patience.slice()) {
            Ok(_) => return Ok(false),
            Err(RecvError::Eof) => return Ok(true),
            Err(RecvError::TimedOut) => {}
            Err(RecvError::Failed(fault)) => return Err(Stop::fault(name, &fault)),
            // No buffer is involved that a message could be too long for.
            Err(error @ RecvError::TooSmall { .. }) => {
                return Err(Stop::new(Exit::Failed, format!("{name:?}: {error}")));
            }
        }
        signals.check()?;
        // Nobody would read the next message: leave it in the ring.
        if runs.output().is_closed() {
            return Err(Stop::OutputClosed);
        }
        if patience.is_over() {
            return Err(Stop::new(Exit::TimedOut, format!("{name:?}: {}", RecvError::TimedOut)));
        }
    }
}
