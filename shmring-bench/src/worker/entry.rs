//! The worker's side: takes the job, has it done, and reports how it went.

use std::os::fd::{OwnedFd, RawFd};
use std::panic::{self, AssertUnwindSafe};

use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::control::Control;
use super::fds;
use crate::contender::BoxError;
use crate::cpu;

/// The first argument of a worker. No user types it, and no option of a host starts like this.
pub(super) const WORKER_WORD: &str = "__shmring-bench-worker";

/// A worker's job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job<T> {
    /// To see that the parent lived long enough for its death to be noticed.
    pub(super) parent_pid: i32,
    pub(super) cpu: Option<usize>,
    pub(super) task: T,
    /// Descriptors of the task that were inherited.
    pub(super) fds: Vec<RawFd>,
}

/// Lets `work` do the task and exits, if this process was started as a worker. Returns at once if
/// not. The host's own tasks have a type of their own: a process that was started for one does
/// not understand the other's, and reports that.
pub fn serve<T: DeserializeOwned>(
    work: impl FnOnce(T, Vec<OwnedFd>, &mut Control) -> Result<Value, BoxError>,
) {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_none_or(|word| word != WORKER_WORD) {
        return;
    }
    let job = args.next().unwrap_or_default();
    let code = match serde_json::from_slice(job.as_encoded_bytes()) {
        Ok(job) => run(job, work),
        Err(error) => {
            eprintln!("{WORKER_WORD} is for this program's own use: {error}");
            2
        }
    };
    std::process::exit(code)
}

/// Does the job and reports how it went. A panic is reported too, not printed.
fn run<T>(
    job: Job<T>,
    work: impl FnOnce(T, Vec<OwnedFd>, &mut Control) -> Result<Value, BoxError>,
) -> i32 {
    let mut control = match Control::open() {
        Ok(control) => control,
        Err(error) => {
            eprintln!("a worker cannot reach its parent: {error}");
            return 1;
        }
    };
    panic::set_hook(Box::new(|_| ()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| {
        let fds = settle(&job)?;
        work(job.task, fds, &mut control)
    }));
    let told = match outcome {
        Ok(Ok(result)) => control.done(&result),
        Ok(Err(error)) => control.failed(&error.to_string()),
        Err(payload) => {
            let words = payload.downcast_ref::<&str>().copied();
            let words = words.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            control.failed(&format!("panicked: {}", words.unwrap_or("no message")))
        }
    };
    // Without a parent there is nothing left to do.
    if told.is_ok() { 0 } else { 1 }
}

/// Ties this process to its parent and its CPU, and takes the descriptors.
fn settle<T>(job: &Job<T>) -> Result<Vec<OwnedFd>, BoxError> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() != job.parent_pid {
        return Err("the parent died before the worker had started".into());
    }
    if let Some(cpu) = job.cpu {
        cpu::pin(cpu)?;
    }
    Ok(fds::take_inherited(&job.fds))
}
