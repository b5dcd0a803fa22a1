//! One run of the command.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::process::{Command, ExitStatus};

use nix::sys::memfd::{MFdFlags, memfd_create};
use shmring::Job;

/// How the command ended.
pub(super) enum Outcome {
    Done,
    Failed(ExitStatus),
}

/// The command could not be run.
#[derive(Debug)]
pub(super) struct NotRun {
    what: String,
    error: io::Error,
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.error)
    }
}

/// Runs the command with the bytes of `job` as its stdin, and waits for its end.
pub(super) fn attempt(command: &[OsString], job: &Job<'_>) -> Result<Outcome, NotRun> {
    let not_run = |what: &str, error| NotRun { what: what.to_owned(), error };
    // The command line has at least one word.
    let (program, args) = command.split_first().map_or((None, &[][..]), |(p, a)| (Some(p), a));
    let program = program.cloned().unwrap_or_default();
    let input = file_of(job).map_err(|error| not_run("copying the job into a file", error))?;
    let mut child = Command::new(&program)
        .args(args)
        .env("SHMRING_ATTEMPTS", job.attempts().to_string())
        .env("SHMRING_POSITION", job.position().to_string())
        .stdin(input)
        .spawn()
        .map_err(|error| not_run(&format!("starting {}", program.display()), error))?;
    let status = child.wait().map_err(|error| not_run("waiting for the command", error))?;
    Ok(if status.success() { Outcome::Done } else { Outcome::Failed(status) })
}

/// Returns a file in memory with the bytes of a job. A pipe would let a command that does not read
/// its stdin wait for this process, or this one for it.
fn file_of(job: &Job<'_>) -> io::Result<File> {
    let mut file = File::from(memfd_create("shmring-job", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&job.to_vec())?;
    file.rewind()?;
    Ok(file)
}
