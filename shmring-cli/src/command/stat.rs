//! `shmring stat`: what goes on in a segment, and why it stands still.

use std::thread;
use std::time::Instant;

use serde::Serialize;
use shmring::{Fault, Observer, PeekEnd, Peeked, Standstill, Status};

use crate::attaching::observe;
use crate::cli::StatArgs;
use crate::facts::{Facts, HolderFacts, ParticipantFacts, Rates, Scene, StandstillFacts, Unit};
use crate::report;
use crate::stop::{Exit, Stop};
use crate::table;

/// Counting a record ring's messages takes a look at each.
const MAX_COUNTED: usize = 100_000;

#[derive(Serialize)]
struct Stat {
    #[serde(flatten)]
    facts: Facts,
    /// Producers and consumers, with what each is at.
    holders: Vec<HolderFacts>,
    /// Messages that a consumer could receive; absent if they move too fast to be counted.
    waiting: Option<Waiting>,
    /// How long was looked.
    sample_ms: u64,
    /// Absent if that was no time at all.
    rates: Option<Rates>,
    /// Absent if something was received in that time.
    standstill: Option<StandstillFacts>,
    #[serde(skip)]
    unit: Unit,
}

/// Messages in a ring.
#[derive(Clone, Copy, Serialize)]
struct Waiting {
    messages: u64,
    /// Whether the count ended before they did.
    or_more: bool,
}

impl Waiting {
    fn count(observer: &Observer) -> Option<Self> {
        let Peeked { messages, missed, end } = observer.peek(MAX_COUNTED, 0).ok()?;
        let count = messages.len() as u64;
        (missed == 0).then_some(Self { messages: count, or_more: end == PeekEnd::Limit })
    }
}

pub(crate) fn run(args: &StatArgs) -> Result<(), Stop> {
    let observer = observe(&args.target)?;
    let description = observer.description();
    let look = || -> Result<(Status, Instant), Stop> {
        let failed = |fault: Fault| Stop::fault(&description.name, &fault);
        Ok((observer.status().map_err(failed)?, Instant::now()))
    };
    let (before, start) = look()?;
    thread::sleep(args.interval);
    let (after, end) = look()?;
    let elapsed = end.duration_since(start);
    let standstill = after.standstill_since(&before);
    let unit = Unit::of(description.kind);
    let sample_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let target = args.target.typed();
    let is_named = args.target.socket.is_none();
    let scene = Scene { status: &after, target: &target, is_named, unit, sample_ms };
    let stat = Stat {
        facts: Facts::of(description, &after),
        holders: after.holders.iter().map(HolderFacts::of).collect(),
        waiting: Waiting::count(&observer),
        sample_ms,
        rates: Rates::of(&before, &after, elapsed),
        standstill: standstill.as_ref().map(|standstill| scene.explain(standstill)),
        unit,
    };
    report::print(args.json, &stat, text)?;
    match standstill {
        Some(Standstill::Corrupt(_)) => Err(Stop::Reported(Exit::Corrupt)),
        _ => Ok(()),
    }
}

fn text(stat: &Stat) -> String {
    let Facts { segment, status } = &stat.facts;
    let mut rows = segment.rows();
    rows.extend([
        ("state", status.state.name().to_owned()),
        ("fill", fill(stat)),
        ("positions", format!("head {}, tail {}", status.head, status.tail)),
        ("so far", status.so_far()),
    ]);
    if let Some(rates) = &stat.rates {
        rows.push(("rates", format!("{} (in {} ms)", rates.summary(stat.unit), stat.sample_ms)));
    }
    let mut text = report::rows(&rows);
    if !status.attached.is_empty() {
        text += &format!("\n{}", participants(stat));
    }
    if let Some(standstill) = &stat.standstill {
        text += &format!("\n{}", explanation(standstill));
    }
    text
}

fn fill(stat: &Stat) -> String {
    let Facts { segment, status } = &stat.facts;
    let part = match segment.slots.zip(status.used_slots) {
        Some((slots, used)) => format!("{used} of {}", report::count(slots, "slot")),
        None => format!("{} of {}", status.used(), report::bytes(segment.capacity_bytes)),
    };
    let mut words = vec![part, format!("{}%", status.fill_percent)];
    if status.full {
        words.push("full".to_owned());
    }
    if let Some(Waiting { messages, or_more }) = stat.waiting {
        let more = if or_more { " or more" } else { "" };
        words.push(format!("{}{more} to be received", report::count(messages, "message")));
    }
    words.join(", ")
}

/// A row for each handle, and for each who is attached and has none.
fn participants(stat: &Stat) -> String {
    let header = ["ROLE", "PID", "COMMAND", "UID", "IS", "DOES"];
    let mut rows: Vec<_> = stat
        .holders
        .iter()
        .map(|holder| row(&holder.role, &holder.participant, does(holder, stat)))
        .collect();
    let has_handle = |one: &ParticipantFacts| {
        stat.holders.iter().any(|holder| holder.participant.pid == one.pid)
    };
    let others = stat.facts.status.attached.iter().filter(|one| !has_handle(one));
    rows.extend(others.map(|one| row("-", one, "-".to_owned())));
    table::layout(header, [false, true, false, true, false, false], &rows)
}

fn row(role: &str, participant: &ParticipantFacts, does: String) -> [String; 6] {
    let command = participant.command.as_deref().map_or_else(|| "-".to_owned(), report::printable);
    [
        role.to_owned(),
        participant.pid.to_string(),
        command,
        participant.uid.to_string(),
        participant.life(),
        does,
    ]
}

fn does(holder: &HolderFacts, stat: &Stat) -> String {
    let tickets = stat.standstill.iter().filter_map(|standstill| standstill.tickets.as_ref());
    if tickets.flatten().any(|ticket| ticket.handle == holder.handle) {
        return "has the ticket that all wait for".to_owned();
    }
    match (holder.sleeps_until, &*holder.role) {
        (Some(position), "consumer") => format!("sleeps until tail is at {position}"),
        (Some(position), _) => format!("sleeps until head is at {position}"),
        (None, _) => "-".to_owned(),
    }
}

fn explanation(standstill: &StandstillFacts) -> String {
    let StandstillFacts { why, remedy, .. } = standstill;
    let how = if standstill.is_stuck() { "Stuck" } else { "At rest" };
    let since = format!("for at least {} ms, which is how long was looked", standstill.at_least_ms);
    let mut text = format!("{how} {since}:\n");
    for sentence in why {
        text += &format!("  {sentence}\n");
    }
    if !remedy.is_empty() {
        text += "What ends it:\n";
    }
    for sentence in remedy {
        text += &format!("  {sentence}\n");
    }
    text
}
