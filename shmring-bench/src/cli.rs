//! The command line of sessions, for every program that has it as a verb.

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::contender::BoxError;
use crate::contenders;
use crate::presets;
use crate::report;
use crate::results::{Report, SCHEMA};
use crate::session::{Choice, Progress, Session};

const BAR: &str = "[{bar:30}] {pos}/{len} {wide_msg}";

/// What to say below the options.
pub const AFTER_HELP: &str = "\
A session says how long it will take before it starts. Interrupted, it prints
what is complete. `--rounds 1` is a quick look without a spread. Every contender
is checked for loss, order and content before it is timed; one that fails makes
the exit code 1. What the machine lacks is listed as skipped, with the reason.";

/// What a session's command line holds.
#[derive(Clone, Debug, Args)]
pub struct SessionArgs {
    /// What is measured
    #[arg(default_value = "quick", value_parser = preset_parser())]
    pub preset: String,
    /// How often each contender runs in each scenario [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: Option<u32>,
    /// Only contenders, scenarios and costs whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub only: String,
    /// Write the results as JSON; `-` is stdout, instead of the tables
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write a page with plots, which needs no network
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What is done with the JSON of sessions.
#[derive(Clone, Debug, Subcommand)]
pub enum FileCommand {
    /// Hold one session's JSON against another's
    Compare {
        /// The earlier one
        first: PathBuf,
        /// The later one
        second: PathBuf,
    },
    /// Draw a session's JSON as a page
    Draw {
        /// The session
        json: PathBuf,
        /// The page
        html: PathBuf,
    },
}

/// How a session ended. Its results are written in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// All rounds are complete, and every contender did right.
    Done,
    /// So many rows are missing because contenders failed, as reported.
    Failed(usize),
    /// The caller asked to stop.
    Interrupted,
}

/// Why nothing was done, in words.
#[derive(Debug)]
pub enum Problem {
    /// What was asked for makes no sense.
    Usage(String),
    /// It cannot be measured, read or written.
    Failed(String),
}

impl From<BoxError> for Problem {
    fn from(error: BoxError) -> Problem {
        Problem::Failed(error.to_string())
    }
}

fn preset_parser() -> PossibleValuesParser {
    PossibleValuesParser::new(
        presets::NAMES.map(|(name, what)| PossibleValue::new(name).help(what)),
    )
}

fn choice(rounds: u32, only: &str, name_prefix: &str) -> Choice {
    let executable = PathBuf::from("/proc/self/exe");
    Choice { rounds, only: only.to_owned(), executable, name_prefix: name_prefix.to_owned() }
}

/// Runs a session and writes what it gave. The names of its segments begin with `name_prefix`.
///
/// # Errors
/// What makes no sense, or cannot be measured or written.
pub fn session(
    args: &SessionArgs,
    name_prefix: &str,
    stop: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Ended, Problem> {
    let usage = |what: &str| Problem::Usage(what.to_owned());
    let preset = presets::preset(&args.preset).ok_or_else(|| usage("there is no such preset"))?;
    if preset.name == "peers" && !cfg!(feature = "peers") {
        return Err(usage(
            "this program was built without other projects' rings; build it with them: cargo run \
             --release -p shmring-bench --features peers -- peers",
        ));
    }
    args.json.iter().chain(&args.html).try_for_each(|path| writable(path))?;
    let choice = choice(args.rounds.unwrap_or(preset.rounds), &args.only, name_prefix);
    let session = Session::new(&preset, contenders::ALL, &choice)
        .map_err(|error| Problem::Usage(error.to_string()))?;
    announce(&session, preset.name, choice.rounds);
    let bar = bar();
    let mut interrupted = false;
    let mut watch = |progress: &Progress<'_>| {
        bar.set_length(progress.total.into());
        bar.set_position(progress.done.into());
        bar.set_message(format!("{} left: {progress}", words(progress.left)));
        let go_on = stop();
        interrupted |= go_on.is_break();
        go_on
    };
    let report = session.run(&mut watch);
    bar.finish_and_clear();
    let report = report.map_err(|error| Problem::Failed(error.to_string()))?;
    write(&report, args)?;
    Ok(match failures(&report) {
        _ if interrupted => Ended::Interrupted,
        0 => Ended::Done,
        failures => Ended::Failed(failures),
    })
}

fn announce(session: &Session<'_>, preset: &str, rounds: u32) {
    let (contenders, scenarios, costs) = session.size();
    let plural = |count: usize, what: &str| match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    };
    let mut parts = Vec::new();
    if scenarios > 0 {
        let scenarios = plural(scenarios, "scenario");
        parts.push(format!("{} in {scenarios}", plural(contenders, "contender")));
    }
    if costs > 0 {
        parts.push(plural(costs, "cost"));
    }
    // The reader of the output may have ended.
    let _ = writeln!(
        io::stderr(),
        "{preset}: {}, {}: about {}",
        parts.join(" and "),
        plural(rounds as usize, "round"),
        words(session.forecast())
    );
}

fn failures(report: &Report) -> usize {
    let of_tables = report.tables.iter().flat_map(|table| &table.absent);
    let of_costs = report.costs.iter().flat_map(|costs| &costs.absent);
    of_tables.chain(of_costs).filter(|absent| absent.failed).count()
}

/// Better before the session than after it.
fn writable(path: &Path) -> Result<(), Problem> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    match parent {
        Some(parent) if !parent.is_dir() => {
            Err(Problem::Failed(format!("there is no directory {}", parent.display())))
        }
        _ => Ok(()),
    }
}

fn write(report: &Report, args: &SessionArgs) -> Result<(), BoxError> {
    // On one line: a session is tens of thousands of numbers.
    let json = serde_json::to_string(report)? + "\n";
    // What can be read at once comes first, lest a file that cannot be written takes it along.
    let on_stdout = args.json.as_deref() == Some(Path::new("-"));
    print(if on_stdout { json.clone() } else { report::tables(report) }.as_str())?;
    if let Some(path) = args.json.as_deref().filter(|_| !on_stdout) {
        save(path, &json)?;
    }
    args.html.as_deref().map_or(Ok(()), |path| save(path, &report::html(report)))
}

/// Does something with the files of sessions.
///
/// # Errors
/// What cannot be read or written.
pub fn file_command(command: &FileCommand) -> Result<(), Problem> {
    match command {
        FileCommand::Compare { first, second } => {
            print(&report::versus(&load(first)?, &load(second)?))?;
        }
        FileCommand::Draw { json, html } => save(html, &report::html(&load(json)?))?,
    }
    Ok(())
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

/// Prints facts.
///
/// # Errors
/// If stdout cannot be written. A closed stdout is no error.
pub fn print(text: &str) -> Result<(), BoxError> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.map_err(|error| format!("writing stdout: {error}").into()),
    }
}

/// Prints a result, as text or as JSON.
///
/// # Errors
/// As [`print()`].
pub fn print_result<T: Serialize>(
    result: &T,
    json: bool,
    text: fn(&T) -> String,
) -> Result<(), Problem> {
    let json = json.then(|| serde_json::to_string_pretty(result)).transpose();
    let json = json.map_err(|error| Problem::Failed(format!("JSON: {error}")))?;
    Ok(print(&json.map_or_else(|| text(result), |json| json + "\n"))?)
}

/// Reports a problem on stderr, after the program's name; returns the exit code.
pub fn exit_code(program: &str, done: Result<(), Problem>) -> ExitCode {
    let (what, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Problem::Failed(what)) => (what, 1),
        Err(Problem::Usage(what)) => (what, 2),
    };
    // The reader of the output may have ended.
    let _ = writeln!(io::stderr(), "{program}: {what}");
    ExitCode::from(code)
}

/// Returns a function that breaks once SIGINT or SIGTERM came.
///
/// # Errors
/// If the handlers cannot be installed.
pub fn until_signal() -> Result<impl FnMut() -> ControlFlow<()>, BoxError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(move || match stop.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
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
    match time.as_secs_f64().ceil() as u64 {
        seconds if seconds < 60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a help that promises another time than the session announces. The preset `peers` is
    // as long as that only in a build that has them, and `full` only in one that has not.
    #[test]
    fn the_help_says_how_long_presets_take() {
        for (name, what) in presets::NAMES {
            let preset = presets::preset(name).expect("a preset");
            let with_peers = cfg!(feature = "peers");
            if (name == "peers" && !with_peers) || (name == "full" && with_peers) {
                continue;
            }
            let choice = choice(preset.rounds, "", "");
            let session = Session::new(&preset, contenders::ALL, &choice).expect("a session");
            let minutes = session.forecast().as_secs_f64() / 60.0;
            let said = what.rsplit_once("; ").expect("a time").1.trim_end_matches(" min");
            let said: f64 = said.parse().expect("minutes");
            assert!((0.7..1.3).contains(&(minutes / said)), "{name}: {minutes} min, not {said}");
        }
    }

    // Catches committed sessions that `draw` and `compare` cannot read any more.
    #[test]
    fn committed_sessions_can_be_read() {
        let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("results");
        for preset in ["seed", "peers", "goals", "watched"] {
            let report = load(&results.join(preset).with_extension("json"));
            assert_eq!(report.unwrap_or_else(|error| panic!("{error}")).preset, preset);
        }
    }

    #[test]
    fn times_for_people() {
        assert_eq!(words(Duration::from_millis(300)), "1 s");
        assert_eq!(words(Duration::from_millis(58_900)), "59 s");
        assert_eq!(words(Duration::from_secs(95)), "1 min 35 s");
    }
}
