//! Queues and channels that move values between any number of threads: crossbeam's ArrayQueue and
//! channel, kanal, and the standard library's channel. They are used alike: with calls that fail at
//! once, and, to sleep, with their own blocking ones.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::mpsc;

use crossbeam_utils::CachePadded;

use super::values::{self, Value};
use super::waiting::Patience;
use super::warmed;
use crate::contender::{
    ALL_WAITS, BoxError, Ends, Group, InProcess, Nature, Receiver, Sender, Setting, Wait,
};

/// The waits of those whose blocking calls spin before they sleep: beside others that sleep at
/// once, they would be spinning.
const SPIN_FIRST: &[Wait] = &[Wait::Spin, Wait::Adaptive];

/// What they have in common.
pub(super) trait Queue: 'static {
    const NAME: &'static str;
    const ABOUT: &'static str;
    const MANY_CONSUMERS: bool = true;
    const WAITS: &'static [Wait] = ALL_WAITS;
    type Sender<V: Value>: Clone + Send;
    type Receiver<V: Value>: Send;

    /// A queue with room for so many values, and receivers for so many consumers.
    fn make<V: Value>(room: usize, consumers: usize) -> (Self::Sender<V>, Vec<Self::Receiver<V>>);
    /// Sends if there is room.
    fn try_send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>>;
    /// Sleeps until there is room. Not of those that only spin.
    fn send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>>;
    /// Receives if there is something.
    fn try_recv<V: Value>(receiver: &mut Self::Receiver<V>) -> Result<V, Nothing>;
    /// One of the values that were received together; a queue that has no call for that has none.
    #[inline(always)]
    fn drained<V: Value>(_: &mut Self::Receiver<V>) -> Option<V> {
        None
    }
    /// Sleeps until there is something. Not of those that only spin.
    fn recv<V: Value>(receiver: &mut Self::Receiver<V>) -> Result<V, Nothing>;
}

/// Why a value was not sent.
pub(super) enum Unsent<V> {
    Full(V),
    NoReceiver,
}

/// Why no value was received.
pub(super) enum Nothing {
    Yet,
    Ever,
}

/// One of these, of values of one type.
pub(super) struct Queued<Q, V>(PhantomData<(Q, V)>);

impl<Q: Queue, V: Value> InProcess for Queued<Q, V> {
    const NAME: &'static str = Q::NAME;
    const ABOUT: &'static str = Q::ABOUT;
    const NATURE: Nature = Nature {
        many_producers: true,
        many_consumers: Q::MANY_CONSUMERS,
        waits: Q::WAITS,
        sizes: V::SIZES,
        ..Nature::stream(Group::Threads)
    };
    type Sender = QueueSender<Q, V>;
    type Receiver = QueueReceiver<Q, V>;

    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Receiver>, BoxError> {
        let room = usize::try_from(setting.room_messages())?;
        let wait = setting.wait;
        let (sender, receivers) = Q::make(room, setting.consumers as usize);
        let senders = vec![sender; setting.producers as usize];
        let senders = senders.into_iter().map(|sender| QueueSender { sender, wait });
        let receivers = receivers.into_iter().map(|receiver| QueueReceiver { receiver, wait });
        warmed(setting, (senders.collect(), receivers.collect()))
    }
}

/// A producer.
pub(super) struct QueueSender<Q: Queue, V: Value> {
    sender: Q::Sender<V>,
    wait: Wait,
}

impl<Q: Queue, V: Value> Sender for QueueSender<Q, V> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let mut value = V::of(message)?;
        let mut patience = Patience::backing_off(self.wait);
        let sent = loop {
            match Q::try_send(&self.sender, value) {
                Err(Unsent::Full(back)) => value = back,
                sent => break sent,
            }
            if !patience.more() {
                break Q::send(&self.sender, value);
            }
        };
        sent.map_err(|_| "the receivers are gone".into())
    }

    fn finish(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A consumer.
pub(super) struct QueueReceiver<Q: Queue, V: Value> {
    receiver: Q::Receiver<V>,
    wait: Wait,
}

impl<Q: Queue, V: Value> Receiver for QueueReceiver<Q, V> {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut patience = Patience::backing_off(self.wait);
        loop {
            match Q::try_recv(&mut self.receiver) {
                Ok(value) => return Ok(Some(look(value.bytes()))),
                Err(Nothing::Ever) => return Ok(None),
                Err(Nothing::Yet) => {}
            }
            if !patience.more() {
                let value = Q::recv(&mut self.receiver).ok();
                return Ok(value.map(|value| look(value.bytes())));
            }
        }
    }

    #[inline(always)]
    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        let mut count = 0;
        while let Some(message) = messages.get_mut(count) {
            let Some(value) = Q::drained(&mut self.receiver) else { break };
            values::copy(value.bytes(), message)?;
            count += 1;
        }
        match messages.first_mut() {
            Some(first) if count == 0 => {
                let copied = self.recv(|message| values::copy(message, first))?;
                copied.map_or(Ok(0), |copied| copied.map(|()| 1))
            }
            _ => Ok(count),
        }
    }
}

/// `crossbeam_queue::ArrayQueue`. It has no end of its own: a count of its senders tells.
pub(super) struct ArrayQueue;

/// What all ends share.
pub(super) struct Shared<V> {
    queue: crossbeam_queue::ArrayQueue<V>,
    senders: CachePadded<AtomicUsize>,
}

/// A sender that is counted.
pub(super) struct Counted<V>(Arc<Shared<V>>);

impl<V> Clone for Counted<V> {
    fn clone(&self) -> Self {
        self.0.senders.fetch_add(1, Relaxed);
        Counted(Arc::clone(&self.0))
    }
}

impl<V> Drop for Counted<V> {
    fn drop(&mut self) {
        // ORDERING: pairs with the receivers' Acquire: what was sent is there.
        self.0.senders.fetch_sub(1, Release);
    }
}

impl Queue for ArrayQueue {
    const NAME: &'static str = "ArrayQueue";
    const ABOUT: &'static str = "crossbeam-queue: ArrayQueue";
    const WAITS: &'static [Wait] = &[Wait::Spin];
    type Sender<V: Value> = Counted<V>;
    type Receiver<V: Value> = Arc<Shared<V>>;

    fn make<V: Value>(room: usize, consumers: usize) -> (Counted<V>, Vec<Arc<Shared<V>>>) {
        let queue = crossbeam_queue::ArrayQueue::new(room);
        let shared = Arc::new(Shared { queue, senders: CachePadded::new(AtomicUsize::new(1)) });
        (Counted(Arc::clone(&shared)), vec![shared; consumers])
    }

    #[inline(always)]
    fn try_send<V: Value>(sender: &Counted<V>, value: V) -> Result<(), Unsent<V>> {
        sender.0.queue.push(value).map_err(Unsent::Full)
    }

    fn send<V: Value>(_: &Counted<V>, value: V) -> Result<(), Unsent<V>> {
        Err(Unsent::Full(value))
    }

    #[inline(always)]
    fn try_recv<V: Value>(receiver: &mut Arc<Shared<V>>) -> Result<V, Nothing> {
        let Shared { queue, senders } = &**receiver;
        if let Some(value) = queue.pop() {
            return Ok(value);
        }
        // ORDERING: pairs with the Release of the last sender's end: what it sent is seen now.
        if senders.load(Acquire) > 0 {
            return Err(Nothing::Yet);
        }
        queue.pop().ok_or(Nothing::Ever)
    }

    fn recv<V: Value>(_: &mut Arc<Shared<V>>) -> Result<V, Nothing> {
        Err(Nothing::Ever)
    }
}

/// `crossbeam_channel::bounded`.
pub(super) struct Crossbeam;

impl Queue for Crossbeam {
    const NAME: &'static str = "crossbeam-channel";
    const ABOUT: &'static str = "crossbeam-channel: bounded";
    const WAITS: &'static [Wait] = SPIN_FIRST;
    type Sender<V: Value> = crossbeam_channel::Sender<V>;
    type Receiver<V: Value> = crossbeam_channel::Receiver<V>;

    fn make<V: Value>(room: usize, consumers: usize) -> (Self::Sender<V>, Vec<Self::Receiver<V>>) {
        let (sender, receiver) = crossbeam_channel::bounded(room);
        (sender, vec![receiver; consumers])
    }

    #[inline(always)]
    fn try_send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>> {
        use crossbeam_channel::TrySendError::{Disconnected, Full};
        sender.try_send(value).map_err(|error| match error {
            Full(value) => Unsent::Full(value),
            Disconnected(_) => Unsent::NoReceiver,
        })
    }

    fn send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>> {
        sender.send(value).map_err(|_| Unsent::NoReceiver)
    }

    #[inline(always)]
    fn try_recv<V: Value>(receiver: &mut Self::Receiver<V>) -> Result<V, Nothing> {
        use crossbeam_channel::TryRecvError::{Disconnected, Empty};
        receiver.try_recv().map_err(|error| match error {
            Empty => Nothing::Yet,
            Disconnected => Nothing::Ever,
        })
    }

    fn recv<V: Value>(receiver: &mut Self::Receiver<V>) -> Result<V, Nothing> {
        receiver.recv().map_err(|_| Nothing::Ever)
    }
}

/// `kanal::bounded`. A batch receive drains the channel under one lock.
pub(super) struct Kanal;

/// A receiver with what it has drained, the next at the end.
pub(super) struct Draining<V> {
    receiver: kanal::Receiver<V>,
    drained: Vec<V>,
}

impl Queue for Kanal {
    const NAME: &'static str = "kanal";
    const ABOUT: &'static str = "kanal: bounded; batches are drained";
    const WAITS: &'static [Wait] = SPIN_FIRST;
    type Sender<V: Value> = kanal::Sender<V>;
    type Receiver<V: Value> = Draining<V>;

    fn make<V: Value>(room: usize, consumers: usize) -> (Self::Sender<V>, Vec<Draining<V>>) {
        let (sender, receiver) = kanal::bounded(room);
        let receivers = vec![receiver; consumers].into_iter();
        let draining = |receiver| Draining { receiver, drained: Vec::with_capacity(room) };
        (sender, receivers.map(draining).collect())
    }

    #[inline(always)]
    fn try_send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>> {
        let mut held = Some(value);
        match (sender.try_send_option(&mut held), held) {
            (Ok(true), _) => Ok(()),
            (Ok(false), Some(value)) => Err(Unsent::Full(value)),
            _ => Err(Unsent::NoReceiver),
        }
    }

    fn send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>> {
        sender.send(value).map_err(|_| Unsent::NoReceiver)
    }

    #[inline(always)]
    fn try_recv<V: Value>(receiver: &mut Draining<V>) -> Result<V, Nothing> {
        match receiver.receiver.try_recv() {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(Nothing::Yet),
            Err(_) => Err(Nothing::Ever),
        }
    }

    #[inline(always)]
    fn drained<V: Value>(receiver: &mut Draining<V>) -> Option<V> {
        let Draining { receiver, drained } = receiver;
        // It fails if the senders are gone, which another call tells as well.
        if drained.is_empty() && receiver.drain_into(drained).is_ok_and(|count| count > 1) {
            drained.reverse();
        }
        drained.pop()
    }

    fn recv<V: Value>(receiver: &mut Draining<V>) -> Result<V, Nothing> {
        receiver.receiver.recv().map_err(|_| Nothing::Ever)
    }
}

/// `std::sync::mpsc::sync_channel`.
pub(super) struct Std;

impl Queue for Std {
    const NAME: &'static str = "std mpsc";
    const ABOUT: &'static str = "std::sync::mpsc: sync_channel";
    const MANY_CONSUMERS: bool = false;
    type Sender<V: Value> = mpsc::SyncSender<V>;
    type Receiver<V: Value> = mpsc::Receiver<V>;

    fn make<V: Value>(room: usize, _: usize) -> (Self::Sender<V>, Vec<Self::Receiver<V>>) {
        let (sender, receiver) = mpsc::sync_channel(room);
        (sender, vec![receiver])
    }

    #[inline(always)]
    fn try_send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>> {
        use mpsc::TrySendError::{Disconnected, Full};
        sender.try_send(value).map_err(|error| match error {
            Full(value) => Unsent::Full(value),
            Disconnected(_) => Unsent::NoReceiver,
        })
    }

    fn send<V: Value>(sender: &Self::Sender<V>, value: V) -> Result<(), Unsent<V>> {
        sender.send(value).map_err(|_| Unsent::NoReceiver)
    }

    #[inline(always)]
    fn try_recv<V: Value>(receiver: &mut Self::Receiver<V>) -> Result<V, Nothing> {
        use mpsc::TryRecvError::{Disconnected, Empty};
        receiver.try_recv().map_err(|error| match error {
            Empty => Nothing::Yet,
            Disconnected => Nothing::Ever,
        })
    }

    fn recv<V: Value>(receiver: &mut Self::Receiver<V>) -> Result<V, Nothing> {
        receiver.recv().map_err(|_| Nothing::Ever)
    }
}
