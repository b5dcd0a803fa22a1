//! Both ends of a ring, whatever its kind, and messages that tell when they are not whole.

use std::time::Duration;

use shmring::wait_set::Key;
use shmring::{
    Consumer, Job, JoinError, Kind, Message, Producer, Readiness, RecvError, RecvIntoError,
    RecvTimeoutError, Segment, SendError, Start, Subscribe, TryRecvError, TrySendError, WaitMode,
    WaitSet, Worker, values,
};

use crate::case::How;
use crate::common::payload;

/// Bytes in a message, unless a scene wants it otherwise.
pub(crate) const ITEM_BYTES: usize = 40;
const NUMBER_BYTES: usize = size_of::<u64>();

/// A message that its number distinguishes from all others.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) number: u64,
    bytes: Vec<u8>,
}

impl Item {
    pub(crate) fn new(number: u64) -> Self {
        Self::of_len(number, ITEM_BYTES)
    }

    pub(crate) fn of_len(number: u64, len: usize) -> Self {
        let mut bytes = number.to_ne_bytes().to_vec();
        bytes.extend(payload(number, len - NUMBER_BYTES));
        Self { number, bytes }
    }
}

impl AsRef<[u8]> for Item {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The number of a message, which must be whole.
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    let number = u64::from_ne_bytes(bytes[..NUMBER_BYTES].try_into().unwrap());
    assert!(Item::of_len(number, bytes.len()).bytes == bytes, "half a message");
    number
}

/// Acknowledges a job; its number.
fn finish(job: Job<'_>) -> u64 {
    let number = number_of(&job.to_vec());
    assert!(job.acknowledge());
    number
}

/// A producer.
#[derive(Debug)]
pub(crate) enum Tx {
    Messages(Producer),
    Numbers(values::Producer<u64>),
}

impl Tx {
    pub(crate) fn join(segment: &Segment) -> Result<Self, JoinError> {
        if segment.info().ring().kind == Kind::Packed {
            return segment.value_producer().map(Self::Numbers);
        }
        let mut tx = segment.producer()?;
        tx.set_require_consumer(true);
        Ok(Self::Messages(tx))
    }

    /// Sleeps at once where it has to wait.
    pub(crate) fn block(&mut self) {
        match self {
            Self::Messages(tx) => tx.set_wait_mode(WaitMode::Block),
            Self::Numbers(tx) => tx.set_wait_mode(WaitMode::Block),
        }
    }

    #[inline]
    pub(crate) fn send(&mut self, item: &Item) -> Result<(), SendError> {
        match self {
            Self::Messages(tx) => tx.send(&item.bytes),
            Self::Numbers(tx) => tx.send(&item.number),
        }
    }

    pub(crate) fn try_send(&mut self, item: &Item) -> Result<(), TrySendError> {
        match self {
            Self::Messages(tx) => tx.try_send(&item.bytes),
            Self::Numbers(tx) => tx.try_send(&item.number),
        }
    }

    /// `numbers` are those of the items, for a ring that holds nothing else.
    #[inline]
    pub(crate) fn send_batch(&mut self, items: &[Item], numbers: &[u64]) -> Result<(), SendError> {
        match self {
            Self::Messages(tx) => tx.send_batch(items),
            Self::Numbers(tx) => tx.send_slice(numbers),
        }
    }

    /// Writes a message in place and commits it.
    #[inline]
    pub(crate) fn reserve_and_commit(&mut self, item: &Item) -> Result<(), SendError> {
        match self {
            Self::Messages(tx) => {
                let mut reservation = tx.reserve(item.bytes.len())?;
                reservation.write_at(0, &item.bytes);
                reservation.commit();
            }
            Self::Numbers(tx) => {
                let mut space = tx.reserve(1)?;
                space.write(0, item.number);
                space.commit();
            }
        }
        Ok(())
    }

    /// Writes a message in place and gives it up.
    #[inline]
    pub(crate) fn reserve_and_abort(&mut self, item: &Item) -> Result<(), SendError> {
        match self {
            Self::Messages(tx) => tx.reserve(item.bytes.len())?.write_at(0, &item.bytes),
            Self::Numbers(tx) => tx.reserve(1)?.write(0, item.number),
        }
        Ok(())
    }

    /// Leaves a ticket open for as long as the process lives, where there are tickets.
    pub(crate) fn reserve_and_forget(&mut self) {
        if let Self::Messages(tx) = self {
            std::mem::forget(tx.reserve(ITEM_BYTES).unwrap());
        }
    }
}

/// A consumer.
#[derive(Debug)]
pub(crate) enum Rx {
    Messages(Consumer),
    Numbers(values::Consumer<u64>),
    /// Receives a job by taking and acknowledging it.
    Jobs(Worker),
}

impl Rx {
    pub(crate) fn join(segment: &Segment) -> Result<Self, JoinError> {
        match segment.info().ring().kind {
            Kind::Packed => segment.value_consumer().map(Self::Numbers),
            Kind::Jobs => segment.worker().map(Self::Jobs),
            _ => segment.consumer().map(Self::Messages),
        }
    }

    /// As [`join`](Self::join); `how` is that of a subscriber.
    pub(crate) fn join_as(how: How, segment: &Segment) -> Result<Self, JoinError> {
        Self::join_at(how.subscribe(), segment)
    }

    /// Joins where the messages are that others have sent: a subscriber among what is kept.
    pub(crate) fn join_at_messages(how: How, segment: &Segment) -> Result<Self, JoinError> {
        Self::join_at(how.subscribe().from(Start::Oldest), segment)
    }

    fn join_at(how: Subscribe, segment: &Segment) -> Result<Self, JoinError> {
        if segment.info().ring().kind == Kind::Broadcast {
            segment.subscribe(how).map(Self::Messages)
        } else {
            Self::join(segment)
        }
    }

    /// Sleeps at once where it has to wait.
    pub(crate) fn block(&mut self) {
        match self {
            Self::Messages(rx) => rx.set_wait_mode(WaitMode::Block),
            Self::Numbers(rx) => rx.set_wait_mode(WaitMode::Block),
            Self::Jobs(worker) => worker.set_wait_mode(WaitMode::Block),
        }
    }

    /// The worker of a job ring.
    pub(crate) fn worker(&self) -> &Worker {
        let Self::Jobs(worker) = self else { panic!("no worker: {self:?}") };
        worker
    }

    pub(crate) fn recv_timeout(&mut self, timeout: Duration) -> Result<u64, RecvTimeoutError> {
        match self {
            Self::Messages(rx) => rx.recv_timeout(timeout).map(|bytes| number_of(&bytes)),
            Self::Numbers(rx) => rx.recv_timeout(timeout),
            Self::Jobs(worker) => worker.take_timeout(timeout).map(finish),
        }
    }

    pub(crate) fn try_recv(&mut self) -> Result<u64, TryRecvError> {
        match self {
            Self::Messages(rx) => rx.try_recv().map(|bytes| number_of(&bytes)),
            Self::Numbers(rx) => rx.try_recv(),
            Self::Jobs(worker) => worker.try_take().map(finish),
        }
    }

    /// Receives one message, whatever was missed before it, and does not look at it.
    #[inline]
    pub(crate) fn recv_into(&mut self, buffer: &mut [u8]) -> Result<(), RecvIntoError> {
        match self {
            Self::Messages(rx) => loop {
                match rx.recv_into(buffer) {
                    Err(RecvIntoError::Recv(RecvError::Lagged { .. } | RecvError::Evicted)) => {}
                    received => return received.map(drop),
                }
            },
            Self::Numbers(rx) => rx.recv().map(|_| ()).map_err(RecvIntoError::Recv),
            Self::Jobs(worker) => {
                let job = worker.take().map_err(RecvIntoError::Recv)?;
                job.copy_to(buffer);
                job.acknowledge();
                Ok(())
            }
        }
    }

    /// Receives one message if there is one, and does not look at it. Whether there was.
    #[inline]
    pub(crate) fn try_recv_into(&mut self, buffer: &mut [u8]) -> bool {
        match self {
            Self::Messages(rx) => rx.try_recv_into(buffer).is_ok(),
            Self::Numbers(rx) => rx.try_recv().is_ok(),
            Self::Jobs(worker) => worker.try_take().is_ok_and(Job::acknowledge),
        }
    }

    pub(crate) fn add_to(&self, set: &mut WaitSet) -> Key {
        match self {
            Self::Messages(rx) => set.add(rx),
            Self::Numbers(rx) => set.add(rx),
            Self::Jobs(worker) => set.add(worker),
        }
    }

    pub(crate) fn readiness(&self) -> Readiness {
        match self {
            Self::Messages(rx) => rx.readiness().unwrap(),
            Self::Numbers(rx) => rx.readiness().unwrap(),
            Self::Jobs(worker) => worker.readiness().unwrap(),
        }
    }

    /// Receives as many messages as `numbers` has room for.
    #[inline]
    pub(crate) fn recv_batch(
        &mut self,
        buffer: &mut [u8],
        numbers: &mut [u64],
    ) -> Result<usize, RecvError> {
        match self {
            Self::Messages(rx) => loop {
                let copy = |message: &Message<'_>| {
                    message.copy_to(buffer);
                };
                match rx.recv_batch(numbers.len(), copy) {
                    Err(RecvError::Lagged { .. } | RecvError::Evicted) => {}
                    received => return received,
                }
            },
            Self::Numbers(rx) => rx.recv_slice(numbers),
            Self::Jobs(_) => unreachable!("jobs are taken one by one"),
        }
    }

    /// Looks at one message in place and releases it; at none once evicted.
    #[inline]
    pub(crate) fn peek_and_release(&mut self, buffer: &mut [u8]) -> Result<(), RecvError> {
        match self {
            Self::Messages(rx) => {
                let peek = match rx.peek() {
                    Err(RecvError::Evicted) => return Ok(()),
                    peek => peek?,
                };
                peek.copy_to(buffer);
                peek.release();
            }
            Self::Numbers(rx) => {
                let elements = rx.peek(1)?;
                elements.get(0).unwrap();
                elements.release();
            }
            Self::Jobs(_) => unreachable!("a job is taken when it is found"),
        }
        Ok(())
    }
}
