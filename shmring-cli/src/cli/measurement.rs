//! Arguments and help of the verbs that measure.

use clap::Args;
use shmring_bench::cli::{AFTER_HELP, FileCommand, SessionArgs};

use crate::cli::parse;

#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  shmring demo --bytes 4GiB --capacity 256K

Nothing has to exist before, and nothing is left behind.")]
pub(crate) struct DemoArgs {
    /// How much to move in each round
    #[arg(long, value_parser = parse::size, default_value = "2GiB")]
    pub(crate) bytes: u64,
    /// Size of the ring and, where allowed, of the pipe
    #[arg(long, value_name = "BYTES", value_parser = parse::size, default_value = "1MiB")]
    pub(crate) capacity: u64,
    /// Rounds for each, ring and pipe in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const BENCH_EXAMPLES: &str = "\
Examples:
  shmring bench quick --html page.html
  shmring bench seed --only \"ping-pong, 8 B, blocking\" --json before.json
  shmring bench seed --only \"ping-pong, 8 B, blocking\" --json after.json
  shmring bench compare before.json after.json";

#[derive(Debug, Args)]
#[command(arg_required_else_help = true, args_conflicts_with_subcommands = true)]
#[command(after_help = format!("{BENCH_EXAMPLES}\n\n{AFTER_HELP}"))]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(crate) files: Option<FileCommand>,
    #[command(flatten)]
    pub(crate) session: SessionArgs,
}
