//! A ring of lines: one message in each, whose first word, its number, tells that it is there.

use std::hint::spin_loop;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::cache_line::{load, store};
use super::shared::{self, LINE_BYTES, Shared};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};

const LINE_WORDS: usize = LINE_BYTES / 8;

/// See the module.
#[derive(Debug)]
pub struct LineRing;

impl Contender for LineRing {
    const NAME: &'static str = "line ring";
    const ABOUT: &'static str = "one message in each line, whose first word tells that it is there";
    const NATURE: Nature = Nature {
        waits: &[Wait::Spin],
        sizes: Sizes::Only(LINE_BYTES),
        numbered: true,
        ..Nature::stream(Group::Limit)
    };
    type Sender = LineSender;
    type Receiver = LineReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let slots = setting.room_messages().next_power_of_two();
        shared::prepare(usize::try_from(slots)? * LINE_BYTES, true)
    }

    fn open_sender(place: Place) -> Result<LineSender, BoxError> {
        let shared = Shared::open(place)?;
        Ok(LineSender { slots: shared.len() / LINE_BYTES, shared, next: 0, head: 0 })
    }

    fn open_receiver(place: Place) -> Result<LineReceiver, BoxError> {
        let shared = Shared::open(place)?;
        Ok(LineReceiver { slots: shared.len() / LINE_BYTES, shared, next: 0 })
    }
}

/// Stores into the next line.
#[derive(Debug)]
pub struct LineSender {
    shared: Shared,
    slots: usize,
    next: u64,
    /// The receiver's position when it was last looked at.
    head: u64,
}

/// The line of a position.
#[inline(always)]
fn line(shared: &Shared, slots: usize, position: u64) -> &[AtomicU64] {
    let start = (position as usize & (slots - 1)) * LINE_WORDS;
    &shared.words()[start..start + LINE_WORDS]
}

impl Sender for LineSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        while self.next - self.head >= self.slots as u64 {
            // ORDERING: pairs with the receiver's Release: its loads are done.
            self.head = self.shared.control::<0>().load(Acquire);
            if self.next - self.head >= self.slots as u64 {
                spin_loop();
            }
        }
        store(line(&self.shared, self.slots, self.next), message);
        self.next += 1;
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        self.shared.control::<1>().store(self.next + 1, Release);
        Ok(())
    }
}

/// Waits for the next line to hold the next number.
#[derive(Debug)]
pub struct LineReceiver {
    shared: Shared,
    slots: usize,
    next: u64,
}

impl Receiver for LineReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut buffer = [0; LINE_BYTES];
        let len = self.recv_into(&mut buffer)?;
        Ok(len.map(|len| look(&buffer[..len])))
    }

    #[inline(always)]
    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        let line = line(&self.shared, self.slots, self.next);
        // ORDERING: pairs with the Release store of the first word, which comes last.
        while line[0].load(Acquire) != self.next {
            // ORDERING: pairs with `finish`: the last message was stored before.
            if self.shared.control::<1>().load(Acquire) == self.next + 1 {
                return Ok(None);
            }
            spin_loop();
        }
        let len = buffer.len().min(LINE_BYTES);
        load(line, self.next, &mut buffer[..len]);
        self.next += 1;
        self.shared.control::<0>().store(self.next, Release);
        Ok(Some(len))
    }
}
