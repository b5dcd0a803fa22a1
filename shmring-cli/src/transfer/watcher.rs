//! A thread that ends a transfer's waits on its ring: for signals, and for a reader of stdout
//! that leaves.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shmring::Interrupter;

use crate::process::signals::Signals;
use crate::process::stop::{Exit, Stop};
use crate::transfer::output;
use crate::transfer::peers::PeerCheck;

/// The time between two peer checks: each costs system calls, some for every attachment. A wait
/// that is shorter gets none.
const CHECK_INTERVAL_MS: u16 = 500;
/// The time until the next attempt if `poll` fails, as it does without memory.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// The transfer's handle of the thread. The thread has an interrupter, which keeps the segment
/// attached: the drop stops and joins it.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    signals: &'a Signals,
    shared: Arc<Shared>,
    /// The thread ends when this is closed.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Written by the transfer: odd during a wait, and different in each.
    waits: AtomicU64,
    /// Written by the thread, before it interrupts.
    is_output_closed: AtomicBool,
}

impl<'a> Watcher<'a> {
    /// Starts the thread. It watches `output`, if there is one, for the end of its reader.
    ///
    /// # Errors
    /// `Failed` if there are too few descriptors or threads: signals could not end a wait.
    pub(crate) fn start(
        signals: &'a Signals,
        interrupter: Interrupter,
        output: Option<BorrowedFd<'_>>,
        peers: PeerCheck,
    ) -> Result<Self, Stop> {
        Self::try_start(signals, interrupter, output, peers).map_err(|error| {
            Stop::new(
                Exit::Failed,
                format!("starting the thread that watches for signals: {error}"),
            )
        })
    }

    fn try_start(
        signals: &'a Signals,
        interrupter: Interrupter,
        output: Option<BorrowedFd<'_>>,
        peers: PeerCheck,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (stopped, stop) = io::pipe()?;
        let watch = Watch {
            signals: signals.pipe()?,
            stopped,
            output: output.map(|output| output.try_clone_to_owned()).transpose()?,
            interrupter,
            peers,
            shared: Arc::clone(&shared),
        };
        let thread = thread::Builder::new().name("shmring-watch".to_owned());
        let thread = thread.spawn(move || watch.run())?;
        Ok(Self { signals, shared, stop: Some(stop), thread: Some(thread) })
    }

    pub(crate) fn signals(&self) -> &'a Signals {
        self.signals
    }

    /// Runs a verb that may wait on the ring. If the thread interrupts it, `check` fails.
    pub(crate) fn waiting<R>(&self, verb: impl FnOnce() -> R) -> R {
        let wait = self.shared.waits.load(Ordering::Relaxed).wrapping_add(1);
        self.shared.waits.store(wait, Ordering::Relaxed);
        let result = verb();
        self.shared.waits.store(wait.wrapping_add(1), Ordering::Relaxed);
        result
    }

    /// Checks whether the transfer has to end.
    ///
    /// # Errors
    /// `Signal` once one came, and `OutputClosed` once the reader of the output has left.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        self.signals.check()?;
        if self.shared.is_output_closed.load(Ordering::Relaxed) {
            return Err(Stop::OutputClosed);
        }
        Ok(())
    }
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A thread that panicked has ended as well.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The thread's own part.
#[derive(Debug)]
struct Watch {
    signals: UnixStream,
    stopped: PipeReader,
    output: Option<OwnedFd>,
    interrupter: Interrupter,
    peers: PeerCheck,
    shared: Arc<Shared>,
}

/// What ends the thread.
enum Event {
    Stopped,
    Signal,
    OutputClosed,
}

impl Watch {
    /// One interrupt is enough: it stays pending until the transfer has to wait, and the flag
    /// that the transfer then finds is set for good.
    fn run(mut self) {
        match self.next_event() {
            Event::Stopped => {}
            // The handler has set the flag.
            Event::Signal => self.interrupter.interrupt(),
            Event::OutputClosed => {
                // ORDERING: Relaxed. The interrupt has Release, and the verb that returns for it
                // Acquire.
                self.shared.is_output_closed.store(true, Ordering::Relaxed);
                self.interrupter.interrupt();
            }
        }
    }

    /// Waits for an event, and checks the peers during each long wait of the transfer.
    fn next_event(&mut self) -> Event {
        let mut last_wait = 0;
        loop {
            let timeout = if self.peers.is_done() {
                PollTimeout::NONE
            } else {
                PollTimeout::from(CHECK_INTERVAL_MS)
            };
            match self.poll(timeout) {
                Ok(Some(event)) => return event,
                Ok(None) => {
                    let wait = self.shared.waits.load(Ordering::Relaxed);
                    if wait % 2 == 1 && wait == last_wait {
                        self.peers.check();
                    }
                    last_wait = wait;
                }
                Err(Errno::EINTR) => {}
                Err(_) => thread::sleep(RETRY_INTERVAL),
            }
        }
    }

    fn poll(&self, timeout: PollTimeout) -> nix::Result<Option<Event>> {
        // `poll` reports errors and hang-ups also if it was asked for nothing.
        let (input, errors) = (PollFlags::POLLIN, PollFlags::empty());
        let mut fds = [
            PollFd::new(self.stopped.as_fd(), input),
            PollFd::new(self.signals.as_fd(), input),
            PollFd::new(self.output.as_ref().map_or(self.stopped.as_fd(), AsFd::as_fd), errors),
        ];
        poll(&mut fds, timeout)?;
        let [stopped, signals, output] = fds.map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        Ok(if !stopped.is_empty() {
            Some(Event::Stopped)
        } else if !signals.is_empty() {
            Some(Event::Signal)
        } else if output::is_closed(output) {
            Some(Event::OutputClosed)
        } else {
            None
        })
    }
}

#[cfg(test)]
mod tests;
