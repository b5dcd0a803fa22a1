//! Watching for the end of open file descriptions with inotify, in a thread of its own.
//!
//! The kernel reports the end of every description of the file, also of one that only a mapping
//! kept and that ends because the process dies. The report comes just before the kernel releases
//! the description's locks.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::time::TimeSpec;
use nix::unistd::{close, pipe2};

use super::descriptor::Descriptor;
use super::shm;
use crate::sys::OsError;

/// Stops a watch through a pipe, also if the program closes the pipe.
#[derive(Debug)]
pub(crate) struct Stop {
    pipe: Descriptor,
}

impl Stop {
    pub(crate) fn stop(&self) {
        // A child may have a copy of the pipe, so closing it is not enough.
        let _ = self.pipe.intact().map(|mut pipe| pipe.write_all(&[1]));
    }
}

/// A watch on one file.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: Inotify,
    stop: OwnedFd,
    /// The file, through a description that only the watch uses.
    file: File,
}

fn failed(call: &'static str) -> impl FnOnce(Errno) -> OsError {
    move |errno| OsError::new(call, "the segment", errno)
}

impl Watch {
    /// Starts to watch `file`.
    pub(crate) fn new(file: File) -> Result<(Self, Stop), OsError> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(failed("inotify_init1"))?;
        inotify
            .add_watch(shm::proc_path(&file).as_str(), AddWatchFlags::IN_CLOSE_WRITE)
            .map_err(failed("inotify_add_watch"))?;
        let (stop, pipe) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
        let pipe = Descriptor::new(File::from(pipe))?;
        Ok((Self { inotify, stop, file }, Stop { pipe }))
    }

    /// Returns the numbers of its descriptors.
    pub(crate) fn numbers(&self) -> [RawFd; 3] {
        [self.inotify.as_fd().as_raw_fd(), self.stop.as_raw_fd(), self.file.as_raw_fd()]
    }

    /// The file, through a description that only the watch uses.
    pub(crate) fn file(&self) -> Result<File, OsError> {
        self.file.try_clone().map_err(|error| OsError::new("dup", "the segment", error))
    }

    /// Waits until a description of the file ends. Returns `false` if the watch was stopped.
    pub(crate) fn wait(&self) -> bool {
        let (stop, inotify) = (self.stop.as_fd(), self.inotify.as_fd());
        let mut fds =
            [PollFd::new(stop, PollFlags::POLLIN), PollFd::new(inotify, PollFlags::POLLIN)];
        loop {
            match ppoll(&mut fds, None, None) {
                Ok(_) if fds[0].any() != Some(false) => return false,
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(_) => return false,
            }
        }
        self.forget()
    }

    /// Discards pending reports. Returns `false` if the kernel can report no more.
    fn forget(&self) -> bool {
        loop {
            match self.inotify.read_events() {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return errno == Errno::EAGAIN,
            }
        }
    }

    /// Sleeps for `duration`. Returns `false` if the watch was stopped.
    pub(crate) fn pause(&self, duration: Duration) -> bool {
        let mut fds = [PollFd::new(self.stop.as_fd(), PollFlags::POLLIN)];
        matches!(ppoll(&mut fds, Some(TimeSpec::from(duration)), None), Ok(0) | Err(Errno::EINTR))
    }
}

/// Gives the calling thread a private descriptor table that holds only `keep`. Later opens and
/// closes of the program do not affect the thread, and the thread keeps none of the program's files
/// open. On failure the table is unchanged.
pub(crate) fn leave_descriptor_table(keep: [RawFd; 3]) -> Result<(), OsError> {
    let check = |call, result: i64| match result {
        -1 => Err(OsError::new(call, "a thread", io::Error::last_os_error())),
        _ => Ok(()),
    };
    // SAFETY: no descriptor has that number, so the call closes none.
    let nothing = unsafe { libc::syscall(libc::SYS_close_range, u32::MAX, u32::MAX, 0) };
    check("close_range", nothing)?;
    // SAFETY: the thread's own table is replaced by a copy of it.
    check("unshare(CLONE_FILES)", unsafe { libc::unshare(libc::CLONE_FILES) }.into())?;
    let mut kept = keep.map(RawFd::unsigned_abs);
    kept.sort_unstable();
    let mut first = 0;
    for next in kept.into_iter().chain([u32::MAX]) {
        if first < next {
            // SAFETY: closes copies that this thread does not use.
            unsafe { libc::syscall(libc::SYS_close_range, first, next - 1, 0) };
        }
        first = next.saturating_add(1);
    }
    Ok(())
}

/// Closes the program's copies of descriptors that a thread has in its private table.
pub(crate) fn close_numbers(numbers: [RawFd; 3]) {
    for number in numbers {
        // The descriptor was open; a failure leaves it open.
        let _ = close(number);
    }
}
