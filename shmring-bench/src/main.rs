//! `shmring-bench`: compares shmring's record ring with a pipe, and measures what deaths cost.

use std::io::Write;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde::Serialize;
use shmring_bench::{Comparison, Options, compare, contenders, deaths, intercept, report, torture};

/// Moves generated messages between two processes through each mechanism, verifies every one, and
/// shows the speed and the CPU time.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Bytes to move in each run.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 30)]
    bytes: u64,
    /// Buffer between the two processes.
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    capacity: u64,
    /// How often each mechanism runs.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kills processes that use a ring, checks that the others lose nothing, and shows how soon
    /// they go on.
    Deaths(DeathsArgs),
    /// Kills, stops and replaces processes that use rings, at random, and accounts for every message.
    Torture(TortureArgs),
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
        None => run(&args).and_then(|comparison| print(&comparison, args.json, report::text)),
        Some(Command::Deaths(args)) => {
            kill(args).and_then(|deaths| print(&deaths, args.json, deaths::text))
        }
        Some(Command::Torture(args)) => {
            torment(args).and_then(|torture| print(&torture, args.json, torture::text))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shmring-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

type Failure = Box<dyn std::error::Error>;

/// Answers whether to go on: yes, until a signal asks to end.
fn until_signal() -> Result<impl FnMut() -> ControlFlow<()>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    Ok(move || match stop.load(Ordering::Relaxed) {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    })
}

fn run(args: &Args) -> Result<Comparison, Failure> {
    let mut go_on = until_signal()?;
    let options =
        Options { total_bytes: args.bytes, capacity_bytes: args.capacity, ..Options::default() };
    Ok(compare(&contenders::ALL, &options, args.rounds, &mut |_| go_on())?)
}

fn kill(args: &DeathsArgs) -> Result<deaths::Deaths, Failure> {
    let mut go_on = until_signal()?;
    let chosen = deaths::ALL.into_iter().filter(|case| case.to_string().contains(&args.only));
    let chosen: Vec<_> = chosen.collect();
    Ok(deaths::deaths(&chosen, &Options::default(), args.kills, &mut go_on)?)
}

fn torment(args: &TortureArgs) -> Result<torture::Torture, Failure> {
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
    Ok(torture::torture(&rounds, &Options::default(), &mut go_on)?)
}

fn print<T: Serialize>(result: &T, json: bool, text: fn(&T) -> String) -> Result<(), Failure> {
    let text = if json { serde_json::to_string_pretty(result)? + "\n" } else { text(result) };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
