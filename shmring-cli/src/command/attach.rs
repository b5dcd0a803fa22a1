//! `shmring attach`: verifies and describes a segment, or moves stdin or stdout.

use serde::Serialize;
use shmring::Segment;

use super::{recv, send};
use crate::attaching::attach;
use crate::cli::AttachArgs;
use crate::facts::{ParticipantFacts, SegmentFacts, StatusFacts};
use crate::framing::{Incoming, Outgoing};
use crate::report;
use crate::signals::Signals;
use crate::stop::{Stop, say};

#[derive(Serialize)]
struct Attached {
    #[serde(flatten)]
    segment: SegmentFacts,
    #[serde(flatten)]
    status: StatusFacts,
}

pub(crate) fn run(args: &AttachArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    signals.end_soon();
    let segment = attach(&args.name, args.wait, &signals)?;
    if args.send {
        announce(&segment);
        return send::pump(&segment, Incoming::Lines, None, &signals);
    }
    if args.recv {
        announce(&segment);
        let plan = recv::Plan { framing: Outgoing::Lines, count: None, timeout: None };
        return recv::pump(&segment, &plan, &signals);
    }
    let status = segment.status().map_err(|fault| Stop::fault(&args.name, &fault))?;
    let facts = Attached {
        segment: SegmentFacts::of(segment.description()),
        status: StatusFacts::of(&status),
    };
    report::print(args.json, &facts, text)
}

fn announce(segment: &Segment) {
    let facts = SegmentFacts::of(segment.description());
    say(format_args!("attached to {}: {}", report::printable(&facts.name), facts.summary()));
}

fn text(facts: &Attached) -> String {
    let Attached { segment, status } = facts;
    let used = report::bytes(status.used_bytes);
    let attached = status.attached.iter().map(|one| ParticipantFacts::brief(Some(one)));
    let rows = [
        ("name", report::printable(&segment.name)),
        ("ring", segment.summary()),
        ("memory", format!("{} bytes in all", segment.total_bytes)),
        ("created", format!("{} by pid {}", segment.created_at, segment.creator_pid)),
        ("owner", format!("uid {}", segment.owner_uid)),
        ("state", status.state.to_owned()),
        ("used", format!("{used}, {} messages received so far", status.messages_received)),
        ("producer", ParticipantFacts::brief(status.producer.as_ref())),
        ("consumer", ParticipantFacts::brief(status.consumer.as_ref())),
        ("attached", attached.collect::<Vec<_>>().join(", ")),
    ];
    rows.map(|(label, value)| format!("{label:<9} {value}\n")).concat()
}
