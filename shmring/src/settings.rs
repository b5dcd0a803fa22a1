//! What all producers, and all consumers, can be asked and told, whatever they move: said once
//! for handles of bytes and handles of values. Each handle has its `endpoint`.

macro_rules! producer_settings {
    () => {
        /// Returns how many messages of all producers are not received yet. A slot ring counts
        /// those that a producer has begun and not finished; a record ring is walked, a step for
        /// each message.
        ///
        /// Of a sole producer the number can only fall until it sends again: at least the
        /// others were received.
        pub fn len(&self) -> usize {
            self.endpoint.messages() as usize
        }

        /// Returns `true` if all messages were received. Of a sole producer it stays `true` until
        /// it sends again.
        pub fn is_empty(&self) -> bool {
            self.len() == 0
        }

        /// Sets whether a wait for room that spins may last some microseconds longer, until an
        /// eighth of the ring is free; see [`WaitMode`](crate::WaitMode). The default is `true`.
        /// Without it each message is sent as soon as there is room for it, and fewer come
        /// through.
        pub fn set_backoff(&mut self, backoff: bool) {
            self.endpoint.registration.backoff = backoff;
        }

        /// Returns an object that ends the waits of this handle from another thread or a signal
        /// handler.
        pub fn interrupter(&self) -> $crate::Interrupter {
            self.endpoint.registration.interrupter()
        }

        /// Returns how this producer waits for room.
        pub fn wait_mode(&self) -> $crate::WaitMode {
            self.endpoint.registration.mode
        }

        /// Sets how this producer waits for room.
        /// [`WaitMode::Adaptive`](crate::WaitMode::Adaptive) unless set.
        pub fn set_wait_mode(&mut self, mode: $crate::WaitMode) {
            self.endpoint.registration.mode = mode;
        }

        /// Returns `true` if this producer refuses messages once the last consumer has gone.
        pub fn requires_consumer(&self) -> bool {
            self.endpoint.consumers.required
        }

        /// Sets whether to refuse messages once the last consumer has gone, as a pipe does; true
        /// unless set. A producer that joins while no consumer is there waits for one, as a FIFO
        /// does for its reader, and fills the ring meanwhile. If not required, messages are kept
        /// for a later consumer until the ring is full.
        pub fn set_require_consumer(&mut self, require: bool) {
            self.endpoint.set_require_consumer(require);
        }

        /// Returns a descriptor that becomes readable when this handle has something to do, for
        /// event loops.
        ///
        /// # Errors
        /// See [`ReadinessError`](crate::ReadinessError).
        pub fn readiness(&self) -> Result<$crate::Readiness, $crate::ReadinessError> {
            $crate::Readiness::new(self.watched())
        }

        /// Returns what wait sets share with this handle.
        pub(crate) fn watched(&self) -> &std::sync::Arc<$crate::endpoint::watch::Watch> {
            self.endpoint.watch()
        }

        /// Returns an error if there is no room for a message of `len` bytes now.
        #[cfg(feature = "tokio")]
        pub(crate) fn try_writable(&mut self, len: usize) -> Result<(), $crate::TrySendError> {
            self.endpoint.try_writable(len)
        }

        /// Closes the ring, and lets readiness be that everything sent before was received. Returns
        /// the position after that.
        #[cfg(feature = "tokio")]
        pub(crate) fn begin_drain(&mut self) -> Result<u64, $crate::Fault> {
            self.endpoint.begin_drain()
        }

        /// Returns `None` while something before `end` is not received.
        #[cfg(feature = "tokio")]
        pub(crate) fn try_drain(&mut self, end: u64) -> Result<Option<()>, $crate::DrainError> {
            self.endpoint.try_drain(end)
        }

        /// Closes the ring for good: no producer can send any more, and the stream ends when the
        /// ring is drained, for consumers that come later too. A send of another producer that is
        /// under way may still succeed.
        pub fn close(self) {
            self.endpoint.registration.close();
        }

        /// Closes the ring as [`close`](Self::close) does, and blocks until consumers have received
        /// everything that was sent before, for at most `timeout`. What they did before they
        /// received the last message happens before this returns.
        ///
        /// ```
        /// use std::time::Duration;
        ///
        /// use shmring::{Config, DrainError, Segment};
        ///
        /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
        /// let segment = Segment::create_sealed("jobs", &Config::spsc())?;
        /// let mut producer = segment.producer()?;
        /// producer.send_batch(&["one", "two"])?;
        /// let left = producer.close_and_drain(Duration::from_millis(1));
        /// assert_eq!(left, Err(DrainError::TimedOut { unreceived: 2 }));
        /// assert_eq!(segment.consumer()?.recv()?, b"one");
        /// # Ok(())
        /// # }
        /// ```
        ///
        /// # Errors
        /// See [`DrainError`](crate::DrainError). The ring is closed and its messages stay for consumers, unless the
        /// handle had failed before.
        pub fn close_and_drain(
            mut self,
            timeout: std::time::Duration,
        ) -> Result<(), $crate::DrainError> {
            self.endpoint.close_and_drain($crate::sync::Deadline::after(timeout))
        }
    };
}

macro_rules! consumer_settings {
    () => {
        /// Returns how many messages are in the ring. A slot ring counts those that a producer
        /// has begun and not finished; a record ring is walked, a step for each message.
        ///
        /// Of an exclusive consumer the number can only rise until it receives: in a record ring
        /// at least as many can be received without a wait.
        pub fn len(&self) -> usize {
            self.endpoint.messages() as usize
        }

        /// Returns `true` if no message can be received now. Once it is `false` for an exclusive
        /// consumer, it stays so until that consumer receives.
        pub fn is_empty(&self) -> bool {
            self.endpoint.registration.check().is_err() || !self.endpoint.has_message()
        }

        /// Returns how many messages a [lossy](crate::Subscribe::lossy) or a
        /// [latest](crate::Subscribe::latest) subscriber did not receive since it joined: they were
        /// overwritten, or skipped. 0 of other consumers.
        pub fn missed(&self) -> u64 {
            self.endpoint.missed()
        }

        /// Returns `true` if this consumer can read messages in place: no other one takes them, and
        /// the producer does not overwrite them.
        pub fn is_exclusive(&self) -> bool {
            self.endpoint.is_exclusive()
        }

        /// Blocks until a message is there, for at most `timeout`.
        ///
        /// An exclusive consumer finds it with the next [`try_recv`](Self::try_recv). Where
        /// consumers compete, another one may take it first.
        ///
        /// # Errors
        /// See [`RecvTimeoutError`](crate::RecvTimeoutError).
        pub fn wait_readable(
            &mut self,
            timeout: std::time::Duration,
        ) -> Result<(), $crate::RecvTimeoutError> {
            self.endpoint.wait_readable($crate::sync::Deadline::after(timeout))
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
        /// See [`RecvTimeoutError`](crate::RecvTimeoutError); [`Eof`](crate::RecvTimeoutError::Eof) if the ring was closed, so that
        /// no producer can come.
        pub fn wait_for_producer(
            &mut self,
            timeout: std::time::Duration,
        ) -> Result<(), $crate::RecvTimeoutError> {
            self.endpoint.wait_for_producer($crate::sync::Deadline::after(timeout))
        }

        /// Returns what the end of a stream means to this consumer.
        pub fn eof(&self) -> $crate::Eof {
            self.endpoint.producers.eof
        }

        /// Sets what the end of a stream means to this consumer; [`Eof::Final`](crate::Eof::Final) unless set.
        ///
        /// With [`Eof::NextProducer`](crate::Eof::NextProducer), a service whose producers restart needs nothing else: its
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
        pub fn set_eof(&mut self, eof: $crate::Eof) {
            self.endpoint.set_eof(eof);
        }

        /// Sets whether a wait that spins may look at the ring less often under load, by a few
        /// microseconds, so that more messages come at once; see [`WaitMode`](crate::WaitMode).
        /// The default is `true`. Without it each message is seen as soon as possible, and fewer
        /// come through.
        pub fn set_backoff(&mut self, backoff: bool) {
            self.endpoint.registration.backoff = backoff;
        }

        /// Returns an object that ends the waits of this handle from another thread or a signal
        /// handler.
        pub fn interrupter(&self) -> $crate::Interrupter {
            self.endpoint.registration.interrupter()
        }

        /// Returns how this consumer waits for messages.
        pub fn wait_mode(&self) -> $crate::WaitMode {
            self.endpoint.registration.mode
        }

        /// Sets how this consumer waits for messages.
        /// [`WaitMode::Adaptive`](crate::WaitMode::Adaptive) unless set.
        pub fn set_wait_mode(&mut self, mode: $crate::WaitMode) {
            self.endpoint.registration.mode = mode;
        }

        /// Returns a descriptor that becomes readable when this handle has something to do, for
        /// event loops.
        ///
        /// # Errors
        /// See [`ReadinessError`](crate::ReadinessError).
        pub fn readiness(&self) -> Result<$crate::Readiness, $crate::ReadinessError> {
            $crate::Readiness::new(self.watched())
        }

        /// Returns what wait sets share with this handle.
        pub(crate) fn watched(&self) -> &std::sync::Arc<$crate::endpoint::watch::Watch> {
            self.endpoint.watch()
        }

        /// Returns an error if no message is there now.
        #[cfg(feature = "tokio")]
        pub(crate) fn try_readable(&mut self) -> Result<(), $crate::TryRecvError> {
            self.endpoint.next().map(|_| ())
        }

        /// Closes the ring for good: no producer can send any more, but for a send that is under
        /// way. What is in the ring stays for the next consumer.
        pub fn close(self) {
            self.endpoint.registration.close();
        }
    };
}
