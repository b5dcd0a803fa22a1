//! Descriptors that the program may close without asking.

#![allow(unsafe_code)]

use std::fs::File;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::os::fd::{AsRawFd, RawFd};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use super::fork;
use crate::sys::OsError;

/// Which file a descriptor means, and through which open of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// The position of the open file, of which nothing is read or written: a number that
    /// no other open of it has. `None` for what has no position, such as a pipe, and cannot
    /// be opened once more either.
    mark: Option<u64>,
}

/// Marks lie below this. Every file system takes positions up to 2 GiB: the smallest limit
/// is that of programs without large files.
const MARKS: u64 = 1 << 31;

/// A position that this process has not given out, nor one that it was forked from, among
/// the last two thousand million. It is not 0, where a file is when it was just opened.
fn next_mark() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    // Another process whose descriptors this one was passed probably counts elsewhere.
    let start = u64::from(process::id()) << 10;
    let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
    next % (MARKS - 1) + 1
}

/// A call that failed.
pub(super) type Failure = (&'static str, Errno);

fn into_os((call, errno): Failure) -> OsError {
    OsError::new(call, "the segment", errno)
}

/// The position of the open file; `None` if it has none.
fn position(number: RawFd, whence: libc::c_int, offset: u64) -> Result<Option<u64>, Failure> {
    // SAFETY: asks for a position, or sets one that nobody depends on.
    let found = unsafe { libc::lseek(number, offset as libc::off_t, whence) };
    match Errno::result(found) {
        Ok(found) => Ok(Some(found as u64)),
        Err(Errno::ESPIPE) => Ok(None),
        Err(errno) => Err(("lseek", errno)),
    }
}

impl Identity {
    /// Only makes system calls, as it is called in fork children.
    pub(super) fn of(number: RawFd) -> Result<Self, Failure> {
        let mut stat = MaybeUninit::<libc::stat>::uninit();
        // SAFETY: a number that is not open is an error, and the buffer is one for the call.
        let result = unsafe { libc::fstat(number, stat.as_mut_ptr()) };
        Errno::result(result).map_err(|errno| ("fstat", errno))?;
        // SAFETY: the call has filled it.
        let stat = unsafe { stat.assume_init() };
        let mark = position(number, libc::SEEK_CUR, 0)?;
        Ok(Self { device: stat.st_dev, inode: stat.st_ino, mark })
    }

    /// Whether both are of the same file.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

/// A file that knows which one it is, and through which open it is meant.
///
/// The program may close descriptors that are not its own (`closefrom`), and the number
/// may come to mean another file, or the same file opened once more. So whoever uses the
/// file makes sure of it first, and where the answer matters, once more afterwards.
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

    /// One that fork children do not keep, and with it the locks of a dead parent. The file
    /// was opened with forks held off since.
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

    /// The file.
    ///
    /// # Errors
    /// If the descriptor does not mean it any more, which is `EBADF`, or if that cannot be
    /// checked.
    pub(crate) fn intact(&self) -> Result<&File, OsError> {
        let found = Identity::of(self.file.as_raw_fd()).map_err(into_os)?;
        if found == self.identity { Ok(&self.file) } else { Err(into_os(("fstat", Errno::EBADF))) }
    }

    /// The file, or whatever the descriptor means by now.
    pub(super) fn unchecked(&self) -> &File {
        &self.file
    }

    /// The file itself, if the descriptor still means it.
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
        // Otherwise the number is someone else's by now: not ours to close.
        if self.intact().is_ok() {
            // SAFETY: dropped once, here, and not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}
