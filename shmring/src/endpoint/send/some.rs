//! Sending as much as fits, and waiting for room without taking it.

use super::{SendEndpoint, Stop};
use crate::error::{SendTimeoutError, TrySendError};
use crate::sync::Deadline;

impl SendEndpoint {
    /// Sends messages, in order, until one finds no room; returns how many. In a record ring
    /// they become visible at once.
    ///
    /// # Errors
    /// That of the first message; nothing was sent then.
    pub(crate) fn send_some<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
    ) -> Result<usize, TrySendError> {
        self.check()?;
        self.abandon();
        if self.flavor.is_staging() {
            self.stage_some(messages)
        } else {
            self.send_some_slots(messages)
        }
    }

    fn stage_some<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]>,
    ) -> Result<usize, TrySendError> {
        let mut sent = 0;
        for message in messages {
            // The caller's code returned the message, and may have forked: this checks.
            let space = match self.reserve_place(message.len(), 1) {
                Ok(space) => space,
                Err(stop) if sent == 0 => return Err(stop.into()),
                Err(_) => break,
            };
            self.parts(space).store(message);
            self.flavor.stage(&self.registration.mapped, space, message.len() as u64);
            sent += 1;
        }
        // The caller's code ran once more, and nothing of the ring is there in a fork child.
        self.registration.check()?;
        let reached = self.flavor.publish_staged(&self.registration.mapped);
        self.registration.notify_consumers(reached);
        Ok(sent)
    }

    fn send_some_slots<'m>(
        &mut self,
        messages: impl Iterator<Item = &'m [u8]> + Clone,
    ) -> Result<usize, TrySendError> {
        let place = |endpoint: &mut Self, len, count| Ok(endpoint.reserve_place(len, count)?);
        match self.send_all::<TrySendError>(messages.clone(), place) {
            // One after the other is as much as fits.
            Err(
                TrySendError::Full
                | TrySendError::WouldBlock
                | TrySendError::TooLong { .. }
                | TrySendError::TooMany { .. },
            ) => {}
            whole => return whole.map(|()| messages.count()),
        }
        let mut sent = 0;
        for message in messages {
            match self.reserve_place(message.len(), 1) {
                Ok(place) => self.fill(place, message),
                Err(stop) if sent == 0 => return Err(stop.into()),
                Err(_) => break,
            }
            sent += 1;
        }
        Ok(sent)
    }

    /// Waits until there is room for a message of `len` bytes, and leaves it there.
    pub(crate) fn wait_writable(
        &mut self,
        len: usize,
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError> {
        self.abandon();
        self.retry_by(deadline, |endpoint| {
            let found = endpoint.look_for_room(len);
            endpoint.hand_off();
            found
        })
    }

    /// Returns an error if there is no room for a message of `len` bytes now.
    #[cfg(feature = "tokio")]
    pub(crate) fn try_writable(&mut self, len: usize) -> Result<(), TrySendError> {
        self.abandon();
        Ok(self.look_for_room(len)?)
    }

    fn look_for_room(&mut self, len: usize) -> Result<(), Stop> {
        self.check().map_err(Stop::Error)?;
        let found = self.flavor.look_for_room(&self.registration.mapped, len);
        found.map_err(|refused| self.refuse(refused, len))
    }
}
