//! Noticing that this process is a fork child, and keeping it from forking for a moment.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::io;
use std::sync::OnceLock;

use memmap2::{MmapMut, MmapOptions};

use crate::error::OsError;
use crate::sync::{AtomicU32, Ordering};

const PARENT: u32 = 1;

/// A page that the kernel empties in a fork child. One load tells, with no system
/// call and no handler that a raw `clone` would skip.
#[derive(Debug)]
pub(crate) struct ForkSentinel {
    page: MmapMut,
}

impl ForkSentinel {
    pub(crate) fn new() -> Result<Self, OsError> {
        let error = |call| move |source| OsError::new(call, "a page of memory", source);
        let mut page =
            MmapOptions::new().len(size_of::<u32>()).map_anon().map_err(error("mmap"))?;
        let (start, len) = (page.as_mut_ptr(), page.len());
        // SAFETY: the range is the page just mapped, and empty; what becomes of it in a
        // child is no business of this process.
        if unsafe { libc::madvise(start.cast(), len, libc::MADV_WIPEONFORK) } != 0 {
            return Err(error("madvise(MADV_WIPEONFORK)")(io::Error::last_os_error()));
        }
        let sentinel = Self { page };
        sentinel.word().store(PARENT, Ordering::Relaxed);
        Ok(sentinel)
    }

    /// Whether the process was forked off the one that made the sentinel.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.word().load(Ordering::Relaxed) != PARENT
    }

    #[inline]
    fn word(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped, writable and aligned for as long as `self`
        // lives, and nothing but this method touches it.
        unsafe { AtomicU32::from_ptr(self.page.as_ptr().cast_mut().cast()) }
    }
}

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
