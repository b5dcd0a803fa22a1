//! Reads stdin in large pieces, into a buffer that is filled at its end and consumed at its
//! start.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};

use nix::poll::PollFlags;

use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};

/// Large enough that the system call costs little per byte.
const BUFFER_BYTES: usize = 256 << 10;

/// Bytes read from stdin and not consumed yet.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    read_bytes: u64,
}

impl Input {
    /// Takes over stdin. Not through `io::stdin`, whose own buffer would hide
    /// bytes from poll.
    pub(crate) fn stdin() -> Result<Self, Stop> {
        let file = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?.into();
        Ok(Self {
            file,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            end: 0,
            at_end: false,
            read_bytes: 0,
        })
    }

    /// Returns the bytes in the buffer.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Returns `true` if no bytes will follow those in the buffer.
    pub(crate) fn at_end(&self) -> bool {
        self.at_end
    }

    /// Returns the number of bytes that were read so far.
    pub(crate) fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// Waits until stdin has bytes or ends, and reads once. Makes room for a record of up to
    /// `record_bytes`.
    pub(crate) fn fill(&mut self, record_bytes: usize, signals: &Signals) -> Result<(), Stop> {
        self.make_room(record_bytes);
        while !self.at_end {
            signals.wait_for(self.file.as_fd(), PollFlags::POLLIN)?;
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(count) => {
                    self.end += count;
                    self.read_bytes += count as u64;
                    return Ok(());
                }
                // Another reader was faster, or stdin does not block.
                Err(error)
                    if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn make_room(&mut self, record_bytes: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        // Half a buffer of room keeps the reads large and the moves rare.
        if self.buffer.len() - self.end < BUFFER_BYTES / 2 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            // Doubled, not sized for the record at once: a wrong length prefix costs no
            // memory.
            let grown = (2 * self.buffer.len()).min(record_bytes + BUFFER_BYTES);
            self.buffer.resize(grown.max(self.end + 1), 0);
        }
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn failed(error: io::Error) -> Stop {
    Stop::new(Exit::Failed, format!("reading stdin: {error}"))
}
