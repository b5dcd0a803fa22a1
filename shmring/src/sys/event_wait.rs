//! A sleep on a futex word that the kernel does, and whose end it writes to an eventfd (`io_uring`,
//! Linux 6.7).
//!
//! The thread that wakes the word writes the eventfd in its own system call. No thread of the waiting
//! process has to run for it.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd};

use io_uring::opcode;
use nix::errno::Errno;

use super::event::Event;
use super::futex::WaitWord;
use super::uring::Uring;

/// A wait, and its cancellation.
const QUEUE_ENTRIES: u32 = 2;
const WAIT: u64 = 1;
const CANCELLATION: u64 = 2;
/// Calls until the kernel has ended a wait. It needs three if the wait is cancelled.
const MAX_CALLS: u32 = 8;

/// One wait at a time on a futex word, which signals an [`Event`] when it ends, unless it is muted
/// by then.
///
/// It is muted while it has no wait, and while its thread takes ends from the kernel, which would
/// signal them once more.
pub(crate) struct EventWait {
    ring: Uring,
    /// Waits and cancellations whose ends were not taken.
    pending: u32,
}

impl EventWait {
    /// Returns `None` if the kernel refuses. It is this thread's.
    pub(crate) fn new(event: &Event) -> Option<Self> {
        let ring = Uring::new(QUEUE_ENTRIES)?;
        ring.submitter().register_eventfd(event.as_fd().as_raw_fd()).ok()?;
        let mut wait = Self { ring, pending: 0 };
        wait.mute();
        Some(wait)
    }

    /// Returns `true` if this is the thread that may begin a wait.
    pub(crate) fn is_of_this_thread(&self) -> bool {
        self.ring.is_of_this_thread()
    }

    /// Begins a wait on a word, after [`mute`](Self::mute), and ends the wait before. If the word is
    /// not `seen`, the wait ends at once. Returns `false` if the kernel refuses.
    pub(crate) fn begin(&mut self, word: &WaitWord, seen: u32) -> bool {
        if !self.is_of_this_thread() || !self.ring.is_intact() || !self.take_end() {
            return false;
        }
        // From here on no end is missed: none is left to take, and each one is signaled.
        self.ring.completion().enable_eventfd();
        let is_queued = self.ring.push_wait(WAIT, word, seen);
        self.pending = u32::from(is_queued);
        is_queued && self.submit(0)
    }

    /// Returns `true` if the wait has ended. Then the event was signaled, or is about to be, unless
    /// it was muted before. May return `true` for the wait before.
    pub(crate) fn has_ended(&mut self) -> bool {
        // ORDERING: Acquire in both, with the kernel, which notes an end before it signals it. So
        // a signal that was read belongs to an end that is seen here.
        self.ring.submission().taskrun() || !self.ring.completion().is_empty()
    }

    /// Lets the wait end without a signal from now on.
    pub(crate) fn mute(&mut self) {
        self.ring.completion().disable_eventfd();
    }

    /// Takes the end of the wait from the kernel; cancels the wait if it has none. Returns `false`
    /// if the kernel refused the wait.
    fn take_end(&mut self) -> bool {
        let (mut may_have_ended, mut is_cancelled) = (self.has_ended(), false);
        for _ in 0..MAX_CALLS {
            if self.pending == 0 {
                return true;
            }
            // A thread that ends a wait notes it a moment after it is an end to take, so the note may
            // be that of an end which was taken.
            if !may_have_ended && !is_cancelled {
                let cancel = opcode::AsyncCancel::new(WAIT).build().user_data(CANCELLATION);
                if !self.ring.push(&cancel) {
                    return false;
                }
                is_cancelled = true;
                self.pending += 1;
            }
            if !self.submit(usize::from(is_cancelled)) {
                return false;
            }
            may_have_ended = false;
            for completion in self.ring.completion() {
                self.pending -= 1;
                if completion.user_data() == WAIT && !is_end(completion.result()) {
                    return false;
                }
            }
        }
        false
    }

    /// Hands entries to the kernel, and lets it note what has ended, after at least `count` ends.
    fn submit(&mut self, count: usize) -> bool {
        loop {
            match self.ring.submit_and_wait(count) {
                Ok(_) => return true,
                Err(error) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
                Err(_) => return false,
            }
        }
    }
}

/// Returns `true` if a wait was begun, and ended with this result.
fn is_end(result: i32) -> bool {
    let ends = [Errno::EAGAIN, Errno::ECANCELED, Errno::EFAULT, Errno::EINTR];
    result >= 0 || ends.iter().any(|&errno| errno as i32 == -result)
}

impl fmt::Debug for EventWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait").field("pending", &self.pending).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "event_wait_tests.rs"]
mod tests;
