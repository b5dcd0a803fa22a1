//! Runs of jobs: taken and written together, and acknowledged once they are written. Those that
//! were not written whole go back, as do all of them if this process dies.

use std::time::Instant;

use shmring::{RecvTimeoutError, Segment, Worker};

use crate::process::stop::Stop;
use crate::transfer::framing::Outgoing;
use crate::transfer::message_runs::{Halt, Wait, whole};
use crate::transfer::meter::Moved;
use crate::transfer::output::Output;
use crate::transfer::watcher::Watcher;

/// Moves jobs from a ring to stdout, a run at a time.
#[derive(Debug)]
pub(crate) struct JobRuns {
    worker: Worker,
    framing: Outgoing,
    /// What precedes each job in the output, besides its framing.
    prefix: Vec<u8>,
    /// The end of each job of the run in the output.
    ends: Vec<usize>,
    /// When the first job was seen.
    began: Option<Instant>,
    moved: Moved,
}

impl JobRuns {
    /// Joins the ring as a worker.
    pub(crate) fn new(segment: &Segment, framing: Outgoing, prefix: Vec<u8>) -> Result<Self, Stop> {
        let worker = segment.worker().map_err(|error| Stop::join(&segment.info().name, &error))?;
        let (ends, moved) = (Vec::new(), Moved::default());
        Ok(Self { worker, framing, prefix, ends, began: None, moved })
    }

    pub(crate) fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Returns when the first job was seen; `None` before that.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Returns the jobs that were written and acknowledged so far.
    pub(crate) fn moved(&self) -> Moved {
        self.moved
    }

    /// Waits for a job when stdout has room, writes it and those behind it, up to `max`, and
    /// acknowledges what was written whole, also if the write failed.
    pub(super) fn move_one(
        &mut self,
        max: u64,
        wait: Wait,
        watcher: &Watcher<'_>,
        output: &mut Output,
    ) -> Result<(), Halt> {
        output.await_room(watcher.signals())?;
        self.ends.clear();
        output.clear();
        let Self { worker, framing, prefix, ends, began, moved } = self;
        let first = match wait {
            Wait::Not => worker.try_take().map_err(RecvTimeoutError::from)?,
            Wait::AtMost(patience) => {
                watcher.waiting(|| worker.take_timeout(patience.remaining()))?
            }
        };
        began.get_or_insert_with(Instant::now);
        let max = usize::try_from(max).unwrap_or(usize::MAX).min(Worker::MAX_IN_HAND);
        let mut jobs = Vec::with_capacity(Worker::MAX_IN_HAND);
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let copy = |space: &mut [u8]| job.copy_to(space);
            ends.push(output.append(*framing, prefix, job.len(), copy));
            jobs.push(job);
            if jobs.len() < max && !output.is_full() {
                // Without one, or after an error that the next run finds again, the run is ready.
                next = worker.try_take().ok();
            }
        }
        let (written, result) = match output.flush(watcher.signals()) {
            Ok(written) => (written, Ok(())),
            Err((written, stop)) => (written, Err(stop.into())),
        };
        for job in jobs.into_iter().take(whole(ends, written, |end| *end)) {
            moved.messages += 1;
            moved.bytes += job.len() as u64;
            job.acknowledge();
        }
        result
    }
}
