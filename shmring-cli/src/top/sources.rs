//! The threads that send events. Each ends when the receiver is gone.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use super::event::Event;
use super::guard::guarded;
use super::keys::{is_unfinished, parse};
use super::screen::Tty;
use super::watch::Watch;
use crate::process::stop::die_of;

/// The first rates come soon, also if the interval is long.
const FIRST_INTERVAL: Duration = Duration::from_millis(200);
/// The time to clean up after a signal; more than needed.
const GRACE: Duration = Duration::from_secs(1);
/// More than a user types at once.
const KEY_BYTES: usize = 1024;
/// The maximum wait for the rest of a sequence. A single Esc is reported that much later.
const SPLIT_MS: u8 = 30;

/// Signals that end this process.
const FATAL: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];
const OTHERS: [Signal; 3] = [Signal::SIGTSTP, Signal::SIGCONT, Signal::SIGWINCH];

/// Samples all segments, at the intervals that `paces` sends.
pub(super) fn looks(
    interval: Duration,
    paces: Receiver<Duration>,
    events: SyncSender<Event>,
) -> io::Result<()> {
    let failures = events.clone();
    let run = move || {
        let (mut watch, mut interval) = (Watch::default(), interval);
        let mut pause = interval.min(FIRST_INTERVAL);
        loop {
            let began = Instant::now();
            if events.send(Event::Looked(watch.look())).is_err() {
                return;
            }
            loop {
                match paces.recv_timeout(pause.saturating_sub(began.elapsed())) {
                    Ok(pace) => (interval, pause) = (pace, pace),
                    Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
            pause = interval;
        }
    };
    spawn("looks", move || {
        if let Err(why) = guarded(run) {
            let _ = failures.send(Event::Failed(why));
        }
    })
}

/// Reads keys.
pub(super) fn keys(tty: Tty, events: SyncSender<Event>) -> io::Result<()> {
    spawn("keys", move || {
        // At the end of the input the terminal is gone.
        while let Ok(bytes @ [_, ..]) = read(tty.file(), &mut [0; KEY_BYTES]) {
            for key in parse(bytes) {
                if events.send(Event::Key(key)).is_err() {
                    return;
                }
            }
        }
        let _ = events.send(Event::Closed);
    })
}

/// Reads input: whole sequences, if they come in time.
fn read<'a>(mut file: &File, buffer: &'a mut [u8]) -> io::Result<&'a [u8]> {
    let mut filled = 0;
    loop {
        match file.read(&mut buffer[filled..]) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
            Ok(0) => break,
            Ok(count) => filled += count,
        }
        let mut fds = [PollFd::new(file.as_fd(), PollFlags::POLLIN)];
        if filled == buffer.len()
            || !is_unfinished(&buffer[..filled])
            || poll(&mut fds, SPLIT_MS) != Ok(1)
        {
            break;
        }
    }
    Ok(&buffer[..filled])
}

/// Signals as events. The drop unblocks them.
#[derive(Debug)]
pub(super) struct Signals {
    before: SigSet,
}

impl Signals {
    /// Blocks the signals in this thread and in those that it starts later, and starts a thread
    /// that waits for them.
    pub(super) fn take(tty: Tty, events: SyncSender<Event>) -> io::Result<Self> {
        let set = SigSet::from_iter(FATAL.into_iter().chain(OTHERS));
        let before = set.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let held = Self { before };
        spawn("signals", move || {
            while let Ok(signal) = set.wait() {
                // If the channel is full, the receiver is stuck: drop the event.
                let _ = events.try_send(Event::Signal(signal));
                if FATAL.contains(&signal) {
                    end_soon(&tty, signal);
                }
            }
        })?;
        Ok(held)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // The kernel accepts a mask that it returned.
        let _ = self.before.thread_set_mask();
    }
}

/// Ends the process by the signal, `GRACE` after it came, even if other threads block: a terminal
/// may accept no more output.
fn end_soon(tty: &Tty, signal: Signal) {
    thread::sleep(GRACE);
    let _ = tty.give_back();
    die_of(signal as i32)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(format!("shmring-{name}")).spawn(work).map(drop)
}
