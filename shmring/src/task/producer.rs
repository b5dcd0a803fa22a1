//! The sending side.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_sink::Sink;

use super::{Waits, found, inner_access, send_held, start_send};
use crate::error::{DrainError, ReadinessError, SendError, TrySendError};
use crate::producer::Producer;

/// A [`Producer`] for tasks: its verbs are futures. With the feature `tokio`.
///
/// ```
/// use shmring::{Config, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let segment = Segment::create_sealed("jobs", &Config::mpmc().slots(2))?;
/// let mut producer = segment.producer()?.into_async()?;
/// let mut consumer = segment.consumer()?.into_async()?;
/// let worker = tokio::spawn(async move {
///     let mut jobs = Vec::new();
///     while let Ok(job) = consumer.recv().await {
///         jobs.push(job);
///     }
///     jobs
/// });
/// for job in [b"one", b"two", b"six"] {
///     producer.send(job).await?;
/// }
/// producer.close_and_drain().await?;
/// assert_eq!(worker.await?, [b"one", b"two", b"six"]);
/// # Ok(())
/// # })
/// # }
/// ```
///
/// # Cancellation
/// All futures may be dropped at any time. One that has not returned `Ready` has sent nothing. If
/// producers compete, and room woke the task of a future that was dropped, another producer is woken
/// for it. What is said of waits at [`AsyncConsumer`](crate::AsyncConsumer#waiting) holds here too.
///
/// # As a `Sink`
/// `start_send` sends the message if there is room, and else holds it: one message at most. From
/// then on `poll_ready`, `poll_flush`, `poll_close` and all other futures of this producer send that
/// first. `poll_close` does nothing else: the stream ends when the last producer is dropped. A
/// message that is held is dropped with the producer, and by [`into_inner`](Self::into_inner) and
/// [`close_and_drain`](Self::close_and_drain), so flush before.
#[derive(Debug)]
pub struct AsyncProducer {
    waits: Waits<Producer>,
    /// What the sink was given while there was no room.
    held: Option<Vec<u8>>,
}

impl Producer {
    /// Converts the producer into one for tasks.
    ///
    /// # Errors
    /// See [`ReadinessError`]. The producer is dropped then.
    pub fn into_async(self) -> Result<AsyncProducer, ReadinessError> {
        Ok(AsyncProducer { waits: Waits::new(self, Self::watched)?, held: None })
    }
}

impl AsyncProducer {
    /// Sends a message. Waits while there is no room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the message is visible then.
    pub async fn send(&mut self, message: &[u8]) -> Result<(), SendError> {
        self.retry(|producer| producer.try_send(message)).await
    }

    /// Sends the concatenation of `parts` as one message. Waits while there is no room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the message is visible then.
    pub async fn send_vectored(&mut self, parts: &[IoSlice<'_>]) -> Result<(), SendError> {
        self.retry(|producer| producer.try_send_vectored(parts)).await
    }

    /// Sends all messages at once, as [`Producer::try_send_batch`] does. Waits while there is no
    /// room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of the batch is visible then.
    pub async fn send_batch<M: AsRef<[u8]>>(&mut self, messages: &[M]) -> Result<(), SendError> {
        self.retry(|producer| producer.try_send_batch(messages)).await
    }

    /// Waits until there is room for a message of `len` bytes: for `try_` verbs of
    /// [`get_mut`](Self::get_mut), such as [`try_reserve`](Producer::try_reserve). Where producers
    /// compete, another one may take it first.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn writable(&mut self, len: usize) -> Result<(), SendError> {
        self.retry(|producer| producer.try_writable(len)).await
    }

    /// Closes the ring as [`Producer::close`] does, and waits until consumers have received
    /// everything that was sent before. If the future is dropped, the ring is closed all the same,
    /// unless it was never polled.
    ///
    /// # Errors
    /// See [`DrainError`]; never `TimedOut` or `Interrupted`.
    pub async fn close_and_drain(mut self) -> Result<(), DrainError> {
        let end = self.waits.disarmed().begin_drain()?;
        self.waits.retry(|producer| producer.try_drain(end)).await
    }

    /// Repeats a `try_` verb, with waits in between, after what the sink holds is sent.
    async fn retry(
        &mut self,
        mut attempt: impl FnMut(&mut Producer) -> Result<(), TrySendError>,
    ) -> Result<(), SendError> {
        let Self { waits, held } = self;
        waits
            .retry(|producer| match send_held(producer, held, TRY_SEND)? {
                Some(()) => found(attempt(producer)),
                None => Ok(None),
            })
            .await
    }

    inner_access!(Producer);
}

type TrySend = fn(&mut Producer, &Vec<u8>) -> Result<(), TrySendError>;

/// Sends a message of the sink.
const TRY_SEND: TrySend = |producer, message| producer.try_send(message);

impl Sink<Vec<u8>> for AsyncProducer {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { waits, held } = self.get_mut();
        waits.poll(cx, |producer| send_held(producer, held, TRY_SEND))
    }

    /// Sends or holds the message.
    ///
    /// # Panics
    /// If it holds one: a `poll_ready` must have returned `Ready` since the last call.
    fn start_send(self: Pin<&mut Self>, message: Vec<u8>) -> Result<(), SendError> {
        let Self { waits, held } = self.get_mut();
        start_send(waits, held, message, TRY_SEND)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.held.is_some() { self.poll_ready(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flush(cx)
    }
}
