//! Workers, and the jobs that they take.

mod settings;

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::endpoint::RecvEndpoint;
use crate::endpoint::subscribe::Subscribe;
use crate::endpoint::watch::Watch;
use crate::error::{JoinError, RecvError, RecvTimeoutError, TryRecvError, endless};
use crate::guards::Job;
use crate::info::Kind;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::Extent;
use crate::ring::jobs::HANDS;
use crate::segment::Segment;
use crate::sync::Deadline;

/// The receiving side of a job ring: takes jobs, and acknowledges each or gives it back.
///
/// A job that was taken is in the hands of this worker, and no other worker gets it, until it is
/// acknowledged or given back. If the worker's process dies, its jobs come back at once, as soon as
/// the kernel says so: within milliseconds where a [`Monitor`](crate::Monitor) runs, and otherwise
/// when somebody who waits looks for the dead. There is no time after which a job is taken away: a
/// slow or stopped worker keeps what it has.
///
/// Jobs are taken in the order in which they were sent, those that came back before new ones. A
/// worker can have up to [`MAX_IN_HAND`](Self::MAX_IN_HAND) jobs at once. The space of a job goes
/// back to producers once it and all before it are acknowledged: a job that is held for long holds
/// them up once the ring is full.
///
/// Verbs that begin with `try_` return at once. While there is no job, `_timeout` and `_deadline`
/// verbs block until that time at most; the others block without limit. The stream ends when the
/// ring was closed, or its last producer has gone, and every job is acknowledged: while another
/// worker has one, it may come back.
///
/// ```
/// use shmring::{Config, RecvError, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let segment = Segment::create_sealed("thumbnails", &Config::jobs())?;
/// let mut producer = segment.producer()?;
/// producer.send(b"cat.png")?;
///
/// let worker = segment.worker()?;
/// // A job that is dropped goes back: somebody else may have more luck.
/// drop(worker.take()?);
///
/// let job = worker.take()?;
/// assert_eq!((job.attempts(), job.to_vec()), (2, b"cat.png".to_vec()));
/// job.acknowledge();
///
/// drop(producer);
/// assert_eq!(worker.take().unwrap_err(), RecvError::Eof);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Worker {
    endpoint: RefCell<RecvEndpoint>,
    watch: OnceCell<Arc<Watch>>,
}

impl Segment {
    /// Joins a job ring as a worker.
    ///
    /// # Errors
    /// [`JoinError::WrongKind`] of a ring of another kind.
    pub fn worker(&self) -> Result<Worker, JoinError> {
        Worker::join(self.mapped_ring_of(None)?)
    }
}

impl Worker {
    /// How many jobs a worker can have at once.
    pub const MAX_IN_HAND: usize = HANDS;

    fn join(mapped: MappedRing) -> Result<Self, JoinError> {
        match mapped.shape().kind() {
            Kind::Jobs => Self::new(RecvEndpoint::join_any(mapped, Subscribe::gating())?),
            kind => Err(JoinError::WrongKind { kind, wanted: "a job ring" }),
        }
    }

    fn new(endpoint: RecvEndpoint) -> Result<Self, JoinError> {
        Ok(Self { endpoint: RefCell::new(endpoint), watch: OnceCell::new() })
    }

    /// Joins the same ring once more.
    ///
    /// # Errors
    /// As for [`Segment::worker`].
    pub fn try_clone(&self) -> Result<Self, JoinError> {
        Self::new(self.endpoint.borrow().another()?)
    }

    /// Takes the next job, if there is one.
    ///
    /// # Errors
    /// See [`TryRecvError`]: [`WouldBlock`](TryRecvError::WouldBlock) if other workers have all
    /// jobs that there are, [`HandsFull`](TryRecvError::HandsFull) if this one has as many as it
    /// can have.
    #[inline]
    pub fn try_take(&self) -> Result<Job<'_>, TryRecvError> {
        let mut endpoint = self.endpoint.borrow_mut();
        let extent = endpoint.next_job()?;
        Ok(self.job(&endpoint, extent))
    }

    /// Takes the next job. Blocks while there is none.
    ///
    /// # Errors
    /// See [`RecvError`].
    #[inline]
    pub fn take(&self) -> Result<Job<'_>, RecvError> {
        let mut endpoint = self.endpoint.borrow_mut();
        let extent = endless(|| endpoint.next_job_by(Deadline::NEVER))?;
        Ok(self.job(&endpoint, extent))
    }

    /// Takes the next job. Blocks while there is none, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn take_timeout(&self, timeout: Duration) -> Result<Job<'_>, RecvTimeoutError> {
        self.take_by(Deadline::after(timeout))
    }

    /// Takes the next job. Blocks while there is none, until `deadline` at most; one that has passed
    /// allows one attempt.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn take_deadline(&self, deadline: Instant) -> Result<Job<'_>, RecvTimeoutError> {
        self.take_by(Deadline::at(deadline))
    }

    fn take_by(&self, deadline: Deadline) -> Result<Job<'_>, RecvTimeoutError> {
        let mut endpoint = self.endpoint.borrow_mut();
        let extent = endpoint.next_job_by(deadline)?;
        Ok(self.job(&endpoint, extent))
    }

    #[inline]
    pub(crate) fn endpoint(&self) -> &RefCell<RecvEndpoint> {
        &self.endpoint
    }

    #[inline]
    fn job(&self, endpoint: &RecvEndpoint, extent: Extent) -> Job<'_> {
        Job::new(self, extent, endpoint.taken())
    }
}
