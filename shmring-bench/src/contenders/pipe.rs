//! An anonymous pipe, as a careful program uses it: a length before each message, one `writev` for
//! both, and a reader that takes several in one `read`.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;

use nix::fcntl::{FcntlArg, fcntl};

use crate::contender::{BoxError, Contender, Place, Prepared, Receiver, Sender, Setting};

/// Bytes before each message: its length, little-endian.
const PREFIX_BYTES: usize = 4;
/// The most that one `read` takes. The kernel holds the pipe's lock while it copies, so that larger
/// reads keep the writer out, and smaller ones cost more calls: of 4 to 256 KiB, this was fastest.
const READ_BYTES: usize = 16 << 10;
/// Size of the reader's buffer at first; it grows to hold the longest message.
const BUFFER_BYTES: usize = 128 << 10;
/// No sender here makes a longer message: a larger length means that the stream is out of step.
const MAX_BYTES: usize = 64 << 20;

/// See the module.
#[derive(Debug)]
pub struct Pipe;

impl Contender for Pipe {
    const NAME: &'static str = "pipe";
    const ABOUT: &'static str = "anonymous pipe, length-prefixed, one writev per message";
    type Sender = PipeSender;
    type Receiver = PipeReceiver;

    fn prepare(setting: &Setting<'_>) -> Result<Prepared, BoxError> {
        let (reader, writer) = io::pipe()?;
        let wanted = i32::try_from(setting.capacity_bytes).unwrap_or(i32::MAX);
        // More than fs.pipe-max-size is refused to most users: then the most that is allowed.
        if fcntl(&writer, FcntlArg::F_SETPIPE_SZ(wanted)).is_err() {
            let allowed = std::fs::read_to_string("/proc/sys/fs/pipe-max-size")
                .ok()
                .and_then(|text| text.trim().parse::<i32>().ok());
            if let Some(allowed) = allowed.filter(|allowed| *allowed < wanted) {
                // Refused again (the user's total is used up), it keeps the size it was born with.
                let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(allowed));
            }
        }
        let capacity_bytes = u64::try_from(fcntl(&writer, FcntlArg::F_GETPIPE_SZ)?)?;
        Ok(Prepared {
            address: String::new(),
            sender_fds: vec![OwnedFd::from(writer)],
            receiver_fds: vec![OwnedFd::from(reader)],
            capacity_bytes,
            names: Box::new(()),
        })
    }

    fn open_sender(place: Place) -> Result<PipeSender, BoxError> {
        Ok(PipeSender { pipe: only_fd(place)? })
    }

    fn open_receiver(place: Place) -> Result<PipeReceiver, BoxError> {
        Ok(PipeReceiver { pipe: only_fd(place)?, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }
}

fn only_fd(place: Place) -> Result<File, BoxError> {
    let fd = place.fds.into_iter().next().ok_or("the pipe's descriptor was not inherited")?;
    Ok(File::from(fd))
}

/// The writing end.
#[derive(Debug)]
pub struct PipeSender {
    pipe: File,
}

impl Sender for PipeSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let prefix = u32::try_from(message.len())?.to_le_bytes();
        let mut parts = [IoSlice::new(&prefix), IoSlice::new(message)];
        let mut left = &mut parts[..];
        // A blocking pipe takes everything at once, unless a signal comes in between.
        while !left.is_empty() {
            match self.pipe.write_vectored(left) {
                Ok(written) => IoSlice::advance_slices(&mut left, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn finish(self) -> Result<(), BoxError> {
        drop(self);
        Ok(())
    }
}

/// The reading end. `buffer[start..end]` was read and not yet shown.
#[derive(Debug)]
pub struct PipeReceiver {
    pipe: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Receiver for PipeReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        if !self.fill(PREFIX_BYTES)? {
            if self.start == self.end {
                return Ok(None);
            }
            return Err("the pipe ended within a length".into());
        }
        let prefix = self.buffer[self.start..self.start + PREFIX_BYTES].try_into()?;
        let len = u32::from_le_bytes(prefix) as usize;
        if len > MAX_BYTES {
            return Err(format!("the pipe holds an impossible length: {len}").into());
        }
        if !self.fill(PREFIX_BYTES + len)? {
            return Err("the pipe ended within a message".into());
        }
        let message = self.start + PREFIX_BYTES;
        self.start = message + len;
        Ok(Some(look(&self.buffer[message..message + len])))
    }
}

impl PipeReceiver {
    /// Reads until `wanted` bytes lie in the buffer; false if the pipe ends before.
    fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        while self.end - self.start < wanted {
            if self.buffer.len() - self.start < wanted || self.start == self.end {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
                if self.buffer.len() < wanted {
                    self.buffer.resize(wanted, 0);
                }
            }
            let stop = self.buffer.len().min(self.end + READ_BYTES);
            match self.pipe.read(&mut self.buffer[self.end..stop]) {
                Ok(0) => return Ok(false),
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}
