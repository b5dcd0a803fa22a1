//! Keeping this process from forking for a moment.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::io;
use std::sync::OnceLock;

use crate::error::OsError;

/// The lock that forks take, through handlers that the C library calls. `posix_spawn`
/// and raw `clone` call none: what their children have until they exec, or for good, is
/// not kept from them.
struct ForkLock(UnsafeCell<libc::pthread_mutex_t>);

// SAFETY: a mutex is made to be used from several threads, and only its address is.
unsafe impl Sync for ForkLock {}

static FORK_LOCK: ForkLock = ForkLock(UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER));

extern "C" fn lock_forks() {
    // SAFETY: a static mutex that is initialised. It cannot fail: it is of the kind that
    // checks nothing.
    unsafe { libc::pthread_mutex_lock(FORK_LOCK.0.get()) };
}

extern "C" fn unlock_forks() {
    // SAFETY: as above; this thread locked it, or in a child the thread it is a copy of.
    unsafe { libc::pthread_mutex_unlock(FORK_LOCK.0.get()) };
}

/// While it lives, no thread of this process forks.
#[derive(Debug)]
pub(crate) struct ForksHeld(());

/// Lets forks wait, for the length of a few system calls.
pub(crate) fn hold() -> Result<ForksHeld, OsError> {
    static REGISTERED: OnceLock<libc::c_int> = OnceLock::new();
    let failed = *REGISTERED.get_or_init(|| {
        // SAFETY: the handlers live as long as this library is loaded, and are safe to
        // call at any fork.
        unsafe { libc::pthread_atfork(Some(lock_forks), Some(unlock_forks), Some(unlock_forks)) }
    });
    if failed != 0 {
        let error = io::Error::from_raw_os_error(failed);
        return Err(OsError::new("pthread_atfork", "this process", error));
    }
    lock_forks();
    Ok(ForksHeld(()))
}

impl Drop for ForksHeld {
    fn drop(&mut self) {
        unlock_forks();
    }
}
