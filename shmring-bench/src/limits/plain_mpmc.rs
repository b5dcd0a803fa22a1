//! The usual ring for many of each: every slot has a turn, which says whose it is; who finds it his
//! takes the position by compare-and-swap. A process that dies in between stops all others.
//!
//! Source of the idea: D. Vyukov's bounded MPMC queue, with slots of whole lines.

use std::hint::spin_loop;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::shared::{self, LINE_BYTES, Shared};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};

const TURN_BYTES: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct PlainMpmc;

impl Contender for PlainMpmc {
    const NAME: &'static str = "plain mpmc";
    const ABOUT: &'static str = "a turn in each slot of whole lines; not crash-safe";
    const NATURE: Nature = Nature {
        many_producers: true,
        many_consumers: true,
        waits: &[Wait::Spin],
        ..Nature::stream(Group::Plain)
    };
    type Sender = PlainSender;
    type Receiver = PlainReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let count = usize::try_from(setting.room_messages().next_power_of_two())?;
        shared::prepare(count * stride(setting), false)
    }

    fn open_sender(place: Place) -> Result<PlainSender, BoxError> {
        Ok(PlainSender { slots: Slots::open(place)? })
    }

    fn open_receiver(place: Place) -> Result<PlainReceiver, BoxError> {
        Ok(PlainReceiver { slots: Slots::open(place)? })
    }
}

fn stride(setting: &Setting) -> usize {
    (TURN_BYTES + setting.message_bytes).next_multiple_of(LINE_BYTES)
}

#[derive(Debug)]
struct Slots {
    shared: Shared,
    len: usize,
    stride: usize,
    mask: u64,
    lap_bits: u32,
    producers: u64,
}

impl Slots {
    fn open(place: Place) -> Result<Slots, BoxError> {
        let Setting { message_bytes, producers, .. } = place.setting;
        let stride = stride(&place.setting);
        let shared = Shared::open(place)?;
        let count = (shared.len() / stride) as u64;
        Ok(Slots {
            shared,
            len: message_bytes,
            stride,
            mask: count - 1,
            lap_bits: count.trailing_zeros(),
            producers: producers.into(),
        })
    }

    /// Where a position's slot starts.
    #[inline(always)]
    fn start(&self, position: u64) -> usize {
        (position & self.mask) as usize * self.stride
    }

    #[inline(always)]
    fn turn(&self, position: u64) -> &AtomicU64 {
        &self.shared.words()[self.start(position) / 8]
    }

    /// The turn that lets a position's producer write; one more lets its consumer read.
    #[inline(always)]
    fn producers_turn(&self, position: u64) -> u64 {
        (position >> self.lap_bits) * 2
    }
}

/// A producer.
#[derive(Debug)]
pub struct PlainSender {
    slots: Slots,
}

impl Sender for PlainSender {
    #[inline(always)]
    #[allow(unsafe_code)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let slots = &self.slots;
        if message.len() != slots.len {
            return Err("a message of another length".into());
        }
        let tail = slots.shared.control::<1>();
        let mut position = tail.load(Relaxed);
        loop {
            let turn = slots.producers_turn(position);
            // ORDERING: pairs with the consumer's Release: its reads of the lap before are done.
            if slots.turn(position).load(Acquire) == turn {
                match tail.compare_exchange_weak(position, position + 1, Relaxed, Relaxed) {
                    Ok(_) => break,
                    Err(now) => position = now,
                }
            } else {
                spin_loop();
                position = tail.load(Relaxed);
            }
        }
        // SAFETY: the slot is this producer's until it gives the turn to the consumer.
        let space =
            unsafe { slots.shared.message_mut(slots.start(position) + TURN_BYTES, slots.len) };
        space.copy_from_slice(message);
        slots.turn(position).store(slots.producers_turn(position) + 1, Release);
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        // ORDERING: pairs with the consumers' Acquire: all that was sent is there.
        self.slots.shared.control::<2>().fetch_add(1, AcqRel);
        Ok(())
    }
}

/// A consumer.
#[derive(Debug)]
pub struct PlainReceiver {
    slots: Slots,
}

impl PlainReceiver {
    /// Takes the next position that has a message; `None` at the end.
    #[inline(always)]
    fn claim(&self) -> Option<u64> {
        let slots = &self.slots;
        let head = slots.shared.control::<0>();
        let mut position = head.load(Relaxed);
        loop {
            let turn = slots.producers_turn(position) + 1;
            // ORDERING: pairs with the producer's Release, after the message.
            if slots.turn(position).load(Acquire) == turn {
                match head.compare_exchange_weak(position, position + 1, Relaxed, Relaxed) {
                    Ok(_) => return Some(position),
                    Err(now) => position = now,
                }
            } else {
                // ORDERING: pairs with `finish`: the tail below is the last one.
                let ended = slots.shared.control::<2>().load(Acquire) == slots.producers;
                position = head.load(Relaxed);
                if ended && position == slots.shared.control::<1>().load(Relaxed) {
                    return None;
                }
                spin_loop();
            }
        }
    }

    #[inline(always)]
    #[allow(unsafe_code)]
    fn take<R>(&mut self, read: impl FnOnce(&[u8]) -> R) -> Option<R> {
        let position = self.claim()?;
        let slots = &self.slots;
        // SAFETY: the slot is this consumer's until it gives the turn to the next lap's producer.
        let seen =
            read(unsafe { slots.shared.message(slots.start(position) + TURN_BYTES, slots.len) });
        slots.turn(position).store(slots.producers_turn(position) + 2, Release);
        Some(seen)
    }
}

impl Receiver for PlainReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        Ok(self.take(look))
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
