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

/// `struct futex_waitv` of the kernel.
#[repr(C)]
struct FutexWaiter {
    value: u64,
    address: u64,
    flags: u32,
    reserved: u32,
}

impl FutexWaiter {
    const NONE: Self = Self { value: 0, address: 0, flags: FUTEX2_SIZE_U32, reserved: 0 };
}

/// How a sleep on several words ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitAny {
    /// As one on one word does.
    Ended,
    /// The file behind a word was truncated: it will end at once again.
    Unmapped,
    /// The kernel has no such call (before Linux 5.16), or refuses it.
    Refused,
}

/// Words of 32 bits, which other processes may share.
pub(super) const FUTEX2_SIZE_U32: u32 = 2;

impl WaitWord {
    /// How many words a thread can sleep on at once, by the kernel's `FUTEX_WAITV_MAX`.
    pub(crate) const MOST_WORDS: usize = 128;

    /// Returns a word of this process's own.
    pub(crate) const fn new() -> Self {
        Self { word: AtomicU32::new(0) }
    }

    pub(super) fn as_ptr(&self) -> *const u32 {
        self.word.as_ptr()
    }

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

    /// Sleeps until a waker wakes one of `words`, `until` passes or a signal arrives, as
    /// [`wait`](Self::wait) does on one. Returns at once if a word is not what it was seen as.
    ///
    /// Of more than [`MOST_WORDS`](Self::MOST_WORDS) words the first ones are waited for.
    pub(crate) fn wait_any<'a>(
        words: impl Iterator<Item = (&'a Self, u32)>,
        until: Deadline,
    ) -> WaitAny {
        let mut waiters = [const { FutexWaiter::NONE }; Self::MOST_WORDS];
        let mut count = 0_usize;
        for (waiter, (word, seen)) in waiters.iter_mut().zip(words) {
            waiter.value = u64::from(seen);
            waiter.address = word.word.as_ptr() as u64;
            count = count.saturating_add(1);
        }
        let timeout = until.timespec();
        // SAFETY: waiters, of which count are set, words and timespec are valid for the length of
        // the call, and the kernel only reads them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_futex_waitv,
                waiters.as_ptr(),
                count,
                0,
                &raw const timeout,
                libc::CLOCK_MONOTONIC,
            )
        };
        if result >= 0 {
            return WaitAny::Ended;
        }
        match Errno::last() {
            Errno::EAGAIN | Errno::EINTR | Errno::ETIMEDOUT => WaitAny::Ended,
            Errno::EFAULT => WaitAny::Unmapped,
            _ => WaitAny::Refused,
        }
    }

    /// Wakes all sleepers, and returns how many it woke.
    pub(crate) fn wake(&self) -> usize {
        let (word, wake) = (self.word.as_ptr(), libc::FUTEX_WAKE);
        // SAFETY: the kernel uses the address only as a key.
        let woken = unsafe { libc::syscall(libc::SYS_futex, word, wake, libc::c_int::MAX) };
        usize::try_from(woken).unwrap_or(0)
    }
}
