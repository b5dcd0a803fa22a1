//! Tokens: kernel locks that prove a mapping alive (I8).
//!
//! The segment is mapped through an open file description that holds a lock on
//! one byte, and whose descriptors are then all closed. The mapping keeps the
//! description, and so the lock, until the process unmaps it or dies, however it
//! dies. A free lock therefore means that no thread of that process can store
//! into the segment any more. A slow or stopped process keeps its lock.
//!
//! The owner has its byte alone; those who clean up behind a dead owner share it. So a
//! cleaner that stops halfway neither looks like a living owner nor keeps other cleaners
//! out; it only keeps the byte from a next owner.
//!
//! A description does not see its own locks, so others' are looked at through a
//! second description.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::{Mutex, PoisonError};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::descriptor::Descriptor;
use crate::error::OsError;

fn lock_of(kind: libc::c_int, from: u64, len: u64) -> libc::flock {
    libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: from as libc::off_t,
        l_len: len as libc::off_t,
        l_pid: 0,
    }
}

fn set(file: &File, kind: libc::c_int, byte: u64) -> Result<bool, OsError> {
    let lock = lock_of(kind, byte, 1);
    match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
        Err(errno) => Err(OsError::new("fcntl(F_OFD_SETLK)", "the segment", errno)),
    }
}

/// Takes the lock on `byte` for this description alone; whether it was free.
pub(crate) fn try_exclusive(file: &File, byte: u64) -> Result<bool, OsError> {
    set(file, libc::F_WRLCK, byte)
}

/// Shares the lock on `byte`; whether nobody has it alone.
pub(crate) fn try_shared(file: &File, byte: u64) -> Result<bool, OsError> {
    set(file, libc::F_RDLCK, byte)
}

/// Gives the lock on `byte` back.
pub(crate) fn release(file: &File, byte: u64) -> Result<(), OsError> {
    set(file, libc::F_UNLCK, byte).map(|_| ())
}

/// Whether another description has a lock, alone or shared, at `from` or behind it.
pub(crate) fn is_held_from(file: &File, from: u64) -> Result<bool, OsError> {
    conflicts(file, lock_of(libc::F_WRLCK, from, 0))
}

/// Whether another description has the lock on `byte` alone.
pub(crate) fn is_owned(file: &File, byte: u64) -> Result<bool, OsError> {
    conflicts(file, lock_of(libc::F_RDLCK, byte, 1))
}

/// Whether another description has a lock that keeps this one from being had.
fn conflicts(file: &File, mut lock: libc::flock) -> Result<bool, OsError> {
    fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock))
        .map_err(|errno| OsError::new("fcntl(F_OFD_GETLK)", "the segment", errno))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// The description through which a segment's tokens are looked at. Where it cannot be
/// made sure of, nobody counts as dead.
#[derive(Debug)]
pub(crate) struct Probe {
    file: Descriptor,
    /// Held while cleaning: threads share the description, so its locks do not keep
    /// them apart.
    cleaning: Mutex<()>,
}

impl Probe {
    pub(crate) fn new(file: File) -> Result<Self, OsError> {
        Ok(Self { file: Descriptor::new(file)?, cleaning: Mutex::new(()) })
    }

    /// The file, if the descriptor still means it.
    pub(crate) fn intact(&self) -> Option<&File> {
        self.file.intact()
    }

    /// Whether the token at `byte` has an owner, as far as can be told.
    pub(crate) fn is_alive(&self, byte: u64) -> bool {
        let owned = self.intact().map(|file| is_owned(file, byte));
        !(matches!(owned, Some(Ok(false))) && self.intact().is_some())
    }

    /// Gives a lock back that was taken through the file, here or before.
    pub(crate) fn release(&self, byte: u64) -> Result<(), OsError> {
        self.intact().map_or(Ok(()), |file| release(file, byte))
    }

    /// If the token at `byte` has no owner: runs `clean`, perhaps beside other processes,
    /// and then `free`, unless others are still cleaning. Meanwhile it gets no new owner.
    /// Does nothing if it has an owner, or if that cannot be told.
    pub(crate) fn clean_up(&self, byte: u64, clean: impl Fn(), free: impl FnOnce()) {
        let Some(file) = self.intact() else {
            return;
        };
        let locked =
            |result: Result<bool, OsError>| result.unwrap_or(false) && self.intact().is_some();
        let _alone = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        if locked(try_shared(file, byte)) {
            clean();
            if locked(try_exclusive(file, byte)) {
                free();
            } else {
                // Of several who meet here, the last to give its share back frees.
                let _ = self.release(byte);
                if locked(try_exclusive(file, byte)) {
                    clean();
                    free();
                }
            }
        }
        // A failure leaves a lock that ends with this attach.
        let _ = self.release(byte);
    }
}
