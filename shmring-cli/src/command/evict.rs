//! `shmring evict`: makes a gating subscriber of a broadcast ring lossy.

use serde::Serialize;
use shmring::info::Holder;
use shmring::{EvictError, Kind, Role, Segment};

use crate::cli::EvictArgs;
use crate::facts::HolderFacts;
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop, fault_exit};
use crate::report;
use crate::transfer::attaching::attach;

#[derive(Serialize)]
struct Evicted {
    name: String,
    /// The subscriber, as it was before.
    evicted: HolderFacts,
}

pub(crate) fn run(args: &EvictArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let segment = attach(&args.attaching, &signals)?;
    let name = &segment.info().name;
    let kind = segment.info().ring().kind;
    if kind != Kind::Broadcast {
        let message = format!(
            "{name:?} is a ring of kind {kind}: only receivers of a broadcast \
            ring can be evicted"
        );
        return Err(Stop::new(Exit::Corrupt, message));
    }
    let typed = args.attaching.target.typed();
    let holder = find(&segment, args.handle, &typed)?;
    segment.evict(&holder).map_err(|error| {
        let exit = match &error {
            EvictError::Failed(fault) => fault_exit(fault),
            _ => Exit::Failed,
        };
        Stop::new(exit, format!("{name:?}: {error}"))
    })?;
    let facts = Evicted { name: name.clone(), evicted: HolderFacts::of(&holder) };
    report::print(args.json, &facts, text)
}

/// Returns the receiver that has the handle.
fn find(segment: &Segment, handle: usize, typed: &str) -> Result<Holder, Stop> {
    let name = &segment.info().name;
    let status = segment.status().map_err(|fault| Stop::fault(name, &fault))?;
    let found = status.ring().holders.iter().find(|holder| holder.handle == handle);
    let why = match found {
        Some(holder) if holder.role == Role::Consumer => return Ok(holder.clone()),
        Some(_) => format!("handle {handle} is the sender's"),
        None => format!("no process has handle {handle}"),
    };
    let message = format!("{name:?}: {why}; `shmring stat {typed}` shows the receivers");
    Err(Stop::new(Exit::Failed, message))
}

fn text(facts: &Evicted) -> String {
    let Evicted { name, evicted } = facts;
    let lag = evicted.subscription.as_ref().map(|subscription| subscription.lag());
    let lag = lag.map_or_else(String::new, |lag| format!(", which was {lag} behind"));
    let HolderFacts { handle, participant, .. } = evicted;
    let who = participant.named();
    format!("evicted {who} from {}, handle {handle}{lag}\n", report::printable(name))
}
