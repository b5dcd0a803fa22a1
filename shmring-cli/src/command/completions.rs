//! `shmring completions`: completions of verbs and options for a shell.

use clap::CommandFactory;

use crate::cli::{Cli, CompletionsArgs};
use crate::process::stop::Stop;
use crate::report;

pub(crate) fn run(args: &CompletionsArgs) -> Result<(), Stop> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "shmring", &mut script);
    report::write(&String::from_utf8_lossy(&script))
}
