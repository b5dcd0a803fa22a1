//! What a worker can be asked and told.

use std::sync::Arc;
use std::time::Duration;

use super::Worker;
use crate::endpoint::watch::Watch;
use crate::error::{ReadinessError, RecvTimeoutError};
use crate::sync::Deadline;
use crate::{Eof, Interrupter, Readiness, WaitMode};

impl Worker {
    /// Returns how many jobs are not acknowledged: those that nobody has, those in the hands of all
    /// workers, and those that a producer has begun and not finished. Looks at each.
    pub fn len(&self) -> usize {
        self.endpoint.borrow().messages() as usize
    }

    /// Returns `true` if no job can be taken now.
    pub fn is_empty(&self) -> bool {
        let endpoint = self.endpoint.borrow();
        endpoint.registration.check().is_err() || !endpoint.has_message()
    }

    /// Returns how many jobs this worker has.
    pub fn in_hand(&self) -> usize {
        self.endpoint.borrow().in_hand()
    }

    /// Blocks until there is a job, for at most `timeout`. Another worker may take it first.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn wait_readable(&self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        self.endpoint.borrow_mut().wait_for_job(Deadline::after(timeout))
    }

    /// Blocks until a producer is attached, for at most `timeout`; see
    /// [`Consumer::wait_for_producer`](crate::Consumer::wait_for_producer).
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn wait_for_producer(&self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        self.endpoint.borrow_mut().wait_for_producer(Deadline::after(timeout))
    }

    /// Returns what the end of a stream means to this worker.
    pub fn eof(&self) -> Eof {
        self.endpoint.borrow().producers.eof
    }

    /// Sets what the end of a stream means to this worker; see
    /// [`Consumer::set_eof`](crate::Consumer::set_eof).
    pub fn set_eof(&mut self, eof: Eof) {
        self.endpoint.get_mut().set_eof(eof);
    }

    /// Returns an object that ends the waits of this worker from another thread or a signal
    /// handler.
    pub fn interrupter(&self) -> Interrupter {
        self.endpoint.borrow().registration.interrupter()
    }

    /// Returns how this worker waits for jobs.
    pub fn wait_mode(&self) -> WaitMode {
        self.endpoint.borrow().registration.mode
    }

    /// Sets how this worker waits for jobs. [`WaitMode::Adaptive`] unless set.
    pub fn set_wait_mode(&mut self, mode: WaitMode) {
        self.endpoint.get_mut().registration.mode = mode;
    }

    /// Sets whether a wait that spins may look at the ring less often under load; see
    /// [`Consumer::set_backoff`](crate::Consumer::set_backoff).
    pub fn set_backoff(&mut self, backoff: bool) {
        self.endpoint.get_mut().registration.backoff = backoff;
    }

    /// Returns a descriptor that becomes readable when this worker has something to do, for event
    /// loops.
    ///
    /// # Errors
    /// See [`ReadinessError`].
    pub fn readiness(&self) -> Result<Readiness, ReadinessError> {
        Readiness::new(self.watched())
    }

    /// Returns what wait sets share with this worker.
    pub(crate) fn watched(&self) -> &Arc<Watch> {
        self.watch.get_or_init(|| Arc::clone(self.endpoint.borrow().watch()))
    }

    /// Closes the ring for good: no producer can send any more, but for a send that is under way.
    /// Jobs in the ring stay.
    pub fn close(self) {
        self.endpoint.borrow().registration.close();
    }
}
