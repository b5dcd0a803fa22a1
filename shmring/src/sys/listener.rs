//! A socket with a name, which nobody loses who listens at it.
//!
//! The name is given to a socket that listens already, and only if nothing has it: so who
//! finds a socket of that name that refuses connections finds one whose process is gone.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::clock::Deadline;
use super::{shm, socket};
use crate::sys::OsError;

/// How long to wait for others who remove what is stale in the same directory.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(1);
/// How often others may be faster.
const MAX_RACES: u32 = 16;
/// Leftovers of crashed processes with the same pid that are stepped over.
const MAX_TEMPORARY_NAMES: u32 = 1000;

/// Why there is no listener.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Somebody listens there.
    InUse,
    /// There is something else of that name.
    NotASocket,
    Os(OsError),
}

/// A socket that listens at a path.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) socket: OwnedFd,
    path: PathBuf,
    identity: (u64, u64),
}

fn failed<E: Into<io::Error>>(call: &'static str, path: &Path) -> impl FnOnce(E) -> Refused {
    move |error| Refused::Os(OsError::new(call, path.display().to_string(), error))
}

impl Listener {
    /// Listens at `path`, for those whom `mode` lets write. Takes the name from a socket
    /// that nobody listens at any more.
    pub(crate) fn new(path: &Path, mode: u32) -> Result<Self, Refused> {
        socket::check_path(path).map_err(failed("bind", path))?;
        let temporary = Temporary::bind(path, mode)?;
        let stat = fs::symlink_metadata(&temporary.path).map_err(failed("lstat", path))?;
        for _ in 0..MAX_RACES {
            match fs::hard_link(&temporary.path, path) {
                Ok(()) => {
                    let socket = temporary.socket.try_clone().map_err(failed("dup", path))?;
                    let identity = (stat.dev(), stat.ino());
                    return Ok(Self { socket, path: path.to_owned(), identity });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => remove_stale(path)?,
                Err(error) => return Err(failed("link", path)(error)),
            }
        }
        Err(Refused::InUse)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the name back, if it still means this socket.
    pub(crate) fn remove(&self) {
        let stat = fs::symlink_metadata(&self.path);
        if stat.is_ok_and(|stat| (stat.dev(), stat.ino()) == self.identity) {
            // A name that stays is one that the next listener replaces.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A socket with a name beside the one that it is to have, which goes in any case.
struct Temporary {
    socket: OwnedFd,
    path: PathBuf,
    /// What the path goes through, if it does.
    _directory: Option<File>,
}

impl Temporary {
    fn bind(beside: &Path, mode: u32) -> Result<Self, Refused> {
        let mut attempt = 0;
        loop {
            let (path, directory) = temporary_path(beside)?;
            match socket::bind(&path) {
                Ok(socket) => {
                    let this = Self { socket, path, _directory: directory };
                    // Nobody can connect before it listens.
                    fs::set_permissions(&this.path, Permissions::from_mode(mode))
                        .map_err(failed("chmod", beside))?;
                    socket::listen(&this.socket).map_err(failed("listen", beside))?;
                    return Ok(this);
                }
                Err(Errno::ADDRINUSE) if attempt < MAX_TEMPORARY_NAMES => attempt += 1,
                Err(errno) => return Err(failed("bind", beside)(errno)),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // The name is this process's alone.
        let _ = fs::remove_file(&self.path);
    }
}

/// A path in the same directory that no living process has. It may be longer than the path
/// that is wanted, which may be as long as a socket's can be: then it goes through a descriptor
/// of the directory.
fn temporary_path(beside: &Path) -> Result<(PathBuf, Option<File>), Refused> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!(".shmring-{}-{number}", std::process::id());
    let path = beside.with_file_name(&name);
    if socket::check_path(&path).is_ok() {
        return Ok((path, None));
    }
    let parent = directory_of(beside);
    let flags = libc::O_PATH | libc::O_DIRECTORY;
    let directory = File::options().read(true).custom_flags(flags).open(parent);
    let directory = directory.map_err(failed("open", parent))?;
    Ok((PathBuf::from(shm::proc_path(&directory)).join(name), Some(directory)))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes what is left of a listener that is gone.
///
/// # Errors
/// What has the name instead.
fn remove_stale(path: &Path) -> Result<(), Refused> {
    if !is_stale(path)? {
        return Ok(());
    }
    // Somebody may have done that just now, and the name may be taken anew. Whoever has the
    // lock is the only one who removes: what is stale then is so until it is removed.
    let _alone = DirectoryLock::new(path)?;
    if !is_stale(path)? {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("unlink", path)(error)),
        _ => Ok(()),
    }
}

/// The lock on the directory of a path.
struct DirectoryLock(File);

impl DirectoryLock {
    fn new(path: &Path) -> Result<Self, Refused> {
        let directory = directory_of(path);
        let file = File::open(directory).map_err(failed("open", directory))?;
        let deadline = Deadline::after(LOCK_TIMEOUT);
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(file)),
                Err(Errno::AGAIN | Errno::INTR) if !deadline.passed() => {
                    thread::sleep(LOCK_INTERVAL);
                }
                Err(errno) => return Err(failed("flock", directory)(errno)),
            }
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // A child that is being started may have the file open as well.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Whether there is a socket that nobody listens at; false if there is nothing.
fn is_stale(path: &Path) -> Result<bool, Refused> {
    match fs::symlink_metadata(path) {
        Ok(stat) if stat.file_type().is_socket() => {}
        Ok(_) => return Err(Refused::NotASocket),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("lstat", path)(error)),
    }
    match socket::connect(path) {
        Err(Errno::CONNREFUSED) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        // Also one that is too busy, or speaks otherwise, listens.
        Ok(_) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(Refused::InUse),
        Err(errno) => Err(failed("connect", path)(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel has room for; with a zero behind it that is one byte less.
    const MAX_PATH_BYTES: usize = 108;

    // Catches a path that is refused, as one beside it would be too long; and leftovers.
    #[test]
    fn the_longest_path_is_one() {
        let directory = std::env::temp_dir().join(format!("shmring-long-{}", std::process::id()));
        for (name_bytes, path_bytes) in [(1, MAX_PATH_BYTES), (20, 107), (40, 97), (5, 100)] {
            let filler = path_bytes - 2 - name_bytes - directory.as_os_str().len();
            let deep = directory.join("d".repeat(filler));
            fs::create_dir_all(&deep).unwrap();
            let path = deep.join("s".repeat(name_bytes));
            assert_eq!(path.as_os_str().len(), path_bytes);
            for _ in 0..2 {
                let listener = Listener::new(&path, 0o600).unwrap();
                socket::connect(&path).unwrap();
                assert!(matches!(Listener::new(&path, 0o600), Err(Refused::InUse)));
                assert_eq!(fs::read_dir(&deep).unwrap().count(), 1, "something is left");
                // The next one replaces it.
                drop(listener);
            }
            fs::remove_file(&path).unwrap();
            let too_long = deep.join("s".repeat(name_bytes + MAX_PATH_BYTES + 1 - path_bytes));
            assert!(matches!(Listener::new(&too_long, 0o600), Err(Refused::Os(_))));
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
