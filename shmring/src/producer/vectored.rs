//! Sending the concatenation of several parts as one message.

#![allow(clippy::arithmetic_side_effects, reason = "of the lengths of the caller's messages")]

use std::io::IoSlice;
use std::time::Duration;

use super::Producer;
use crate::error::{SendError, SendTimeoutError, TrySendError, endless};
use crate::ring::Extent;
use crate::sync::Deadline;

impl Producer {
    /// Sends the concatenation of `parts` as one message, if there is room now. The parts are
    /// copied into the ring one after the other, without a buffer between.
    ///
    /// # Errors
    /// See [`TrySendError`]; nothing of the message is visible then.
    pub fn try_send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), TrySendError> {
        let space = self.try_reserve_place(total_len(parts))?;
        self.fill_parts(space, parts);
        Ok(())
    }

    /// Sends the concatenation of `parts` as one message. Blocks while there is no room.
    ///
    /// ```
    /// use std::io::IoSlice;
    ///
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("frames", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// producer.send_vectored(&[IoSlice::new(b"header, "), IoSlice::new(b"body")])?;
    /// assert_eq!(segment.consumer()?.recv()?, b"header, body");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the message is visible then.
    pub fn send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), SendError> {
        endless(|| self.send_vectored_by(parts, Deadline::NEVER))
    }

    /// Sends the concatenation of `parts` as one message. Blocks while there is no room, for at
    /// most `timeout`.
    ///
    /// # Errors
    /// See [`SendTimeoutError`]; nothing of the message is visible then.
    pub fn send_vectored_timeout(
        &mut self,
        parts: &[IoSlice<'_>],
        timeout: Duration,
    ) -> Result<(), SendTimeoutError> {
        self.send_vectored_by(parts, Deadline::after(timeout))
    }

    fn send_vectored_by(
        &mut self,
        parts: &[IoSlice<'_>],
        deadline: Deadline,
    ) -> Result<(), SendTimeoutError> {
        let space = self.reserve_place_by(total_len(parts), deadline)?;
        self.fill_parts(space, parts);
        Ok(())
    }

    fn fill_parts(&mut self, space: Extent, parts: &[IoSlice<'_>]) {
        let mut offset = 0;
        for part in parts {
            self.endpoint.parts(space).patch(offset, part);
            offset += part.len();
        }
        self.endpoint.commit(space, offset as u64);
    }
}

/// Returns how many bytes all parts have; more than any ring takes if the sum overflows.
fn total_len(parts: &[IoSlice<'_>]) -> usize {
    parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()))
}
