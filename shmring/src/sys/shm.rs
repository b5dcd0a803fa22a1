//! POSIX shared memory objects: files of the tmpfs that `shm_open` works on.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, FallocateFlags, OFlag, fallocate, open};
use nix::sys::mman::{shm_open, shm_unlink};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fchmod};
use nix::sys::statvfs::{fstatvfs, statvfs};
use nix::unistd::{UnlinkatFlags, linkat, unlinkat};

use super::token;
use crate::sys::OsError;

/// The directory of `shm_open`'s objects on Linux.
pub(crate) const DIRECTORY: &str = "/dev/shm";

pub(crate) fn path(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

fn failed(call: &'static str, name: &str) -> impl FnOnce(Errno) -> OsError {
    move |errno| OsError::new(call, path(name), errno)
}

fn failed_on(call: &'static str, object: &str) -> impl FnOnce(Errno) -> OsError {
    move |errno| OsError::new(call, object, errno)
}

/// Opens an existing object, read-only or read-write. Follows no symbolic link and never blocks.
pub(crate) fn open_existing(name: &str, writable: bool) -> Result<File, OsError> {
    let access = if writable { OFlag::O_RDWR } else { OFlag::O_RDONLY };
    shm_open(name, access | OFlag::O_NONBLOCK, Mode::empty())
        .map(File::from)
        .map_err(failed("shm_open", name))
}

/// Returns `true` if a file has the name.
pub(crate) fn exists(name: &str) -> bool {
    std::fs::symlink_metadata(path(name)).is_ok()
}

/// Reopens a file, which creates a new open file description.
pub(crate) fn reopen(file: &File, writable: bool) -> Result<File, OsError> {
    let access = if writable { OFlag::O_RDWR } else { OFlag::O_RDONLY };
    open(proc_path(file).as_str(), access | OFlag::O_CLOEXEC, Mode::empty())
        .map(File::from)
        .map_err(|errno| OsError::new("open through /proc/thread-self/fd", "the segment", errno))
}

/// Returns a path to the file, whether or not it has a name.
pub(crate) fn proc_path(file: &File) -> String {
    // Not `/proc/self`, which is the main thread, and that may have ended.
    format!("/proc/thread-self/fd/{}", file.as_raw_fd())
}

/// A new object without a name. If its creator dies, the kernel frees it.
#[derive(Debug)]
pub(crate) struct Unnamed {
    file: File,
    /// The temporary name, on systems without unnamed files.
    temporary: Option<String>,
}

impl Unnamed {
    /// Creates an empty object, with a temporary name if the file system has no unnamed files.
    ///
    /// Errors name the object as `name`.
    pub(crate) fn new(name: &str) -> Result<Self, OsError> {
        let flags = OFlag::O_TMPFILE | OFlag::O_RDWR | OFlag::O_CLOEXEC;
        match open(DIRECTORY, flags, Mode::S_IRUSR | Mode::S_IWUSR) {
            Ok(fd) => Ok(Self { file: File::from(fd), temporary: None }),
            // Errors of kernels and file systems without O_TMPFILE, and of security modules that
            // refuse it.
            Err(
                Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EACCES | Errno::EPERM,
            ) => Self::with_temporary_name(name),
            Err(errno) => Err(failed("open(O_TMPFILE)", name)(errno)),
        }
    }

    /// Creates an empty object under an unused temporary name.
    pub(crate) fn with_temporary_name(name: &str) -> Result<Self, OsError> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR;
        let mut attempt = 0_u32;
        loop {
            let temporary = format!("{RESERVED_PREFIX}{}-{attempt}", std::process::id());
            match shm_open(temporary.as_str(), flags, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(fd) => {
                    let file = File::from(fd);
                    match token::try_exclusive(&file, MAKER_BYTE) {
                        Ok(true) if file.metadata().is_ok_and(|stat| stat.nlink() > 0) => {
                            return Ok(Self { file, temporary: Some(temporary) });
                        }
                        // A collector locked it first, and removes the name.
                        Ok(_) => {}
                        Err(error) => return unlink(&temporary).and(Err(error)),
                    }
                }
                Err(Errno::EEXIST) => {}
                Err(errno) => return Err(failed("shm_open", name)(errno)),
            }
            attempt += 1;
            if attempt > MAX_TEMPORARY_NAMES {
                let taken = "all temporary names of this process are taken; collect them";
                return Err(OsError::new("shm_open", path(name), io::Error::other(taken)));
            }
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Links the object to its name. Fails with `EEXIST` if the name exists.
    pub(crate) fn link(&self, name: &str) -> Result<(), OsError> {
        let (from, follow) = match &self.temporary {
            Some(temporary) => (path(temporary), AtFlags::empty()),
            None => (proc_path(&self.file), AtFlags::AT_SYMLINK_FOLLOW),
        };
        linkat(AT_FDCWD, from.as_str(), AT_FDCWD, path(name).as_str(), follow)
            .map_err(failed("linkat", name))
    }
}

impl Drop for Unnamed {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // No other process uses the name; a failure cannot be handled here.
            let _ = unlinkat(AT_FDCWD, path(temporary).as_str(), UnlinkatFlags::NoRemoveDir);
            let _ = token::release(&self.file, MAKER_BYTE);
        }
    }
}

/// The prefix of temporary names; the creator's pid and a number follow. No other segment may have
/// such a name.
pub(crate) const RESERVED_PREFIX: &str = ".shmring-";
/// Leftovers of crashed creators with the same pid that a call skips.
const MAX_TEMPORARY_NAMES: u32 = 1000;
/// The byte that the creator of an object with a temporary name locks until it has removed that
/// name. An unlocked one was left by a creator that died.
pub(crate) const MAKER_BYTE: u64 = 1;

/// Returns `true` if a name is a temporary one.
pub(crate) fn is_temporary(name: &str) -> bool {
    let numbers = name.strip_prefix(RESERVED_PREFIX).and_then(|rest| rest.split_once('-'));
    numbers.is_some_and(|(pid, number)| pid.parse::<u32>().is_ok() && number.parse::<u32>().is_ok())
}

/// Allocates all memory of an object, so that no later store meets a full tmpfs. The memory stays
/// allocated as long as the object exists.
///
/// Calls `report` with the bytes allocated so far after each chunk.
pub(crate) fn allocate(
    file: &File,
    object: &str,
    bytes: u64,
    report: &dyn Fn(u64),
) -> Result<(), OsError> {
    let step = |from: u64, len: u64| {
        let [from, len] = [from, len].map(|bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        fallocate(file.as_fd(), FallocateFlags::empty(), from, len)
    };
    in_chunks(bytes, step, report).map_err(failed_on("fallocate", object))
}

/// Bytes that one call allocates: a huge page on most machines.
const MAX_CHUNK_BYTES: u64 = 2 << 20;
const MIN_CHUNK_BYTES: u64 = 4096;

/// Allocates in chunks. A call that a signal interrupts keeps nothing, so the next one allocates
/// less: however often signals arrive, the loop ends.
fn in_chunks(
    bytes: u64,
    step: impl Fn(u64, u64) -> Result<(), Errno>,
    report: &dyn Fn(u64),
) -> Result<(), Errno> {
    let (mut done, mut chunk) = (0, MAX_CHUNK_BYTES);
    while done < bytes {
        // Up to the next multiple, so that large chunks start at huge pages.
        let len = (chunk - done % chunk).min(bytes - done);
        match step(done, len) {
            Ok(()) => {
                done += len;
                chunk = (chunk * 2).min(MAX_CHUNK_BYTES);
                report(done);
            }
            Err(Errno::EINTR) => chunk = (chunk / 2).max(MIN_CHUNK_BYTES),
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Returns the size limit for files of this process. Exceeding it raises SIGXFSZ.
pub(crate) fn max_file_bytes() -> u64 {
    getrlimit(Resource::RLIMIT_FSIZE).map_or(u64::MAX, |(now, _)| now)
}

/// Returns `true` if the file system has no free inode.
pub(crate) fn is_out_of_inodes() -> bool {
    statvfs(DIRECTORY).is_ok_and(|stat| stat.files() > 0 && stat.files_available() == 0)
}

/// Returns the free bytes of the tmpfs; `u64::MAX` if it has no limit.
pub(crate) fn free_bytes(file: &File, name: &str) -> Result<u64, OsError> {
    let stat = fstatvfs(file.as_fd()).map_err(failed("fstatvfs", name))?;
    if stat.blocks() == 0 {
        return Ok(u64::MAX);
    }
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Sets the permission bits, regardless of the umask.
pub(crate) fn set_mode(file: &File, object: &str, mode: u32) -> Result<(), OsError> {
    fchmod(file.as_fd(), Mode::from_bits_truncate(mode)).map_err(failed_on("fchmod", object))
}

/// Removes a name. Processes that map the object keep it.
pub(crate) fn unlink(name: &str) -> Result<(), OsError> {
    shm_unlink(name).map_err(failed("shm_unlink", name))
}

/// Returns the names of all objects.
pub(crate) fn names() -> Result<Vec<String>, OsError> {
    let failed = |source: io::Error| OsError::new("readdir", DIRECTORY, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(DIRECTORY).map_err(failed)? {
        // This library creates no name that is not UTF-8.
        if let Ok(name) = entry.map_err(failed)?.file_name().into_string() {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Sets the modification time to now, for programs that remove unused files after some days. Stores
/// into a mapping do not set it.
pub(crate) fn touch(file: &File) -> Result<(), OsError> {
    let now = rustix::fs::Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW };
    let times = rustix::fs::Timestamps { last_access: now, last_modification: now };
    rustix::fs::futimens(file, &times)
        .map_err(|errno| OsError::new("futimens", "the segment", errno))
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    // Catches an allocation that restarts at each signal, and so never ends if signals arrive
    // faster than it completes; and gaps or overlaps.
    #[test]
    fn an_interrupted_allocation_gets_to_its_end() {
        let bytes = 10 * MAX_CHUNK_BYTES + 12_288;
        for pages_between_signals in [1, 3, 100, 100_000] {
            let (calls, reported) = (RefCell::new(Vec::new()), Cell::new(0));
            let step = |from, len: u64| {
                if len / 4096 > pages_between_signals {
                    return Err(Errno::EINTR);
                }
                calls.borrow_mut().push((from, len));
                Ok(())
            };
            in_chunks(bytes, step, &|done| reported.set(done)).unwrap();
            let end = calls.borrow().iter().fold(0, |end, (from, len)| {
                assert_eq!(end, *from);
                end + len
            });
            assert_eq!((end, reported.get()), (bytes, bytes), "{pages_between_signals}");
        }
        let refused = in_chunks(bytes, |_, _| Err(Errno::ENOSPC), &|_| ());
        assert_eq!(refused, Err(Errno::ENOSPC));
    }
}
