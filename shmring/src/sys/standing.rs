//! Sleeps on futex words that stay with the kernel from sleep to sleep (`io_uring`, Linux 6.7).
//!
//! `futex_waitv` adds the thread to the queue of each word and removes it again, in every call. A
//! standing wait is added once, and again only after it has ended.

use io_uring::{EnterFlags, opcode, types};
use nix::errno::Errno;

use super::clock::Deadline;
use super::futex::{WaitAny, WaitWord};
use super::uring::Uring;

/// Waits that are handed to the kernel in one call.
const QUEUE_ENTRIES: u32 = 64;
/// Marks what the kernel says of a cancellation, which nobody needs to know.
const CANCELLATION: u64 = u64::MAX;

/// Waits that stand, told apart by keys below `u64::MAX`.
///
/// A wait is ended by whoever wakes its word, also while the thread does something else. So it
/// must not use up the wake of a sleeper: [`WaitWord::wake`] wakes all sleepers of a word.
pub(crate) struct Standing {
    ring: Uring,
}

impl Standing {
    /// Returns `None` if the kernel refuses. They are this thread's.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { ring: Uring::new(QUEUE_ENTRIES)? })
    }

    /// Returns `true` if this is the thread whose waits these are.
    pub(crate) fn is_of_this_thread(&self) -> bool {
        self.ring.is_of_this_thread()
    }

    /// Returns `true` in a fork child, which shares the waits with its parent and must not use them.
    pub(crate) fn is_forked(&self) -> bool {
        self.ring.is_forked()
    }

    /// Begins a wait on a word, unless it is not `seen`: then, and when somebody wakes the word,
    /// the next [`sleep`](Self::sleep) ends. Returns `false` if the kernel takes no more.
    pub(crate) fn begin(&mut self, key: u64, word: &WaitWord, seen: u32) -> bool {
        self.ring.push_wait(key, word, seen)
    }

    /// Ends a wait, which is not slept on any more.
    pub(crate) fn cancel(&mut self, key: u64) {
        if self.is_forked() || !self.is_of_this_thread() {
            // The queue is the parent's too, or nobody hands it to the kernel.
            return;
        }
        // If the kernel takes no more, the wait stays, which harms nobody.
        let _ = self.ring.push(&opcode::AsyncCancel::new(key).build().user_data(CANCELLATION));
    }

    /// Takes this process for a fork child.
    #[cfg(test)]
    pub(crate) fn set_forked(&mut self) {
        self.ring.set_forked();
    }

    /// How many entries the kernel has not taken.
    #[cfg(test)]
    pub(crate) fn queued(&mut self) -> usize {
        self.ring.submission().len()
    }

    /// Sleeps until a wait ends, `until` passes or a signal arrives. Says which waits have ended,
    /// and stand no more.
    pub(crate) fn sleep(&mut self, until: Deadline, mut ended: impl FnMut(u64)) -> WaitAny {
        let timeout = until.remaining().map(types::Timespec::from);
        let args = types::SubmitArgs::new();
        let args = timeout.iter().fold(args, |args, timeout| args.timespec(timeout));
        // A sleeper is not waiting for a disk, as the statistics of the system would say.
        let is_told = self.ring.params().is_feature_no_iowait();
        let flags = if is_told { EnterFlags::NO_IOWAIT } else { EnterFlags::empty() };
        let slept = self.ring.submitter().submit_with_args_and_flags(1, &args, flags);
        let slept = slept.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        let mut outcome = match slept {
            // Busy: what has ended is to be taken first.
            Ok(_) | Err(Errno::ETIME | Errno::EINTR | Errno::EBUSY | Errno::EAGAIN) => {
                WaitAny::Ended
            }
            Err(_) => WaitAny::Refused,
        };
        // The kernel hands over only some of many ends at once. It may say that there is more when
        // there is not, and keep saying so.
        loop {
            let mut is_last = true;
            for completion in self.ring.completion() {
                is_last = false;
                if completion.user_data() == CANCELLATION {
                    continue;
                }
                ended(completion.user_data());
                match completion.result().checked_neg().map(Errno::from_raw) {
                    Some(Errno::EFAULT) => outcome = WaitAny::Unmapped,
                    Some(Errno::EINVAL | Errno::EOPNOTSUPP) => return WaitAny::Refused,
                    _ => {}
                }
            }
            let queue = self.ring.submission();
            let has_more = queue.taskrun() || queue.cq_overflow();
            drop(queue);
            if is_last || !has_more || self.ring.submit().is_err() {
                return outcome;
            }
        }
    }
}
