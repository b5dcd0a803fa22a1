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

use memmap2::MmapOptions;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent};
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

/// Why a wait of a watch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A description of the file ended, perhaps while it was not watched.
    Ended,
    /// The time passed.
    Elapsed,
    /// The watch was stopped, or the kernel can report no more.
    Stopped,
}

/// A watch on one file.
///
/// The kernel removes the watch of a file without a name as soon as one of the file's dentries is no
/// longer in use: that of its name, through which others opened it, or that from before it had one,
/// through which its creator did. The file then may still be mapped, so it is watched anew.
#[derive(Debug)]
pub(crate) struct Watch {
    inotify: Inotify,
    stop: OwnedFd,
    /// The file, through a description that only the watch uses.
    file: File,
    /// Whether the kernel reports the end of a description that only a mapping kept.
    reports_ends: bool,
}

/// Tries whether the end of a description that only a mapping kept is reported. Some kernels
/// (gVisor) report that a descriptor is closed instead.
fn reports_ends(inotify: &Inotify, file: &File) -> Result<bool, OsError> {
    let own = shm::reopen(file, true)?;
    let mapped = MmapOptions::new().len(1).map_raw_read_only(&own);
    let mapped = mapped.map_err(|error| OsError::new("mmap", "the segment", error))?;
    drop(own);
    while inotify.read_events().is_ok() {}
    drop(mapped);
    let is_end = |event: &InotifyEvent| event.mask.contains(AddWatchFlags::IN_CLOSE_WRITE);
    Ok(inotify.read_events().is_ok_and(|events| events.iter().any(is_end)))
}

/// Starts to watch `file`. Changes nothing if it is watched already.
fn watch(inotify: &Inotify, file: &File) -> Result<(), OsError> {
    let path = shm::proc_path(file);
    let added = inotify.add_watch(path.as_str(), AddWatchFlags::IN_CLOSE_WRITE);
    added.map(|_| ()).map_err(failed("inotify_add_watch"))
}

fn failed(call: &'static str) -> impl FnOnce(Errno) -> OsError {
    move |errno| OsError::new(call, "the segment", errno)
}

impl Watch {
    /// Starts to watch `file`.
    pub(crate) fn new(file: File) -> Result<(Self, Stop), OsError> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
            .map_err(failed("inotify_init1"))?;
        watch(&inotify, &file)?;
        let (stop, pipe) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe2"))?;
        let pipe = Descriptor::new(File::from(pipe))?;
        let reports_ends = reports_ends(&inotify, &file).unwrap_or(false);
        // The trial discards reports, perhaps also that of a watch's end.
        watch(&inotify, &file)?;
        Ok((Self { inotify, stop, file, reports_ends }, Stop { pipe }))
    }

    /// Returns `true` if the kernel was seen to report the end of a description that only a mapping
    /// kept, as a dead process leaves it.
    pub(crate) fn reports_ends(&self) -> bool {
        self.reports_ends
    }

    /// Returns the numbers of its descriptors.
    pub(crate) fn numbers(&self) -> [RawFd; 3] {
        [self.inotify.as_fd().as_raw_fd(), self.stop.as_raw_fd(), self.file.as_raw_fd()]
    }

    /// The file, through a description that only the watch uses.
    pub(crate) fn file(&self) -> Result<File, OsError> {
        self.file.try_clone().map_err(|error| OsError::new("dup", "the segment", error))
    }

    /// Waits until a description of the file ends, but no longer than `limit`. A signal may start
    /// the time anew.
    pub(crate) fn wait(&self, limit: Option<Duration>) -> Event {
        let (stop, inotify) = (self.stop.as_fd(), self.inotify.as_fd());
        let mut fds =
            [PollFd::new(stop, PollFlags::POLLIN), PollFd::new(inotify, PollFlags::POLLIN)];
        loop {
            match ppoll(&mut fds, limit.map(TimeSpec::from), None) {
                Ok(0) => return Event::Elapsed,
                Ok(_) if fds[0].any() != Some(false) => return Event::Stopped,
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(_) => return Event::Stopped,
            }
        }
        if self.forget() { Event::Ended } else { Event::Stopped }
    }

    /// Discards pending reports, and watches the file anew if the kernel removed the watch. Returns
    /// `false` if the kernel can report no more.
    fn forget(&self) -> bool {
        let is_removed = |event: &InotifyEvent| event.mask.contains(AddWatchFlags::IN_IGNORED);
        loop {
            match self.inotify.read_events() {
                Ok(events) if !events.iter().any(is_removed) => {}
                Ok(_) if watch(&self.inotify, &self.file).is_ok() => {}
                Ok(_) => return false,
                Err(Errno::EINTR) => {}
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
