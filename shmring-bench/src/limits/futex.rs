//! The least that a hand-over costs when the other side sleeps: one word and the kernel's futex.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use nix::errno::Errno;

use super::shared::{self, LINE_BYTES, Shared};
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};

/// Added to the turn: there will be no more.
const END: u32 = 1 << 31;

/// See the module.
#[derive(Debug)]
pub struct BareFutex;

impl Contender for BareFutex {
    const NAME: &'static str = "bare futex";
    const ABOUT: &'static str = "a word that one side stores and wakes, and the other sleeps on";
    const NATURE: Nature = Nature {
        waits: &[Wait::Block],
        sizes: Sizes::Only(8),
        queues: false,
        ..Nature::stream(Group::Limit)
    };
    type Sender = FutexSender;
    type Receiver = FutexReceiver;

    fn prepare(_setting: &Setting) -> Result<Prepared, BoxError> {
        shared::prepare(LINE_BYTES, false)
    }

    fn open_sender(place: Place) -> Result<FutexSender, BoxError> {
        Ok(FutexSender { shared: Shared::open(place)?, turn: 0 })
    }

    fn open_receiver(place: Place) -> Result<FutexReceiver, BoxError> {
        Ok(FutexReceiver { shared: Shared::open(place)?, turn: 0 })
    }
}

/// Stores and wakes.
#[derive(Debug)]
pub struct FutexSender {
    shared: Shared,
    turn: u32,
}

impl FutexSender {
    fn pass(&self, turn: u32) -> Result<(), BoxError> {
        let word = self.shared.futex();
        word.store(turn, Release);
        wake(word)
    }
}

impl Sender for FutexSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        self.shared.words()[0].store(u64::from_le_bytes(message.try_into()?), Relaxed);
        self.turn = (self.turn + 1) & !END;
        self.pass(self.turn)
    }

    fn finish(self) -> Result<(), BoxError> {
        self.pass(self.turn | END)
    }
}

/// Sleeps until the turn has changed.
#[derive(Debug)]
pub struct FutexReceiver {
    shared: Shared,
    turn: u32,
}

impl Receiver for FutexReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let word = self.shared.futex();
        loop {
            // ORDERING: pairs with the sender's Release of the turn, after the message.
            let turn = word.load(Acquire);
            if turn & END != 0 {
                return Ok(None);
            }
            if turn != self.turn {
                self.turn = turn;
                let message = self.shared.words()[0].load(Relaxed);
                return Ok(Some(look(&message.to_le_bytes())));
            }
            wait(word, turn)?;
        }
    }
}

fn wait(word: &AtomicU32, seen: u32) -> Result<(), BoxError> {
    match futex(word, libc::FUTEX_WAIT, seen) {
        // It has changed before the kernel looked, or a signal came.
        Ok(()) | Err(Errno::EAGAIN | Errno::EINTR) => Ok(()),
        Err(error) => Err(format!("futex wait: {error}").into()),
    }
}

fn wake(word: &AtomicU32) -> Result<(), BoxError> {
    futex(word, libc::FUTEX_WAKE, 1).map_err(|error| format!("futex wake: {error}").into())
}

#[allow(unsafe_code)]
fn futex(word: &AtomicU32, operation: libc::c_int, value: u32) -> Result<(), Errno> {
    let no_limit = std::ptr::null::<libc::timespec>();
    // SAFETY: the kernel reads a word that lives as long as the reference, and no time limit.
    let result =
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, no_limit) };
    Errno::result(result).map(drop)
}
