//! Reading the sender's memory with `process_vm_readv`: one copy, by the kernel. Where a message
//! lies is told through a pipe, and another tells when its place is free again.

use std::fs::File;
use std::io::{ErrorKind, IoSliceMut, Read, Write};
use std::os::fd::OwnedFd;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::{Pid, getpid};

use crate::contender::{
    BoxError, Contender, Group, Nature, Place, Prepared, Receiver, Sender, Setting, Wait,
};

/// The most places for messages: what a pipe holds of their descriptions.
const MOST_PLACES: u64 = 1024;
/// A description: process, length, address.
const WORDS: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct ReadOther;

fn places(setting: &Setting) -> u64 {
    setting.room_messages().min(MOST_PLACES)
}

impl Contender for ReadOther {
    const NAME: &'static str = "process_vm_readv";
    const ABOUT: &'static str = "the receiver reads the sender's memory; pipes tell where and when";
    const NATURE: Nature = Nature { waits: &[Wait::Block], ..Nature::stream(Group::Kernel) };
    type Sender = ReadSender;
    type Receiver = ReadReceiver;

    fn obstacle(_setting: &Setting) -> Option<String> {
        let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").ok()?;
        let strict = scope.trim().parse::<u32>().is_ok_and(|scope| scope >= 2);
        strict.then(|| "kernel.yama.ptrace_scope forbids it; set it to 1 or 0".to_owned())
    }

    fn prepare(setting: &Setting) -> Result<Prepared, BoxError> {
        let (there_reader, there_writer) = std::io::pipe()?;
        let (back_reader, back_writer) = std::io::pipe()?;
        Ok(Prepared::of_fds(
            vec![OwnedFd::from(there_writer), OwnedFd::from(back_reader)],
            vec![OwnedFd::from(there_reader), OwnedFd::from(back_writer)],
            places(setting) * setting.message_bytes as u64,
        ))
    }

    fn open_sender(place: Place) -> Result<ReadSender, BoxError> {
        let_others_read();
        let (len, places) = (place.setting.message_bytes, places(&place.setting));
        let [there, back] = two(place)?;
        let memory = vec![0; len * usize::try_from(places)?];
        Ok(ReadSender { there, back, memory, len, places, sent: 0, free: places })
    }

    fn open_receiver(place: Place) -> Result<ReadReceiver, BoxError> {
        let len = place.setting.message_bytes;
        let [there, back] = two(place)?;
        Ok(ReadReceiver { there, back, buffer: vec![0; len] })
    }
}

/// Where only descendants may be read, any process of this user may read this one.
#[allow(unsafe_code)]
fn let_others_read() {
    // SAFETY: the call takes numbers only. Without that rule it fails, and nothing needs allowing.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0) };
}

fn two(place: Place) -> Result<[File; 2], BoxError> {
    let fds: [OwnedFd; 2] =
        place.fds.try_into().map_err(|_| "its descriptors were not inherited")?;
    Ok(fds.map(File::from))
}

/// Writes messages into its own memory.
#[derive(Debug)]
pub struct ReadSender {
    there: File,
    back: File,
    memory: Vec<u8>,
    len: usize,
    places: u64,
    sent: u64,
    /// Places that are free.
    free: u64,
}

impl Sender for ReadSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        while self.free == 0 {
            let mut freed = [0; MOST_PLACES as usize];
            match self.back.read(&mut freed) {
                Ok(0) => return Err("the receiver has gone".into()),
                Ok(count) => self.free += count as u64,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let start = usize::try_from(self.sent % self.places)? * self.len;
        let place = &mut self.memory[start..start + self.len];
        let place = place.get_mut(..message.len()).ok_or("a message that is too long")?;
        place.copy_from_slice(message);
        let words = [getpid().as_raw() as usize, message.len(), place.as_ptr().addr()];
        let description = words.map(usize::to_ne_bytes);
        self.there.write_all(description.as_flattened())?;
        self.sent += 1;
        self.free -= 1;
        Ok(())
    }

    fn finish(mut self) -> Result<(), BoxError> {
        // The memory must live until everything was read.
        drop(self.there);
        while self.free < self.places {
            let mut freed = [0; MOST_PLACES as usize];
            match self.back.read(&mut freed)? {
                0 => return Err("the receiver has gone".into()),
                count => self.free += count as u64,
            }
        }
        Ok(())
    }
}

/// Reads the sender's memory.
#[derive(Debug)]
pub struct ReadReceiver {
    there: File,
    back: File,
    buffer: Vec<u8>,
}

impl Receiver for ReadReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let len = self.recv_into(&mut buffer);
        self.buffer = buffer;
        Ok(len?.map(|len| look(&self.buffer[..len])))
    }

    fn recv_into(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, BoxError> {
        let mut description = [0; WORDS * size_of::<usize>()];
        match self.there.read_exact(&mut description) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            result => result?,
        }
        let (words, _) = description.as_chunks();
        let [pid, len, base] = [0, 1, 2].map(|index: usize| usize::from_ne_bytes(words[index]));
        let space = buffer.get_mut(..len).ok_or("a message that is too long")?;
        let pid = Pid::from_raw(i32::try_from(pid)?);
        let mut local = [IoSliceMut::new(space)];
        let read = process_vm_readv(pid, &mut local, &[RemoteIoVec { base, len }])
            .map_err(|error| format!("process_vm_readv: {error}"))?;
        self.back.write_all(&[1])?;
        Ok(Some(read))
    }
}
