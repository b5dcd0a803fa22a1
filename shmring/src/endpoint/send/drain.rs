//! Waiting until everything that was sent was received.

use super::SendEndpoint;
use crate::endpoint::park::WaitError;
use crate::error::{DrainError, Fault};
use crate::sync::{Deadline, Ordering, fence};

impl SendEndpoint {
    /// How many messages are in the ring, with those that are claimed and not finished.
    pub(crate) fn messages(&self) -> u64 {
        if self.registration.check().is_err() {
            return 0;
        }
        self.flavor.messages(&self.registration.mapped)
    }

    /// Closes the ring and waits until consumers have received what was sent before.
    pub(crate) fn close_and_drain(&mut self, deadline: Deadline) -> Result<(), DrainError> {
        let end = self.close()?;
        let drained = self.wait_until_drained(end, deadline);
        if !self.registration.is_forked() {
            // Others may wait for the same end, and one wake comes for all of them.
            self.hand_off();
        }
        drained
    }

    /// Closes the ring, and lets readiness be that consumers have received what was sent before.
    /// Returns the position after that.
    #[cfg(feature = "tokio")]
    pub(crate) fn begin_drain(&mut self) -> Result<u64, Fault> {
        let end = self.close()?;
        self.watch().set_drains(end);
        Ok(end)
    }

    /// Closes the ring. Returns the position after what was sent before.
    fn close(&mut self) -> Result<u64, Fault> {
        self.abandon();
        self.registration.check()?;
        self.registration.close();
        self.hint();
        Ok(self.flavor.end(&self.registration.mapped))
    }

    fn is_drained(&self, end: u64) -> bool {
        self.flavor.makes_room(&self.registration.mapped, end)
    }

    fn are_consumers_gone(&self) -> bool {
        self.consumers.are_gone(&self.registration.mapped.control().roles)
    }

    /// Returns `None` while consumers have not received everything before `end`.
    pub(crate) fn try_drain(&self, end: u64) -> Result<Option<()>, DrainError> {
        self.registration.check()?;
        if self.is_drained(end) {
            // ORDERING: Acquire, with the Release in Consumer::release and Consumer::take
            // (I4): what consumers did before they received comes before what follows.
            fence(Ordering::Acquire);
            return Ok(Some(()));
        }
        if self.are_consumers_gone() {
            // Consumers that are gone with the memory they were entered in are not gone.
            self.registration.check()?;
            return Err(DrainError::BrokenPipe { unreceived: self.messages() });
        }
        Ok(None)
    }

    fn wait_until_drained(&self, end: u64, deadline: Deadline) -> Result<(), DrainError> {
        loop {
            if let Some(()) = self.try_drain(end)? {
                return Ok(());
            }
            let is_over = || self.is_drained(end) || self.are_consumers_gone();
            let waited = self.registration.wait(end, deadline, is_over);
            waited.map_err(|error| match error {
                WaitError::TimedOut => DrainError::TimedOut { unreceived: self.messages() },
                WaitError::Interrupted => DrainError::Interrupted { unreceived: self.messages() },
                WaitError::Failed(fault) => DrainError::Failed(fault),
            })?;
        }
    }
}
