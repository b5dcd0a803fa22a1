//! The command line of sessions, for every program that has it as a verb.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::contender::BoxError;
use crate::contenders;
use crate::presets;
use crate::report;
use crate::results::{Report, SCHEMA};
use crate::session::{Choice, Progress, Session};

const BAR: &str = "[{bar:30}] {pos}/{len} {msg}";

/// What a session's command line holds.
#[derive(Clone, Debug, Args)]
pub struct SessionArgs {
    /// quick: the rings, a pipe, a Unix socket and a message queue beside the limits. seed: every
    /// mechanism of the kernel. peers: other projects' rings (needs the cargo feature `peers`).
    /// goals: the ratios that the rings are to reach. full: everything.
    #[arg(default_value = "quick", value_parser = presets::NAMES.map(|(name, _)| name))]
    pub preset: String,
    /// How often each contender runs in each scenario [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Only contenders and scenarios whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub only: String,
    /// Write the results as JSON; `-` is stdout, instead of the tables
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with plots, which needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// Runs a session and writes what it gave; whether every contender did right.
///
/// # Errors
/// What cannot be measured or written.
pub fn session(
    args: &SessionArgs,
    name_prefix: &str,
    stop: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<bool, BoxError> {
    let preset = presets::preset(&args.preset).ok_or("there is no such preset")?;
    if preset.name == "peers" && !cfg!(feature = "peers") {
        return Err("this program was built without other projects' rings; build it with them: \
                    cargo run --release -p shmring-bench --features peers -- peers"
            .into());
    }
    let choice = Choice {
        rounds: args.rounds.unwrap_or(preset.rounds),
        only: args.only.clone(),
        executable: PathBuf::from("/proc/self/exe"),
        name_prefix: name_prefix.to_owned(),
    };
    let session = Session::new(&preset, contenders::ALL, &choice)?;
    let (names, scenarios) = session.size();
    eprintln!(
        "{}: {names} contenders in {scenarios} scenarios, {} rounds: about {}",
        preset.name,
        choice.rounds,
        words(session.forecast())
    );
    let bar = bar();
    let mut watch = |progress: &Progress<'_>| {
        bar.set_length(progress.total.into());
        bar.set_position(progress.done.into());
        let Progress { contender, scenario, left, .. } = progress;
        bar.set_message(format!("{} left: {contender}, {scenario}", words(*left)));
        stop()
    };
    let report = session.run(&mut watch);
    bar.finish_and_clear();
    let report = report?;
    write(&report, args)?;
    Ok(report.tables.iter().flat_map(|table| &table.absent).all(|absent| !absent.failed))
}

fn write(report: &Report, args: &SessionArgs) -> Result<(), BoxError> {
    let json = || Ok::<_, BoxError>(serde_json::to_string_pretty(report)? + "\n");
    match args.json.as_deref() {
        Some(path) if path == Path::new("-") => print(&json()?)?,
        Some(path) => {
            save(path, &json()?)?;
            print(&report::tables(report))?;
        }
        None => print(&report::tables(report))?,
    }
    args.html.as_deref().map_or(Ok(()), |path| save(path, &report::html(report)))
}

/// Holds two files of sessions against each other.
///
/// # Errors
/// What cannot be read or written.
pub fn versus(first: &Path, second: &Path) -> Result<(), BoxError> {
    print(&report::versus(&load(first)?, &load(second)?))
}

/// Draws a session's file as a page.
///
/// # Errors
/// What cannot be read or written.
pub fn draw(json: &Path, html: &Path) -> Result<(), BoxError> {
    save(html, &report::html(&load(json)?))
}

fn load(path: &Path) -> Result<Report, BoxError> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| format!("reading {name}: {error}"))?;
    let value: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| format!("{name} is no JSON: {error}"))?;
    match value.get("schema").and_then(|schema| schema.as_str()) {
        Some(SCHEMA) => {}
        Some(other) => {
            return Err(
                format!("{name} has the schema {other}; this program reads {SCHEMA}").into()
            );
        }
        None => return Err(format!("{name} does not name its schema; is it a session?").into()),
    }
    serde_json::from_value(value).map_err(|error| format!("{name} is damaged: {error}").into())
}

fn save(path: &Path, text: &str) -> Result<(), BoxError> {
    fs::write(path, text).map_err(|error| format!("writing {}: {error}", path.display()).into())
}

fn print(text: &str) -> Result<(), BoxError> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// On stderr; nothing where that is no terminal.
fn bar() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(BAR);
    ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// `95 s` as `1 min 35 s`.
fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}
