//! `shmring-bench`: measures mechanisms that move messages, and what deaths cost.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;
use shmring_bench::cli::{self, Ended, FileCommand, Problem, SessionArgs};
use shmring_bench::contender::BoxError;
use shmring_bench::{Options, deaths, instructions, intercept, torture};

/// Measures shmring's rings beside what the machine allows, the kernel's mechanisms and other
/// projects' rings.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, args_conflicts_with_subcommands = true, after_help = cli::AFTER_HELP)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    session: SessionArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Files(FileCommand),
    /// Count the instructions of each verb of each ring, under valgrind
    Instructions(InstructionsArgs),
    /// What `instructions` starts under valgrind
    #[command(name = instructions::INNER, hide = true)]
    Counted {
        /// As there
        only: String,
    },
    /// Kill processes that use a ring, check that the others lose nothing, and show how soon
    /// they go on.
    Deaths(DeathsArgs),
    /// Kill, stop and replace processes that use rings, at random, and account for every message.
    Torture(TortureArgs),
}

#[derive(Debug, clap::Args)]
struct InstructionsArgs {
    /// Only verbs and rings whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct DeathsArgs {
    /// How many processes are killed in each case.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// Only the cases whose description contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct TortureArgs {
    /// How long; the last round is finished.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Decides what the rounds are like, and who is killed when. Without one, it is taken from the
    /// clock; it is shown in any case.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The first round.
    #[arg(long, value_name = "N", default_value_t = 1)]
    round: u32,
    /// Only rounds whose description contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    intercept();
    let args = Args::parse();
    let done = match &args.command {
        None => session(&args.session),
        Some(Command::Files(command)) => cli::file_command(command),
        Some(Command::Instructions(args)) => instructions::instructions(&args.only)
            .map_err(Problem::from)
            .and_then(|counts| print(&counts, args.json, instructions::text)),
        Some(Command::Counted { only }) => instructions::inner(only).map_err(Problem::from),
        Some(Command::Deaths(args)) => {
            kill(args).and_then(|deaths| print(&deaths, args.json, deaths::text))
        }
        Some(Command::Torture(args)) => {
            torment(args).and_then(|torture| print(&torture, args.json, torture::text))
        }
    };
    let (what, code) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Problem::Failed(what)) => (what, 1),
        Err(Problem::Usage(what)) => (what, 2),
    };
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "shmring-bench: {what}");
    ExitCode::from(code)
}

fn session(args: &SessionArgs) -> Result<(), Problem> {
    match cli::session(args, "shmring-bench", &mut until_signal()?)? {
        Ended::Done | Ended::Interrupted => Ok(()),
        Ended::Failed(rows) => Err(Problem::Failed(format!("{rows} contenders failed"))),
    }
}

/// Answers whether to go on: yes, until a signal asks to end.
fn until_signal() -> Result<impl FnMut() -> ControlFlow<()>, BoxError> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(move || match stop.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
}

fn kill(args: &DeathsArgs) -> Result<deaths::Deaths, Problem> {
    let mut go_on = until_signal()?;
    let chosen = deaths::ALL.into_iter().filter(|case| case.to_string().contains(&args.only));
    let chosen: Vec<_> = chosen.collect();
    deaths::deaths(&chosen, &Options::default(), args.kills, &mut go_on).map_err(failed)
}

fn torment(args: &TortureArgs) -> Result<torture::Torture, Problem> {
    let mut go_on = until_signal()?;
    let clock = || {
        let since_epoch = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        since_epoch.as_secs()
    };
    let rounds = torture::Rounds {
        seed: args.seed.unwrap_or_else(clock),
        first: args.round,
        time: Duration::from_secs(args.seconds),
        only: args.only.clone(),
    };
    torture::torture(&rounds, &Options::default(), &mut go_on).map_err(failed)
}

fn failed(error: shmring_bench::Error) -> Problem {
    Problem::Failed(error.to_string())
}

fn print<T: Serialize>(result: &T, json: bool, text: fn(&T) -> String) -> Result<(), Problem> {
    let json = json.then(|| serde_json::to_string_pretty(result)).transpose();
    let json = json.map_err(|error| Problem::Failed(format!("JSON: {error}")))?;
    Ok(cli::print(&json.map_or_else(|| text(result), |json| json + "\n"))?)
}
