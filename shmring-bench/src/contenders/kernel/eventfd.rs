//! An eventfd: a counter in the kernel. It adds up what is written, so that it carries one word at
//! a time: to and fro, and no stream.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::poll::PollFlags;
use nix::sys::eventfd::{EfdFlags, EventFd as Counter};

use super::waiting;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};

/// There will be no more.
const END: u64 = 1 << 62;

/// See the module.
#[derive(Debug)]
pub struct EventFd;

impl Contender for EventFd {
    const NAME: &'static str = "eventfd";
    const ABOUT: &'static str = "a counter in the kernel, which carries one word at a time";
    const NATURE: Nature =
        Nature { sizes: Sizes::Only(8), queues: false, ..Nature::stream(Group::Kernel) };
    type Sender = End;
    type Receiver = End;

    fn prepare(_setting: &Setting) -> Result<Prepared, BoxError> {
        let counter = Counter::from_flags(EfdFlags::EFD_CLOEXEC)?;
        let copy = counter.as_fd().try_clone_to_owned()?;
        Ok(Prepared::of_fds(vec![OwnedFd::from(counter)], vec![copy], 8))
    }

    fn open_sender(place: Place) -> Result<End, BoxError> {
        End::open(place)
    }

    fn open_receiver(place: Place) -> Result<End, BoxError> {
        End::open(place)
    }
}

/// Either end.
#[derive(Debug)]
pub struct End {
    counter: File,
    wait: Wait,
}

impl End {
    fn open(place: Place) -> Result<End, BoxError> {
        let wait = place.setting.wait;
        let counter = place.only_fd()?;
        waiting::prepare(&counter, wait)?;
        Ok(End { counter: File::from(counter), wait })
    }

    fn add(&self, word: u64) -> Result<(), BoxError> {
        let call = || (&self.counter).write(&word.to_ne_bytes());
        waiting::retry(&self.counter, self.wait, PollFlags::POLLOUT, call)?;
        Ok(())
    }
}

impl Sender for End {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        // A counter of zero has not been written.
        self.add(u64::from_le_bytes(message.try_into()?) + 1)
    }

    fn finish(self) -> Result<(), BoxError> {
        self.add(END)
    }
}

impl Receiver for End {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut word = [0; 8];
        let call = || (&self.counter).read(&mut word);
        waiting::retry(&self.counter, self.wait, PollFlags::POLLIN, call)?;
        let count = u64::from_ne_bytes(word);
        Ok((count != END).then(|| look(&(count - 1).to_le_bytes())))
    }
}
