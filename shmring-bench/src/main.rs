//! `shmring-bench`: compares shmring's record ring with a pipe.

use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Parser;
use shmring_bench::{Comparison, Options, compare, contenders, intercept, report};

/// Moves generated messages between two processes through each mechanism, verifies every one, and
/// shows the speed and the CPU time.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
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

fn main() -> ExitCode {
    intercept();
    let args = Args::parse();
    match run(&args).and_then(|comparison| print(&comparison, args.json)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shmring-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<Comparison, Box<dyn std::error::Error>> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let options =
        Options { total_bytes: args.bytes, capacity_bytes: args.capacity, ..Options::default() };
    let comparison = compare(&contenders::ALL, &options, args.rounds, &mut |_| {
        if stop.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    Ok(comparison?)
}

fn print(comparison: &Comparison, json: bool) -> Result<(), Box<dyn std::error::Error>> {
    use std::io::Write;
    let text = if json {
        serde_json::to_string_pretty(comparison)? + "\n"
    } else {
        report::text(comparison)
    };
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
