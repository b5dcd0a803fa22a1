//! Messages in a stream of bytes, as a careful program sends them: a length before each, one
//! `writev` for both, and a reader that takes several in one `read`.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::os::fd::OwnedFd;

use nix::poll::PollFlags;

use super::waiting;
use crate::contender::{BoxError, Receiver, Sender, Setting, Wait};

/// Bytes before each message: its length, little-endian.
pub(super) const PREFIX_BYTES: usize = 4;
/// The most that one `read` takes. The kernel holds a pipe's lock while it copies, so that larger
/// reads keep the writer out, and smaller ones cost more calls: of 4 to 256 KiB, this was fastest.
const READ_BYTES: usize = 16 << 10;
/// Size of the reader's buffer at first; it grows to hold the longest message.
const BUFFER_BYTES: usize = 128 << 10;
/// No sender here makes a longer message: a larger length means that the stream is out of step.
const MAX_BYTES: usize = 64 << 20;

/// The writing end.
#[derive(Debug)]
pub struct FrameSender {
    stream: File,
    wait: Wait,
}

impl FrameSender {
    pub(super) fn over(stream: OwnedFd, setting: &Setting) -> Result<FrameSender, BoxError> {
        waiting::prepare(&stream, setting.wait)?;
        Ok(FrameSender { stream: File::from(stream), wait: setting.wait })
    }

    fn write(&self, parts: &mut [IoSlice<'_>]) -> Result<(), BoxError> {
        let mut left = parts;
        // A blocking stream takes everything at once, unless a signal comes in between.
        while !left.is_empty() {
            let call = || (&self.stream).write_vectored(left);
            let written = waiting::retry(&self.stream, self.wait, PollFlags::POLLOUT, call)?;
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }
}

impl Sender for FrameSender {
    fn send(&mut self, message: &[u8]) -> Result<(), BoxError> {
        let prefix = u32::try_from(message.len())?.to_le_bytes();
        self.write(&mut [IoSlice::new(&prefix), IoSlice::new(message)])
    }

    fn send_batch<const LEN: usize>(&mut self, messages: &[[u8; LEN]]) -> Result<(), BoxError> {
        let prefix = u32::try_from(LEN)?.to_le_bytes();
        let mut frames = Vec::with_capacity(messages.len() * (PREFIX_BYTES + LEN));
        for message in messages {
            frames.extend_from_slice(&prefix);
            frames.extend_from_slice(message);
        }
        self.write(&mut [IoSlice::new(&frames)])
    }

    fn finish(self) -> Result<(), BoxError> {
        drop(self);
        Ok(())
    }
}

/// The reading end. `buffer[start..end]` was read and not yet shown.
#[derive(Debug)]
pub struct FrameReceiver {
    stream: File,
    wait: Wait,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl FrameReceiver {
    pub(super) fn over(stream: OwnedFd, setting: &Setting) -> Result<FrameReceiver, BoxError> {
        waiting::prepare(&stream, setting.wait)?;
        let (stream, wait) = (File::from(stream), setting.wait);
        Ok(FrameReceiver { stream, wait, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }

    /// Reads until `wanted` bytes lie in the buffer; false if the stream ends before.
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
            let (stream, space) = (&self.stream, &mut self.buffer[self.end..stop]);
            let call = || { &*stream }.read(space);
            match waiting::retry(stream, self.wait, PollFlags::POLLIN, call)? {
                0 => return Ok(false),
                read => self.end += read,
            }
        }
        Ok(true)
    }

    /// The next message's place in the buffer.
    fn next(&mut self) -> Result<Option<std::ops::Range<usize>>, BoxError> {
        if !self.fill(PREFIX_BYTES)? {
            if self.start == self.end {
                return Ok(None);
            }
            return Err("the stream ended within a length".into());
        }
        let prefix = self.buffer[self.start..self.start + PREFIX_BYTES].try_into()?;
        let len = u32::from_le_bytes(prefix) as usize;
        if len > MAX_BYTES {
            return Err(format!("the stream holds an impossible length: {len}").into());
        }
        if !self.fill(PREFIX_BYTES + len)? {
            return Err("the stream ended within a message".into());
        }
        let message = self.start + PREFIX_BYTES;
        self.start = message + len;
        Ok(Some(message..message + len))
    }
}

impl Receiver for FrameReceiver {
    fn recv<R>(&mut self, look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, BoxError> {
        Ok(self.next()?.map(|place| look(&self.buffer[place])))
    }

    fn recv_batch<const LEN: usize>(
        &mut self,
        messages: &mut [[u8; LEN]],
    ) -> Result<usize, BoxError> {
        let mut count = 0;
        for message in messages {
            // What has been read already does not need another call.
            if count > 0 && self.end - self.start < PREFIX_BYTES + LEN {
                break;
            }
            let Some(place) = self.next()? else { break };
            if place.len() != LEN {
                return Err(format!("a message of {} bytes came, not of {LEN}", place.len()).into());
            }
            message.copy_from_slice(&self.buffer[place]);
            count += 1;
        }
        Ok(count)
    }
}
