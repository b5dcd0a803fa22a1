//! `shmring bench`: runs measurements, and compares and draws their files.

use std::ops::ControlFlow;

use shmring_bench::cli::{Ended, Problem, file_command, session};

use crate::cli::BenchArgs;
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};

pub(crate) fn run(args: &BenchArgs) -> Result<(), Stop> {
    if let Some(command) = &args.files {
        return file_command(command).map_err(stop);
    }
    let signals = Signals::install()?;
    let mut go_on = || match signals.check() {
        Ok(()) => ControlFlow::Continue(()),
        Err(_) => ControlFlow::Break(()),
    };
    match session(&args.session, "shmring-bench", &mut go_on).map_err(stop)? {
        Ended::Done => Ok(()),
        // All complete results were printed.
        Ended::Interrupted => signals.check(),
        Ended::Failed(rows) => {
            Err(Stop::new(Exit::Failed, format!("{rows} contenders failed, see above")))
        }
    }
}

fn stop(problem: Problem) -> Stop {
    match problem {
        Problem::Usage(what) => Stop::new(Exit::Usage, what),
        Problem::Failed(what) => Stop::new(Exit::Failed, what),
    }
}
