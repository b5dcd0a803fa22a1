//! What the tests of sealed segments share.

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;

use shmring::{Config, Segment};

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
