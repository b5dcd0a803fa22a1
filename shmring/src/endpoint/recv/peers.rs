//! Waiting without receiving: for a message, and for the next producer.

use super::RecvEndpoint;
use crate::error::RecvTimeoutError;
use crate::sync::Deadline;

impl RecvEndpoint {
    /// How many messages are in the ring; of a slot ring with those that are claimed and not
    /// finished.
    pub(crate) fn messages(&self) -> u64 {
        if self.registration.check().is_err() {
            return 0;
        }
        self.flavor.messages(&self.registration.mapped)
    }

    /// Waits until a message is there, and leaves it there.
    pub(crate) fn wait_readable(&mut self, deadline: Deadline) -> Result<(), RecvTimeoutError> {
        let found = self.next_by(deadline);
        if !self.registration.is_forked() {
            // The wake that ended this wait may have been meant for one who takes the message.
            self.flavor.hand_off(&self.registration);
        }
        found.map(|_| ())
    }

    /// Waits until a producer is attached, or has come and gone since the last end that this
    /// consumer has seen.
    pub(crate) fn wait_for_producer(&mut self, deadline: Deadline) -> Result<(), RecvTimeoutError> {
        let roles = &self.registration.mapped.control().roles;
        let is_over = || self.producers.has_next(roles) || roles.is_closed();
        // A position that no message reaches: a wake for one goes to who takes it.
        let need = self.head().wrapping_add(1 << 62);
        loop {
            self.registration.check()?;
            if roles.is_closed() {
                self.registration.check()?;
                return Err(RecvTimeoutError::Eof);
            }
            if self.producers.has_next(roles) {
                return Ok(());
            }
            self.registration.wait(need, deadline, is_over)?;
        }
    }
}
