//! An `io_uring` of one thread, whose completions wait until that thread asks for them.

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::os::fd::AsRawFd;
use std::process;
use std::thread::{self, ThreadId};

use io_uring::{IoUring, opcode, squeue};

use super::descriptor::Identity;
use super::futex::{FUTEX2_SIZE_U32, WaitWord};

/// An `io_uring`. Only the thread that made it may hand entries to the kernel.
pub(super) struct Uring {
    ring: ManuallyDrop<IoUring>,
    /// Of its descriptor, which the program may close and open anew as another one's.
    identity: Identity,
    /// The kernel cancels the entries of a thread with the thread.
    thread: ThreadId,
    process: u32,
}

impl Uring {
    /// Returns `None` if the kernel has no `io_uring`, or forbids it. Does not try in a process
    /// with a system call filter, which may kill for it.
    pub(super) fn new(entries: u32) -> Option<Self> {
        // SAFETY: returns a number.
        if unsafe { libc::prctl(libc::PR_GET_SECCOMP) } != 0 {
            return None;
        }
        // A wait that ends must not interrupt what else this thread does, such as a system call
        // that sleeps: the kernel notes it in the next call for this ring.
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_taskrun_flag();
        let ring = builder.build(entries).ok()?;
        let identity = Identity::of(ring.as_raw_fd()).ok()?;
        let ring = ManuallyDrop::new(ring);
        Some(Self { ring, identity, thread: thread::current().id(), process: process::id() })
    }

    /// Returns `true` if this is the thread that may use it.
    pub(super) fn is_of_this_thread(&self) -> bool {
        self.thread == thread::current().id()
    }

    /// Returns `true` in a fork child, which shares it with its parent and must not use it.
    pub(super) fn is_forked(&self) -> bool {
        self.process != process::id()
    }

    /// Takes this process for a fork child.
    #[cfg(test)]
    pub(super) fn set_forked(&mut self) {
        self.process = 0;
    }

    /// Returns `true` if the program has not closed the descriptor.
    pub(super) fn is_intact(&self) -> bool {
        Identity::of(self.ring.as_raw_fd()).is_ok_and(|found| found == self.identity)
    }

    /// Queues an entry. Returns `false` if the kernel takes no more.
    pub(super) fn push(&mut self, entry: &squeue::Entry) -> bool {
        // SAFETY: entries are futex waits and cancellations. The kernel only reads the word that a
        // wait names, as it would for the futex call: where nothing is mapped, the wait ends with
        // an error.
        while unsafe { self.ring.submission().push(entry) }.is_err() {
            if self.ring.submit().is_err() {
                return false;
            }
        }
        true
    }

    /// Queues a wait on a word, which ends when somebody wakes the word, or if it is not `seen`.
    pub(super) fn push_wait(&mut self, key: u64, word: &WaitWord, seen: u32) -> bool {
        let (seen, any) = (u64::from(seen), u64::from(u32::MAX));
        let wait = opcode::FutexWait::new(word.as_ptr(), seen, any, FUTEX2_SIZE_U32);
        self.push(&wait.build().user_data(key))
    }
}

impl Deref for Uring {
    type Target = IoUring;

    fn deref(&self) -> &IoUring {
        &self.ring
    }
}

impl DerefMut for Uring {
    fn deref_mut(&mut self) -> &mut IoUring {
        &mut self.ring
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        // Otherwise the number belongs to another part of the program now, which closes it.
        if self.is_intact() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.ring) };
        }
    }
}
