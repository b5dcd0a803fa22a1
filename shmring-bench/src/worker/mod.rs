//! Worker processes: the same executable, started again with a job.
//!
//! A worker is told its job by a JSON argument and talks with the parent over a socket that is its
//! standard input, so that neither side's standard output is touched. It is killed by the kernel
//! when the parent's thread that started it ends, and by the parent when that gives up. It sits in
//! a process group of its own: a Ctrl-C at the terminal reaches the parent, which decides.

mod control;
mod crew;
mod fds;

use std::os::fd::RawFd;
use std::panic::{self, AssertUnwindSafe};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde::{Deserialize, Serialize};

pub(crate) use control::Control;
pub(crate) use crew::{Crew, Tick};

use crate::contender::{BoxError, Contestant, Place};
use crate::message::Plan;
use crate::{contenders, cpu, probe};

/// The first argument of a worker. No user types it, and no option of a host starts like this.
const WORKER_WORD: &str = "__shmring-bench-worker";

/// What a worker is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Job {
    /// To see that the parent lived long enough for its death to be noticed.
    parent_pid: i32,
    cpu: Option<usize>,
    task: Task,
    /// Descriptors of the task that were inherited.
    fds: Vec<RawFd>,
}

/// What a worker does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    Produce { contender: String, address: String, plan: Plan },
    Consume { contender: String, address: String, plan: Plan },
    ProbePing,
    ProbeEcho,
}

/// Runs a worker and exits, if this process was started as one; returns at once if not. To be
/// called first in the `main` of every binary that measures.
pub fn intercept() {
    intercept_with(&contenders::ALL);
}

/// [`intercept`] for a host with contenders of its own.
pub fn intercept_with(known: &[Contestant]) {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|word| word != WORKER_WORD) {
        return;
    }
    let job = args.next().unwrap_or_default();
    let code = match serde_json::from_slice(job.as_encoded_bytes()) {
        Ok(job) => run(job, known),
        Err(error) => {
            eprintln!("{WORKER_WORD} is for this program's own use: {error}");
            2
        }
    };
    std::process::exit(code)
}

/// Does the job and reports how it went. A panic is reported too, not printed.
fn run(job: Job, known: &[Contestant]) -> i32 {
    let mut control = match Control::open() {
        Ok(control) => control,
        Err(error) => {
            eprintln!("a worker cannot reach its parent: {error}");
            return 1;
        }
    };
    panic::set_hook(Box::new(|_| ()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| work(job, known, &mut control)));
    let told = match outcome {
        Ok(Ok(result)) => control.done(&result),
        Ok(Err(error)) => control.failed(&error.to_string()),
        Err(payload) => {
            let words = payload.downcast_ref::<&str>().copied();
            let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            control.failed(&format!("panicked: {}", words.unwrap_or("no message")))
        }
    };
    // Without a parent that listens there is nobody to tell, and nothing left to do.
    if told.is_ok() { 0 } else { 1 }
}

fn work(
    job: Job,
    known: &[Contestant],
    control: &mut Control,
) -> Result<serde_json::Value, BoxError> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() != job.parent_pid {
        return Err("the parent died before the worker had started".into());
    }
    if let Some(cpu) = job.cpu {
        cpu::pin(cpu)?;
    }
    let fds = fds::take_inherited(&job.fds);
    let find = |name: &str| {
        let contestant = known.iter().find(|contestant| contestant.name == name);
        contestant.ok_or_else(|| format!("this executable has no contender `{name}`"))
    };
    match job.task {
        Task::Produce { contender, address, plan } => {
            (find(&contender)?.produce)(Place { address, fds }, &plan, control)
        }
        Task::Consume { contender, address, plan } => {
            (find(&contender)?.consume)(Place { address, fds }, &plan, control)
        }
        Task::ProbePing => probe::bounce::ping(fds, control),
        Task::ProbeEcho => probe::bounce::echo(fds, control),
    }
}
