//! `shmring stat`: reports the state of a segment, and why it stalls.

use std::thread;

use serde::Serialize;
use shmring::observe::PeekEnd;
use shmring::{Observer, Peeked};

use crate::cli::StatArgs;
use crate::facts::{Look, Past, Sample, StatusFacts, Subject};
use crate::process::stop::{Exit, Stop};
use crate::report;
use crate::report::description;
use crate::transfer::attaching::observe;

/// Counting a record ring's messages reads the header of each.
const MAX_COUNTED: usize = 100_000;

#[derive(Serialize)]
struct Stat {
    #[serde(flatten)]
    sample: Sample,
    /// Messages that a consumer could receive, of a broadcast ring from the oldest one that is kept;
    /// absent if they move too fast to count them.
    waiting: Option<Waiting>,
}

/// Messages in a ring.
#[derive(Clone, Copy, Serialize)]
struct Waiting {
    messages: u64,
    /// `true` if there are more messages than were counted.
    or_more: bool,
}

impl Waiting {
    fn count(observer: &Observer, status: &StatusFacts) -> Option<Self> {
        if let Some(jobs) = status.jobs {
            return Some(Self { messages: jobs.waiting, or_more: false });
        }
        let Peeked { messages, missed, end, .. } = observer.peek(MAX_COUNTED, 0).ok()?;
        let count = messages.len() as u64;
        (missed == 0).then_some(Self { messages: count, or_more: end == PeekEnd::Limit })
    }

    /// Returns a row of text.
    fn row(self, is_broadcast: bool) -> (&'static str, String) {
        let Self { messages, or_more } = self;
        let more = if or_more { " or more" } else { "" };
        let messages = report::count(messages, "message");
        match is_broadcast {
            true => ("kept", format!("{messages}{more}, for `--from`")),
            false => ("waiting", format!("{messages}{more} to be received")),
        }
    }
}

pub(crate) fn run(args: &StatArgs) -> Result<(), Stop> {
    let observer = observe(&args.target)?;
    let description = observer.info();
    let look = || Look::at(&observer).map_err(|fault| Stop::fault(&description.name, &fault));
    let before = look()?;
    thread::sleep(args.interval);
    let now = look()?;
    let subject = Subject { target: &args.target.typed(), is_named: args.target.socket.is_none() };
    let past = Past { last: &before, still: &before };
    let sample = Sample::of(description, subject, &now, Some(past));
    let waiting = Waiting::count(&observer, &sample.facts.status);
    let stat = Stat { sample, waiting };
    report::print(args.json, &stat, text)?;
    if stat.sample.is_corrupt() { Err(Stop::Reported(Exit::Corrupt)) } else { Ok(()) }
}

fn text(stat: &Stat) -> String {
    let Stat { sample, waiting } = stat;
    let mut rows = description::rows(sample);
    // Those of a job ring have a row.
    if let Some(waiting) = waiting.filter(|_| sample.facts.status.jobs.is_none()) {
        rows.push(waiting.row(sample.facts.segment.is_broadcast()));
    }
    let participants = description::participants(sample);
    let lines = |lines: Vec<String>| lines.into_iter().map(|line| line + "\n").collect::<String>();
    let stall = sample.stall.as_ref().map(description::stall).unwrap_or_default();
    let held_up = description::held_up(sample);
    let parts = [report::rows(&rows), participants, lines(stall), lines(held_up)];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}
