//! Describes one segment in full, as text.

use crate::facts::{Facts, HolderFacts, ParticipantFacts, Sample, StallFacts};
use crate::report;
use crate::report::aligned;

/// Returns labels and values, for the caller to extend.
pub(crate) fn rows(sample: &Sample) -> Vec<(&'static str, String)> {
    let Facts { segment, status } = &sample.facts;
    let mut rows = segment.rows();
    rows.extend([
        ("state", status.state.name().to_owned()),
        ("fill", fill(sample)),
        ("positions", format!("head {}, tail {}", status.head, status.tail)),
        ("so far", status.so_far()),
    ]);
    if let Some(rates) = &sample.rates {
        let Sample { unit, sample_ms, .. } = sample;
        rows.push(("rates", format!("{} (in {sample_ms} ms)", rates.summary(*unit))));
    }
    rows
}

fn fill(sample: &Sample) -> String {
    let Facts { segment, status } = &sample.facts;
    let part = match segment.slots.zip(status.used_slots) {
        Some((slots, used)) => format!("{used} of {}", report::count(slots, "slot")),
        None => format!("{} of {}", status.used(), report::bytes(segment.capacity_bytes)),
    };
    let full = if status.full { ", full" } else { "" };
    format!("{part}, {}%{full}", status.fill_percent)
}

/// Returns a table with a row for each handle, and for each attachment without one. Empty if
/// there are none.
pub(crate) fn participants(sample: &Sample) -> String {
    let attached = &sample.facts.status.attached;
    if attached.is_empty() {
        return String::new();
    }
    let header = ["ROLE", "PID", "COMMAND", "UID", "IS", "DOES"];
    let holders = &sample.holders;
    let mut rows: Vec<_> = holders
        .iter()
        .map(|holder| row(&holder.role, &holder.participant, does(holder, sample)))
        .collect();
    let has_handle =
        |one: &ParticipantFacts| holders.iter().any(|holder| holder.participant.is(one));
    let others = attached.iter().filter(|one| !has_handle(one));
    rows.extend(others.map(|one| row("-", one, "-".to_owned())));
    aligned::layout(header, [false, true, false, true, false, false], &rows)
}

fn row(role: &str, participant: &ParticipantFacts, does: String) -> [String; 6] {
    let command = participant.command.as_deref().map_or_else(|| "-".to_owned(), report::printable);
    [
        role.to_owned(),
        participant.number(),
        command,
        participant.uid.to_string(),
        participant.life(),
        does,
    ]
}

fn does(holder: &HolderFacts, sample: &Sample) -> String {
    let tickets = sample.stall.iter().filter_map(|stall| stall.tickets.as_ref());
    if tickets.flatten().any(|ticket| ticket.handle == holder.handle) {
        return "has the ticket that all wait for".to_owned();
    }
    match (holder.sleeps_until, &*holder.role) {
        (Some(position), "consumer") => format!("sleeps until tail is at {position}"),
        (Some(position), _) => format!("sleeps until head is at {position}"),
        (None, _) => "-".to_owned(),
    }
}

/// Returns why a ring stalls: headings, and indented sentences below them.
pub(crate) fn stall(stall: &StallFacts) -> Vec<String> {
    let StallFacts { why, remedy, at_least_ms, .. } = stall;
    let how = if stall.is_stuck() { "Stuck" } else { "At rest" };
    let span = report::span(*at_least_ms);
    let mut lines = vec![format!("{how} for at least {span}, the time observed:")];
    let sentences = |them: &[String]| them.iter().map(|one| format!("  {one}")).collect::<Vec<_>>();
    lines.extend(sentences(why));
    if !remedy.is_empty() {
        lines.push("What ends it:".to_owned());
    }
    lines.extend(sentences(remedy));
    lines
}
