//! The lifecycle lock: attach and unlink take it shared, replace and collect exclusively.

use std::fs::File;
use std::thread;
use std::time::Duration;

use crate::error::{AttachError, OsError};
use crate::lifecycle::name::Name;
use crate::sync::Deadline;
use crate::sys::fork::{self, ForksHeld};
use crate::sys::{shm, token};

/// The locked byte. The tokens follow it.
const BYTE: u64 = 0;
/// Time limit of a wait for the lock.
const TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// Returns `true` if another open file description than that of `file` holds a token, so that a
/// process is attached.
pub(crate) fn is_in_use(file: &File) -> Result<bool, OsError> {
    token::is_held_from(file, BYTE + 1)
}

/// The held lock; dropping releases it. Until then no thread of this process forks. The lock
/// belongs to an open file description that was opened for it with forks held off, so no fork child
/// keeps the lock if this process dies.
#[derive(Debug)]
pub(crate) struct LifecycleLock {
    file: File,
    pub(crate) forks: ForksHeld,
}

impl LifecycleLock {
    /// Takes the lock to attach, or to remove a name whatever is attached.
    pub(crate) fn shared(file: &File, name: &Name) -> Result<Self, AttachError> {
        Self::take(file, name, false, token::try_shared)
    }

    /// Takes the lock to replace a segment, or to remove its name because no process is attached.
    pub(crate) fn exclusive(file: &File, name: &Name) -> Result<Self, AttachError> {
        Self::take(file, name, true, token::try_exclusive)
    }

    fn take(
        file: &File,
        name: &Name,
        writable: bool,
        attempt: impl Fn(&File, u64) -> Result<bool, OsError>,
    ) -> Result<Self, AttachError> {
        let deadline = Deadline::after(TIMEOUT);
        loop {
            let forks = fork::hold().map_err(AttachError::Os)?;
            let own = shm::reopen(file, writable).map_err(AttachError::Os)?;
            if attempt(&own, BYTE).map_err(AttachError::Os)? {
                return Ok(Self { file: own, forks });
            }
            drop((own, forks));
            if deadline.passed() {
                return Err(AttachError::Busy { name: name.to_owned() });
            }
            thread::sleep(RETRY_INTERVAL);
        }
    }
}

impl Drop for LifecycleLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that another thread started by `posix_spawn` may have a
        // copy of the descriptor. A failure leaves a lock that ends with this process.
        let _ = token::release(&self.file, BYTE);
    }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
