//! Forks: holding them off for a moment, and keeping descriptors from fork children.
//!
//! Both work through handlers that the C library calls at a fork. `posix_spawn` and raw
//! `clone` call none: their children keep copies of all descriptors until they exec, or for
//! good.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::io;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::sync::OnceLock;

use super::descriptor::Identity;
use crate::sys::OsError;

/// The lock that forks take.
struct ForkLock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is made to be used from several threads, and only its address is.
unsafe impl Sync for ForkLock {}

static FORK_LOCK: ForkLock = ForkLock(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

/// The descriptors that a fork child closes. Used with `FORK_LOCK` held only.
struct Private(UnsafeCell<Vec<(RawFd, Identity)>>);

// SAFETY: a thread uses the list only while it has `FORK_LOCK`.
unsafe impl Sync for Private {}

static PRIVATE: Private = Private(UnsafeCell::new(Vec::new()));

thread_local! {
    /// How many `ForksHeld` this thread has.
    static HELD: Cell<u32> = const { Cell::new(0) };
}

extern "C" fn lock_forks() {
    // SAFETY: a static mutex that is initialised. It cannot fail: it is of the kind that
    // checks nothing.
    unsafe { libc::pthread_mutex_lock(FORK_LOCK.0.get()) };
}

extern "C" fn unlock_forks() {
    // SAFETY: as above; this thread locked it, or in a child the thread it is a copy of.
    unsafe { libc::pthread_mutex_unlock(FORK_LOCK.0.get()) };
}

extern "C" fn unlock_in_child() {
    // SAFETY: the thread that forked has the lock, and is the only one of the child.
    let private = unsafe { &mut *PRIVATE.0.get() };
    for (number, identity) in private.drain(..) {
        if Identity::of(number).is_ok_and(|found| found == identity) {
            // SAFETY: the descriptor is this library's, and its owner finds it closed.
            unsafe { libc::close(number) };
        }
    }
    unlock_forks();
}

/// While it lives, no thread of this process forks.
#[derive(Debug)]
pub(crate) struct ForksHeld(
    /// The thread that locked a mutex unlocks it.
    PhantomData<*const ()>,
);

/// Lets forks wait, for the length of a few system calls. A thread may do so again while it
/// does already.
pub(crate) fn hold() -> Result<ForksHeld, OsError> {
    static REGISTERED: OnceLock<libc::c_int> = OnceLock::new();
    let failed = *REGISTERED.get_or_init(|| {
        // SAFETY: the handlers live as long as this library is loaded, and are safe to
        // call at any fork.
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
    /// From now on a fork child closes its copy of a descriptor, unless the number means
    /// something else by then.
    pub(super) fn keep_private(&self, number: RawFd, identity: Identity) {
        // SAFETY: this thread has the lock, and calls nothing that uses the list.
        unsafe { (*PRIVATE.0.get()).push((number, identity)) };
    }

    /// Ends what [`keep_private`](Self::keep_private) began.
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
