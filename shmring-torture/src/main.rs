//! `shmring-torture`: kills processes that use rings, and checks that the others continue.

use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use shmring_bench::Options;
use shmring_bench::cli::{self, Problem};
use shmring_torture::deaths::{self, Deaths};
use shmring_torture::torture::{self, Rounds, Torture};
use shmring_torture::{Error, intercept};

/// Kill processes that use rings, and check that the others go on and lose no message
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Kill at chosen places, check every message, and show how soon the survivors go on
    Deaths(DeathsArgs),
    /// Kill, stop and replace processes at random, and account for every message
    Torture(TortureArgs),
}

#[derive(Debug, clap::Args)]
struct DeathsArgs {
    /// Kills in each case
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// Only cases whose description contains this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct TortureArgs {
    /// Start no further round after this time
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// Choose the configurations and the order of kills [default: the time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Start with this round
    #[arg(long, value_name = "N", default_value_t = 1)]
    round: u32,
    /// Only rounds whose description contains this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    intercept();
    let done = match Args::parse().command {
        Command::Deaths(args) => kill_at_places(&args)
            .and_then(|deaths| cli::print_result(&deaths, args.json, deaths::text)),
        Command::Torture(args) => kill_at_random(&args)
            .and_then(|torture| cli::print_result(&torture, args.json, torture::text)),
    };
    cli::exit_code("shmring-torture", done)
}

fn options() -> Options {
    Options { segment_prefix: String::from("shmring-torture"), ..Options::default() }
}

fn kill_at_places(args: &DeathsArgs) -> Result<Deaths, Problem> {
    let mut go_on = cli::until_signal()?;
    let cases = deaths::ALL.into_iter().filter(|case| case.to_string().contains(&args.only));
    let cases: Vec<_> = cases.collect();
    deaths::deaths(&cases, &options(), args.kills, &mut go_on).map_err(failed)
}

fn kill_at_random(args: &TortureArgs) -> Result<Torture, Problem> {
    let mut go_on = cli::until_signal()?;
    let rounds = Rounds {
        seed: args.seed.unwrap_or_else(|| UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()),
        first: args.round,
        time: Duration::from_secs(args.seconds),
        only: args.only.clone(),
    };
    torture::torture(&rounds, &options(), &mut go_on).map_err(failed)
}

fn failed(error: Error) -> Problem {
    Problem::Failed(error.to_string())
}
