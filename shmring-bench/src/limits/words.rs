//! A ring of words with nothing between them: both sides keep a copy of the other's position, and
//! each word is published as soon as it is stored. A batch is words one after the other.

use std::hint::spin_loop;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::shared::{self, Shared};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};

/// Set in the tail: there will be no more.
const END: u64 = 1 << 63;

/// See the module.
#[derive(Debug)]
pub struct PackedWords;

impl Contender for PackedWords {
    const NAME: &'static str = "packed words";
    const ABOUT: &'static str = "words one after the other, each published by itself";
    const NATURE: Nature =
        Nature { waits: &[Wait::Spin], sizes: Sizes::Only(8), ..Nature::stream(Group::Limit) };
    type Sender = WordSender;
    type Receiver = WordReceiver;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let slots = setting.room_messages().next_power_of_two();
        shared::prepare(usize::try_from(slots)? * 8, false)
    }

    fn open_sender(place: Place) -> Result<WordSender, BoxError> {
        Ok(WordSender { shared: Shared::open(place)?, tail: 0, head: 0 })
    }

    fn open_receiver(place: Place) -> Result<WordReceiver, BoxError> {
        Ok(WordReceiver { shared: Shared::open(place)?, tail: 0, head: 0 })
    }
}

/// Stores words.
#[derive(Debug)]
pub struct WordSender {
    shared: Shared,
    tail: u64,
    head: u64,
}

impl Sender for WordSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let word = u64::from_le_bytes(message.try_into()?);
        let words = self.shared.words();
        while self.tail - self.head >= words.len() as u64 {
            // ORDERING: pairs with the receiver's Release: its loads are done.
            self.head = self.shared.control::<0>().load(Acquire);
            spin_loop();
        }
        words[self.tail as usize & (words.len() - 1)].store(word, Relaxed);
        self.tail += 1;
        self.shared.control::<1>().store(self.tail, Release);
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        self.shared.control::<1>().store(self.tail | END, Release);
        Ok(())
    }
}

/// Loads words.
#[derive(Debug)]
pub struct WordReceiver {
    shared: Shared,
    tail: u64,
    head: u64,
}

impl Receiver for WordReceiver {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let words = self.shared.words();
        while self.head == self.tail & !END {
            if self.tail & END != 0 {
                return Ok(None);
            }
            // ORDERING: pairs with the sender's Release of the tail, after the words.
            self.tail = self.shared.control::<1>().load(Acquire);
            if self.head == self.tail {
                spin_loop();
            }
        }
        let word = words[self.head as usize & (words.len() - 1)].load(Relaxed);
        self.head += 1;
        self.shared.control::<0>().store(self.head, Release);
        Ok(Some(look(&word.to_le_bytes())))
    }
}
