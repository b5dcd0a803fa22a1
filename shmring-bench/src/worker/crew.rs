//! The parent's side: starts workers, hears their reports, and leaves none behind.

use std::io::{ErrorKind, Read, Write};
use std::mem;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;
use serde_json::Value;

use super::control::{GO, Report};
use super::entry::{Job, WORKER_WORD};
use super::fds;
use crate::{Error, WorkerFailure};

/// How often the caller is asked whether to go on, when no worker reports.
const TICK_MS: u8 = 50;
/// How long workers may take to reach the start line: they start a process and map some memory.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long after a first failure others are waited for: one worker's end often makes another fail,
/// and whose report comes first is chance.
const GRACE: Duration = Duration::from_millis(200);

/// Returns whether to go on. The argument is the number of bytes received so far.
pub type Tick<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

/// The workers of one run. Dropped, it kills and reaps those that still run.
#[derive(Debug)]
pub struct Crew {
    workers: Vec<Worker>,
    bytes_received: u64,
}

#[derive(Debug)]
struct Worker {
    role: &'static str,
    child: Child,
    control: UnixStream,
    /// Received, but not yet a whole line.
    inbox: Vec<u8>,
    state: State,
}

#[derive(Debug)]
enum State {
    Starting,
    Ready,
    /// Has told its result, and has still to exit.
    Done(Value),
    Ended(Value),
    Failed(WorkerFailure),
}

impl Crew {
    /// Returns a crew without workers.
    pub fn new() -> Crew {
        Crew { workers: Vec::new(), bytes_received: 0 }
    }

    /// Starts a worker, pinned to `cpu` if there is one. It alone inherits `given`; the parent
    /// closes its copies.
    ///
    /// # Errors
    /// If the process cannot be started.
    pub fn start(
        &mut self,
        role: &'static str,
        executable: &Path,
        cpu: Option<usize>,
        task: &impl Serialize,
        given: Vec<OwnedFd>,
    ) -> Result<(), Error> {
        let (ours, theirs) =
            UnixStream::pair().map_err(Error::os("making a socket for a worker"))?;
        ours.set_nonblocking(true).map_err(Error::os("preparing a worker's socket"))?;
        let job = Job {
            parent_pid: std::process::id().cast_signed(),
            cpu,
            task,
            fds: given.iter().map(AsRawFd::as_raw_fd).collect(),
        };
        let job = serde_json::to_string(&job).map_err(|source| Error::Result { role, source })?;
        let mut command = Command::new(executable);
        command.arg(WORKER_WORD).arg(job).process_group(0);
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::null());
        fds::inherit(&mut command, &given);
        let child = command.spawn().map_err(Error::os("starting a worker process"))?;
        let (inbox, state) = (Vec::new(), State::Starting);
        self.workers.push(Worker { role, child, control: ours, inbox, state });
        Ok(())
    }

    /// Waits until every worker stands at the start line.
    ///
    /// # Errors
    /// If a worker fails or takes too long, or `tick` breaks.
    pub fn wait_ready(&mut self, tick: &mut Tick<'_>) -> Result<(), Error> {
        self.wait(|state| !matches!(state, State::Starting), START_LIMIT, tick)
    }

    /// Lets all workers go, and returns their results in the order in which they were started.
    ///
    /// # Errors
    /// If a worker fails or takes longer than `limit`, or `tick` breaks.
    pub fn run(
        mut self,
        limit: Duration,
        tick: &mut Tick<'_>,
    ) -> Result<Vec<(&'static str, Value)>, Error> {
        for worker in &mut self.workers {
            // A worker that died meanwhile shows in its state.
            let _ = worker.control.write_all(&[GO]);
        }
        self.wait(|state| matches!(state, State::Ended(_)), limit, tick)?;
        let workers = mem::take(&mut self.workers).into_iter();
        let result = |worker: Worker| match worker.state {
            State::Ended(value) => Some((worker.role, value)),
            _ => None,
        };
        Ok(workers.filter_map(result).collect())
    }

    /// Kills all workers, and does not wait for their end.
    pub fn kill(&mut self) {
        for worker in &mut self.workers {
            // Fails only for a child that was reaped before.
            let _ = worker.child.kill();
        }
    }

    /// Kills all workers and waits for their end. Returns the failure that one of them had before.
    pub fn kill_all(mut self) -> Option<String> {
        self.kill();
        let mut failure = None;
        for mut worker in mem::take(&mut self.workers) {
            let status = worker.child.wait();
            // Its socket is closed: all that it said is there.
            worker.hear();
            let killed = status.is_ok_and(|end| end.signal() == Some(Signal::SIGKILL as i32));
            match worker.state {
                State::Failed(failed) if !(killed && failed.what == end_by(Signal::SIGKILL)) => {
                    failure.get_or_insert(failed.what);
                }
                _ => {}
            }
        }
        failure
    }

    /// Sends a signal to workers that have not ended.
    pub fn signal(&self, signal: Signal) {
        for worker in &self.workers {
            // It is not reaped before its state tells so, and cannot be another process.
            if !matches!(worker.state, State::Ended(_) | State::Failed(_)) {
                let _ = kill(Pid::from_raw(worker.child.id().cast_signed()), signal);
            }
        }
    }

    /// Returns the failure of a worker, if one failed.
    pub fn failure(&mut self) -> Option<String> {
        self.workers.iter_mut().find_map(|worker| {
            worker.hear();
            match &worker.state {
                State::Failed(failure) => Some(failure.what.clone()),
                _ => None,
            }
        })
    }

    /// Waits until all workers have come `far` enough, or some failed.
    fn wait(
        &mut self,
        far: fn(&State) -> bool,
        limit: Duration,
        tick: &mut Tick<'_>,
    ) -> Result<(), Error> {
        let mut deadline = Instant::now() + limit;
        let mut failing = false;
        loop {
            let all = |is: fn(&State) -> bool| self.workers.iter().all(|worker| is(&worker.state));
            let failed = self.workers.iter().any(|w| matches!(w.state, State::Failed(_)));
            let ended = all(|state| matches!(state, State::Ended(_) | State::Failed(_)));
            let late = Instant::now() >= deadline;
            match (failed, late) {
                (true, _) if ended => return Err(self.failures()),
                (true, true) if failing => return Err(self.failures()),
                (true, _) if !failing => {
                    failing = true;
                    deadline = Instant::now() + GRACE;
                }
                (false, _) if all(far) => return Ok(()),
                (false, true) => {
                    let unfinished = self.workers.iter().filter(|worker| !far(&worker.state));
                    let roles = unfinished.map(|worker| worker.role).collect();
                    return Err(Error::TimedOut { roles, limit });
                }
                _ => {}
            }
            self.hear()?;
            if tick(self.bytes_received).is_break() {
                return Err(Error::Stopped);
            }
        }
    }

    fn failures(&self) -> Error {
        let failure = |worker: &Worker| match &worker.state {
            State::Failed(failure) => Some(failure.clone()),
            _ => None,
        };
        Error::Workers(self.workers.iter().filter_map(failure).collect())
    }

    /// Waits for reports, for a tick at most, and takes them in.
    fn hear(&mut self) -> Result<(), Error> {
        let open =
            |worker: &&mut Worker| !matches!(worker.state, State::Ended(_) | State::Failed(_));
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(self.workers.len());
        for worker in &self.workers {
            if !matches!(worker.state, State::Ended(_) | State::Failed(_)) {
                fds.push(PollFd::new(worker.control.as_fd(), PollFlags::POLLIN));
            }
        }
        match poll(&mut fds, PollTimeout::from(TICK_MS)) {
            // A signal, perhaps the one that stops us: the caller's tick knows.
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(Error::os("waiting for workers")(error.into())),
        }
        for worker in self.workers.iter_mut().filter(open) {
            if let Some(bytes) = worker.hear() {
                self.bytes_received = bytes;
            }
        }
        Ok(())
    }
}

impl Default for Crew {
    fn default() -> Self {
        Crew::new()
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.kill();
        for worker in &mut self.workers {
            // Fails only for a child that was reaped before.
            let _ = worker.child.wait();
        }
    }
}

impl Worker {
    /// Takes in what has come; returns the latest progress, if some did.
    fn hear(&mut self) -> Option<u64> {
        let mut chunk = [0; 4096];
        let mut closed = false;
        loop {
            match self.control.read(&mut chunk) {
                Ok(0) => closed = true,
                Ok(read) => {
                    self.inbox.extend_from_slice(&chunk[..read]);
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                // A reset by a worker that died with unread words of ours.
                Err(_) => closed = true,
            }
            break;
        }
        let mut progress = None;
        while let Some(end) = self.inbox.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.inbox.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(Report::Ready) => self.state = State::Ready,
                Ok(Report::Progress(bytes)) => progress = Some(bytes),
                Ok(Report::Done(value)) => self.state = State::Done(value),
                Ok(Report::Failed(what)) => self.fail(what),
                Err(error) => self.fail(format!("its report cannot be read: {error}")),
            }
        }
        if closed {
            self.reap();
        }
        progress
    }

    fn fail(&mut self, what: String) {
        self.state = State::Failed(WorkerFailure { role: self.role, what });
    }

    /// The socket is closed, which happens when the process ends: how did it?
    fn reap(&mut self) {
        let status = self.child.wait();
        match mem::replace(&mut self.state, State::Starting) {
            State::Done(value) if status.as_ref().is_ok_and(ExitStatus::success) => {
                self.state = State::Ended(value);
            }
            State::Failed(failure) => self.state = State::Failed(failure),
            _ => self.fail(match status {
                Ok(status) => describe(status),
                Err(error) => format!("its end is unknown: {error}"),
            }),
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal().and_then(|number| Signal::try_from(number).ok())) {
        (Some(code), _) => format!("exited with code {code} and without a result"),
        (None, Some(signal)) => end_by(signal),
        (None, None) => format!("ended by {status}"),
    }
}

fn end_by(signal: Signal) -> String {
    format!("was killed by {signal}")
}
