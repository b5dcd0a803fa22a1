//! The lock that orders attaching and unlinking, which share it, against replacing and
//! collecting, which have it alone.

use std::fs::File;
use std::thread;
use std::time::Duration;

use crate::error::{AttachError, OsError};
use crate::lifecycle::name::Name;
use crate::sync::Deadline;
use crate::sys::fork::{self, ForksHeld};
use crate::sys::{shm, token};

/// The byte that the lock is on. Behind it are the tokens.
const BYTE: u64 = 0;
/// How long to wait for a process that has the lock.
const TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// Whether anybody but the opener of `file` holds a token, and so is attached.
pub(crate) fn is_in_use(file: &File) -> Result<bool, OsError> {
    token::is_held_from(file, BYTE + 1)
}

/// The lock, which is given back when this is dropped. Until then no thread of this process
/// forks. The lock belongs to an open of the file that was made for it meanwhile: no fork
/// child has that open, and so none keeps the lock if this process dies.
#[derive(Debug)]
pub(crate) struct LifecycleLock {
    file: File,
    pub(crate) forks: ForksHeld,
}

impl LifecycleLock {
    /// For one who attaches, or removes the name whoever is attached.
    pub(crate) fn shared(file: &File, name: &Name) -> Result<Self, AttachError> {
        Self::take(file, name, false, token::try_shared)
    }

    /// For one who replaces the segment, or removes its name because nobody is attached.
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
        // Closing would not do: a process that another thread started without a fork may
        // have the file open as well. A failure leaves a lock that ends with this process.
        let _ = token::release(&self.file, BYTE);
    }
}

#[cfg(test)]
#[path = "lock_tests.rs"]
mod tests;
