//! The progress of a transfer: a line on the terminal while it lasts, totals at its end.
//!
//! The transfer stores two numbers after each batch. A thread of its own shows them, so that
//! a terminal that is stopped does not stop the transfer.

mod line;

use std::fs::File;
use std::io::{self, IsTerminal, Seek};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use indicatif::HumanCount;

use crate::process::stop::say;
use crate::report;
use crate::transfer::meter::line::{Line, Note};

/// The direction of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From stdin.
    In,
    /// To stdout.
    Out,
}

impl Way {
    fn done(self) -> &'static str {
        match self {
            Self::In => "sent",
            Self::Out => "received",
        }
    }

    /// Returns what the peer of this transfer is called.
    pub(crate) fn peer(self) -> &'static str {
        match self {
            Self::In => "receiver",
            Self::Out => "sender",
        }
    }

    /// Returns what a transfer waits for to change.
    fn obstacle(self) -> &'static str {
        match self {
            Self::In => "ring full",
            Self::Out => "ring empty",
        }
    }
}

/// Numbers of messages and of the bytes in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

impl Moved {
    /// Returns the bytes with `framing_bytes` for each message.
    pub(crate) fn framed_bytes(self, framing_bytes: u64) -> u64 {
        self.bytes + self.messages * framing_bytes
    }
}

/// Counts what a transfer moved, and shows it.
#[derive(Debug)]
pub(crate) struct Meter {
    way: Way,
    started: Instant,
    moved: Moved,
    shared: Arc<Shared>,
    line: Option<Line>,
}

/// What another thread reports about a transfer.
#[derive(Debug)]
pub(crate) struct Reporter {
    way: Way,
    shared: Arc<Shared>,
    /// Sends to the line on the terminal, if there is one.
    line: Option<Sender<Note>>,
}

impl Reporter {
    pub(crate) fn way(&self) -> Way {
        self.way
    }

    /// Returns `true` if there is a line on the terminal.
    pub(crate) fn is_shown(&self) -> bool {
        self.line.is_some()
    }

    /// Shows, until the next message, whether the transfer waits for a peer to come.
    pub(crate) fn set_lacks_peer(&self, lacks_peer: bool) {
        self.shared.lacks_peer.store(lacks_peer, Ordering::Relaxed);
    }

    /// Prints a message to stderr, without breaking the line on the terminal.
    pub(crate) fn say(&self, message: String) {
        match &self.line {
            // A thread that panicked shows nothing any more.
            Some(line) => drop(line.send(Note::Say(message))),
            None => say(message),
        }
    }
}

/// Written by the transfer, read by the thread that shows it. The numbers may be of different
/// moments.
#[derive(Debug, Default)]
struct Shared {
    messages: AtomicU64,
    bytes: AtomicU64,
    /// `true` if the transfer waits, and no process has a handle for the other end.
    lacks_peer: AtomicBool,
}

impl Shared {
    fn moved(&self) -> Moved {
        Moved {
            messages: self.messages.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

impl Meter {
    /// `framing_bytes` is the size of a message in `stream` less that of its payload. There is
    /// no line if `stream` is a terminal.
    pub(crate) fn new(way: Way, stream: impl AsFd, framing_bytes: u64) -> Self {
        let shared = Arc::new(Shared::default());
        let is_watched = io::stderr().is_terminal() && !stream.as_fd().is_terminal();
        let line = is_watched.then(|| {
            // The size of an output file is not that of the transfer.
            let expected = expected_bytes(&stream).filter(|_| way == Way::In);
            Line::start(way, Arc::clone(&shared), expected, framing_bytes)
        });
        Self { way, started: Instant::now(), moved: Moved::default(), shared, line: line.flatten() }
    }

    /// Stores the totals after a batch.
    pub(crate) fn update(&mut self, moved: Moved) {
        self.moved = moved;
        self.shared.messages.store(moved.messages, Ordering::Relaxed);
        self.shared.bytes.store(moved.bytes, Ordering::Relaxed);
        self.shared.lacks_peer.store(false, Ordering::Relaxed);
    }

    pub(crate) fn reporter(&self) -> Reporter {
        let line = self.line.as_ref().map(|line| line.notes.clone());
        Reporter { way: self.way, shared: Arc::clone(&self.shared), line }
    }

    /// Restarts the clock if no message was moved: the time before the first one does not count.
    pub(crate) fn waited(&mut self) {
        if self.moved.messages == 0 {
            self.started = Instant::now();
        }
    }

    /// Sets when the first message was seen, before which the time does not count.
    pub(crate) fn set_start(&mut self, started: Instant) {
        self.started = started;
    }

    /// Removes the line, and prints totals if `stats` is set. This waits for the terminal, so
    /// drop the handle first: a peer may be waiting for it.
    pub(crate) fn finish(mut self, stats: bool) {
        drop(self.line.take());
        if stats {
            say(summary(self.way, self.moved, self.started.elapsed()));
        }
    }
}

/// Returns the number of bytes after the position in a file.
fn expected_bytes(stream: &impl AsFd) -> Option<u64> {
    let mut file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
    let stat = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(stat.len().saturating_sub(file.stream_position().ok()?)).filter(|bytes| *bytes > 0)
}

fn summary(way: Way, moved: Moved, elapsed: Duration) -> String {
    let Moved { messages, bytes } = moved;
    let plural = if messages == 1 { "" } else { "s" };
    format!(
        "{} {} message{plural}, {}, in {:.2} s: {}",
        way.done(),
        HumanCount(messages),
        report::bytes(bytes),
        elapsed.as_secs_f64(),
        rates(moved, elapsed)
    )
}

fn rates(moved: Moved, elapsed: Duration) -> String {
    let per_second = |count: u64| count as f64 / elapsed.as_secs_f64().max(1e-9);
    let bytes = report::bytes(per_second(moved.bytes) as u64);
    format!("{} messages/s, {bytes}/s", report::short(per_second(moved.messages) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a rate in the wrong unit, and a division by zero.
    #[test]
    fn totals_and_rates() {
        let moved = Moved { messages: 12_345_678, bytes: 3 << 30 };
        assert_eq!(
            summary(Way::In, moved, Duration::from_secs(3)),
            "sent 12,345,678 messages, 3 GiB, in 3.00 s: 4.1 M messages/s, 1 GiB/s"
        );
        let one = Moved { messages: 1, bytes: 0 };
        let text = summary(Way::Out, one, Duration::ZERO);
        assert!(text.starts_with("received 1 message, 0 B, in 0.00 s: 1.0 G messages/s"), "{text}");
        let none = summary(Way::In, Moved::default(), Duration::ZERO);
        assert!(none.ends_with(": 0 messages/s, 0 B/s"), "{none}");
    }

    // Catches the time before the first message being counted, and a clock that starts anew
    // at each wait after it.
    #[test]
    fn the_wait_for_the_first_message_does_not_count() {
        let long = Duration::from_secs(3600);
        let mut meter = Meter::new(Way::In, io::stdin(), 0);
        let earlier = |meter: &Meter| meter.started.checked_sub(long).expect("an hour ago");
        meter.started = earlier(&meter);
        meter.waited();
        assert!(meter.started.elapsed() < long);
        meter.update(Moved { messages: 1, bytes: 1 });
        meter.started = earlier(&meter);
        meter.waited();
        assert!(meter.started.elapsed() >= long);
    }
}
