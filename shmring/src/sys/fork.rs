//! Holding forks off, and closing descriptors in fork children.
//!
//! Both work through handlers that the C library calls at a fork. `posix_spawn` and raw `clone`
//! call none: their children keep copies of all descriptors until they exec, or until they end.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::io;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::sync::OnceLock;

use super::descriptor::Identity;
use crate::sys::OsError;

/// The lock that every fork takes.
struct ForkLock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a pthread mutex may be used from several threads; only its address is shared.
unsafe impl Sync for ForkLock {}

static FORK_LOCK: ForkLock = ForkLock(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

/// The descriptors that a fork child closes. Accessed only with `FORK_LOCK` held.
struct Private(UnsafeCell<Vec<(RawFd, Identity)>>);

// SAFETY: a thread accesses the list only while it holds `FORK_LOCK`.
unsafe impl Sync for Private {}

static PRIVATE: Private = Private(UnsafeCell::new(Vec::new()));

thread_local! {
    /// The number of `ForksHeld` of this thread.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn lock_forks() {
    // SAFETY: an initialised static mutex. The default type cannot fail to lock.
    unsafe { libc::pthread_mutex_lock(FORK_LOCK.0.get()) };
}

extern "C" fn unlock_forks() {
    // SAFETY: as above; this thread locked it, or in a child the thread of which it is a copy.
    unsafe { libc::pthread_mutex_unlock(FORK_LOCK.0.get()) };
}

extern "C" fn unlock_in_child() {
    // SAFETY: the thread that forked holds the lock, and is the child's only thread.
    let private = unsafe { &mut *PRIVATE.0.get() };
    for (number, identity) in private.drain(..) {
        if Identity::of(number).is_ok_and(|found| found == identity) {
            // SAFETY: the descriptor belongs to this library, whose owner of it checks before use.
            unsafe { libc::close(number) };
        }
    }
    unlock_forks();
}

/// A guard during whose lifetime no thread of this process forks.
#[derive(Debug)]
pub(crate) struct ForksHeld(
    /// Not `Send`: the thread that locked a mutex must unlock it.
    PhantomData<*const ()>,
);

/// Holds forks off, for the duration of a few system calls. A thread may nest calls.
pub(crate) fn hold() -> Result<ForksHeld, OsError> {
    static REGISTERED: OnceLock<libc::c_int> = OnceLock::new();
    let failed = *REGISTERED.get_or_init(|| {
        // SAFETY: the handlers exist as long as this library is loaded, and may be called at any
        // fork.
        unsafe { libc::pthread_atfork(Some(lock_forks), Some(unlock_forks), Some(unlock_in_child)) }
    });
    if failed != 0 {
        let error = io::Error::from_raw_os_error(failed);
        return Err(OsError::new("pthread_atfork", "this process", error));
    }
    if HELD.get() == 0 {
        lock_forks();
    }
    HELD.set(HELD.get() + 1);
    Ok(ForksHeld(PhantomData))
}

impl ForksHeld {
    /// Makes every later fork child close its copy of a descriptor, unless the number refers to
    /// another file or description by then.
    pub(super) fn keep_private(&self, number: RawFd, identity: Identity) {
        // SAFETY: this thread holds the lock, and calls nothing that accesses the list.
        unsafe { (*PRIVATE.0.get()).push((number, identity)) };
    }

    /// Reverts [`keep_private`](Self::keep_private).
    pub(super) fn forget_private(&self, number: RawFd, identity: Identity) {
        // SAFETY: as above.
        unsafe { (*PRIVATE.0.get()).retain(|&entry| entry != (number, identity)) };
    }
}

impl Drop for ForksHeld {
    fn drop(&mut self) {
        HELD.set(HELD.get() - 1);
        if HELD.get() == 0 {
            unlock_forks();
        }
    }
}
