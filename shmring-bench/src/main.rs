//! `shmring-bench`: measures mechanisms that move messages.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use shmring_bench::cli::{self, Ended, FileCommand, Problem, SessionArgs};
use shmring_bench::{fanout, instructions, intercept, many, queue};

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
    /// Send each message to several subscribers: throughput, latency, cost, slow and killed ones
    Fanout(FanoutArgs),
    /// Many producers: lines of a log, jobs that are acknowledged, and jobs of killed workers
    Queue(FanoutArgs),
    /// Serve many channels in one thread, at a steady rate: CPU time and latency
    Many(ManyArgs),
    /// What `many` starts as the sender
    #[command(name = many::SENDER, hide = true)]
    SendToMany {
        /// Transport, rate, number of messages, addresses
        args: Vec<String>,
    },
    /// What `instructions` starts under valgrind
    #[command(name = instructions::INNER, hide = true)]
    Counted {
        /// As there
        only: String,
    },
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
struct ManyArgs {
    /// Number of channels
    #[arg(long, value_name = "N", default_value_t = 20)]
    channels: usize,
    /// Messages per second, over all channels
    #[arg(long, value_name = "N", default_value_t = 1000)]
    rate: u32,
    /// Seconds for each way to receive in a round
    #[arg(long, value_name = "N", default_value_t = 2)]
    seconds: u64,
    /// Number of rounds
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Only ways whose names contain this, and those that they are compared with
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    only: String,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl ManyArgs {
    fn plan(&self) -> many::Plan {
        let Self { channels, rate, rounds, .. } = *self;
        let (time, only) = (Duration::from_secs(self.seconds), self.only.clone());
        many::Plan { channels, rate, time, rounds, only }
    }
}

#[derive(Debug, clap::Args)]
struct FanoutArgs {
    /// How often each mechanism runs in each scenario
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Kills of each mechanism in each round
    #[arg(long, value_name = "N", default_value_t = 10)]
    kills: u32,
    /// Only scenarios whose titles contain this; repeated, all of these
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Only mechanisms whose names contain this, and those that they are compared with
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    contender: String,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

impl FanoutArgs {
    fn plan(&self) -> fanout::Plan {
        fanout::Plan {
            rounds: self.rounds,
            kills: self.kills,
            scenarios: fanout::scenarios(&self.only),
            contender: self.contender.clone(),
            executable: PathBuf::from("/proc/self/exe"),
            name_prefix: "shmring-bench".to_owned(),
        }
    }

    fn queue_plan(&self) -> queue::Plan {
        queue::Plan {
            rounds: self.rounds,
            kills: self.kills,
            scenarios: queue::scenarios(&self.only),
            contender: self.contender.clone(),
            executable: PathBuf::from("/proc/self/exe"),
            name_prefix: "shmring-bench".to_owned(),
        }
    }
}

fn main() -> ExitCode {
    intercept();
    let args = Args::parse();
    let done = match &args.command {
        None => session(&args.session),
        Some(Command::Files(command)) => cli::file_command(command),
        Some(Command::Instructions(args)) => instructions::instructions(&args.only)
            .map_err(Problem::from)
            .and_then(|counts| cli::print_result(&counts, args.json, instructions::text)),
        Some(Command::Many(args)) => many::measure(&args.plan())
            .map_err(Problem::from)
            .and_then(|figures| cli::print_result(&figures, args.json, many::text)),
        Some(Command::Fanout(args)) => fan_out(args),
        Some(Command::Queue(args)) => queue_of(args),
        Some(Command::SendToMany { args }) => many::send(args).map_err(Problem::from),
        Some(Command::Counted { only }) => instructions::inner(only).map_err(Problem::from),
    };
    cli::exit_code("shmring-bench", done)
}

fn session(args: &SessionArgs) -> Result<(), Problem> {
    match cli::session(args, "shmring-bench", &mut cli::until_signal()?)? {
        Ended::Done | Ended::Interrupted => Ok(()),
        Ended::Failed(rows) => Err(Problem::Failed(format!("{rows} contenders failed"))),
    }
}

fn fan_out(args: &FanoutArgs) -> Result<(), Problem> {
    let measured = fanout::measure(&args.plan(), &mut cli::until_signal()?)?;
    cli::print_result(&measured, args.json, fanout::text)?;
    let failures = measured.tables.iter().flat_map(|table| &table.absent);
    unless_failed(failures.filter(|absent| absent.failed).count())
}

fn queue_of(args: &FanoutArgs) -> Result<(), Problem> {
    let measured = queue::measure(&args.queue_plan(), &mut cli::until_signal()?)?;
    cli::print_result(&measured, args.json, queue::text)?;
    let failures = measured.tables.iter().flat_map(|table| &table.absent);
    unless_failed(failures.filter(|absent| absent.failed).count())
}

fn unless_failed(failures: usize) -> Result<(), Problem> {
    match failures {
        0 => Ok(()),
        failures => Err(Problem::Failed(format!("{failures} mechanisms failed"))),
    }
}
