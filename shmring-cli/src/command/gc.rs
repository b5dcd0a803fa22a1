//! `shmring gc`: reaps dead processes, and removes segments that they abandoned.

use serde::Serialize;
use shmring::gc::{Collected, Fate};
use shmring::{AttachError, CollectError, Collector, Fault};

use crate::cli::GcArgs;
use crate::facts::{ParticipantFacts, used};
use crate::process::stop::{Exit, Stop, say};
use crate::report;

#[derive(Serialize)]
struct Garbage {
    /// `true` if nothing was changed.
    dry_run: bool,
    segments: Vec<SegmentFate>,
    /// Files of processes that died before they had created the segment.
    unfinished: Vec<String>,
}

/// What `gc` did with a segment, or would do.
#[derive(Serialize)]
struct SegmentFate {
    name: String,
    /// `kept`, `cleaned` or `removed`.
    fate: &'static str,
    /// Why it was removed: `abandoned` or `unattached`; or why it was kept although it is one of
    /// these: `unread`. Absent otherwise.
    because: Option<&'static str>,
    attached_alive: u64,
    dead: Vec<ParticipantFacts>,
    /// The content of the ring.
    used_bytes: u64,
    used_slots: Option<u64>,
    #[serde(skip)]
    done: Fate,
}

pub(crate) fn run(args: &GcArgs) -> Result<(), Stop> {
    let collector = Collector::new()
        .dry_run(args.dry_run)
        .unattached(args.unattached)
        .unread(args.unread)
        .guard(true);
    let os = |error: shmring::OsError| Stop::new(Exit::Failed, error.to_string());
    let all = args.names.is_empty();
    let names = if all { shmring::list().map_err(os)? } else { args.names.clone() };
    let mut first_failure = Ok(());
    let mut segments = Vec::new();
    for name in names {
        match collector.collect(&name) {
            Ok(collected) => segments.push(SegmentFate::of(&collected)),
            Err(error) if all && is_nothing_of_ours(&error) => {}
            Err(error) => {
                let tolerable = all && is_left_alone(&error);
                let is_corrupt = matches!(error, CollectError::Failed(Fault::Corrupt(_)));
                if let Stop::Failed { exit, message } = error.into() {
                    let quoted = report::quoted(&name);
                    match is_corrupt {
                        true => say(format_args!(
                            "{name:?}: {message}; `shmring gc --unread {quoted}` removes it if \
                             no process is attached"
                        )),
                        false => say(message),
                    }
                    if !tolerable {
                        // The exit code is that of the first failure; each was reported.
                        first_failure = first_failure.and(Err(Stop::Reported(exit)));
                    }
                }
            }
        }
    }
    let unfinished = if all { collector.collect_unfinished().map_err(os)? } else { Vec::new() };
    let garbage = Garbage { dry_run: args.dry_run, segments, unfinished };
    if !args.json
        && garbage.unfinished.is_empty()
        && garbage.segments.iter().all(SegmentFate::is_kept)
    {
        say("nothing to collect");
    }
    report::print(args.json, &garbage, text)?;
    first_failure
}

/// Returns `true` if the segment vanished, or belongs to another user.
fn is_nothing_of_ours(error: &CollectError) -> bool {
    matches!(
        error,
        CollectError::Attach(
            AttachError::NotFound { .. }
                | AttachError::Denied { .. }
                | AttachError::WorldWritable { .. }
        )
    )
}

/// Returns `true` if the segment cannot be checked. The caller reports that, and does not fail.
fn is_left_alone(error: &CollectError) -> bool {
    matches!(
        error,
        CollectError::Attach(
            AttachError::Incompatible { .. }
                | AttachError::CorruptHeader { .. }
                | AttachError::NotASegment { .. }
        ) | CollectError::Failed(Fault::Corrupt(_))
    )
}

impl SegmentFate {
    fn of(collected: &Collected) -> Self {
        let Collected { info, status, fate: done, .. } = collected;
        let (fate, because) = match done {
            Fate::Kept => ("kept", None),
            Fate::KeptUnread => ("kept", Some("unread")),
            Fate::Cleaned => ("cleaned", None),
            Fate::Removed => ("removed", Some("abandoned")),
            Fate::RemovedUnattached => ("removed", Some("unattached")),
            _ => ("examined", None),
        };
        let (alive, dead): (Vec<_>, Vec<_>) = status.attached.iter().partition(|one| one.alive);
        Self {
            name: info.name.clone(),
            fate,
            because,
            attached_alive: alive.len() as u64,
            dead: dead.into_iter().map(ParticipantFacts::of).collect(),
            used_bytes: status.ring().used_bytes,
            used_slots: status.ring().used_slots,
            done: *done,
        }
    }

    fn is_kept(&self) -> bool {
        self.done == Fate::Kept
    }

    /// Returns a line of text; an empty one if nothing was done.
    fn line(&self, dry_run: bool) -> String {
        let name = report::printable(&self.name);
        let dead: Vec<_> = self.dead.iter().map(ParticipantFacts::number).collect();
        let dead = dead.join(", ");
        let amount = used(self.used_slots, self.used_bytes);
        let lost = match self.used_bytes {
            0 => String::new(),
            _ => format!(", with {amount} in it"),
        };
        let (reap, remove) = verbs(dry_run);
        match self.done {
            Fate::Kept => String::new(),
            Fate::KeptUnread => {
                let keep = if dry_run { "would keep" } else { "kept" };
                let why = if dead.is_empty() {
                    "unattached".to_owned()
                } else {
                    format!("abandoned by {dead}")
                };
                let command = report::quoted(&self.name);
                format!(
                    "{keep} {name}: {why}, with {amount} unread; `shmring recv \
                     {command}` receives it, `shmring gc --unread {command}` removes it\n"
                )
            }
            Fate::Cleaned => format!("{reap} the dead in {name}: {dead}\n"),
            Fate::Removed => format!("{remove} {name}: abandoned by {dead}{lost}\n"),
            Fate::RemovedUnattached => format!("{remove} {name}: unattached{lost}\n"),
            _ => format!("examined {name}\n"),
        }
    }
}

/// The verbs of the report.
fn verbs(dry_run: bool) -> (&'static str, &'static str) {
    if dry_run { ("would reap", "would remove") } else { ("reaped", "removed") }
}

fn text(garbage: &Garbage) -> String {
    let Garbage { dry_run, segments, unfinished } = garbage;
    let mut text: String = segments.iter().map(|segment| segment.line(*dry_run)).collect();
    let (_, remove) = verbs(*dry_run);
    for name in unfinished {
        text += &format!("{remove} {}: unfinished, its creator died\n", report::printable(name));
    }
    text
}
