//! `shmring ls`: lists segments without joining any.

use serde::Serialize;
use shmring::AttachError;

use crate::cli::LsArgs;
use crate::facts::{Entry, Facts, brief, open_deleted};
use crate::process::stop::{Exit, Stop, say};
use crate::report;
use crate::report::aligned;
use crate::transfer::attaching::looking;

/// More process ids than this would push the state off the screen.
const MAX_PIDS: usize = 3;

#[derive(Serialize)]
struct Listing {
    segments: Vec<Entry<Facts>>,
    /// Segments that lost their names and are in use.
    deleted: Vec<Entry<Facts>>,
}

pub(crate) fn run(args: &LsArgs) -> Result<(), Stop> {
    let names = shmring::list().map_err(|error| Stop::new(Exit::Failed, error.to_string()))?;
    let deleted = open_deleted(&names).into_iter().filter_map(|(label, observer)| {
        let observer = observer.ok()?;
        // A segment without a name that cannot be read is of no use to any process.
        let status = observer.status().ok()?;
        let facts = Facts::of(observer.info(), &status).deleted(label);
        Some(Entry::Sound(Box::new(facts)))
    });
    let deleted = deleted.collect();
    let listing = Listing { segments: names.into_iter().filter_map(look).collect(), deleted };
    if listing.segments.is_empty() && listing.deleted.is_empty() && !args.json {
        say("no segments");
        return Ok(());
    }
    report::print(args.json, &listing, text)
}

/// Returns the facts about `name`; `None` if it vanished meanwhile.
fn look(name: String) -> Option<Entry<Facts>> {
    match looking().observe(&name) {
        Ok(observer) => Some(match observer.status() {
            Ok(status) => Entry::Sound(Box::new(Facts::of(observer.info(), &status))),
            Err(fault) => Entry::broken(&name, fault),
        }),
        Err(AttachError::NotFound { .. }) => None,
        Err(error) => Some(Entry::broken(&name, error)),
    }
}

fn text(listing: &Listing) -> String {
    let header = [
        "NAME",
        "KIND",
        "CAPACITY",
        "USED",
        "FILL",
        "MESSAGES",
        "PRODUCERS",
        "CONSUMERS",
        "ATTACHED",
        "STATE",
    ];
    let right = [false, false, true, true, true, true, true, true, true, false];
    let rows: Vec<_> = listing.segments.iter().chain(&listing.deleted).map(row).collect();
    aligned::layout(header, right, &rows)
}

fn row(entry: &Entry<Facts>) -> [String; 10] {
    match entry {
        Entry::Sound(facts) => {
            let Facts { segment, status } = &**facts;
            [
                report::printable(&segment.name),
                segment.kind.clone(),
                segment.size(),
                status.used(),
                format!("{}%", status.fill_percent),
                status.messages_received.to_string(),
                brief(&status.producers, MAX_PIDS),
                brief(&status.consumers, MAX_PIDS),
                status.attached(),
                status.state.name().to_owned(),
            ]
        }
        Entry::Broken { name, state, error } => {
            let mut cells = [(); 10].map(|()| "-".to_owned());
            cells[0] = report::printable(name);
            cells[9] = format!("{state}: {}", report::printable(error));
            cells
        }
    }
}
