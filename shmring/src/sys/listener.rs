//! A listening Unix socket with a path, which no other process takes away while it listens.
//!
//! The path is linked to a socket that listens already, and only if no file has the path. So a
//! socket at a path that refuses connections is one whose process has ended.

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

/// Time limit of a wait for processes that remove stale sockets in the same directory.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(1);
/// Races that a call may lose to other processes before it gives up.
const MAX_RACES: u32 = 16;
/// Leftovers of crashed processes with the same pid that a call skips.
const MAX_TEMPORARY_NAMES: u32 = 1000;

/// Why there is no listener.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Another process listens there.
    InUse,
    /// Another kind of file has the path.
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
    /// Listens at `path`, with permission bits `mode`. Replaces a stale socket.
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

    /// Removes the path, if it still refers to this socket.
    pub(crate) fn remove(&self) {
        let stat = fs::symlink_metadata(&self.path);
        if stat.is_ok_and(|stat| (stat.dev(), stat.ino()) == self.identity) {
            // The next listener replaces a path that stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A socket with a temporary path in the same directory, which is removed on drop.
struct Temporary {
    socket: OwnedFd,
    path: PathBuf,
    /// The directory that the path goes through, if it does.
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
                    // No process can connect before it listens.
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
        // No other process uses the temporary path.
        let _ = fs::remove_file(&self.path);
    }
}

/// Returns a temporary path in the same directory that no living process uses. If it is longer than
/// a socket's path may be, it goes through a descriptor of the directory.
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

/// Removes a stale socket.
///
/// # Errors
/// What the path refers to instead.
fn remove_stale(path: &Path) -> Result<(), Refused> {
    if !is_stale(path)? {
        return Ok(());
    }
    // Another process may have removed it, and a third may listen at the path now. Only the holder
    // of the lock removes stale sockets, so one that is stale under the lock stays so.
    let _alone = DirectoryLock::new(path)?;
    if !is_stale(path)? {
        return Ok(());
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("unlink", path)(error)),
        _ => Ok(()),
    }
}

/// Locks the directory of a path.
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
        // A child that is being spawned may have a copy of the descriptor.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Returns `true` if the path is a socket at which no process listens; `false` if it does not
/// exist.
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
        // A process with a full queue, or of another socket type, listens as well.
        Ok(_) | Err(Errno::AGAIN | Errno::PROTOTYPE) => Err(Refused::InUse),
        Err(errno) => Err(failed("connect", path)(errno)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the kernel's address structure, which include a final NUL.
    const MAX_PATH_BYTES: usize = 108;

    // Catches a path that is refused because its temporary one is too long, and leftovers.
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
                // The next listener replaces it.
                drop(listener);
            }
            fs::remove_file(&path).unwrap();
            let too_long = deep.join("s".repeat(name_bytes + MAX_PATH_BYTES + 1 - path_bytes));
            assert!(matches!(Listener::new(&too_long, 0o600), Err(Refused::Os(_))));
        }
        fs::remove_dir_all(directory).unwrap();
    }
}
