//! Waiting until everything that was sent was received.

use super::SendEndpoint;
use crate::endpoint::park::WaitError;
use crate::error::DrainError;
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
        self.abandon();
        self.registration.check()?;
        self.registration.close();
        self.hint();
        let drained = self.wait_until_drained(deadline);
        if !self.registration.is_forked() {
            // Others may wait for the same end, and one wake comes for all of them.
            self.hand_off();
        }
        drained
    }

    fn wait_until_drained(&self, deadline: Deadline) -> Result<(), DrainError> {
        let mapped = &self.registration.mapped;
        let end = self.flavor.end(mapped);
        let is_drained = || self.flavor.has_room(mapped, end);
        let are_gone = || self.consumers.are_gone(&mapped.control().roles);
        loop {
            self.registration.check()?;
            if is_drained() {
                // ORDERING: Acquire, with the Release in Consumer::release and Consumer::take
                // (I4): what consumers did before they received comes before what follows.
                fence(Ordering::Acquire);
                return Ok(());
            }
            if are_gone() {
                // Consumers that are gone with the memory they were entered in are not gone.
                self.registration.check()?;
                return Err(DrainError::BrokenPipe { unreceived: self.messages() });
            }
            let waited = self.registration.wait(end, deadline, || is_drained() || are_gone());
            waited.map_err(|error| match error {
                WaitError::TimedOut => DrainError::TimedOut { unreceived: self.messages() },
                WaitError::Interrupted => DrainError::Interrupted { unreceived: self.messages() },
                WaitError::Failed(fault) => DrainError::Failed(fault),
            })?;
        }
    }
}
