//! What the tests of sealed segments share.

use std::fs::{self, File};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use shmring::sealed::Visit;
use shmring::{AllowList, Config, Offer, Segment};

pub(crate) const NOBODY: u32 = 65_534;

pub(crate) fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

pub(crate) fn sealed() -> Segment {
    Segment::create_sealed("sealed", &smallest()).unwrap()
}

/// A descriptor of the segment, as a file.
pub(crate) fn file_of(segment: &Segment) -> File {
    File::from(segment.share().unwrap())
}

/// Lets a child that is started now inherit the descriptor; its number.
pub(crate) fn inheritable(fd: &OwnedFd) -> String {
    // SAFETY: changes a flag of a descriptor that is open.
    assert_eq!(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) }, 0);
    fd.as_raw_fd().to_string()
}

pub(crate) fn become_nobody() {
    // SAFETY: changes this process's own identity.
    unsafe {
        assert_eq!(libc::setgroups(0, ptr::null()), 0);
        assert_eq!((libc::setgid(NOBODY), libc::setuid(NOBODY)), (0, 0));
    }
}

/// A path for a socket that no other test has; whatever is there is removed in the end.
#[derive(Debug)]
pub(crate) struct Socket(PathBuf);

impl Socket {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("shmring-test-{}-{number}.socket", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl AsRef<Path> for Socket {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A thread that answers clients, until it is dropped.
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    visits: Arc<Mutex<Vec<Visit>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(mut offer: Offer) -> Self {
        let (stop, visits) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let thread = thread::spawn({
            let (stop, visits) = (Arc::clone(&stop), Arc::clone(&visits));
            move || {
                while !stop.load(Ordering::Relaxed) {
                    let visit = offer.answer(Duration::from_millis(5)).unwrap();
                    visits.lock().unwrap().extend(visit);
                }
            }
        });
        Self { stop, visits, thread: Some(thread) }
    }

    pub(crate) fn of(segment: &Segment, path: &Socket, list: &AllowList) -> Self {
        Self::start(segment.offer(path, list).unwrap())
    }

    /// What became of the visits so far, in words.
    pub(crate) fn log(&self) -> Vec<String> {
        self.visits.lock().unwrap().iter().map(Visit::to_string).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let result = self.thread.take().unwrap().join();
        assert!(result.is_ok() || thread::panicking(), "the server failed");
    }
}

/// A connection to a listening process, which sends and reads nothing by itself.
pub(crate) fn connection(path: impl AsRef<Path>) -> OwnedFd {
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap();
    connect(&socket, &SocketAddrUnix::new(path.as_ref()).unwrap()).unwrap();
    socket
}
