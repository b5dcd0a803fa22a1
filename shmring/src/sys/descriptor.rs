//! Descriptors that the program may close without asking.

use std::fs::{File, Metadata};
use std::io::{Seek, SeekFrom};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::MetadataExt;
use std::process;

use crate::error::OsError;
use crate::sync::{AtomicU64, Ordering};

/// A file that knows which one it is, and through which open it is meant.
///
/// The program may close descriptors that are not its own (`closefrom`), and the number
/// may come to mean another file, or the same file opened once more. So whoever uses the
/// file makes sure of it first, and where the answer matters, once more afterwards.
#[derive(Debug)]
pub(crate) struct Descriptor {
    /// `None` only while being dropped.
    file: Option<File>,
    identity: (u64, u64),
    /// The position of the open file, of which nothing is read or written: a number that
    /// no other open of it has. `None` for what has no position, such as a pipe, and can
    /// not be opened once more either.
    mark: Option<u64>,
}

fn identity(stat: &Metadata) -> (u64, u64) {
    (stat.dev(), stat.ino())
}

/// A position that was never given out, by this process or another.
fn next_mark() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let process = u64::from(process::id()) << 40;
    process | NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Descriptor {
    pub(crate) fn new(mut file: File) -> Result<Self, OsError> {
        let stat = file.metadata().map_err(|e| OsError::new("fstat", "the segment", e))?;
        let mark = file.seek(SeekFrom::Start(next_mark())).ok();
        Ok(Self { identity: identity(&stat), mark, file: Some(file) })
    }

    /// The file, if the descriptor still means it.
    pub(crate) fn intact(&self) -> Option<&File> {
        let mut file = self.file.as_ref()?;
        let same = identity(&file.metadata().ok()?) == self.identity
            && file.stream_position().ok() == self.mark;
        same.then_some(file)
    }

    /// The file itself, if the descriptor still means it.
    pub(crate) fn into_file(mut self) -> Option<File> {
        self.intact()?;
        self.file.take()
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
