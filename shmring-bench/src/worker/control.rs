//! The worker's end of the talk with its parent: one JSON line for each report.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

/// What a worker says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    /// Stands at the start line.
    Ready,
    /// Has received and verified so many bytes.
    Progress(u64),
    /// Has done its task.
    Done(serde_json::Value),
    /// Could not do it.
    Failed(String),
}

/// What the parent sends, once, when all workers are ready.
pub(super) const GO: u8 = b'!';

/// The worker's end.
#[derive(Debug)]
pub struct Control {
    socket: UnixStream,
}

impl Control {
    pub(super) fn open() -> io::Result<Control> {
        let socket = io::stdin().as_fd().try_clone_to_owned()?;
        Ok(Control { socket: UnixStream::from(socket) })
    }

    /// Waits at the start line until all workers are there.
    ///
    /// # Errors
    /// If the parent is gone.
    pub fn wait_for_start(&mut self) -> io::Result<()> {
        self.tell(&Report::Ready)?;
        let mut word = [0];
        self.socket.read_exact(&mut word)?;
        if word == [GO] { Ok(()) } else { Err(io::Error::other("not the word to start")) }
    }

    /// Reports how many bytes were received and verified so far.
    ///
    /// # Errors
    /// If the parent is gone.
    pub fn progress(&mut self, bytes: u64) -> io::Result<()> {
        self.tell(&Report::Progress(bytes))
    }

    pub(super) fn done(&mut self, result: &serde_json::Value) -> io::Result<()> {
        self.tell(&Report::Done(result.clone()))
    }

    pub(super) fn failed(&mut self, what: &str) -> io::Result<()> {
        self.tell(&Report::Failed(what.to_owned()))
    }

    fn tell(&mut self, report: &Report) -> io::Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.socket.write_all(&line)
    }
}
