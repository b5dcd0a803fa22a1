//! `shmring man`: manual pages.

use clap::CommandFactory;

use crate::cli::{Cli, ManArgs};
use crate::process::stop::{Exit, Stop};

pub(crate) fn run(args: &ManArgs) -> Result<(), Stop> {
    clap_mangen::generate_to(Cli::command(), &args.directory).map_err(|error| {
        let directory = args.directory.display();
        Stop::new(Exit::Failed, format!("writing manual pages to {directory}: {error}"))
    })
}
