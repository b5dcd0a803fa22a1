//! `shmring work`: runs a command for each job.

mod attempt;

use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;
use shmring::{Interrupter, Job, RecvTimeoutError, Segment, Worker};

use crate::cli::WorkArgs;
use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop, say};
use crate::transfer::attaching::attach;
use attempt::{Outcome, attempt};

/// The pause before a job that failed goes back, and its maximum: it doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &WorkArgs) -> Result<(), Stop> {
    let signals = Signals::install()?;
    let segment = attach(&args.attaching, &signals)?;
    // Without a monitor, the jobs of workers that die come back a little later.
    let _monitor = segment.monitor();
    let workers = join(&segment, args.parallel)?;
    let crew = Crew {
        args,
        name: &segment.info().name,
        interrupters: workers.iter().map(Worker::interrupter).collect(),
        is_over: AtomicBool::new(false),
        failure: Mutex::new(None),
        ended: Condvar::new(),
    };
    let signal = crew
        .run(workers, &signals)
        .map_err(|error| Stop::new(Exit::Failed, format!("starting threads: {error}")))?;
    let failure = crew.failure.into_inner().unwrap_or_else(PoisonError::into_inner);
    match failure.or(signal) {
        Some(stop) => Err(stop),
        None => Ok(()),
    }
}

fn join(segment: &Segment, count: u16) -> Result<Vec<Worker>, Stop> {
    let join = |_| segment.worker().map_err(|error| Stop::join(&segment.info().name, &error));
    (0..count).map(join).collect()
}

/// The threads, each with a worker of its own.
struct Crew<'a> {
    args: &'a WorkArgs,
    name: &'a str,
    interrupters: Vec<Interrupter>,
    /// Whether no more jobs are to be taken.
    is_over: AtomicBool,
    /// Why, unless for a signal.
    failure: Mutex<Option<Stop>>,
    ended: Condvar,
}

impl Crew<'_> {
    /// Runs the threads until all have ended. Returns the signal that came, if any.
    fn run(&self, workers: Vec<Worker>, signals: &Signals) -> io::Result<Option<Stop>> {
        let (done, open) = io::pipe()?;
        let held: Vec<_> = workers.iter().map(|_| open.try_clone()).collect::<Result<_, _>>()?;
        drop(open);
        thread::scope(|scope| {
            for (worker, held) in workers.into_iter().zip(held) {
                let spawned = thread::Builder::new().spawn_scoped(scope, move || {
                    // Closed when the last thread ends.
                    let _held = held;
                    self.work(&worker);
                });
                if let Err(error) = spawned {
                    self.end(None);
                    return Err(error);
                }
            }
            let signal = signals.wait_for(done.as_fd(), PollFlags::POLLIN).err();
            if signal.is_some() {
                self.end(None);
            }
            Ok(signal)
        })
    }

    /// Lets all threads end once their commands have ended.
    fn end(&self, why: Option<Stop>) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(why) = why {
            failure.get_or_insert(why);
        }
        self.is_over.store(true, Ordering::SeqCst);
        drop(failure);
        self.ended.notify_all();
        self.interrupters.iter().for_each(Interrupter::interrupt);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// Waits until `due`, or until the end.
    fn pause(&self, due: Instant) {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let timeout = due.saturating_duration_since(Instant::now());
        let _ = self.ended.wait_timeout_while(failure, timeout, |_| !self.is_over());
    }

    fn work(&self, worker: &Worker) {
        if let Err(stop) = self.try_work(worker) {
            self.end(Some(stop));
        }
    }

    /// Takes jobs until the stream or the crew ends. Jobs that failed stay in hand for their pause.
    fn try_work(&self, worker: &Worker) -> Result<(), Stop> {
        let mut failed: Vec<(Instant, Job<'_>)> = Vec::new();
        while !self.is_over() {
            let now = Instant::now();
            // What is dropped goes back.
            failed.retain(|(due, _)| *due > now);
            let due = failed.iter().map(|(due, _)| *due).min();
            if let Some(due) = due.filter(|_| failed.len() + 1 == Worker::MAX_IN_HAND) {
                self.pause(due);
                continue;
            }
            let timeout = due.map_or(Duration::MAX, |due| due.saturating_duration_since(now));
            match worker.take_timeout(timeout) {
                Ok(job) => failed.extend(self.attempt(job)?),
                Err(RecvTimeoutError::TimedOut | RecvTimeoutError::Interrupted) => {}
                Err(RecvTimeoutError::Eof) => return Ok(()),
                Err(RecvTimeoutError::Failed(fault)) => return Err(Stop::fault(self.name, &fault)),
                Err(error) => {
                    return Err(Stop::new(Exit::Failed, format!("{:?}: {error}", self.name)));
                }
            }
        }
        Ok(())
    }

    /// Runs the command for a job. Returns the job, and when it is to go back, if it failed.
    fn attempt<'a>(&self, job: Job<'a>) -> Result<Option<(Instant, Job<'a>)>, Stop> {
        let (attempts, at) = (job.attempts(), job.position());
        let limit = self.args.max_attempts.map(|limit| limit.get());
        if limit.is_some_and(|limit| attempts > limit) {
            return Err(self.given_up(at, attempts - 1));
        }
        let how = match attempt(&self.args.command, &job) {
            Ok(Outcome::Done) => {
                job.acknowledge();
                return Ok(None);
            }
            Ok(Outcome::Failed(status)) => status,
            Err(error) => {
                let message = format!("{error}; the job at position {at} went back to the ring");
                return Err(Stop::new(Exit::Failed, format!("{:?}: {message}", self.name)));
            }
        };
        if limit.is_some_and(|limit| attempts >= limit) {
            return Err(self.given_up(at, attempts));
        }
        let pause = pause_after(attempts);
        let again = humantime::format_duration(pause);
        say(format_args!(
            "{:?}: the job at position {at} failed at attempt {attempts} ({how}); it goes back in \
             {again}",
            self.name
        ));
        Ok(Some((Instant::now() + pause, job)))
    }

    fn given_up(&self, at: u64, attempts: u64) -> Stop {
        let message = format!(
            "{:?}: the job at position {at} failed {attempts} times; it stays in the ring, where \
             `shmring recv --count 1` takes it out",
            self.name
        );
        Stop::new(Exit::Failed, message)
    }
}

/// Returns how long a job that failed at that attempt waits before it goes back.
fn pause_after(attempts: u64) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
    let factor = 2_u32.checked_pow(doublings).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(factor).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a pause that overflows, shrinks, or grows for ever.
    #[test]
    fn pauses_grow_to_a_limit() {
        let ms = |attempts| pause_after(attempts).as_millis();
        assert_eq!([1, 2, 3, 7, 8].map(ms), [100, 200, 400, 6_400, 10_000]);
        assert_eq!([40, 65_535, u64::MAX].map(ms), [10_000; 3]);
    }
}
