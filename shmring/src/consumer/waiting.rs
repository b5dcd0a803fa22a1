//! Waiting without receiving, and what the end of a stream means.

use std::time::Duration;

use super::Consumer;
use crate::endpoint::liveness::Eof;
use crate::error::RecvTimeoutError;
use crate::sync::Deadline;

impl Consumer {
    /// Blocks until a message is there, for at most `timeout`.
    ///
    /// An exclusive consumer finds it with the next [`try_recv`](Self::try_recv). Where
    /// consumers compete, another one may take it first.
    ///
    /// # Errors
    /// See [`RecvTimeoutError`].
    pub fn wait_readable(&mut self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        self.endpoint.wait_readable(Deadline::after(timeout))
    }

    /// Returns what the end of a stream means to this consumer.
    pub fn eof(&self) -> Eof {
        self.endpoint.producers.eof
    }

    /// Sets what the end of a stream means to this consumer; [`Eof::Final`] unless set.
    ///
    /// With [`Eof::NextProducer`], a service whose producers restart needs nothing else: its
    /// verbs block, or return [`Empty`](crate::TryRecvError::Empty), until the next producer
    /// sends. An end that was passed so is not returned later.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shmring::{Config, Eof, RecvError, RecvTimeoutError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("quotes", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// consumer.set_eof(Eof::NextProducer);
    /// for quote in [b"1.0842", b"1.0843"] {
    ///     // Each is dropped at once.
    ///     segment.producer()?.send(quote)?;
    ///     assert_eq!(consumer.recv()?, quote);
    /// }
    /// let none = consumer.recv_timeout(Duration::from_millis(1));
    /// assert_eq!(none, Err(RecvTimeoutError::TimedOut));
    /// segment.close();
    /// assert_eq!(consumer.recv(), Err(RecvError::Eof));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_eof(&mut self, eof: Eof) {
        self.endpoint.producers.eof = eof;
    }

    /// Blocks until a producer is attached, for at most `timeout`. Returns at once if one has
    /// come and gone since the last end of the stream that this consumer has seen: it may have
    /// left messages.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use shmring::{Config, RecvError, RecvTimeoutError, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let segment = Segment::create_sealed("quotes", &Config::spsc())?;
    /// let mut consumer = segment.consumer()?;
    /// drop(segment.producer()?);
    /// assert_eq!(consumer.recv(), Err(RecvError::Eof));
    ///
    /// let none = consumer.wait_for_producer(Duration::from_millis(1));
    /// assert_eq!(none, Err(RecvTimeoutError::TimedOut));
    /// let _next = segment.producer()?;
    /// consumer.wait_for_producer(Duration::from_secs(1))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`RecvTimeoutError`]; [`Eof`](RecvTimeoutError::Eof) if the ring was closed, so that
    /// no producer can come.
    pub fn wait_for_producer(&mut self, timeout: Duration) -> Result<(), RecvTimeoutError> {
        self.endpoint.wait_for_producer(Deadline::after(timeout))
    }
}
