//! Receiving into a buffer of the caller.

use std::time::Duration;

use super::Consumer;
use crate::endpoint::{CopyOut, RecvEndpoint};
use crate::error::{RecvIntoError, RecvTimeoutError, TryRecvError, endless};
use crate::memory::copy;
use crate::memory::payload::Payload;
use crate::ring::Place;
use crate::sync::Deadline;

impl Consumer {
    /// Receives the next message into `buffer`, if one is there; returns its length
    /// in bytes.
    ///
    /// # Errors
    /// See [`RecvIntoError`] and [`TryRecvError`]. A message that is longer than the buffer
    /// stays.
    #[inline(always)]
    pub fn try_recv_into(
        &mut self,
        buffer: &mut [u8],
    ) -> Result<usize, RecvIntoError<TryRecvError>> {
        take_into(&mut self.endpoint, buffer)
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Blocks while none is
    /// there.
    ///
    /// # Errors
    /// See [`RecvIntoError`] and [`RecvError`](crate::RecvError). A message that is longer than the buffer stays.
    #[inline(always)]
    pub fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        // Fast path: a message is there, and it fits.
        if let Some(len) = take_into_fast(&mut self.endpoint, buffer) {
            return Ok(len);
        }
        self.recv_into_slow(buffer)
    }

    #[inline(never)]
    fn recv_into_slow(&mut self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        let taken = endless(|| self.recv_into_by(buffer, Deadline::NEVER))?;
        taken.map_err(TooSmall::error)
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Blocks while none is
    /// there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvIntoError`] and [`RecvTimeoutError`]. A message that is longer than the buffer
    /// stays.
    pub fn recv_into_timeout(
        &mut self,
        buffer: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, RecvIntoError<RecvTimeoutError>> {
        let taken = self.recv_into_by(buffer, Deadline::after(timeout))?;
        taken.map_err(TooSmall::error)
    }

    /// Receives the next message into `buffer` if it fits. The inner result is of a message
    /// that was there.
    #[inline(always)]
    fn recv_into_by(
        &mut self,
        buffer: &mut [u8],
        deadline: Deadline,
    ) -> Result<Result<usize, TooSmall>, RecvTimeoutError> {
        self.endpoint.retry_by(deadline, |endpoint| match take_into(endpoint, buffer) {
            Ok(len) => Ok(Ok(len)),
            Err(RecvIntoError::TooSmall { len }) => Ok(Err(TooSmall { len })),
            Err(RecvIntoError::Recv(error)) => Err(error),
        })
    }
}

/// A message that is longer than the buffer for it.
struct TooSmall {
    len: usize,
}

impl TooSmall {
    fn error<E>(self) -> RecvIntoError<E> {
        RecvIntoError::TooSmall { len: self.len }
    }
}

#[inline(always)]
fn take_into(
    endpoint: &mut RecvEndpoint,
    buffer: &mut [u8],
) -> Result<usize, RecvIntoError<TryRecvError>> {
    match take_into_fast(endpoint, buffer) {
        Some(len) => Ok(len),
        None => take_into_slow(endpoint, buffer),
    }
}

#[inline(always)]
fn take_into_fast(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Option<usize> {
    // Most often the caller knows the length, and then so does the compiler, here.
    if endpoint.take_fast(Fill(buffer)) { Some(buffer.len()) } else { fit_fast(endpoint, buffer) }
}

/// Copies a message that is as long as the buffer.
struct Fill<'b>(&'b mut [u8]);

impl CopyOut for Fill<'_> {
    #[inline(always)]
    fn copy_out(self, place: Place, payload: Payload<'_>) -> bool {
        let fills = place.len() as usize == self.0.len();
        if fills {
            copy::load(payload, self.0);
        }
        fills
    }
}

/// Copies a message that is no longer than the buffer, and stores its length.
struct Fit<'b>(&'b mut [u8], &'b mut usize);

impl CopyOut for Fit<'_> {
    #[inline]
    fn copy_out(self, place: Place, payload: Payload<'_>) -> bool {
        *self.1 = place.len() as usize;
        self.0.get_mut(..*self.1).map(|buffer| copy::load(payload, buffer)).is_some()
    }
}

/// Takes a message that fits into the buffer, on the fast path. Returns its length.
#[inline(never)]
fn fit_fast(endpoint: &mut RecvEndpoint, buffer: &mut [u8]) -> Option<usize> {
    let mut len = 0;
    endpoint.take_fast(Fit(buffer, &mut len)).then_some(len)
}

#[cold]
#[inline(never)]
fn take_into_slow(
    endpoint: &mut RecvEndpoint,
    buffer: &mut [u8],
) -> Result<usize, RecvIntoError<TryRecvError>> {
    let mut len = 0;
    endpoint.try_take_or(1, |_, parts| {
        len = parts.len();
        let Some(buffer) = buffer.get_mut(..len) else {
            return Err(RecvIntoError::TooSmall { len });
        };
        parts.load(buffer);
        Ok(())
    })?;
    Ok(len)
}
