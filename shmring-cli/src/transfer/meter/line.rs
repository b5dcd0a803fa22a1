//! The line on the terminal that shows the progress of a transfer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar};
use nix::unistd::{getpgrp, tcgetpgrp};

use super::{Moved, Shared, Way, rates};
use crate::process::stop::say;
use crate::report;
use crate::report::progress::{draw_target, style};

/// A transfer that takes less time shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);
/// The time over which a rate is measured.
const RATE_INTERVAL: Duration = Duration::from_secs(1);

/// The line on the terminal, and the thread that draws it. The drop removes the line.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) notes: Sender<Note>,
    thread: Option<JoinHandle<()>>,
}

/// A message to the thread that draws the line.
#[derive(Debug)]
pub(super) enum Note {
    /// Print this above the line.
    Say(String),
    /// Remove the line.
    End,
}

impl Line {
    /// Returns `None` if the thread cannot be started: the transfer works without a line.
    pub(super) fn start(
        way: Way,
        shared: Arc<Shared>,
        expected_bytes: Option<u64>,
        framing_bytes: u64,
    ) -> Option<Self> {
        let (notes, received) = mpsc::channel();
        let draw = move || {
            let mut pace = Pace::new();
            if await_end(&received, PATIENCE, say) {
                return;
            }
            let bar = bar(expected_bytes);
            let say_above = |message| bar.suspend(|| say(message));
            while !await_end(&received, REDRAW_INTERVAL, say_above) {
                let moved = shared.moved();
                pace.look(moved);
                if is_in_background() {
                    continue;
                }
                bar.set_position(moved.framed_bytes(framing_bytes));
                bar.set_message(pace.text(way, moved, shared.lacks_peer.load(Ordering::Relaxed)));
                bar.tick();
            }
            bar.finish_and_clear();
        };
        let thread = thread::Builder::new().name("shmring-line".to_owned()).spawn(draw).ok()?;
        Some(Self { notes, thread: Some(thread) })
    }
}

/// Waits for the end for at most `timeout`, and passes each message before it to `say`. Returns
/// `true` if the end came.
fn await_end(notes: &Receiver<Note>, timeout: Duration, say: impl Fn(String)) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        match notes.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Note::Say(message)) => say(message),
            Ok(Note::End) | Err(RecvTimeoutError::Disconnected) => return true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        // A thread that panicked has ended as well.
        let _ = self.notes.send(Note::End);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Returns a line, with a bar if the size is known. It is drawn on `tick` only.
fn bar(expected_bytes: Option<u64>) -> ProgressBar {
    let template = match expected_bytes {
        Some(_) => "{percent:>3}% [{bar:14}] {wide_msg}",
        None => "{spinner} {wide_msg}",
    };
    ProgressBar::with_draw_target(expected_bytes, draw_target()).with_style(style(template))
}

/// Returns `true` if another process group, such as the shell's, has the terminal.
fn is_in_background() -> bool {
    tcgetpgrp(io::stderr()).is_ok_and(|foreground| foreground != getpgrp())
}

/// The latest rates.
#[derive(Debug)]
struct Pace {
    since: Instant,
    before: Moved,
    rates: String,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), before: Moved::default(), rates: String::new() }
    }

    fn look(&mut self, moved: Moved) {
        let elapsed = self.since.elapsed();
        if elapsed < RATE_INTERVAL {
            return;
        }
        let late = Moved {
            messages: moved.messages.saturating_sub(self.before.messages),
            bytes: moved.bytes.saturating_sub(self.before.bytes),
        };
        self.rates = rates(late, elapsed);
        (self.since, self.before) = (Instant::now(), moved);
    }

    fn text(&self, way: Way, moved: Moved, lacks_peer: bool) -> String {
        let Moved { messages, bytes } = moved;
        let (done, bytes) = (way.done(), report::bytes(bytes));
        let so_far = format!("{done} {}, {bytes}", HumanCount(messages));
        if lacks_peer {
            return format!("{so_far}; {}, no {} yet", way.obstacle(), way.peer());
        }
        format!("{so_far}: {}", self.rates)
    }
}
