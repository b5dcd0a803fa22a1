//! Both sides, of values of one type.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;

use super::{Waits, found, inner_access, next_item, send_held, start_send};
use crate::element::Element;
use crate::error::{DrainError, ReadinessError, RecvError, SendError, TryRecvError, TrySendError};
use crate::values::{Consumer, Producer};

/// A [`Consumer`] of values for tasks: its verbs are futures. With the feature `tokio`.
///
/// Waits and dropped futures are as for an [`AsyncConsumer`](crate::AsyncConsumer) of messages.
///
/// ```
/// use futures_util::StreamExt;
/// use shmring::{Config, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let segment = Segment::create_sealed("samples", &Config::packed::<u64>().slots(64))?;
/// let mut producer = segment.value_producer::<u64>()?.into_async()?;
/// let mut consumer = segment.value_consumer::<u64>()?.into_async()?;
/// producer.send_slice(&[1, 2, 3]).await?;
/// drop(producer);
///
/// let mut sum = 0;
/// while let Some(sample) = consumer.next().await {
///     sum += sample?;
/// }
/// assert_eq!(sum, 6);
/// # Ok(())
/// # })
/// # }
/// ```
#[derive(Debug)]
pub struct AsyncConsumer<T> {
    waits: Waits<Consumer<T>>,
    /// Whether the stream returned an error.
    has_failed: bool,
}

/// No value is pinned.
impl<T> Unpin for AsyncConsumer<T> {}

impl<T: Element> Consumer<T> {
    /// Converts the consumer into one for tasks.
    ///
    /// # Errors
    /// See [`ReadinessError`]. The consumer is dropped then.
    pub fn into_async(self) -> Result<AsyncConsumer<T>, ReadinessError> {
        Ok(AsyncConsumer { waits: Waits::new(self, Self::watched)?, has_failed: false })
    }
}

impl<T: Element> AsyncConsumer<T> {
    /// Receives the next value. Waits while none is there.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub async fn recv(&mut self) -> Result<T, RecvError> {
        self.retry(Consumer::try_recv).await
    }

    /// Receives as many values as are there and fit into `values`, as
    /// [`Consumer::try_recv_slice`] does; returns how many. Waits while none is there.
    ///
    /// # Errors
    /// See [`RecvError`].
    pub async fn recv_slice(&mut self, values: &mut [T]) -> Result<usize, RecvError> {
        self.retry(|consumer| consumer.try_recv_slice(values)).await
    }

    /// Waits until a value is there, and leaves it there: for `try_` verbs of
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
        mut attempt: impl FnMut(&mut Consumer<T>) -> Result<R, TryRecvError>,
    ) -> Result<R, RecvError> {
        self.waits.retry(|consumer| found(attempt(consumer))).await
    }

    inner_access!(Consumer<T>);
}

/// The values up to the end of the stream. An error is the last item, but for the end, `Lagged` and
/// `Evicted`. After the end, the stream goes on if another producer joins.
impl<T: Element> Stream for AsyncConsumer<T> {
    type Item = Result<T, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { waits, has_failed } = self.get_mut();
        next_item(has_failed, || waits.poll(cx, |consumer| found(consumer.try_recv())))
    }
}

/// A [`Producer`] of values for tasks: its verbs are futures. With the feature `tokio`.
///
/// Waits, dropped futures and the [`Sink`] are as for an [`AsyncProducer`](crate::AsyncProducer) of
/// messages.
#[derive(Debug)]
pub struct AsyncProducer<T> {
    waits: Waits<Producer<T>>,
    /// What the sink was given while there was no room.
    held: Option<T>,
}

/// No value is pinned.
impl<T> Unpin for AsyncProducer<T> {}

impl<T: Element> Producer<T> {
    /// Converts the producer into one for tasks.
    ///
    /// # Errors
    /// See [`ReadinessError`]. The producer is dropped then.
    pub fn into_async(self) -> Result<AsyncProducer<T>, ReadinessError> {
        Ok(AsyncProducer { waits: Waits::new(self, Self::watched)?, held: None })
    }
}

impl<T: Element> AsyncProducer<T> {
    /// Sends a value. Waits while there is no room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is visible then.
    pub async fn send(&mut self, value: &T) -> Result<(), SendError> {
        self.retry(|producer| producer.try_send(value)).await
    }

    /// Sends all values at once, as [`Producer::try_send_slice`] does. Waits while there is no room.
    ///
    /// # Errors
    /// See [`SendError`]; nothing of them is visible then.
    pub async fn send_slice(&mut self, values: &[T]) -> Result<(), SendError> {
        self.retry(|producer| producer.try_send_slice(values)).await
    }

    /// Waits until there is room for a value: for `try_` verbs of [`get_mut`](Self::get_mut), such
    /// as [`try_reserve`](Producer::try_reserve). Where producers compete, another one may take it
    /// first.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn writable(&mut self) -> Result<(), SendError> {
        self.retry(|producer| producer.try_writable(size_of::<T>())).await
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
        mut attempt: impl FnMut(&mut Producer<T>) -> Result<(), TrySendError>,
    ) -> Result<(), SendError> {
        let Self { waits, held } = self;
        waits
            .retry(|producer| match send_held(producer, held, Producer::try_send)? {
                Some(()) => found(attempt(producer)),
                None => Ok(None),
            })
            .await
    }

    inner_access!(Producer<T>);
}

impl<T: Element> Sink<T> for AsyncProducer<T> {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Self { waits, held } = self.get_mut();
        waits.poll(cx, |producer| send_held(producer, held, Producer::try_send))
    }

    /// Sends or holds the value.
    ///
    /// # Panics
    /// If it holds one: a `poll_ready` must have returned `Ready` since the last call.
    fn start_send(self: Pin<&mut Self>, value: T) -> Result<(), SendError> {
        let Self { waits, held } = self.get_mut();
        start_send(waits, held, value, Producer::try_send)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        if self.held.is_some() { self.poll_ready(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.poll_flush(cx)
    }
}
