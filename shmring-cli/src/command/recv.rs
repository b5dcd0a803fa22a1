//! `shmring recv`: messages to stdout.

mod several;

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shmring::{Eof, Kind, RecvTimeoutError, Segment, Start};

use crate::cli::{Receiving, RecvArgs, Target};
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop, say};
use crate::report;
use crate::transfer::attaching::{Patience, attach_all};
use crate::transfer::framing::Outgoing;
use crate::transfer::losses::Missed;
use crate::transfer::message_runs::{Run, Subscription, Wait};
use crate::transfer::meter::{Meter, Reporter, Way};
use crate::transfer::output::Output;
use crate::transfer::peers::{PeerCheck, lacks_peer};
use crate::transfer::source::Source;
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
    /// `None`: as any consumer.
    pub(crate) subscription: Option<Subscription>,
}

pub(crate) fn run(args: &RecvArgs) -> Result<(), Stop> {
    let subscription = args.subscribe().map(|how| Subscription { how, eof: Eof::Final });
    transfer(&args.receiving, subscription, |_| {
        "`--from`, `--lossy` and `--latest` are for broadcast rings".to_owned()
    })
}

/// Receives as the command line says. `refusal` says of a ring, by its name, why it has no
/// subscribers.
pub(super) fn transfer(
    args: &Receiving,
    subscription: Option<Subscription>,
    refusal: impl Fn(&str) -> String,
) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let targets = args.targets();
    refuse_duplicates(&targets)?;
    if let (Start::Position(_), [_, _, ..]) = (args.start(), &*targets) {
        let message = "`--from POSITION` takes one name: each ring has positions of its own";
        return Err(Stop::new(Exit::Usage, message));
    }
    let segments = attach_all(&targets, &args.terms, &signals)?;
    let segments: Vec<_> = segments.into_iter().map(Arc::new).collect();
    if subscription.is_some() {
        refuse_other_kinds(&segments, refusal)?;
    }
    let plan = Plan {
        framing: args.framing(),
        is_prefixed: args.prefix,
        count: args.count,
        timeout: args.timeout,
        stats: args.stats,
        is_named: targets.iter().all(|target| target.socket.is_none()),
        subscription,
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

/// Refuses rings that have no subscribers, before any ring is joined.
fn refuse_other_kinds(
    segments: &[Arc<Segment>],
    refusal: impl Fn(&str) -> String,
) -> Result<(), Stop> {
    for segment in segments {
        let (name, kind) = (&segment.info().name, segment.info().ring().kind);
        if kind != Kind::Broadcast {
            let message = format!("{name:?} is a ring of kind {kind}: {}", refusal(name));
            return Err(Stop::new(Exit::Corrupt, message));
        }
    }
    Ok(())
}

/// Moves the ring's messages to stdout, until the stream ends.
pub(crate) fn pump(segment: &Arc<Segment>, plan: &Plan, signals: &Signals) -> Result<(), Stop> {
    // Without a monitor, this receiver notices the death of the last sender a little later.
    let _monitor = segment.monitor();
    let mut runs = Source::new(segment, plan.framing, plan.is_prefixed, plan.subscription)?;
    let mut output = Output::stdout()?;
    let mut meter = Meter::new(Way::Out, &output, plan.framing.overhead_bytes());
    let peers = PeerCheck::new([segment], plan.is_named, meter.reporter());
    let watcher = Watcher::start(signals, runs.interrupter(), Some(output.as_fd()), peers)?;
    let reporter = meter.reporter();
    let transfer = Transfer { segment, plan, reporter };
    let result = transfer.receive((&mut runs, &mut output), &mut meter, &watcher);
    // A run that failed may have moved messages, too.
    meter.update(runs.moved());
    meter.set_start(runs.began().unwrap_or_else(Instant::now));
    let (loss, totals) = (runs.loss(), runs.totals());
    // Before the wait for the terminal: a sender may be waiting for this receiver.
    drop(runs);
    drop(watcher);
    meter.finish(plan.stats);
    let name = &segment.info().name;
    if let Some(totals) = totals.filter(|_| plan.stats) {
        say(format_args!("{name:?}: {totals}"));
    }
    result.map_err(|stop| match loss.filter(|loss| loss.concerns(&stop)) {
        Some(loss) => stop.with_loss(name, loss),
        None => stop,
    })
}

/// Reports what a subscriber did not receive, or that it may miss messages from now on.
fn report_missed(reporter: &Reporter, name: &str, missed: Missed) {
    reporter.say(match missed {
        Missed::Messages(count) => format!("{name:?}: missed {}", report::count(count, "message")),
        Missed::Evicted => format!(
            "{name:?}: evicted: no sender waits for this receiver any more, and it may miss messages"
        ),
    });
}

/// One ring, and how to receive from it.
struct Transfer<'a> {
    segment: &'a Segment,
    plan: &'a Plan,
    reporter: Reporter,
}

impl Transfer<'_> {
    fn receive(
        &self,
        (runs, output): (&mut Source, &mut Output),
        meter: &mut Meter,
        watcher: &Watcher<'_>,
    ) -> Result<(), Stop> {
        let Self { segment, plan, reporter } = self;
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
                Run::Missed(missed) => report_missed(reporter, runs.name(), missed),
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
}
