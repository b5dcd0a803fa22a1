//! `shmring top`: a live table of all segments, or one for scripts.

use std::env;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;

use crate::cli::TopArgs;
use crate::facts::{Entry, Sample};
use crate::process::stop::{Exit, Stop, say};
use crate::report;
use crate::report::aligned;
use crate::top::{Column, Watch, show};

const NO_COLOR: &str = "NO_COLOR";

#[derive(Serialize)]
struct Top {
    segments: Vec<Entry<Sample>>,
    /// Segments that lost their names and are in use.
    deleted: Vec<Entry<Sample>>,
}

pub(crate) fn run(args: &TopArgs) -> Result<(), Stop> {
    if args.once {
        return once(args.interval, args.json);
    }
    let is_dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if is_dumb || !io::stdout().is_terminal() {
        let what =
            if is_dumb { "this terminal shows lines only" } else { "stdout is not a terminal" };
        return Err(Stop::new(Exit::Failed, format!("{what}; `--once` prints a table")));
    }
    heed_color()?;
    show(args.interval)
}

/// The drawing library reads NO_COLOR itself and does not know `--color always`: this program
/// executes itself again without the variable.
fn heed_color() -> Result<(), Stop> {
    let is_set = env::var_os(NO_COLOR).is_some_and(|value| !value.is_empty());
    if !is_set || AutoStream::choice(&io::stdout()) == ColorChoice::Never {
        return Ok(());
    }
    let mut args = env::args_os();
    let mut command = Command::new("/proc/self/exe");
    command.arg0(args.next().unwrap_or_default()).args(args).env_remove(NO_COLOR);
    Err(Stop::new(Exit::Failed, format!("starting anew: {}", command.exec())))
}

/// Takes two samples, for the rates.
fn once(interval: Duration, json: bool) -> Result<(), Stop> {
    let mut watch = Watch::default();
    let mut look = || watch.look().map_err(|error| Stop::new(Exit::Failed, error));
    look()?;
    thread::sleep(interval);
    let (deleted, segments) = look()?.into_iter().partition(Entry::is_deleted);
    let top = Top { segments, deleted };
    if top.segments.is_empty() && top.deleted.is_empty() && !json {
        say("no segments");
        return Ok(());
    }
    report::print(json, &top, text)
}

fn text(top: &Top) -> String {
    let cell = |column: Column, entry: &Entry<Sample>| match (column, entry) {
        (Column::State, Entry::Broken { state, error, .. }) => {
            format!("{state}: {}", report::printable(error))
        }
        _ => column.cell(entry),
    };
    let entries = top.segments.iter().chain(&top.deleted);
    let rows: Vec<_> = entries.map(|entry| Column::ALL.map(|column| cell(column, entry))).collect();
    aligned::layout(Column::ALL.map(Column::header), Column::ALL.map(Column::is_number), &rows)
}
