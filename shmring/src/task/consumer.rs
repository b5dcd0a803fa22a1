//! The receiving side.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::{Waits, found, inner_access, next_item};
use crate::consumer::Consumer;
use crate::error::{ReadinessError, RecvError, RecvIntoError, TryRecvError};
use crate::guards::Message;

/// A [`Consumer`] for tasks: its verbs are futures. With the feature `tokio`.
///
/// ```
/// use shmring::{Config, RecvError, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let segment = Segment::create_sealed("quotes", &Config::spsc())?;
/// let mut consumer = segment.consumer()?.into_async()?;
/// # let sender = std::thread::spawn({
/// #     let mut producer = segment.producer()?;
/// #     move || producer.send(b"EURUSD 1.0842")
/// # });
/// let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
/// loop {
///     tokio::select! {
///         quote = consumer.recv() => match quote {
///             Ok(quote) => assert_eq!(quote, b"EURUSD 1.0842"),
///             Err(RecvError::Eof) => break,
///             Err(error) => return Err(error.into()),
///         },
///         _ = ticks.tick() => {} // Whatever else the task does.
///     }
/// }
/// # sender.join().unwrap()?;
/// # Ok(())
/// # })
/// # }
/// ```
///
/// # Cancellation
/// All futures may be dropped at any time. One that has not returned `Ready` has received nothing,
/// and the next one receives what it would have. If consumers compete, and a message woke the task
/// of a future that was dropped, another consumer is woken for it. A [`Stream`] has no future that
/// could be dropped: after a poll that returned `Pending`, the wake of a message that comes is this
/// consumer's until it is polled again, or [`get_mut`](Self::get_mut) is called, or it is dropped.
/// Another consumer may then find that message 100 ms later.
///
/// # Waiting
/// A wait is the [reactor](crate::Readiness#the-reactor)'s, which wakes the task: no thread blocks,
/// and the [wait mode](crate::WaitMode) has no effect. The reactor looks for dead producers while a
/// future waits. The futures work in every executor, in any thread, and need no driver of a runtime.
///
/// In a tokio runtime with I/O enabled, [`use_io_driver`](Self::use_io_driver) makes a wake about
/// as fast as that of a socket: the kernel wakes the thread of the runtime, and the reactor sleeps
/// (as for a [`Readiness`](crate::Readiness#waiting), with the same needs and exceptions).
///
/// In tokio a verb that returns counts against the budget of its task, so that a busy ring does not
/// keep other tasks from running. An [`Interrupter`](crate::Interrupter) does not end a future; to
/// end its wait, drop it.
#[derive(Debug)]
pub struct AsyncConsumer {
    waits: Waits<Consumer>,
    /// Whether the stream returned an error.
    has_failed: bool,
}

impl Consumer {
    /// Converts the consumer into one for tasks.
    ///
    /// # Errors
    /// See [`ReadinessError`]. The consumer is dropped then.
    pub fn into_async(self) -> Result<AsyncConsumer, ReadinessError> {
        Ok(AsyncConsumer { waits: Waits::new(self, Self::watched)?, has_failed: false })
    }
}

impl AsyncConsumer {
    /// Receives a copy of the next message. Waits while none is there.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub async fn recv(&mut self) -> Result<Vec<u8>, RecvError> {
        self.retry(Consumer::try_recv).await
    }

    /// Receives the next message into `buffer`; returns its length in bytes. Waits while none is
    /// there.
    ///
    /// # Errors
    /// See [`RecvIntoError`] and [`RecvError`]. A message that is longer than the buffer stays.
    pub async fn recv_into(&mut self, buffer: &mut [u8]) -> Result<usize, RecvIntoError> {
        let taken = self.retry(|consumer| match consumer.try_recv_into(buffer) {
            Ok(len) => Ok(Ok(len)),
            Err(RecvIntoError::TooSmall { len }) => Ok(Err(RecvIntoError::TooSmall { len })),
            Err(RecvIntoError::Recv(error)) => Err(error),
        });
        taken.await?
    }

    /// Receives the next message into `message`, in place of what it holds; returns its length in
    /// bytes. Waits while none is there. Allocates nothing once the vector has held the longest
    /// message.
    ///
    /// # Errors
    /// See [`RecvError`]. The vector is empty then, and if the future is dropped.
    pub async fn recv_into_vec(&mut self, message: &mut Vec<u8>) -> Result<usize, RecvError> {
        self.retry(|consumer| consumer.try_recv_into_vec(message)).await
    }

    /// Receives up to `max` messages at once and passes them to `visit`, as
    /// [`Consumer::try_recv_batch`] does; returns their number. Waits while no message is there.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub async fn recv_batch(
        &mut self,
        max: usize,
        mut visit: impl FnMut(&Message<'_>),
    ) -> Result<usize, RecvError> {
        self.retry(|consumer| consumer.try_recv_batch(max, &mut visit)).await
    }

    /// Waits until a message is there, and leaves it there: for `try_` verbs of
    /// [`get_mut`](Self::get_mut), such as [`try_peek`](Consumer::try_peek). Where consumers
    /// compete, another one may take it first.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub async fn readable(&mut self) -> Result<(), RecvError> {
        self.retry(Consumer::try_readable).await
    }

    /// Repeats a `try_` verb, with waits in between.
    async fn retry<R>(
        &mut self,
        mut attempt: impl FnMut(&mut Consumer) -> Result<R, TryRecvError>,
    ) -> Result<R, RecvError> {
        self.waits.retry(|consumer| found(attempt(consumer))).await
    }

    inner_access!(Consumer);
}

/// Copies of the messages up to the end of the stream. An error is the last
/// item, but for the end, `Lagged` and `Evicted`.
/// After the end, the stream goes on if another producer joins.
impl Stream for AsyncConsumer {
    type Item = Result<Vec<u8>, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { waits, has_failed } = self.get_mut();
        let attempt = |consumer: &mut Consumer| found(consumer.try_recv());
        next_item(has_failed, || waits.poll(cx, attempt))
    }
}
