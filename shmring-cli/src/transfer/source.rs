//! What a receiver takes from: a ring of messages or of jobs.

use std::time::Instant;

use shmring::wait_set::Key;
use shmring::{Interrupter, Kind, RecvTimeoutError, Segment, WaitSet};

use crate::process::stop::{Exit, Stop};
use crate::transfer::framing::Outgoing;
use crate::transfer::job_runs::JobRuns;
use crate::transfer::losses::Loss;
use crate::transfer::message_runs::{Halt, Run, Runs, Subscription, Wait};
use crate::transfer::meter::Moved;
use crate::transfer::output::Output;
use crate::transfer::watcher::Watcher;

/// A ring that this process receives from.
#[derive(Debug)]
pub(crate) struct Source {
    name: String,
    runs: Kinds,
}

#[derive(Debug)]
enum Kinds {
    Messages(Box<Runs>),
    Jobs(Box<JobRuns>),
}

impl Source {
    /// Joins the ring as a consumer, or a job ring as a worker. `is_prefixed`: its name precedes
    /// each message. Without a `subscription`, as any consumer.
    pub(crate) fn new(
        segment: &Segment,
        framing: Outgoing,
        is_prefixed: bool,
        subscription: Option<Subscription>,
    ) -> Result<Self, Stop> {
        let ring = segment.info();
        let prefix = if is_prefixed { framing.prefix(&ring.name) } else { Vec::new() };
        let runs = match ring.ring().kind {
            Kind::Jobs => Kinds::Jobs(Box::new(JobRuns::new(segment, framing, prefix)?)),
            _ => Kinds::Messages(Box::new(Runs::new(segment, framing, prefix, subscription)?)),
        };
        Ok(Self { name: ring.name.clone(), runs })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Adds the handle to a set, which waits as the handle does.
    pub(crate) fn add_to(&self, set: &mut WaitSet) -> Key {
        match &self.runs {
            Kinds::Messages(runs) => {
                set.set_wait_mode(runs.consumer().wait_mode());
                set.add(runs.consumer())
            }
            Kinds::Jobs(runs) => {
                set.set_wait_mode(runs.worker().wait_mode());
                set.add(runs.worker())
            }
        }
    }

    /// Returns an object that ends the waits for messages.
    pub(crate) fn interrupter(&self) -> Interrupter {
        match &self.runs {
            Kinds::Messages(runs) => runs.consumer().interrupter(),
            Kinds::Jobs(runs) => runs.worker().interrupter(),
        }
    }

    /// Returns when the first message was seen; `None` before that.
    pub(crate) fn began(&self) -> Option<Instant> {
        match &self.runs {
            Kinds::Messages(runs) => runs.began(),
            Kinds::Jobs(runs) => runs.began(),
        }
    }

    /// Returns the whole messages that were written so far.
    pub(crate) fn moved(&self) -> Moved {
        match &self.runs {
            Kinds::Messages(runs) => runs.moved(),
            Kinds::Jobs(runs) => runs.moved(),
        }
    }

    /// Returns which messages were received and not written whole. No jobs: they went back.
    pub(crate) fn loss(&self) -> Option<Loss> {
        match &self.runs {
            Kinds::Messages(runs) => runs.loss(),
            Kinds::Jobs(_) => None,
        }
    }

    /// Returns what there is to say of a subscription at its end.
    pub(crate) fn totals(&self) -> Option<String> {
        match &self.runs {
            Kinds::Messages(runs) => runs.totals(),
            Kinds::Jobs(_) => None,
        }
    }

    /// Waits for a message, and writes what is in the ring, up to `max` messages.
    pub(crate) fn move_one(
        &mut self,
        max: u64,
        wait: Wait,
        watcher: &Watcher<'_>,
        output: &mut Output,
    ) -> Result<Run, Stop> {
        let moved = match &mut self.runs {
            Kinds::Messages(runs) => runs.move_one(max, wait, watcher, output),
            Kinds::Jobs(runs) => runs.move_one(max, wait, watcher, output),
        };
        let error = match moved {
            Ok(()) => return Ok(Run::Moved),
            Err(Halt::Stop(stop)) => return Err(stop),
            Err(Halt::Missed(missed)) => return Ok(Run::Missed(missed)),
            Err(Halt::Ring(error)) => error,
        };
        match error {
            RecvTimeoutError::TimedOut => Ok(Run::TimedOut),
            RecvTimeoutError::Interrupted => Ok(Run::Interrupted),
            RecvTimeoutError::Eof => Ok(Run::Ended),
            RecvTimeoutError::Failed(fault) => Ok(Run::Failed(fault)),
            // Only exclusive consumers peek, and a worker takes no more than it can have.
            _ => Err(Stop::new(Exit::Failed, format!("{:?}: {error}", self.name))),
        }
    }
}
