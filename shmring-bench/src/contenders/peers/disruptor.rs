//! The disruptor: events that are written and read where they lie. Its consumer polls, so that the
//! thread is the harness's, and takes all that is there at once: they are freed together, when the
//! last of them was read.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr::NonNull;

use disruptor::{
    BusySpin, EventGuard, EventPoller, MultiConsumerBarrier, MultiProducer, MultiProducerBarrier,
    Polling, Producer, SingleConsumerBarrier, SingleProducer, SingleProducerBarrier,
};

use super::values::{self, Value};
use super::waiting::Patience;
use super::warmed_by;
use crate::contender::{BoxError, Ends, Group, InProcess, Nature, Receiver, Sender, Setting, Wait};

type Poller<K, V> = EventPoller<V, <K as Publishers>::Barrier>;
/// All producers and all consumers.
type Made<K, V> = (Vec<<K as Publishers>::Producer<V>>, Vec<Poller<K, V>>);

/// The kind of producer.
pub(super) trait Publishers: Sized + 'static {
    const NAME: &'static str;
    const MANY: bool;
    /// Whether each consumer gets each event.
    const TO_ALL: bool = false;
    type Barrier: Send + Sync + 'static;
    type Producer<V: Value>: Producer<V> + Send;

    fn make<V: Value>(room: usize, blank: impl FnMut() -> V, setting: &Setting) -> Made<Self, V>;
    fn poll<V: Value>(
        poller: &mut Poller<Self, V>,
    ) -> Result<EventGuard<'_, V, Self::Barrier>, Polling>;
}

/// One producer.
pub(super) struct One;

impl Publishers for One {
    const NAME: &'static str = "disruptor";
    const MANY: bool = false;
    type Barrier = SingleProducerBarrier;
    type Producer<V: Value> = SingleProducer<V, SingleConsumerBarrier>;

    fn make<V: Value>(room: usize, blank: impl FnMut() -> V, _: &Setting) -> Made<Self, V> {
        let builder = disruptor::build_single_producer(room, blank, BusySpin);
        let (poller, builder) = builder.new_event_poller();
        (vec![builder.build()], vec![poller])
    }

    #[inline(always)]
    fn poll<V: Value>(
        poller: &mut Poller<Self, V>,
    ) -> Result<EventGuard<'_, V, Self::Barrier>, Polling> {
        poller.poll()
    }
}

/// Any number of producers.
pub(super) struct Many;

impl Publishers for Many {
    const NAME: &'static str = "disruptor, multi";
    const MANY: bool = true;
    type Barrier = MultiProducerBarrier;
    type Producer<V: Value> = MultiProducer<V, SingleConsumerBarrier>;

    fn make<V: Value>(room: usize, blank: impl FnMut() -> V, setting: &Setting) -> Made<Self, V> {
        // It cannot be smaller, which is why it is not used for long messages: it would have more
        // room for them than others.
        let builder = disruptor::build_multi_producer(room.max(64), blank, BusySpin);
        let (poller, builder) = builder.new_event_poller();
        (vec![builder.build(); setting.producers as usize], vec![poller])
    }

    #[inline(always)]
    fn poll<V: Value>(
        poller: &mut Poller<Self, V>,
    ) -> Result<EventGuard<'_, V, Self::Barrier>, Polling> {
        poller.poll()
    }
}

/// One producer, all of whose events each consumer gets.
pub(super) struct ToAll;

impl Publishers for ToAll {
    const NAME: &'static str = "disruptor";
    const MANY: bool = false;
    const TO_ALL: bool = true;
    type Barrier = SingleProducerBarrier;
    type Producer<V: Value> = SingleProducer<V, MultiConsumerBarrier>;

    fn make<V: Value>(room: usize, blank: impl FnMut() -> V, setting: &Setting) -> Made<Self, V> {
        let mut builder =
            disruptor::build_single_producer(room, blank, BusySpin).with_multi_consumer();
        let mut pollers = Vec::new();
        for _ in 0..setting.consumers {
            let (poller, next) = builder.new_event_poller();
            pollers.push(poller);
            builder = next;
        }
        (vec![builder.build()], pollers)
    }

    #[inline(always)]
    fn poll<V: Value>(
        poller: &mut Poller<Self, V>,
    ) -> Result<EventGuard<'_, V, Self::Barrier>, Polling> {
        poller.poll()
    }
}

/// A disruptor of events of one type.
pub(super) struct Disruptor<K, V>(PhantomData<(K, V)>);

impl<K: Publishers, V: Value> InProcess for Disruptor<K, V> {
    const NAME: &'static str = K::NAME;
    const ABOUT: &'static str =
        "disruptor: written and read in place, polled for all that is there";
    const NATURE: Nature = Nature {
        many_producers: K::MANY,
        waits: &[Wait::Spin],
        sizes: V::SIZES,
        in_place: true,
        ..Nature::stream(Group::Threads)
    };
    type Sender = EventSender<K, V>;
    type Receiver = EventReceiver<K, V>;

    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Receiver>, BoxError> {
        let room = usize::try_from(setting.room_messages())?.next_power_of_two();
        let blank = || V::blank(setting.message_bytes);
        let (producers, pollers) = K::make(room, blank, setting);
        let senders = producers.into_iter().map(|producer| EventSender { producer, room });
        let receivers = pollers.into_iter().map(|poller| EventReceiver {
            events: None,
            poller: NonNull::from(Box::leak(Box::new(poller))),
        });
        let readers = if K::TO_ALL { receivers.len() } else { 1 };
        warmed_by(readers, setting, (senders.collect(), receivers.collect()))
    }
}

/// A producer.
pub(super) struct EventSender<K: Publishers, V: Value> {
    producer: K::Producer<V>,
    room: usize,
}

impl<K: Publishers, V: Value> Sender for EventSender<K, V> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let mut copied = Ok(());
        self.producer.publish(|event| copied = values::copy(message, event.bytes_mut()));
        copied
    }

    #[inline(always)]
    fn send_batch<const LEN: usize>(&mut self, messages: &[[u8; LEN]]) -> Result<(), BoxError> {
        let mut copied = Ok(());
        for part in messages.chunks(self.room) {
            self.producer.batch_publish(part.len(), |events| {
                for (event, message) in events.zip(part) {
                    if let Err(error) = values::copy(message, event.bytes_mut()) {
                        copied = Err(error);
                    }
                }
            });
        }
        copied
    }

    #[inline(always)]
    fn send_in_place(&mut self, _len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), BoxError> {
        self.producer.publish(|event| fill(event.bytes_mut()));
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The consumer. It keeps what it has polled from one call to the next.
pub(super) struct EventReceiver<K: Publishers, V: Value> {
    events: Option<EventGuard<'static, V, K::Barrier>>,
    /// From a box, which `events` owns alone as long as it exists.
    poller: NonNull<Poller<K, V>>,
}

// SAFETY: the pointer is a box's, and what is in the box may go to another thread.
unsafe impl<K: Publishers, V: Value> Send for EventReceiver<K, V> where Poller<K, V>: Send {}

impl<K: Publishers, V: Value> Drop for EventReceiver<K, V> {
    fn drop(&mut self) {
        self.events = None;
        // SAFETY: it came from a box, and the events that had borrowed it are gone.
        drop(unsafe { Box::from_raw(self.poller.as_ptr()) });
    }
}

impl<K: Publishers, V: Value> EventReceiver<K, V> {
    /// The next event of those that were polled.
    #[inline(always)]
    fn polled(&mut self) -> Option<&V> {
        let mut events = self.events.as_mut()?;
        Iterator::next(&mut events)
    }

    /// Frees what was polled, and waits for more; false if there will be none.
    #[inline(always)]
    fn poll(&mut self) -> bool {
        self.events = None;
        let mut patience = Patience::new(Wait::Spin);
        loop {
            // SAFETY: there are no events that have it, and the box is dropped after those that
            // there are now.
            match K::poll(unsafe { self.poller.as_mut() }) {
                Ok(events) => {
                    self.events = Some(events);
                    return true;
                }
                Err(Polling::NoEvents) => _ = patience.more(),
                Err(Polling::Shutdown) => return false,
            }
        }
    }
}

impl<K: Publishers, V: Value> Receiver for EventReceiver<K, V> {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        loop {
            if let Some(event) = self.polled() {
                return Ok(Some(look(event.bytes())));
            }
            if !self.poll() {
                return Ok(None);
            }
        }
    }

    #[inline(always)]
    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        let mut count = 0;
        loop {
            while let Some(message) = messages.get_mut(count) {
                let Some(event) = self.polled() else { break };
                values::copy(event.bytes(), message)?;
                count += 1;
            }
            if count > 0 || messages.is_empty() || !self.poll() {
                return Ok(count);
            }
        }
    }
}
