//! Jobs in hand: acknowledging them, and giving them back.

use super::RecvEndpoint;
use crate::error::{RecvTimeoutError, TryRecvError};
use crate::ring::Extent;
use crate::ring::jobs::Taken;
use crate::sync::{Deadline, Ordering, fence};
use crate::sys::clock;

impl RecvEndpoint {
    /// Takes the next job.
    ///
    /// # Errors
    /// Those of [`next`](Self::next).
    #[inline]
    pub(crate) fn next_job(&mut self) -> Result<Extent, TryRecvError> {
        let found = self.next();
        if found.is_ok() {
            self.note_hands();
        }
        self.flavor.hand_off(&self.registration);
        found
    }

    /// Notes for observers since when this worker has jobs.
    #[inline]
    fn note_hands(&self) {
        let since = &self.registration.own().full_since;
        let had_none = since.load(Ordering::Relaxed) == 0;
        if had_none != (self.in_hand() == 0) {
            since.store(if had_none { clock::coarse_ns() } else { 0 }, Ordering::Relaxed);
        }
    }

    /// As [`next_job`](Self::next_job), but blocks while there is none.
    #[inline]
    pub(crate) fn next_job_by(&mut self, deadline: Deadline) -> Result<Extent, RecvTimeoutError> {
        self.retry_by(deadline, Self::next_job)
    }

    /// Waits until there is a job, and leaves it there.
    pub(crate) fn wait_for_job(&mut self, deadline: Deadline) -> Result<(), RecvTimeoutError> {
        let found = self.retry_by(deadline, |endpoint| {
            endpoint.registration.check()?;
            if endpoint.has_message() {
                Ok(())
            } else if endpoint.ended().is_some() {
                // What this finds is the end.
                Err(endpoint.next().map_or_else(|error| error, |_| TryRecvError::WouldBlock))
            } else {
                Err(TryRecvError::Empty)
            }
        });
        if !self.registration.is_forked() {
            // The wake that ended this wait may have been meant for one who takes the job.
            self.flavor.hand_off(&self.registration);
        }
        found
    }

    /// Returns the job that the last verb took.
    #[inline]
    pub(crate) fn taken(&self) -> Taken {
        self.flavor.taken().map_or_else(Taken::default, |(job, _)| job)
    }

    /// Returns how many jobs this worker has.
    pub(crate) fn in_hand(&self) -> usize {
        self.flavor.taken().map_or(0, |(_, in_hand)| in_hand as usize)
    }

    /// Acknowledges a job in hand. Wakes a producer if that released space, and all workers if it
    /// was the last job of a stream that has ended. Returns `false` in a fork child, and if the
    /// segment's memory is gone.
    #[inline]
    pub(crate) fn acknowledge(&mut self, job: Taken) -> bool {
        if !self.registration.is_clear() {
            return false;
        }
        self.flavor.acknowledge(&self.registration.mapped, job);
        self.note_hands();
        // Even if that did not move head: of two workers that acknowledge at the same time, only
        // the one that comes last here moves it over both jobs. Head is loaded once somebody
        // sleeps.
        self.registration.notify_producers(job.position);
        if !self.registration.mapped.control().roles.has_producers() {
            self.look_for_last();
        }
        true
    }

    #[cold]
    fn look_for_last(&self) {
        // ORDERING: SeqCst, with the same fence of another worker: of two that acknowledge at the
        // same time, one sees what both did.
        fence(Ordering::SeqCst);
        if self.ended().is_some() {
            self.registration.notify_all_workers();
        }
    }

    /// Gives a job in hand back, and wakes a worker. No effect in a fork child.
    pub(crate) fn give_back(&mut self, job: Taken) {
        if self.registration.is_clear() {
            self.flavor.give_back(&self.registration.mapped, job);
            self.note_hands();
            self.registration.notify_workers();
        }
    }
}
