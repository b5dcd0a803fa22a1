//! Describes one segment in full, as text.

use crate::facts::{Facts, HeldUpFacts, HolderFacts, ParticipantFacts, Sample, StallFacts};
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
    if let Some(jobs) = status.jobs {
        rows.push(("jobs", jobs.summary()));
    }
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
    if sample.facts.segment.is_broadcast() {
        return subscribers(sample);
    }
    if sample.facts.segment.has_jobs() {
        return workers(sample);
    }
    let header = ["ROLE", "PID", "COMMAND", "UID", "IS", "DOES"];
    let holders = &sample.holders;
    let mut rows: Vec<_> = holders
        .iter()
        .map(|holder| row(&holder.role, &holder.participant, does(holder, sample)))
        .collect();
    rows.extend(without_handle(sample).map(|one| row("-", one, "-".to_owned())));
    aligned::layout(header, [false, true, false, true, false, false], &rows)
}

/// Returns the attachments that have no handle.
fn without_handle(sample: &Sample) -> impl Iterator<Item = &ParticipantFacts> {
    let is_holder =
        |one: &ParticipantFacts| sample.holders.iter().any(|holder| holder.participant.is(one));
    sample.facts.status.attached.iter().filter(move |one| !is_holder(one))
}

/// As `participants`, of a broadcast ring: with how far each subscriber has come, and the handle by
/// which it can be evicted.
fn subscribers(sample: &Sample) -> String {
    let header =
        ["ROLE", "HANDLE", "PID", "COMMAND", "MODE", "LAG", "LAG BYTES", "MISSED", "IS", "DOES"];
    let right = [false, true, true, false, false, true, true, true, false, false];
    let none = || "-".to_owned();
    let rows = sample.holders.iter().map(|holder| {
        let [role, pid, command, _, is, does] =
            row(&holder.role, &holder.participant, does(holder, sample));
        let [mode, lag, lag_bytes, missed] = match &holder.subscription {
            Some(one) => [
                one.mode.clone(),
                one.lag_messages.to_string(),
                report::bytes(one.lag_bytes),
                one.missed.to_string(),
            ],
            None => [(); 4].map(|()| none()),
        };
        let handle = holder.handle.to_string();
        [role, handle, pid, command, mode, lag, lag_bytes, missed, is, does]
    });
    let others = without_handle(sample).map(|one| {
        let [role, pid, command, _, is, does] = row("-", one, none());
        [role, none(), pid, command, none(), none(), none(), none(), is, does]
    });
    aligned::layout(header, right, &rows.chain(others).collect::<Vec<_>>())
}

/// As `participants`, of a job ring: with the jobs that each worker has, and for how long it has had
/// some without a break.
fn workers(sample: &Sample) -> String {
    let header = ["ROLE", "HANDLE", "PID", "COMMAND", "JOBS", "FOR", "IS", "DOES"];
    let right = [false, true, true, false, false, true, false, false];
    let none = || "-".to_owned();
    let rows = sample.holders.iter().map(|holder| {
        let [role, pid, command, _, is, does] =
            row(&holder.role, &holder.participant, does(holder, sample));
        let handle = holder.handle.to_string();
        [role, handle, pid, command, holder.jobs(), holder.jobs_for(), is, does]
    });
    let others = without_handle(sample).map(|one| {
        let [role, pid, command, _, is, does] = row("-", one, none());
        [role, none(), pid, command, none(), none(), is, does]
    });
    aligned::layout(header, right, &rows.chain(others).collect::<Vec<_>>())
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
    explanation(format!("{how} for at least {span}, the time observed:"), why, remedy)
}

/// Returns who holds the producer of a broadcast ring up, in lines of the same form. Empty if none
/// does, or if the stall explains it.
pub(crate) fn held_up(sample: &Sample) -> Vec<String> {
    let is_explained = sample.stall.as_ref().is_some_and(|stall| stall.kind == "full");
    match sample.held_up_by.as_ref().filter(|_| !is_explained) {
        Some(held_up @ HeldUpFacts { remedy, .. }) => {
            explanation("The sender waits for room:".to_owned(), &[held_up.sentence()], remedy)
        }
        None => Vec::new(),
    }
}

fn explanation(heading: String, why: &[String], remedy: &[String]) -> Vec<String> {
    let sentences = |them: &[String]| them.iter().map(|one| format!("  {one}")).collect::<Vec<_>>();
    let mut lines = vec![heading];
    lines.extend(sentences(why));
    if !remedy.is_empty() {
        lines.push("What ends it:".to_owned());
    }
    lines.extend(sentences(remedy));
    lines
}
