//! The futex: threads of several processes sleep on a word and wake one another.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;

use super::clock::Deadline;
use super::refused;

/// A word in shared memory that processes sleep on.
///
/// Never with the private flag: the kernel keys a private futex by address space, so it wakes no
/// sleeper in another process.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct WaitWord {
    word: AtomicU32,
}

impl WaitWord {
    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.word.load(order)
    }

    pub(crate) fn add(&self, value: u32, order: Ordering) -> u32 {
        self.word.fetch_add(value, order)
    }

    /// Sleeps until a waker wakes this word, `until` passes or a signal arrives. Returns at once if
    /// the word is not `seen`. The kernel compares the word and puts the thread to sleep
    /// atomically with respect to [`wake`](Self::wake).
    pub(crate) fn wait(&self, seen: u32, until: Deadline) {
        let timeout = until.timespec();
        // FUTEX_WAIT_BITSET takes an absolute time on the monotonic clock.
        // SAFETY: the word and the timespec are valid for the length of the call,
        // and the kernel only reads them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex,
                self.word.as_ptr(),
                libc::FUTEX_WAIT_BITSET,
                seen,
                &raw const timeout,
                std::ptr::null::<u32>(),
                libc::FUTEX_BITSET_MATCH_ANY,
            )
        };
        // Woken, word changed, signal, timeout or truncated file: the caller checks again.
        let expected = [Errno::EAGAIN, Errno::EINTR, Errno::ETIMEDOUT, Errno::EFAULT];
        if result < 0 && !expected.contains(&Errno::last()) {
            refused::note("futex");
        }
    }

    /// Wakes at most one sleeper, and returns how many it woke.
    pub(crate) fn wake(&self) -> usize {
        // SAFETY: the kernel uses the address only as a key.
        let woken =
            unsafe { libc::syscall(libc::SYS_futex, self.word.as_ptr(), libc::FUTEX_WAKE, 1) };
        usize::try_from(woken).unwrap_or(0)
    }
}
