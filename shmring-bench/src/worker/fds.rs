//! Handing descriptors to a new process: inherited under the same number, by it alone.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

/// Lets `command`'s process, and no other that is started meanwhile, inherit `fds`.
pub(super) fn inherit(command: &mut Command, fds: &[OwnedFd]) {
    let numbers: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let keep_open = move || {
        for number in &numbers {
            // SAFETY: this runs in the new process before exec, whose table of descriptors is a
            // copy of the parent's at the fork, when the parent's `OwnedFd`s held these open.
            let fd = unsafe { BorrowedFd::borrow_raw(*number) };
            fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map_err(io::Error::from)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec the closure only calls fcntl, which is async-signal-safe, and
    // turns an error number into an `io::Error`, which does not allocate.
    unsafe { command.pre_exec(keep_open) };
}

/// Takes what [`inherit`] left open, in the worker, before anything else could open descriptors
/// under these numbers.
pub(super) fn take_inherited(numbers: &[RawFd]) -> Vec<OwnedFd> {
    // SAFETY: the parent names each number once, it is open since exec (the kernel would have made
    // the parent's fcntl fail otherwise), and nothing else in this process knows of it.
    numbers.iter().map(|number| unsafe { OwnedFd::from_raw_fd(*number) }).collect()
}
