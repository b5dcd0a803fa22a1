//! Descriptors that the program may close without asking.

use std::fs::{File, Metadata};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::MetadataExt;

use crate::error::OsError;

/// A file that knows which one it is.
///
/// The program may close descriptors that are not its own (`closefrom`), and the number
/// may come to mean another file. So whoever uses the file makes sure of it first, and
/// where the answer matters, once more afterwards.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// `None` only while being dropped.
    file: Option<File>,
    identity: (u64, u64),
}

fn identity(stat: &Metadata) -> (u64, u64) {
    (stat.dev(), stat.ino())
}

impl Descriptor {
    pub(crate) fn new(file: File) -> Result<Self, OsError> {
        let stat = file.metadata().map_err(|e| OsError::new("fstat", "the segment", e))?;
        Ok(Self { identity: identity(&stat), file: Some(file) })
    }

    /// The file, if the descriptor still means it.
    pub(crate) fn intact(&self) -> Option<&File> {
        let stat = self.file.as_ref()?.metadata().ok()?;
        self.file.as_ref().filter(|_| identity(&stat) == self.identity)
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        if self.intact().is_none() {
            // The number is someone else's by now: not ours to close.
            let _ = self.file.take().map(IntoRawFd::into_raw_fd);
        }
    }
}
