//! The usual ring for one producer and one consumer: slots of the message's length, both sides keep
//! a copy of the other's position, each message is copied in and copied out.

use std::hint::spin_loop;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::shared::{self, Shared};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};

/// Set in the tail: there will be no more.
const END: u64 = 1 << 63;

const NATURE: Nature =
    Nature { waits: &[Wait::Spin], in_place: true, ..Nature::stream(Group::Plain) };

/// Copies twice, also where messages are written and read in place by others.
#[derive(Debug)]
pub struct PlainSpsc;

/// The same, but messages are written and read where they lie.
#[derive(Debug)]
pub struct TouchOnly;

fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
    let slots = usize::try_from(setting.room_messages())?;
    shared::prepare((slots * setting.message_bytes).next_multiple_of(8), false)
}

impl Contender for PlainSpsc {
    const NAME: &'static str = "plain spsc";
    const ABOUT: &'static str = "two copies, cached positions; not crash-safe";
    const NATURE: Nature = NATURE;
    type Sender = PlainSender;
    type Receiver = PlainReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        prepare(setting)
    }
    fn open_sender(place: Place) -> Result<PlainSender, BoxError> {
        PlainSender::open(place, true)
    }
    fn open_receiver(place: Place) -> Result<PlainReceiver, BoxError> {
        PlainReceiver::open(place, true)
    }
}

impl Contender for TouchOnly {
    const NAME: &'static str = "touch only";
    const ABOUT: &'static str = "written and read in place, cached positions; not crash-safe";
    const NATURE: Nature = Nature { group: Group::Limit, ..NATURE };
    type Sender = PlainSender;
    type Receiver = PlainReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        prepare(setting)
    }
    fn open_sender(place: Place) -> Result<PlainSender, BoxError> {
        PlainSender::open(place, false)
    }
    fn open_receiver(place: Place) -> Result<PlainReceiver, BoxError> {
        PlainReceiver::open(place, false)
    }
}

/// The slots, and where one is in them.
#[derive(Debug)]
struct Slots {
    shared: Shared,
    len: usize,
    count: u64,
    /// The slot of the own position.
    slot: usize,
}

impl Slots {
    fn open(place: Place) -> Result<Slots, BoxError> {
        let len = place.setting.message_bytes;
        let count = place.setting.room_messages();
        Ok(Slots { shared: Shared::open(place)?, len, count, slot: 0 })
    }

    #[inline(always)]
    fn step(&mut self) {
        self.slot += 1;
        if self.slot as u64 == self.count {
            self.slot = 0;
        }
    }
}

/// The producer.
#[derive(Debug)]
pub struct PlainSender {
    slots: Slots,
    tail: u64,
    head: u64,
    /// Where a message is written before it is copied; none to write it in its slot.
    buffer: Option<Vec<u8>>,
}

impl PlainSender {
    fn open(place: Place, copy: bool) -> Result<PlainSender, BoxError> {
        let slots = Slots::open(place)?;
        let buffer = copy.then(|| vec![0; slots.len]);
        Ok(PlainSender { slots, tail: 0, head: 0, buffer })
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn put(&mut self, write: impl FnOnce(&mut [u8])) {
        let Slots { shared, len, count, slot } = &self.slots;
        while self.tail - self.head >= *count {
            // ORDERING: pairs with the consumer's Release: its reads are done.
            self.head = shared.control::<0>().load(Acquire);
            if self.tail - self.head >= *count {
                spin_loop();
            }
        }
        // SAFETY: the consumer has released the slot and reads it only once the tail is beyond it.
        write(unsafe { shared.message_mut(slot * len, *len) });
        self.tail += 1;
        shared.control::<1>().store(self.tail, Release);
        self.slots.step();
    }
}

impl Sender for PlainSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        if message.len() != self.slots.len {
            return Err("a message of another length".into());
        }
        self.put(|slot| slot.copy_from_slice(message));
        Ok(())
    }

    fn send_in_place(&mut self, _len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), BoxError> {
        match self.buffer.take() {
            Some(mut buffer) => {
                fill(&mut buffer);
                self.put(|slot| slot.copy_from_slice(&buffer));
                self.buffer = Some(buffer);
            }
            None => self.put(fill),
        }
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        self.slots.shared.control::<1>().store(self.tail | END, Release);
        Ok(())
    }
}

/// The consumer.
#[derive(Debug)]
pub struct PlainReceiver {
    slots: Slots,
    tail: u64,
    head: u64,
    /// Where a message is copied to before it is read; none to read it in its slot.
    buffer: Option<Vec<u8>>,
}

impl PlainReceiver {
    fn open(place: Place, copy: bool) -> Result<PlainReceiver, BoxError> {
        let slots = Slots::open(place)?;
        let buffer = copy.then(|| vec![0; slots.len]);
        Ok(PlainReceiver { slots, tail: 0, head: 0, buffer })
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn take<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let Slots { shared, len, slot, .. } = &self.slots;
        while self.head == self.tail & !END {
            if self.tail & END != 0 {
                return None;
            }
            // ORDERING: pairs with the producer's Release of the tail, after the message.
            self.tail = shared.control::<1>().load(Acquire);
            if self.head == self.tail {
                spin_loop();
            }
        }
        // SAFETY: the producer has published the slot and writes it only once it is released.
        let seen = read(unsafe { shared.message(slot * len, *len) });
        self.head += 1;
        shared.control::<0>().store(self.head, Release);
        self.slots.step();
        Some(seen)
    }
}

impl Receiver for PlainReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let Some(mut buffer) = self.buffer.take() else { return Ok(self.take(look)) };
        let seen = self.take(|message| buffer.copy_from_slice(message)).map(|()| look(&buffer));
        self.buffer = Some(buffer);
        Ok(seen)
    }

    #[inline(always)]
    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        let len = self.slots.len;
        if buffer.len() < len {
            return Err("a buffer that is too small".into());
        }
        Ok(self.take(|message| {
            buffer[..len].copy_from_slice(message);
            len
        }))
    }
}
