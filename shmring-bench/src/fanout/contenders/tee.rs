//! A pipe for each subscriber, filled by tee(2) from a pipe of the producer's.
//!
//! A message is written to the producer's pipe once, with its length before it, duplicated into all
//! pipes but the last, and moved into that. So it takes a page of each pipe, however short it is,
//! and it must not be longer than one, as tee(2) cannot continue where it stopped.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::fcntl::{SpliceFFlags, splice, tee};
use nix::poll::PollFlags;

use crate::contender::{BoxError, Contender, Group, Place, Prepared, Sender, Setting, Sizes, Wait};
use crate::contenders::kernel::{self, FrameReceiver, waiting};
use crate::fanout::{FanOut, Nature, Shared};

/// Bytes of a page, which a message and its length must fit into.
const PAGE_BYTES: usize = 4096;
/// Bytes before a message.
const PREFIX_BYTES: usize = 4;

/// See the module.
pub(super) struct Tee;

impl FanOut for Tee {
    const NAME: &'static str = "pipes, tee";
    const ABOUT: &'static str = "a pipe for each subscriber; one write, then tee(2) into each";
    const NATURE: Nature = Nature {
        sizes: Sizes::AtMost(PAGE_BYTES - PREFIX_BYTES),
        // One alone is a pipe.
        subscribers: [2, u32::MAX],
        ..Nature::lossless(Group::Kernel)
    };
    type Sender = TeeSender;
    type Subscriber = FrameReceiver;

    fn prepare(setting: &Setting) -> Result<Shared, BoxError> {
        let mut shared = Shared::named(Prepared::of_fds(Vec::new(), Vec::new(), 0));
        // Each message takes a page.
        let setting = Setting { message_bytes: PAGE_BYTES - PREFIX_BYTES, ..setting.clone() };
        for _ in 0..setting.consumers {
            let pipe = kernel::Pipe::prepare(&setting)?;
            shared.sender_fds.extend(pipe.sender_fds);
            shared.subscriber_fds.push(pipe.receiver_fds);
        }
        Ok(shared)
    }

    fn open_sender(place: Place) -> Result<TeeSender, BoxError> {
        let wait = place.setting.wait;
        for pipe in &place.fds {
            waiting::prepare(pipe, wait)?;
        }
        let (source, end) = io::pipe()?;
        Ok(TeeSender {
            pipes: place.fds,
            source: OwnedFd::from(source).into(),
            end: OwnedFd::from(end).into(),
            wait,
        })
    }

    fn open_subscriber(place: Place, _: u32) -> Result<FrameReceiver, BoxError> {
        kernel::Pipe::open_receiver(place)
    }
}

/// The producer's pipe, and the ends of the others that are written to.
pub(super) struct TeeSender {
    pipes: Vec<OwnedFd>,
    source: File,
    end: File,
    wait: Wait,
}

impl TeeSender {
    /// Puts the message into a pipe, by `pass`; false if nobody reads it any more.
    fn pass(
        &self,
        pipe: &OwnedFd,
        len: usize,
        pass: impl Fn(&File, &OwnedFd, usize, SpliceFFlags) -> nix::Result<usize>,
    ) -> Result<bool, BoxError> {
        let flags = match self.wait {
            Wait::Block => SpliceFFlags::empty(),
            Wait::Spin | Wait::Adaptive => SpliceFFlags::SPLICE_F_NONBLOCK,
        };
        let call = || pass(&self.source, pipe, len, flags).map_err(io::Error::from);
        match waiting::retry(pipe, self.wait, PollFlags::POLLOUT, call) {
            Ok(passed) if passed == len => Ok(true),
            Ok(passed) => Err(format!("{passed} of {len} bytes were duplicated").into()),
            Err(error) if error.raw_os_error() == Some(Errno::EPIPE as i32) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl TeeSender {
    /// Takes a message out of the producer's pipe that has no other pipe to go to.
    fn discard(&self, len: usize) -> Result<(), BoxError> {
        if self.pipes.is_empty() {
            return Err("the last subscriber has gone".into());
        }
        let mut message = vec![0; len];
        Ok((&self.source).read_exact(&mut message)?)
    }
}

impl Sender for TeeSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let prefix = u32::try_from(message.len())?.to_le_bytes();
        let len = prefix.len() + message.len();
        let written = self.end.write_vectored(&[IoSlice::new(&prefix), IoSlice::new(message)])?;
        if written != len {
            return Err(format!("{written} of {len} bytes were written").into());
        }
        let mut index = 0;
        while let Some(pipe) = self.pipes.get(index) {
            let is_last = index + 1 == self.pipes.len();
            let there = match is_last {
                true => self.pass(pipe, len, |from, to, len, flags| {
                    splice(from, None, to, None, len, flags)
                })?,
                false => self.pass(pipe, len, |from, to, len, flags| tee(from, to, len, flags))?,
            };
            match (there, is_last) {
                (true, _) => index += 1,
                (false, is_last) => {
                    drop(self.pipes.remove(index));
                    if is_last {
                        self.discard(len)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        drop(self);
        Ok(())
    }
}
