//! `shmring recv`: messages to stdout.

use std::time::Duration;

use shmring::{RecvError, Segment};

use crate::attaching::{Patience, attach};
use crate::cli::RecvArgs;
use crate::framing::Outgoing;
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
}

pub(crate) fn run(args: &RecvArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let segment = attach(&args.attaching, &signals)?;
    let plan = Plan { framing: args.framing(), count: args.count, timeout: args.timeout };
    pump(&segment, &plan, &signals)
}

/// Moves the ring's messages to stdout, until the stream ends.
pub(crate) fn pump(segment: &Segment, plan: &Plan, signals: &Signals) -> Result<(), Stop> {
    let name = &segment.description().name;
    // Where it cannot be had, the death of the last sender is noticed a little later.
    let _monitor = segment.monitor();
    let mut runs = Runs::new(segment, plan.framing)?;
    let mut wanted = plan.count.unwrap_or(u64::MAX);
    let mut patience = Patience::new(plan.timeout);
    while wanted > 0 {
        signals.check()?;
        // Everything that came was written, so nothing is held back by waiting.
        match runs.move_one(wanted, patience.slice(), signals)? {
            Run::Moved(count) => {
                wanted -= count;
                patience = Patience::new(plan.timeout);
            }
            Run::Ended => break,
            // Nobody would read the next message: leave it in the ring.
            Run::Nothing if runs.output().is_closed() => return Err(Stop::OutputClosed),
            Run::Nothing if patience.is_over() => {
                let message = format!("{name:?}: {}", RecvError::TimedOut);
                return Err(Stop::new(Exit::TimedOut, message));
            }
            Run::Nothing => {}
        }
    }
    Ok(())
}
