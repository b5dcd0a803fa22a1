//! Talk with a worker while it works: one JSON line for each order and each answer.

use std::io::{self, ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// How often the caller is asked whether to go on, when nothing is said.
const TICK_MS: u8 = 50;

/// One end.
#[derive(Debug)]
pub struct Dialog {
    socket: UnixStream,
    /// Received, but not yet a whole line.
    inbox: Vec<u8>,
}

/// Why nothing was heard.
#[derive(Debug)]
pub enum Silence {
    /// The other end is closed, or what it says cannot be read.
    Ended,
    /// It said nothing in time.
    TimedOut,
    /// The caller asked to stop.
    Stopped,
}

impl Dialog {
    /// Returns the parent's end, and the descriptor that the worker inherits for its own.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn pair() -> io::Result<(Dialog, OwnedFd)> {
        let (ours, theirs) = UnixStream::pair()?;
        Ok((Dialog::over(ours), OwnedFd::from(theirs)))
    }

    /// Returns the worker's end, made of what it inherited.
    ///
    /// # Errors
    /// If it inherited nothing.
    pub fn inherited(fds: Vec<OwnedFd>) -> io::Result<Dialog> {
        let fd = fds.into_iter().next();
        let fd = fd.ok_or_else(|| io::Error::other("the dialog's socket was not inherited"))?;
        Ok(Dialog::over(UnixStream::from(fd)))
    }

    fn over(socket: UnixStream) -> Dialog {
        Dialog { socket, inbox: Vec::new() }
    }

    /// Sends a line to the other end.
    ///
    /// # Errors
    /// If the other end is closed.
    pub fn say(&mut self, words: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(words)?;
        line.push(b'\n');
        self.socket.write_all(&line)
    }

    /// Waits for a line from the other end; returns `None` when that is closed.
    ///
    /// # Errors
    /// If the line is no `T`, or the socket cannot be read.
    pub fn hear<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        loop {
            if let Some(line) = self.take_line() {
                return Ok(Some(serde_json::from_slice(&line)?));
            }
            if !self.read()? {
                return Ok(None);
            }
        }
    }

    /// As [`hear`](Self::hear), but waits at most `limit`, and calls `go_on` many times a second.
    ///
    /// # Errors
    /// Why there is no line.
    pub fn hear_within<T: DeserializeOwned>(
        &mut self,
        limit: Duration,
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<T, Silence> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(line) = self.take_line() {
                return serde_json::from_slice(&line).map_err(|_| Silence::Ended);
            }
            if go_on().is_break() {
                return Err(Silence::Stopped);
            }
            if Instant::now() >= deadline {
                return Err(Silence::TimedOut);
            }
            let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, PollTimeout::from(TICK_MS)) {
                Ok(0) | Err(nix::Error::EINTR) => {}
                Ok(_) if self.read().unwrap_or(false) => {}
                Ok(_) | Err(_) => return Err(Silence::Ended),
            }
        }
    }

    /// Takes in what has come; false at the end.
    fn read(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(read) => {
                    self.inbox.extend_from_slice(&chunk[..read]);
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.inbox.iter().position(|byte| *byte == b'\n')?;
        Some(self.inbox.drain(..=end).collect())
    }
}
