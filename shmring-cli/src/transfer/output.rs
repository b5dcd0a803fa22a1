//! Writes stdout in large pieces, without delaying available messages.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};
use crate::transfer::attaching::Patience;
use crate::transfer::framing::Outgoing;

/// Large enough that the system call costs little per byte.
const BUFFER_BYTES: usize = 256 << 10;
/// A pipe that is ready for writing accepts this many bytes without waiting for its reader.
const PIECE_BYTES: usize = 4096;
/// The maximum wait for a reader after a signal; less than the time to clean up.
const LINGER: Duration = Duration::from_millis(500);

/// A buffer of bytes for stdout.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    /// All of it is initialised; the first `filled` bytes count.
    buffer: Vec<u8>,
    filled: usize,
}

impl Output {
    /// Takes over stdout. Not through `io::stdout`, which searches for newlines.
    pub(crate) fn stdout() -> Result<Self, Stop> {
        let file =
            io::stdout().as_fd().try_clone_to_owned().map_err(|error| failed(&error))?.into();
        Ok(Self { file, buffer: vec![0; BUFFER_BYTES], filled: 0 })
    }

    /// Returns `true` if the buffer should be written.
    pub(crate) fn is_full(&self) -> bool {
        self.filled >= BUFFER_BYTES
    }

    /// Discards the bytes in the buffer.
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Appends `bytes` bytes, which the caller fills.
    fn extend(&mut self, bytes: usize) -> &mut [u8] {
        let start = self.filled;
        self.filled += bytes;
        if self.filled > self.buffer.len() {
            self.buffer.resize(self.filled, 0);
        }
        &mut self.buffer[start..self.filled]
    }

    /// Appends `prefix` and a message of `len` bytes, which `fill` writes. Returns where it ends.
    pub(crate) fn append(
        &mut self,
        framing: Outgoing,
        prefix: &[u8],
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) -> usize {
        if !prefix.is_empty() {
            self.extend(prefix.len()).copy_from_slice(prefix);
        }
        let (before, after) = framing.frame(len);
        if let Some(before) = before {
            self.extend(before.len()).copy_from_slice(&before);
        }
        fill(self.extend(len));
        if let Some(after) = after {
            self.extend(1).fill(after);
        }
        self.filled
    }

    /// Waits until stdout accepts bytes.
    ///
    /// # Errors
    /// `OutputClosed` if the reader has left.
    pub(crate) fn await_room(&self, signals: &Signals) -> Result<(), Stop> {
        let seen = signals.wait_for(self.file.as_fd(), PollFlags::POLLOUT)?;
        if is_closed(seen) { Err(Stop::OutputClosed) } else { Ok(()) }
    }

    /// Writes the buffer. Returns the number of bytes written, also with an error.
    pub(crate) fn flush(&mut self, signals: &Signals) -> Result<usize, (usize, Stop)> {
        let mut written = 0;
        while written < self.filled {
            let result = signals
                .wait_for(self.file.as_fd(), PollFlags::POLLOUT)
                .and_then(|_| self.write_some(written, self.filled));
            match result {
                Ok(count) => written += count,
                Err(stop) => return Err((written, stop)),
            }
        }
        self.filled = 0;
        Ok(written)
    }

    /// Writes the rest of the buffer after a signal, for at most `LINGER`. `written` bytes were
    /// written before; returns the number of bytes written in all.
    pub(crate) fn finish(&mut self, mut written: usize) -> usize {
        let patience = Patience::new(Some(LINGER));
        while written < self.filled && !patience.is_over() {
            let timeout = PollTimeout::try_from(patience.remaining()).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
            if poll(&mut fds, timeout) != Ok(1) {
                continue;
            }
            match self.write_some(written, self.filled.min(written + PIECE_BYTES)) {
                Ok(count) => written += count,
                // The caller reports the signal instead.
                Err(_) => return written,
            }
        }
        written
    }

    fn write_some(&mut self, from: usize, to: usize) -> Result<usize, Stop> {
        match self.file.write(&self.buffer[from..to]) {
            Ok(0) => Err(failed(&ErrorKind::WriteZero.into())),
            Ok(count) => Ok(count),
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) =>
            {
                Ok(0)
            }
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Stop::OutputClosed),
            Err(error) => Err(failed(&error)),
        }
    }
}

/// Returns `true` if the events of a descriptor say that its reader has left: POLLERR if it is
/// a pipe, POLLHUP if it is a socket or a terminal.
pub(crate) fn is_closed(seen: PollFlags) -> bool {
    seen.intersects(PollFlags::POLLERR | PollFlags::POLLHUP)
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn failed(error: &io::Error) -> Stop {
    Stop::new(Exit::Failed, format!("writing stdout: {error}"))
}
