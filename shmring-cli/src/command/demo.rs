//! `shmring demo`: the main job, measured beside a pipe.

use std::ops::ControlFlow;

use indicatif::ProgressBar;
use shmring_bench::{Comparison, Error, Options, Progress, compare, contenders, report as bench};

use crate::cli::DemoArgs;
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};
use crate::report;
use crate::report::progress::{draw_target, style};

const BAR: &str = "{msg:<22} [{bar:40}] {binary_bytes_per_sec}";

pub(crate) fn run(args: &DemoArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    let options = Options {
        total_bytes: args.bytes,
        capacity_bytes: args.capacity,
        segment_prefix: "shmring-demo".to_owned(),
        ..Options::default()
    };
    let comparison = measure(&options, args.rounds, &signals);
    // Check for a signal first: workers that the same signal ended are no failure.
    signals.check()?;
    report::print(args.json, &comparison?, bench::text)
}

fn measure(options: &Options, rounds: u32, signals: &Signals) -> Result<Comparison, Stop> {
    let bar = bar();
    let mut watch = |progress: &Progress| {
        show(&bar, progress);
        match signals.check() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let contestants = [contenders::RECORD_RING, contenders::PIPE];
    let result = compare(&contestants, options, rounds, &mut watch);
    bar.finish_and_clear();
    result.map_err(|error| {
        let exit = if matches!(error, Error::Options { .. }) { Exit::Usage } else { Exit::Failed };
        Stop::new(exit, error.to_string())
    })
}

/// Returns a bar on stderr, which draws nothing if that is not a terminal.
fn bar() -> ProgressBar {
    ProgressBar::with_draw_target(Some(1), draw_target()).with_style(style(BAR))
}

fn show(bar: &ProgressBar, progress: &Progress) {
    let Progress { contender, round, rounds, .. } = progress;
    let label = if *rounds == 1 {
        (*contender).to_owned()
    } else {
        format!("{contender} {round}/{rounds}")
    };
    if bar.message() != label {
        bar.reset();
        bar.set_length(progress.bytes_total);
        bar.set_message(label);
    }
    bar.set_position(progress.bytes_received);
}
