//! shmring's broadcast ring, in a named segment.

use std::marker::PhantomData;

use shmring::{Config, Consumer, Monitor, Producer, RecvError, RecvIntoError, Subscribe};

use crate::contender::{BoxError, Group, Place, Sender, Setting};
use crate::contenders::rings;
use crate::fanout::{FanOut, Lossy, Nature, Received, Shared, Subscriber};

/// Bytes before each message.
const RECORD_HEADER_BYTES: usize = 8;

/// See the module.
pub(super) struct Broadcast<U>(PhantomData<U>);

/// How the ring is used.
pub(super) trait Use: 'static {
    /// See [`FanOut::NAME`].
    const NAME: &'static str;
    /// The subscribers for which the producer does not wait.
    const LOSSY: Lossy;
    /// Whether the producer and the subscribers have monitors of the segment: of interest where
    /// one of them is killed.
    const MONITORED: bool = false;
}

/// The producer waits for every subscriber.
pub(super) struct Gating;
/// The same, with monitors.
pub(super) struct Monitored;
/// The producer waits for none.
pub(super) struct AllLossy;
/// The producer waits for all but the last.
pub(super) struct LastLossy;

impl Use for Gating {
    const NAME: &'static str = "broadcast, gating";
    const LOSSY: Lossy = Lossy::None;
}

impl Use for Monitored {
    const NAME: &'static str = "broadcast, gating, monitor";
    const LOSSY: Lossy = Lossy::None;
    const MONITORED: bool = true;
}

impl Use for AllLossy {
    const NAME: &'static str = "broadcast, lossy";
    const LOSSY: Lossy = Lossy::All;
}

impl Use for LastLossy {
    const NAME: &'static str = "broadcast, last lossy";
    const LOSSY: Lossy = Lossy::Last;
}

impl<U: Use> FanOut for Broadcast<U> {
    const NAME: &'static str = U::NAME;
    const ABOUT: &'static str = "shmring broadcast: messages of any length, copied out";
    const NATURE: Nature = Nature {
        lossy: U::LOSSY,
        says_missed: true,
        only_kills: U::MONITORED,
        // One alone is lossy or not.
        subscribers: if matches!(U::LOSSY, Lossy::Last) { [2, u32::MAX] } else { [1, u32::MAX] },
        ..Nature::lossless(Group::Ring)
    };
    type Sender = BroadcastSender;
    type Subscriber = BroadcastSubscriber;

    fn prepare(setting: &Setting) -> Result<Shared, BoxError> {
        let cost = RECORD_HEADER_BYTES + setting.message_bytes.next_multiple_of(8);
        let config = Config::broadcast().capacity_bytes(setting.room_bytes(cost));
        Ok(Shared::named(rings::prepare(setting, config)?))
    }

    fn open_sender(place: Place) -> Result<BroadcastSender, BoxError> {
        let segment = rings::attach(&place)?;
        let mut producer = segment.producer()?;
        producer.set_wait_mode(rings::mode(&place.setting));
        let monitor = U::MONITORED.then(|| segment.monitor()).transpose()?;
        Ok(BroadcastSender { producer, _monitor: monitor })
    }

    fn open_subscriber(place: Place, index: u32) -> Result<BroadcastSubscriber, BoxError> {
        let segment = rings::attach(&place)?;
        let lossy = U::LOSSY.includes(index, place.setting.consumers);
        let how = if lossy { Subscribe::lossy() } else { Subscribe::gating() };
        let mut consumer = segment.subscribe(how)?;
        consumer.set_wait_mode(rings::mode(&place.setting));
        let monitor = U::MONITORED.then(|| segment.monitor()).transpose()?;
        Ok(BroadcastSubscriber { consumer, _monitor: monitor })
    }
}

/// The producer's handle.
pub(super) struct BroadcastSender {
    producer: Producer,
    _monitor: Option<Monitor>,
}

impl Sender for BroadcastSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        Ok(self.producer.send(message)?)
    }

    fn finish(self) -> Result<(), BoxError> {
        drop(self);
        Ok(())
    }
}

/// A subscriber's handle.
pub(super) struct BroadcastSubscriber {
    consumer: Consumer,
    _monitor: Option<Monitor>,
}

impl Subscriber for BroadcastSubscriber {
    #[inline(always)]
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Received, BoxError> {
        match self.consumer.recv_into(buffer) {
            Ok(len) => Ok(Received::Message(len)),
            Err(RecvIntoError::Recv(RecvError::Lagged { missed })) => Ok(Received::Missed(missed)),
            Err(RecvIntoError::Recv(RecvError::Eof)) => Ok(Received::End),
            Err(error) => Err(error.into()),
        }
    }
}
