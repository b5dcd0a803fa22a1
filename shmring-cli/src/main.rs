//! `shmring`: rings in shared memory from the shell.

mod cli;
mod command;
mod doctor;
mod facts;
mod process;
mod report;
mod top;
mod transfer;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Verb};
use crate::process::stdio;
use crate::process::stop::{self, Stop};

fn main() -> ExitCode {
    #[cfg(feature = "bench")]
    // The demo and the bench start this executable again for each side of a transfer.
    shmring_bench::intercept();
    match Cli::try_parse() {
        Ok(cli) => {
            cli.color.write_global();
            stop::exit_code(check_streams(&cli.verb).and_then(|()| dispatch(cli.verb)))
        }
        Err(refused) if refused.use_stderr() => {
            // stderr may be closed.
            let _ = refused.print();
            ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2))
        }
        // Help and version are output, like a verb's.
        Err(help) => {
            let print = |()| report::written(help.print().and_then(|()| io::stdout().flush()));
            stop::exit_code(stdio::check_stdout().and_then(print))
        }
    }
}

/// Refuses a verb whose output would be lost or whose input is missing.
fn check_streams(verb: &Verb) -> Result<(), Stop> {
    match verb {
        Verb::Send(_) => stdio::check_stdin(),
        Verb::Attach(args) if args.send => stdio::check_stdin(),
        Verb::Unlink(_) | Verb::Man(_) => Ok(()),
        _ => stdio::check_stdout(),
    }
}

fn dispatch(verb: Verb) -> Result<(), Stop> {
    match verb {
        Verb::Create(args) => command::create::run(&args),
        Verb::Serve(args) => command::serve::run(&args),
        Verb::Attach(args) => command::attach::run(&args),
        Verb::Send(args) => command::send::run(&args),
        Verb::Recv(args) => command::recv::run(&args),
        Verb::Work(args) => command::work::run(&args),
        Verb::Tap(args) => command::tap::run(&args),
        Verb::Unlink(args) => command::unlink::run(&args),
        Verb::Ls(args) => command::ls::run(&args),
        Verb::Stat(args) => command::stat::run(&args),
        Verb::Top(args) => command::top::run(&args),
        Verb::Peek(args) => command::peek::run(&args),
        Verb::Evict(args) => command::evict::run(&args),
        Verb::Gc(args) => command::gc::run(&args),
        Verb::Doctor(args) => command::doctor::run(&args),
        #[cfg(feature = "bench")]
        Verb::Demo(args) => command::demo::run(&args),
        #[cfg(feature = "bench")]
        Verb::Bench(args) => command::bench::run(&args),
        Verb::Completions(args) => command::completions::run(&args),
        Verb::Man(args) => command::man::run(&args),
    }
}
