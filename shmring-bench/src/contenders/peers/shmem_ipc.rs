//! shmem-ipc: a ring of items in memory that two processes share, with a count of the full ones to
//! which one side adds and from which the other takes. Its eventfds are written only where a peer
//! may sleep.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::slice;

use shmem_ipc::sharedring;

use super::values::{self, END, is_end};
use super::waiting::Patience;
use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Sizes, Wait,
};

/// A ring of messages of one length.
pub(super) struct ShmemIpc<const LEN: usize>;

impl<const LEN: usize> Contender for ShmemIpc<LEN> {
    const NAME: &'static str = "shmem-ipc";
    const ABOUT: &'static str = "shmem-ipc: a sharedring of arrays, written and read in place";
    const NATURE: Nature =
        Nature { sizes: Sizes::Only(LEN), in_place: true, ..Nature::stream(Group::Peer) };
    type Sender = RingSender<LEN>;
    type Receiver = RingReceiver<LEN>;

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let mut ring = sharedring::Sender::<[u8; LEN]>::new(room(setting)?)?;
        let capacity_bytes = ring.sender_mut().write_count()? * LEN;
        let copies = || -> std::io::Result<Vec<OwnedFd>> {
            let files = [ring.memfd().as_file(), ring.empty_signal(), ring.full_signal()];
            files.into_iter().map(|file| file.try_clone().map(OwnedFd::from)).collect()
        };
        Ok(Prepared::of_fds(copies()?, copies()?, capacity_bytes as u64))
    }

    fn open_sender(place: Place) -> Result<Self::Sender, BoxError> {
        let (room, wait) = (room(&place.setting)?, place.setting.wait);
        let [memory, empty, full] = files(place)?;
        let mut ring = sharedring::Sender::open(room, memory, empty, full)?;
        // So that every page is there before the clock starts; refused, it starts without them.
        let _ = ring.mlock();
        Ok(RingSender { ring, wait })
    }

    fn open_receiver(place: Place) -> Result<Self::Receiver, BoxError> {
        let (room, wait) = (room(&place.setting)?, place.setting.wait);
        let [memory, empty, full] = files(place)?;
        let mut ring = sharedring::Receiver::open(room, memory, empty, full)?;
        let _ = ring.mlock();
        Ok(RingReceiver { ring, wait })
    }
}

fn room(setting: &Setting) -> Result<usize, BoxError> {
    Ok(usize::try_from(setting.room_messages())?)
}

fn files(place: Place) -> Result<[File; 3], BoxError> {
    let fds: [OwnedFd; 3] =
        place.fds.try_into().map_err(|_| "its descriptors were not inherited")?;
    Ok(fds.map(File::from))
}

/// The producer's end.
pub(super) struct RingSender<const LEN: usize> {
    ring: sharedring::Sender<[u8; LEN]>,
    wait: Wait,
}

impl<const LEN: usize> RingSender<LEN> {
    /// Waits for room, and lets `write` fill some of it; it tells how many messages it wrote.
    #[inline(always)]
    fn put(&mut self, write: impl FnOnce(&mut [[u8; LEN]]) -> usize) -> Result<(), BoxError> {
        let ring = self.ring.sender_mut();
        let mut patience = Patience::new(self.wait);
        while ring.write_count()? == 0 {
            if !patience.more() {
                self.ring.block_until_writable()?;
                break;
            }
        }
        // SAFETY: the room is this side's until it is published, and the only other process with
        // this memory reads nothing else.
        let write = |start, count| write(unsafe { slice::from_raw_parts_mut(start, count) });
        match self.wait {
            Wait::Spin => self.ring.sender_mut().send(write).map(drop)?,
            Wait::Adaptive | Wait::Block => self.ring.send_raw(write).map(drop)?,
        }
        Ok(())
    }
}

impl<const LEN: usize> Sender for RingSender<LEN> {
    #[inline(always)]
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let message: &[u8; LEN] = message.try_into()?;
        self.put(|room| {
            room[0] = *message;
            1
        })
    }

    #[inline(always)]
    fn send_batch<const N: usize>(&mut self, messages: &[[u8; N]]) -> Result<(), BoxError> {
        let (mut messages, []) = messages.as_flattened().as_chunks() else {
            return Err(values::wrong_length(N));
        };
        while !messages.is_empty() {
            self.put(|room| {
                let (now, later) = messages.split_at(messages.len().min(room.len()));
                room[..now.len()].copy_from_slice(now);
                messages = later;
                now.len()
            })?;
        }
        Ok(())
    }

    #[inline(always)]
    fn send_in_place(&mut self, _len: usize, fill: impl FnOnce(&mut [u8])) -> Result<(), BoxError> {
        self.put(|room| {
            fill(&mut room[0]);
            1
        })
    }

    fn finish(mut self) -> Result<(), BoxError> {
        self.send(&[END; LEN])
    }
}

/// The consumer's end.
pub(super) struct RingReceiver<const LEN: usize> {
    ring: sharedring::Receiver<[u8; LEN]>,
    wait: Wait,
}

impl<const LEN: usize> RingReceiver<LEN> {
    /// Waits for messages, and shows those that lie together to `read`, which tells how many of
    /// them are done with.
    #[inline(always)]
    fn take(&mut self, read: impl FnOnce(&[[u8; LEN]]) -> usize) -> Result<(), BoxError> {
        let ring = self.ring.receiver_mut();
        let mut patience = Patience::new(self.wait);
        while ring.read_count()? == 0 {
            if !patience.more() {
                self.ring.block_until_readable()?;
                break;
            }
        }
        // SAFETY: the messages are this side's until it frees them, and the only other process
        // with this memory writes nothing else.
        let read = |start, count| read(unsafe { slice::from_raw_parts(start, count) });
        match self.wait {
            Wait::Spin => self.ring.receiver_mut().recv(read).map(drop)?,
            Wait::Adaptive | Wait::Block => self.ring.receive_raw(read).map(drop)?,
        }
        Ok(())
    }
}

impl<const LEN: usize> Receiver for RingReceiver<LEN> {
    #[inline(always)]
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut seen = None;
        self.take(|messages| {
            seen = (!is_end(&messages[0])).then(|| look(&messages[0]));
            1
        })?;
        Ok(seen)
    }

    #[inline(always)]
    fn recv_batch<const N: usize>(&mut self, messages: &mut [[u8; N]]) -> Result<usize, BoxError> {
        let (buffers, []) = messages.as_flattened_mut().as_chunks_mut() else {
            return Err(values::wrong_length(N));
        };
        let mut count = 0;
        self.take(|messages| {
            for (message, buffer) in messages.iter().zip(buffers) {
                if is_end(message) {
                    // After the others it comes again, alone.
                    return count.max(1);
                }
                *buffer = *message;
                count += 1;
            }
            count
        })?;
        Ok(count)
    }
}
