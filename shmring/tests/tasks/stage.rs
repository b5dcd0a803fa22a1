//! Rings of all kinds that move numbers, and ways to run and to poll futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::Stream;
use shmring::{
    AsyncConsumer, AsyncProducer, Config, Kind, RecvError, Segment, SendError, TryRecvError,
    TrySendError, values,
};
use tokio::runtime::{Builder, Runtime};

use crate::common::{broadcast, payload};

/// Bytes of the longest message.
const MAX_BYTES: u64 = 48;

pub(crate) fn current() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

pub(crate) fn both_runtimes() -> [Runtime; 2] {
    [current(), Builder::new_multi_thread().worker_threads(3).enable_time().build().unwrap()]
}

/// One ring of each kind, of bytes and of values: room for a few messages.
pub(crate) fn configs() -> Vec<Config> {
    let slots = |kind| Config::new(kind).slots(4).slot_bytes(MAX_BYTES);
    vec![
        Config::spsc().capacity_bytes(4096),
        slots(Kind::Mpsc),
        slots(Kind::Spmc),
        slots(Kind::Mpmc),
        Config::mpmc().slots(4).values::<u64>(),
        Config::packed::<u64>().slots(4),
        broadcast(),
        broadcast().values::<u64>(),
    ]
}

pub(crate) fn mpmc() -> Config {
    Config::mpmc().slots(4).slot_bytes(MAX_BYTES)
}

/// A producer of numbers.
pub(crate) enum Tx {
    Bytes(AsyncProducer),
    Values(values::AsyncProducer<u64>),
}

/// A consumer of numbers.
pub(crate) enum Rx {
    Bytes(AsyncConsumer),
    Values(values::AsyncConsumer<u64>),
}

/// The message of that number, of some length.
fn message(number: u64) -> Vec<u8> {
    let mut message = payload(number, 8 + (number % 5) as usize * 8);
    message[..8].copy_from_slice(&number.to_ne_bytes());
    message
}

/// The number of a message.
fn number(bytes: &[u8]) -> u64 {
    let number = u64::from_ne_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(bytes, message(number));
    number
}

pub(crate) fn tx(segment: &Segment) -> Tx {
    match segment.info().ring().element {
        Some(_) => {
            let mut tx = segment.value_producer().unwrap();
            tx.set_require_consumer(true);
            Tx::Values(tx.into_async().unwrap())
        }
        None => {
            let mut tx = segment.producer().unwrap();
            tx.set_require_consumer(true);
            Tx::Bytes(tx.into_async().unwrap())
        }
    }
}

pub(crate) fn rx(segment: &Segment) -> Rx {
    match segment.info().ring().element {
        Some(_) => Rx::Values(segment.value_consumer().unwrap().into_async().unwrap()),
        None => Rx::Bytes(segment.consumer().unwrap().into_async().unwrap()),
    }
}

/// A ring without a name.
pub(crate) fn ring(config: &Config) -> (Segment, Tx, Rx) {
    let segment = Segment::create_sealed("tasks", config).unwrap();
    let (tx, rx) = (tx(&segment), rx(&segment));
    (segment, tx, rx)
}

impl Tx {
    pub(crate) async fn send(&mut self, number: u64) -> Result<(), SendError> {
        match self {
            Self::Bytes(tx) => tx.send(&message(number)).await,
            Self::Values(tx) => tx.send(&number).await,
        }
    }

    pub(crate) fn try_send(&mut self, number: u64) -> Result<(), TrySendError> {
        match self {
            Self::Bytes(tx) => tx.get_mut().try_send(&message(number)),
            Self::Values(tx) => tx.get_mut().try_send(&number),
        }
    }

    /// Fills the ring with numbers from 0. Returns how many.
    pub(crate) fn fill(&mut self) -> u64 {
        (0..).find(|&number| self.try_send(number) == Err(TrySendError::Full)).unwrap()
    }
}

impl Rx {
    pub(crate) async fn recv(&mut self) -> Result<u64, RecvError> {
        match self {
            Self::Bytes(rx) => rx.recv().await.map(|message| number(&message)),
            Self::Values(rx) => rx.recv().await,
        }
    }

    pub(crate) fn try_recv(&mut self) -> Result<u64, TryRecvError> {
        match self {
            Self::Bytes(rx) => rx.get_mut().try_recv().map(|message| number(&message)),
            Self::Values(rx) => rx.get_mut().try_recv(),
        }
    }
}

impl Rx {
    pub(crate) fn set_spin(&mut self, time: Duration) {
        match self {
            Self::Bytes(rx) => rx.set_spin(time),
            Self::Values(rx) => rx.set_spin(time),
        }
    }
}

impl Stream for Rx {
    type Item = Result<u64, RecvError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.get_mut() {
            Self::Bytes(rx) => {
                let item = Pin::new(rx).poll_next(cx);
                item.map(|item| item.map(|item| item.map(|message| number(&message))))
            }
            Self::Values(rx) => Pin::new(rx).poll_next(cx),
        }
    }
}

/// Counts the wakes of a task.
#[derive(Default)]
pub(crate) struct Wakes(AtomicU32);

impl Wakes {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let wakes = Arc::new(Self::default());
        (Arc::clone(&wakes), Waker::from(wakes))
    }

    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}
