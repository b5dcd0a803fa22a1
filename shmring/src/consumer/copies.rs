//! Receiving copies of messages, in vectors.

use std::time::{Duration, Instant};

use super::Consumer;
use crate::endpoint::RecvEndpoint;
use crate::error::{RecvError, RecvTimeoutError, TryRecvError, endless};
use crate::iter::Iter;
use crate::sync::Deadline;

impl Consumer {
    /// Receives the next message into `message`, in place of what it holds, if one is there;
    /// returns its length in bytes. Grows the vector if it has to, and so allocates nothing once
    /// it has held the longest message.
    ///
    /// # Errors
    /// See [`TryRecvError`]. The vector is empty then.
    pub fn try_recv_into_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, TryRecvError> {
        message.clear();
        take_copy(&mut self.endpoint, message).inspect_err(|_| message.clear())?;
        Ok(message.len())
    }

    /// As [`try_recv_into_vec`](Self::try_recv_into_vec), but blocks while no message is there.
    ///
    /// ```
    /// use shmring::{Config, RecvError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["one", "three"])?;
    ///
    /// let mut message = Vec::new();
    /// let mut lengths = Vec::new();
    /// while consumer.recv_into_vec(&mut message) != Err(RecvError::Eof) {
    ///     lengths.push(message.len());
    /// }
    /// assert_eq!(lengths, [3, 5]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`]. The vector is empty then.
    pub fn recv_into_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, RecvError> {
        endless(|| self.recv_into_vec_by(message, Deadline::NEVER))
    }

    /// As [`try_recv_into_vec`](Self::try_recv_into_vec), but blocks while no message is there,
    /// for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`]. The vector is empty then.
    pub fn recv_into_vec_timeout(
        &mut self,
        message: &mut Vec<u8>,
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        self.recv_into_vec_by(message, Deadline::after(timeout))
    }

    /// Receives a copy of the next message in place of what `message` holds; returns its length.
    pub(crate) fn recv_into_vec_by(
        &mut self,
        message: &mut Vec<u8>,
        deadline: Deadline,
    ) -> Result<usize, RecvTimeoutError> {
        message.clear();
        self.endpoint
            .retry_by(deadline, |endpoint| take_copy(endpoint, message))
            .inspect_err(|_| message.clear())?;
        Ok(message.len())
    }

    /// Receives a copy of the next message, if one is there.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    pub fn try_recv(&mut self) -> Result<Vec<u8>, TryRecvError> {
        let mut message = Vec::new();
        take_copy(&mut self.endpoint, &mut message)?;
        Ok(message)
    }

    /// Receives a copy of the next message. Blocks while none is there. Allocates;
    /// [`recv_into`](Self::recv_into) does not.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shmring::{Config, RecvError, RecvTimeoutError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("prices", &Config::spsc())?;
    /// let mut producer = segment.producer()?;
    /// let mut consumer = segment.consumer()?;
    ///
    /// producer.send(b"EURUSD 1.0842")?;
    /// assert_eq!(consumer.recv()?, b"EURUSD 1.0842");
    /// let timed = consumer.recv_timeout(Duration::from_millis(1));
    /// assert_eq!(timed, Err(RecvTimeoutError::TimedOut));
    /// drop(producer);
    /// assert_eq!(consumer.recv(), Err(RecvError::Eof));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvError`].
    pub fn recv(&mut self) -> Result<Vec<u8>, RecvError> {
        endless(|| self.recv_by(Deadline::NEVER))
    }

    /// Receives a copy of the next message. Blocks while none is there, for at most `timeout`.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_timeout(&mut self, timeout: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        self.recv_by(Deadline::after(timeout))
    }

    /// Receives a copy of the next message. Blocks while none is there, until `deadline` at
    /// most; one that has passed allows one attempt.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn recv_deadline(&mut self, deadline: Instant) -> Result<Vec<u8>, RecvTimeoutError> {
        self.recv_by(Deadline::at(deadline))
    }

    fn recv_by(&mut self, deadline: Deadline) -> Result<Vec<u8>, RecvTimeoutError> {
        let mut message = Vec::new();
        self.recv_into_vec_by(&mut message, deadline)?;
        Ok(message)
    }

    /// Returns an iterator over copies of all messages up to the end of the stream. Each step is
    /// a [`recv`](Self::recv). An error is the last item, but for the
    /// end, `Lagged` and `Evicted`. `for message in
    /// &mut consumer` does the same.
    ///
    /// ```
    /// use shmring::{Config, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("lines", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// segment.producer()?.send_batch(&["one", "two"])?;
    ///
    /// let mut lines = Vec::new();
    /// for message in consumer.iter() {
    ///     lines.push(String::from_utf8(message?)?);
    /// }
    /// assert_eq!(lines, ["one", "two"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iter(&mut self) -> Iter<'_> {
        Iter::new(self)
    }
}

fn take_copy(endpoint: &mut RecvEndpoint, message: &mut Vec<u8>) -> Result<(), TryRecvError> {
    endpoint.try_take(1, |_, parts| {
        message.resize(parts.len(), 0);
        parts.load(message);
        Ok(())
    })?;
    Ok(())
}
