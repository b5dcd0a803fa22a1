//! One line: the sender stores a message in it, its first word last; the receiver waits until that
//! word is another one.

use std::hint::spin_loop;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::shared::{self, LINE_BYTES, Shared};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};

/// Instead of a message's first word: there will be no more.
const END: u64 = u64::MAX - 1;

/// See the module.
#[derive(Debug)]
pub struct CacheLine;

impl Contender for CacheLine {
    const NAME: &'static str = "cache line";
    const ABOUT: &'static str = "a line that one side writes and the other waits for";
    const NATURE: Nature = Nature {
        waits: &[Wait::Spin],
        sizes: Sizes::AtMost(LINE_BYTES),
        queues: false,
        ..Nature::stream(Group::Limit)
    };
    type Sender = LineSender;
    type Receiver = LineReceiver;

    fn prepare(_setting: &Setting) -> Result<Prepared, BoxError> {
        shared::prepare(LINE_BYTES, true)
    }

    fn open_sender(place: Place) -> Result<LineSender, BoxError> {
        Ok(LineSender { shared: Shared::open(place)? })
    }

    fn open_receiver(place: Place) -> Result<LineReceiver, BoxError> {
        Ok(LineReceiver {
            len: place.setting.message_bytes,
            shared: Shared::open(place)?,
            last: u64::MAX,
        })
    }
}

/// Stores.
#[derive(Debug)]
pub struct LineSender {
    shared: Shared,
}

impl Sender for LineSender {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        store(self.shared.words(), message);
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        self.shared.words()[0].store(END, Release);
        Ok(())
    }
}

/// Waits for another first word than the last.
#[derive(Debug)]
pub struct LineReceiver {
    shared: Shared,
    len: usize,
    last: u64,
}

impl Receiver for LineReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut buffer = [0; LINE_BYTES];
        let len = self.recv_into(&mut buffer)?;
        Ok(len.map(|len| look(&buffer[..len])))
    }

    #[inline(always)]
    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        let words = self.shared.words();
        loop {
            // ORDERING: pairs with the Release store of the first word, which comes last.
            let first = words[0].load(Acquire);
            if first == END {
                return Ok(None);
            }
            if first != self.last {
                self.last = first;
                let len = buffer.len().min(self.len);
                load(words, first, &mut buffer[..len]);
                return Ok(Some(len));
            }
            spin_loop();
        }
    }
}

/// Stores a message of whole words, its first word last.
#[inline(always)]
pub(super) fn store(line: &[std::sync::atomic::AtomicU64], message: &[u8]) {
    let (words, _) = message.as_chunks::<8>();
    for (place, word) in line.iter().zip(words).skip(1) {
        place.store(u64::from_le_bytes(*word), Relaxed);
    }
    if let Some(first) = words.first() {
        line[0].store(u64::from_le_bytes(*first), Release);
    }
}

/// Loads a message whose first word was loaded before.
#[inline(always)]
pub(super) fn load(line: &[std::sync::atomic::AtomicU64], first: u64, message: &mut [u8]) {
    let (words, _) = message.as_chunks_mut::<8>();
    for (place, word) in line.iter().zip(words.iter_mut()).skip(1) {
        *word = place.load(Relaxed).to_le_bytes();
    }
    if let Some(word) = words.first_mut() {
        *word = first.to_le_bytes();
    }
}
