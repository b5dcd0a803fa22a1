//! Descriptors that survive a program that closes numbers which are not its own.

#![allow(unsafe_code)]

use std::fs::File;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, RawFd};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use super::fork;
use crate::sys::OsError;

/// The identity of a file and of an open file description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// The file offset of the description, which nothing reads or writes at: a number that no other
    /// description of the file has. `None` for files without an offset, such as pipes, which cannot
    /// be reopened either.
    mark: Option<u64>,
}

/// Marks are below this: every file system accepts offsets up to 2 GiB, the limit of programs
/// without large file support.
const MARKS: u64 = 1 << 31;

/// Returns an offset that neither this process nor those it was forked from returned among the last
/// 2^31. It is never 0, the offset of a file just opened.
fn next_mark() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Another process that passed descriptors to this one probably counts from another start.
    let start = u64::from(process::id()) << 10;
    let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    next % (MARKS - 1) + 1
}

/// A failed call.
pub(super) type Failure = (&'static str, Errno);

fn into_os((call, errno): Failure) -> OsError {
    OsError::new(call, "the segment", errno)
}

/// Returns the offset of the description; `None` if it has none.
fn position(number: RawFd, whence: libc::c_int, offset: u64) -> Result<Option<u64>, Failure> {
    // SAFETY: reads an offset, or sets one that nothing depends on.
    let found = unsafe { libc::lseek(number, offset as libc::off_t, whence) };
    match Errno::result(found) {
        Ok(found) => Ok(Some(found as u64)),
        Err(Errno::ESPIPE) => Ok(None),
        Err(errno) => Err(("lseek", errno)),
    }
}

impl Identity {
    /// Returns the identity of a descriptor's file and description. Only makes system calls, since
    /// fork children call it.
    pub(super) fn of(number: RawFd) -> Result<Self, Failure> {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: a number that is not open gives an error; the buffer has the type that the call
        // fills.
        let result = unsafe { libc::fstat(number, stat.as_mut_ptr()) };
        Errno::result(result).map_err(|errno| ("fstat", errno))?;
        // SAFETY: the call succeeded and filled it.
        let stat = unsafe { stat.assume_init() };
        let mark = position(number, libc::SEEK_CUR, 0)?;
        Ok(Self { device: stat.st_dev, inode: stat.st_ino, mark })
    }

    /// Returns `true` if both are of the same file.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A descriptor with the identity of its file and description.
///
/// The program may close descriptors that are not its own (`closefrom`), and the number may then
/// refer to another file, or to another description of the same file. So each use checks the
/// identity first, and where the result matters, again afterwards.
#[derive(Debug)]
pub(crate) struct Descriptor {
    file: ManuallyDrop<File>,
    identity: Identity,
    private: bool,
}

impl Descriptor {
    pub(crate) fn new(file: File) -> Result<Self, OsError> {
        let number = file.as_raw_fd();
        position(number, libc::SEEK_SET, next_mark()).map_err(into_os)?;
        let identity = Identity::of(number).map_err(into_os)?;
        Ok(Self { identity, file: ManuallyDrop::new(file), private: false })
    }

    /// Returns a descriptor that fork children close, so that they do not keep the locks of a dead
    /// parent. Forks are held off since the file was opened.
    pub(crate) fn private(file: File, forks: &fork::ForksHeld) -> Result<Self, OsError> {
        let number = file.as_raw_fd();
        let mut descriptor = Self::new(file)?;
        forks.keep_private(number, descriptor.identity);
        descriptor.private = true;
        Ok(descriptor)
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Returns the file.
    ///
    /// # Errors
    /// `EBADF` if the descriptor refers to another file or description now; or the error of the
    /// check.
    pub(crate) fn intact(&self) -> Result<&File, OsError> {
        let found = Identity::of(self.file.as_raw_fd()).map_err(into_os)?;
        if found == self.identity { Ok(&self.file) } else { Err(into_os(("fstat", Errno::EBADF))) }
    }

    /// Returns the file, without checking the descriptor.
    pub(super) fn unchecked(&self) -> &File {
        &self.file
    }

    /// Returns the owned file, if the descriptor still refers to it.
    pub(crate) fn into_file(self) -> Option<File> {
        self.intact().ok()?;
        self.forget_private();
        let mut this = ManuallyDrop::new(self);
        // SAFETY: `this` is neither used nor dropped afterwards.
        Some(unsafe { ManuallyDrop::take(&mut this.file) })
    }

    fn forget_private(&self) {
        if self.private
            && let Ok(forks) = fork::hold()
        {
            forks.forget_private(self.file.as_raw_fd(), self.identity);
        }
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        self.forget_private();
        // Otherwise the number belongs to another part of the program now, which closes it.
        if self.intact().is_ok() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}
