//! thingbuf's channel of many producers and one consumer. Messages are written into its slots and
//! read there; slots are not cleared in between, as the next message covers the one before.

use std::marker::PhantomData;

use thingbuf::Recycle;
use thingbuf::mpsc::blocking;
use thingbuf::mpsc::errors::{TryRecvError, TrySendError};

use super::values::{self, Value};
use super::waiting::Patience;
use super::warmed;
use crate::contender::{BoxError, Ends, Group, InProcess, Nature, Receiver, Sender, Setting, Wait};

/// A channel of values of one type.
pub(super) struct Thingbuf<V>(PhantomData<V>);

impl<V: Value> InProcess for Thingbuf<V> {
    const NAME: &'static str = "thingbuf";
    const ABOUT: &'static str = "thingbuf: mpsc, written and read in its slots";
    const NATURE: Nature = Nature {
        many_producers: true,
        sizes: V::SIZES,
        in_place: true,
        ..Nature::stream(Group::Threads)
    };
    type Sender = ThingSender<V>;
    type Receiver = ThingReceiver<V>;

    fn ends(setting: &Setting) -> Result<Ends<Self::Sender, Self::Receiver>, BoxError> {
        let room = usize::try_from(setting.room_messages())?;
        let wait = setting.wait;
        let keep = Keep { len: setting.message_bytes };
        let (sender, receiver) = blocking::with_recycle(room, keep);
        let senders = vec![sender; setting.producers as usize];
        let senders = senders.into_iter().map(|sender| ThingSender { sender, wait });
        warmed(setting, (senders.collect(), vec![ThingReceiver { receiver, wait }]))
    }
}

/// Leaves a message in its slot until the next one covers it.
pub(super) struct Keep {
    len: usize,
}

impl<V: Value> Recycle<V> for Keep {
    fn new_element(&self) -> V {
        V::blank(self.len)
    }

    #[inline(always)]
    fn recycle(&self, _: &mut V) {}
}

/// A producer.
pub(super) struct ThingSender<V> {
    sender: blocking::Sender<V, Keep>,
    wait: Wait,
}

impl<V: Value> ThingSender<V> {
    #[inline(always)]
    fn put(
        &mut self,
        write: impl FnOnce(&mut [u8]) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let mut patience = Patience::new(self.wait);
        let slot = loop {
            match self.sender.try_send_ref() {
                Err(TrySendError::Full(())) if patience.more() => {}
                Err(TrySendError::Full(())) => break self.sender.send_ref().ok(),
                slot => break slot.ok(),
            }
        };
        // It is sent when it goes out of scope.
        write(slot.ok_or("the receiver is gone")?.bytes_mut())
    }
}

impl<V: Value> Sender for ThingSender<V> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        self.put(|slot| values::copy(message, slot))
    }

    #[inline(always)]
    fn send_in_place(&mut self, _len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), BoxError> {
        self.put(|slot| {
            fill(slot);
            Ok(())
        })
    }

    fn finish(self) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The consumer.
pub(super) struct ThingReceiver<V> {
    receiver: blocking::Receiver<V, Keep>,
    wait: Wait,
}

impl<V: Value> Receiver for ThingReceiver<V> {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut patience = Patience::new(self.wait);
        let slot = loop {
            match self.receiver.try_recv_ref() {
                Err(TryRecvError::Empty) if patience.more() => {}
                Err(TryRecvError::Empty) => break self.receiver.recv_ref(),
                slot => break slot.ok(),
            }
        };
        Ok(slot.map(|slot| look(slot.bytes())))
    }
}
