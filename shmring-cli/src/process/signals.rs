//! Signals that ask for the end, as a flag to load and a descriptor to poll.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use signal_hook::consts::{SIGTERM, SIGXFSZ};
use signal_hook::{flag, low_level};

use crate::process::stop::{Exit, Stop, die_of};

/// The signals by which people, terminals and service managers end a process.
const ENDING: [Signal; 4] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// The time to clean up after a signal; more than any verb needs.
const GRACE: Duration = Duration::from_secs(1);

/// The signals that end a transfer cleanly.
#[derive(Debug)]
pub(crate) struct Signals {
    /// The last one that came; 0 before that.
    raised: Arc<AtomicUsize>,
    /// Readable for good once one came, so that no poll misses it.
    pipe: UnixStream,
}

impl Signals {
    /// Installs handlers, which make `check` fail. A signal that was ignored stays ignored, as
    /// `nohup` and shells without job control rely on. A write beyond the limit on the size of
    /// files fails instead of killing the process.
    pub(crate) fn install() -> Result<Self, Stop> {
        Self::try_install()
            .map_err(|error| Stop::new(Exit::Failed, format!("handling signals: {error}")))
    }

    fn try_install() -> io::Result<Self> {
        let raised = Arc::new(AtomicUsize::new(0));
        let (pipe, write_end) = UnixStream::pair()?;
        // A signal that comes when half of its handlers are installed would be lost.
        let before = SigSet::from_iter(ENDING).thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let ignored = ignored();
        let handled = ENDING.map(|signal| signal as i32).into_iter();
        for signal in handled.filter(|signal| ignored & (1 << (signal - 1)) == 0) {
            // In this order: a thread that finds the pipe readable finds the flag set.
            flag::register_usize(signal, Arc::clone(&raised), signal.unsigned_abs() as usize)?;
            low_level::pipe::register(signal, write_end.try_clone()?)?;
        }
        before.thread_set_mask()?;
        // The failed write reports it.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        Ok(Self { raised, pipe })
    }

    /// Ends the process, by the signal, `GRACE` after one came, even if it blocks in a system
    /// call: a write to a reader that does not read may begin just after the last check. For
    /// verbs that leave nothing behind however they end.
    pub(crate) fn end_soon(&self) {
        let raised = Arc::clone(&self.raised);
        let Ok(pipe) = self.pipe.try_clone() else {
            return;
        };
        // Without the thread, only a process that blocks so is not ended.
        let _ = thread::Builder::new().spawn(move || {
            let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
            while raised.load(Ordering::Relaxed) == 0 {
                let _ = poll(&mut fds, PollTimeout::NONE);
            }
            thread::sleep(GRACE);
            let signal = raised.load(Ordering::Relaxed);
            die_of(i32::try_from(signal).unwrap_or(SIGTERM));
        });
    }

    /// Signals that no handler sets, and a function that sets them as handlers do.
    #[cfg(test)]
    pub(crate) fn simulated() -> (Self, impl Fn() + Send + 'static) {
        use std::io::Write;
        let raised = Arc::new(AtomicUsize::new(0));
        let (pipe, write_end) = UnixStream::pair().expect("a pair of sockets");
        let signals = Self { raised: Arc::clone(&raised), pipe };
        let raise = move || {
            raised.store(SIGTERM.unsigned_abs() as usize, Ordering::SeqCst);
            (&write_end).write_all(b"x").expect("room");
        };
        (signals, raise)
    }

    /// Returns a descriptor that is readable for good once a signal came and `check` fails.
    pub(crate) fn pipe(&self) -> io::Result<UnixStream> {
        self.pipe.try_clone()
    }

    /// Checks whether a signal came.
    ///
    /// # Errors
    /// `Signal` once one came.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        match self.raised.load(Ordering::Relaxed) {
            0 => Ok(()),
            signal => Err(Stop::Signal(i32::try_from(signal).unwrap_or(SIGTERM))),
        }
    }

    /// Waits until `fd` is ready for `events`, or broken, and returns its events. The kernel
    /// restarts system calls after the handlers, so a plain read would sleep through a signal.
    ///
    /// # Errors
    /// `Signal` once one came.
    pub(crate) fn wait_for(
        &self,
        fd: BorrowedFd<'_>,
        events: PollFlags,
    ) -> Result<PollFlags, Stop> {
        loop {
            let mut fds =
                [PollFd::new(fd, events), PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
            let polled = poll(&mut fds, PollTimeout::NONE);
            self.check()?;
            match polled {
                // The read or write that follows reports errors of the descriptor.
                Ok(_) => return Ok(fds[0].revents().unwrap_or(PollFlags::empty())),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Stop::new(Exit::Failed, format!("poll: {errno}"))),
            }
        }
    }
}

/// Returns the signals that this process ignores: bit n-1 for signal n. No bits without /proc.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
