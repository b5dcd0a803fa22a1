//! Waiting for a message.

use crate::endpoint::backoff::Progress;
use crate::endpoint::park::{self, WaitError};
use crate::endpoint::recv::RecvEndpoint;
use crate::error::{RecvTimeoutError, TryRecvError};
use crate::ring::Extent;
use crate::sync::Deadline;
use crate::sys::clock;

impl RecvEndpoint {
    /// As [`next`](Self::next), but waits for a message.
    #[inline]
    pub(crate) fn next_by(&mut self, deadline: Deadline) -> Result<Extent, RecvTimeoutError> {
        match self.next_fast() {
            Some(place) => Ok(Extent::Whole(place)),
            None => self.retry_by(deadline, Self::next),
        }
    }

    fn progress(&self) -> Progress {
        self.flavor.progress(&self.registration.mapped)
    }

    /// Looks for a message for a few microseconds, at the pace that suits.
    fn spin(&mut self) {
        if self.registration.is_forked() {
            return;
        }
        let backs_off = self.registration.backoff;
        let stretches = backs_off && self.backoff.lags();
        if self.flavor.has_enough(&self.registration.mapped, stretches)
            || !self.registration.spins()
        {
            return;
        }
        if backs_off {
            park::pause(self.backoff.lag(self.progress(), clock::now_ns));
        }
        if !park::spin(|| self.has_message()) {
            self.backoff.idle();
        }
    }

    /// Whether a message is at head.
    #[inline]
    pub(crate) fn has_message(&self) -> bool {
        self.flavor.has_message(&self.registration.mapped)
    }

    /// Repeats an attempt to receive, with waits in between. After the deadline it is made
    /// once more at most: where others take what there is, or there is ever more to pass
    /// over, waits end at once and attempts fail.
    #[inline]
    pub(crate) fn retry_by<R>(
        &mut self,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut Self) -> Result<R, TryRecvError>,
    ) -> Result<R, RecvTimeoutError> {
        let mut waited = false;
        loop {
            self.spin();
            match attempt(self) {
                Err(TryRecvError::Empty | TryRecvError::WouldBlock) => {
                    if waited && deadline.passed() {
                        return Err(RecvTimeoutError::TimedOut);
                    }
                    self.await_message(deadline)?;
                    waited = true;
                }
                result => return Ok(result?),
            }
        }
    }

    #[cold]
    pub(crate) fn await_message(&mut self, deadline: Deadline) -> Result<(), RecvTimeoutError> {
        let has_message = || self.has_message();
        let need = self.flavor.need();
        let waited = match &self.stuck {
            // Even at the end of the stream, the owner of the ticket decides.
            Some(stuck) => {
                self.registration.wait_slice(need, stuck.due.min(deadline), deadline, has_message)
            }
            None => {
                let ready = || has_message() || self.ended().is_some();
                self.registration.wait(need, deadline, ready)
            }
        };
        if waited == Err(WaitError::Interrupted) {
            self.flavor.hand_off(&self.registration);
        }
        Ok(waited?)
    }
}
