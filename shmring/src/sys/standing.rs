//! Sleeps on futex words that stay with the kernel from sleep to sleep (`io_uring`, Linux 6.7).
//!
//! `futex_waitv` adds the thread to the queue of each word and removes it again, in every call. A
//! standing wait is added once, and again only after it has ended.

#![allow(unsafe_code)]

use std::process;
use std::thread::{self, ThreadId};

use io_uring::{EnterFlags, IoUring, opcode, types};
use nix::errno::Errno;

use super::clock::Deadline;
use super::futex::{FUTEX2_SIZE_U32, WaitAny, WaitWord};

/// Waits that are handed to the kernel in one call.
const QUEUE_ENTRIES: u32 = 64;
/// Marks what the kernel says of a cancellation, which nobody needs to know.
const CANCELLATION: u64 = u64::MAX;

/// Waits that stand, told apart by keys below `u64::MAX`.
///
/// A wait is ended by whoever wakes its word, also while the thread does something else. So it
/// must not use up the wake of a sleeper: [`WaitWord::wake`] wakes all sleepers of a word.
pub(crate) struct Standing {
    ring: IoUring,
    /// The kernel ends the waits of a thread with the thread.
    thread: ThreadId,
    process: u32,
}

impl Standing {
    /// Returns `None` if the kernel has no `io_uring`, or forbids it. Does not try in a process
    /// with a system call filter, which may kill for it.
    pub(crate) fn new() -> Option<Self> {
        // SAFETY: returns a number.
        if unsafe { libc::prctl(libc::PR_GET_SECCOMP) } != 0 {
            return None;
        }
        // A wait that ends must not interrupt what else this thread does, such as a system call
        // that sleeps: the kernel notes it in the next call for this ring.
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
        let ring = builder.build(QUEUE_ENTRIES).ok()?;
        Some(Self { ring, thread: thread::current().id(), process: process::id() })
    }

    /// Returns `true` if this is the thread whose waits these are.
    pub(crate) fn is_of_this_thread(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// Returns `true` in a fork child, which shares the waits with its parent and must not use them.
    pub(crate) fn is_forked(&self) -> bool {
        self.process != process::id()
    }

    /// Begins a wait on a word, unless it is not `seen`: then, and when somebody wakes the word,
    /// the next [`sleep`](Self::sleep) ends. Returns `false` if the kernel takes no more.
    pub(crate) fn begin(&mut self, key: u64, word: &WaitWord, seen: u32) -> bool {
        let wait = opcode::FutexWait::new(
            word.as_ptr(),
            u64::from(seen),
            u64::from(u32::MAX),
            FUTEX2_SIZE_U32,
        );
        self.push(&wait.build().user_data(key))
    }

    /// Ends a wait, which is not slept on any more.
    pub(crate) fn cancel(&mut self, key: u64) {
        if self.is_forked() || !self.is_of_this_thread() {
            // The queue is the parent's too, or nobody hands it to the kernel.
            return;
        }
        // If the kernel takes no more, the wait stays, which harms nobody.
        let _ = self.push(&opcode::AsyncCancel::new(key).build().user_data(CANCELLATION));
    }

    /// Takes this process for a fork child.
    #[cfg(test)]
    pub(crate) fn set_forked(&mut self) {
        self.process = 0;
    }

    /// How many entries the kernel has not taken.
    #[cfg(test)]
    pub(crate) fn queued(&mut self) -> usize {
        self.ring.submission().len()
    }

    fn push(&mut self, entry: &io_uring::squeue::Entry) -> bool {
        // SAFETY: the kernel only reads the word that an entry names, as it would for the futex
        // call: where nothing is mapped, the wait ends with an error.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            if self.ring.submit().is_err() {
                return false;
            }
        }
        true
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
