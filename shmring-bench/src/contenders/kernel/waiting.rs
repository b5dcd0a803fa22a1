//! Waiting for the kernel in a setting's way.
//!
//! To block is to make the plain call. To spin is to make the call without blocking, again and
//! again, and to yield the CPU now and then, as the rings do. The adaptive way tries so for about
//! as long as it takes to be put to sleep and woken.

use std::hint::spin_loop;
use std::io;
use std::os::fd::AsFd;
use std::thread;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::contender::{BoxError, Wait};

/// Calls before an adaptive wait goes to sleep, and before one that spins yields its CPU: some 25 us
/// of calls that do not block.
const TRIES: u32 = 60;

/// Lets calls on a descriptor fail instead of block, if the way of waiting needs that.
pub(crate) fn prepare(fd: &impl AsFd, wait: Wait) -> Result<(), BoxError> {
    if wait != Wait::Block {
        let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
        fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    }
    Ok(())
}

/// Makes a call until it neither would block nor was interrupted.
pub(crate) fn retry<T>(
    fd: &impl AsFd,
    wait: Wait,
    ready: PollFlags,
    mut call: impl FnMut() -> io::Result<T>,
) -> io::Result<T> {
    let mut tries = 0;
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                tries += 1;
                if tries < TRIES {
                    spin_loop();
                } else if wait == Wait::Spin {
                    thread::yield_now();
                    tries = 0;
                } else {
                    let mut fds = [PollFd::new(fd.as_fd(), ready)];
                    match poll(&mut fds, PollTimeout::NONE) {
                        Ok(_) | Err(nix::Error::EINTR) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            result => return result,
        }
    }
}
