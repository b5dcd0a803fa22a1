//! The lock that orders attaching and unlinking, which share it, against replacing and
//! collecting, which have it alone.

use std::fs::File;
use std::thread;
use std::time::Duration;

use super::name::Name;
use crate::error::{AttachError, OsError};
use crate::sync::Deadline;
use crate::sys::fork::{self, ForksHeld};
use crate::sys::token;

/// The byte that the lock is on. Behind it are the tokens.
const BYTE: u64 = 0;
/// How long to wait for a process that has the lock.
const TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// Whether anybody but the opener of `file` holds a token, and so is attached.
pub(super) fn is_in_use(file: &File) -> Result<bool, OsError> {
    token::is_held_from(file, BYTE + 1)
}

/// The lock, which is given back when this is dropped. Until then no thread of this
/// process forks: the child would keep the lock if this process died.
#[derive(Debug)]
pub(super) struct LifecycleLock {
    /// Means what the lock was taken through.
    file: File,
    pub(super) forks: ForksHeld,
}

impl LifecycleLock {
    /// For one who attaches, or removes the name whoever is attached.
    pub(super) fn shared(file: &File, name: &Name) -> Result<Self, AttachError> {
        Self::take(file, name, token::try_shared)
    }

    /// For one who replaces the segment, or removes its name because nobody is attached.
    pub(super) fn exclusive(file: &File, name: &Name) -> Result<Self, AttachError> {
        Self::take(file, name, token::try_exclusive)
    }

    fn take(
        file: &File,
        name: &Name,
        attempt: impl Fn(&File, u64) -> Result<bool, OsError>,
    ) -> Result<Self, AttachError> {
        let os = |error| AttachError::Os(OsError::new("dup", "the segment", error));
        let file = file.try_clone().map_err(os)?;
        let deadline = Deadline::after(TIMEOUT);
        loop {
            let forks = fork::hold().map_err(AttachError::Os)?;
            if attempt(&file, BYTE).map_err(AttachError::Os)? {
                return Ok(Self { file, forks });
            }
            drop(forks);
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
