//! Tokens: kernel locks that prove an attachment alive (I8).
//!
//! The segment is mapped through an open file description that holds a lock on
//! one byte, and whose descriptors are then all closed. The mapping keeps the
//! description, and so the lock, until the process unmaps it or dies, however it
//! dies. A free lock therefore means that no thread of that process can store
//! into the segment any more. A slow or stopped process keeps its lock.
//!
//! The owner holds an exclusive lock on its byte; processes that reap a dead owner hold shared
//! locks. So one that stops halfway neither looks like a living owner nor keeps others from
//! reaping; it only keeps the byte from a next owner.
//!
//! A description does not see its own locks, so others' locks are checked through a second
//! description.

use std::fs::File;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::{Mutex, PoisonError, RwLock, RwLockReadGuard};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, open};
use nix::libc;
use nix::sys::stat::Mode;
use rustix::io::fcntl_dupfd_cloexec;

use super::descriptor::{Descriptor, Identity};
use super::fork::{self, ForksHeld};
use super::shm;
use crate::sys::OsError;

/// The first descriptor after the standard streams.
const FIRST_FREE: RawFd = 3;

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

/// Takes an exclusive lock on `byte`. Returns `true` if it was free.
pub(crate) fn try_exclusive(file: &File, byte: u64) -> Result<bool, OsError> {
    set(file, libc::F_WRLCK, byte)
}

/// Takes a shared lock on `byte`. Returns `true` if no exclusive lock was held.
pub(crate) fn try_shared(file: &File, byte: u64) -> Result<bool, OsError> {
    set(file, libc::F_RDLCK, byte)
}

/// Releases the lock on `byte`.
pub(crate) fn release(file: &File, byte: u64) -> Result<(), OsError> {
    set(file, libc::F_UNLCK, byte).map(|_| ())
}

/// Returns `true` if another description holds a lock of any kind at or after `from`.
pub(crate) fn is_held_from(file: &File, from: u64) -> Result<bool, OsError> {
    conflicts(file, lock_of(libc::F_WRLCK, from, 0))
}

/// Returns `true` if another description holds an exclusive lock on `byte`.
pub(crate) fn is_owned(file: &File, byte: u64) -> Result<bool, OsError> {
    conflicts(file, lock_of(libc::F_RDLCK, byte, 1))
}

/// Returns `true` if another description holds a lock that conflicts with this one.
fn conflicts(file: &File, mut lock: libc::flock) -> Result<bool, OsError> {
    fcntl(file.as_fd(), FcntlArg::F_OFD_GETLK(&mut lock))
        .map_err(|errno| OsError::new("fcntl(F_OFD_GETLK)", "the segment", errno))?;
    Ok(i32::from(lock.l_type) != libc::F_UNLCK)
}

/// How to reopen a segment's file when the program has closed this library's descriptors.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The file's path, if it has a name, and its link in `map_files`, which only privileged
    /// processes may open.
    paths: Vec<String>,
    writable: bool,
}

impl Origin {
    /// Returns the origin of a file that is mapped at `range` and may have the name.
    pub(crate) fn new(name: &str, range: Range<usize>, writable: bool) -> Self {
        let mapped = format!("/proc/self/map_files/{:x}-{:x}", range.start, range.end);
        Self { paths: vec![shm::path(name), mapped], writable }
    }

    /// Opens the first path that refers to the file of that identity.
    fn open(&self, identity: &Identity, forks: &ForksHeld) -> Option<Descriptor> {
        let access = if self.writable { OFlag::O_RDWR } else { OFlag::O_RDONLY };
        let flags = access | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        self.paths.iter().find_map(|path| {
            let file = open(path.as_str(), flags, Mode::empty()).ok()?;
            // A program that closed the standard streams expects their numbers to stay free.
            let file = match file.as_raw_fd() {
                0..FIRST_FREE => fcntl_dupfd_cloexec(&file, FIRST_FREE).ok()?,
                _ => file,
            };
            let file = Descriptor::private(File::from(file), forks).ok()?;
            file.identity().is_same_file(identity).then_some(file)
        })
    }
}

/// The open file description through which a segment's tokens are checked.
///
/// If the program closed the descriptor, it is reopened. If that fails, or a check itself, the
/// result is an error: no process then counts as alive or dead.
#[derive(Debug)]
pub(crate) struct Probe {
    file: RwLock<Descriptor>,
    origin: Option<Origin>,
    /// Held while reaping: threads share the description, so its locks do not exclude one
    /// another.
    cleaning: Mutex<()>,
}

impl Probe {
    pub(crate) fn new(file: Descriptor) -> Self {
        Self { file: RwLock::new(file), origin: None, cleaning: Mutex::new(()) }
    }

    /// Makes the probe reopen the file from `origin` if the program closes its descriptor.
    pub(crate) fn reopened_by(self, origin: Origin) -> Self {
        Self { origin: Some(origin), ..self }
    }

    /// Checks the descriptor, and returns access to the tokens.
    ///
    /// # Errors
    /// If the descriptor was closed and the file cannot be reopened.
    pub(crate) fn look(&self) -> Result<Look<'_>, OsError> {
        let file = self.read();
        match file.intact() {
            Ok(_) => return Ok(Look { file, cleaning: &self.cleaning }),
            Err(error) if error.errno() == Errno::EBADF as i32 => {}
            Err(error) => return Err(error),
        }
        drop(file);
        self.renew()?;
        let file = self.read();
        file.intact()?;
        Ok(Look { file, cleaning: &self.cleaning })
    }

    fn read(&self) -> RwLockReadGuard<'_, Descriptor> {
        self.file.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reopens the file, unless another thread has.
    #[cold]
    fn renew(&self) -> Result<(), OsError> {
        // Before the lock on the descriptor, which other threads take while they hold forks off.
        let forks = fork::hold()?;
        let mut file = self.file.write().unwrap_or_else(PoisonError::into_inner);
        let Err(lost) = file.intact() else {
            return Ok(());
        };
        let Some(origin) = &self.origin else {
            return Err(lost);
        };
        *file = origin.open(file.identity(), &forks).ok_or(lost)?;
        Ok(())
    }
}

/// Access to tokens through a checked descriptor.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    file: RwLockReadGuard<'a, Descriptor>,
    cleaning: &'a Mutex<()>,
}

impl Look<'_> {
    /// Returns the file, if the descriptor still refers to it.
    pub(crate) fn file(&self) -> Result<&File, OsError> {
        self.file.intact()
    }

    /// Returns `true` if the token at `byte` has an owner.
    pub(crate) fn is_alive(&self, byte: u64) -> Result<bool, OsError> {
        let owned = is_owned(self.file()?, byte)?;
        self.file().map(|_| owned)
    }

    /// As [`is_alive`](Self::is_alive), in one system call. The caller must confirm `false`.
    pub(crate) fn seems_alive(&self, byte: u64) -> Result<bool, OsError> {
        is_owned(self.file.unchecked(), byte)
    }

    /// Reaps the attachment of the token at `byte` if it has no owner: runs `clean`, possibly at
    /// the same time as other processes, and then `free`, unless others still run `clean`.
    /// Meanwhile the token gets no new owner. Does nothing if it has an owner.
    ///
    /// # Errors
    /// If a lock operation fails. `clean` and `free` may have run.
    pub(crate) fn reap(
        &self,
        byte: u64,
        clean: impl Fn(),
        free: impl FnOnce(),
    ) -> Result<(), OsError> {
        let locked = |take: fn(&File, u64) -> Result<bool, OsError>| {
            let taken = take(self.file()?, byte)?;
            self.file().map(|_| taken)
        };
        // A failure to release leaves a lock that ends with this attachment.
        let release = || self.file().and_then(|file| release(file, byte));
        let _alone = self.cleaning.lock().unwrap_or_else(PoisonError::into_inner);
        let cleaned = locked(try_shared).and_then(|is_dead| {
            if !is_dead {
                return Ok(());
            }
            clean();
            if locked(try_exclusive)? {
                free();
                return Ok(());
            }
            // Of several reapers, the last to release its shared lock frees.
            release()?;
            if locked(try_exclusive)? {
                clean();
                free();
            }
            Ok(())
        });
        cleaned.and(release())
    }
}

#[cfg(test)]
#[path = "token_tests.rs"]
mod tests;
