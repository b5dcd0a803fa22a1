//! `shmring attach`: verifies and describes a segment, or moves stdin or stdout.

use std::sync::Arc;

use shmring::Segment;

use super::{recv, send};
use crate::cli::AttachArgs;
use crate::facts::{Facts, SegmentFacts, brief};
use crate::process::signals::Signals;
use crate::process::stop::{Stop, say};
use crate::report;
use crate::transfer::attaching::{attach, look};
use crate::transfer::framing::{Incoming, Outgoing};

pub(crate) fn run(args: &AttachArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    if args.send || args.recv {
        return join(args, &signals);
    }
    let (description, status) = look(&args.attaching, &signals)?;
    let status = status.map_err(|fault| Stop::fault(&description.name, &fault))?;
    report::print(args.json, &Facts::of(&description, &status), text)
}

fn join(args: &AttachArgs, signals: &Signals) -> Result<(), Stop> {
    let segment = Arc::new(attach(&args.attaching, signals)?);
    announce(&segment);
    let is_named = args.attaching.target.socket.is_none();
    if args.send {
        let plan = send::Plan { framing: Incoming::Lines, timeout: None, stats: false, is_named };
        return send::pump(&segment, &plan, signals);
    }
    let plan = recv::Plan {
        framing: Outgoing::Lines,
        is_prefixed: false,
        count: None,
        timeout: None,
        stats: false,
        is_named,
        subscription: None,
    };
    recv::pump(&segment, &plan, signals)
}

fn announce(segment: &Segment) {
    let facts = SegmentFacts::of(segment.info());
    say(format_args!("attached to {}: {}", report::printable(&facts.name), facts.summary()));
}

fn text(facts: &Facts) -> String {
    let Facts { segment, status } = facts;
    let everyone = usize::MAX;
    let mut rows = segment.rows();
    rows.extend([
        ("state", status.state.name().to_owned()),
        ("used", status.used()),
        ("so far", status.so_far()),
        ("producers", brief(&status.producers, everyone)),
        ("consumers", brief(&status.consumers, everyone)),
        ("attached", brief(&status.attached, everyone)),
    ]);
    report::rows(&rows)
}
