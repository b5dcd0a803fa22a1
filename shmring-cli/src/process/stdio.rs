//! Checks that stdin and stdout can be used. Rust's runtime opens /dev/null in place of a standard
//! descriptor that was closed, and its stdout ignores a descriptor that is not open for
//! writing: output would vanish without an error.
#![allow(unsafe_code)]

use std::fmt::Display;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::process::stop::{Exit, Stop};

static STDIN_CLOSED: AtomicBool = AtomicBool::new(false);
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before the runtime, which replaces closed descriptors by /dev/null.
// SAFETY: the C library calls each pointer in this section once, before `main`, with arguments
// that an `extern "C"` function may ignore. `record_closed` makes two system calls and stores to
// two atomics, neither of which needs anything that is set up later.
#[used]
#[unsafe(link_section = ".init_array")]
static RECORD_CLOSED: extern "C" fn() = record_closed;

extern "C" fn record_closed() {
    let is_closed = |fd| rustix::io::fcntl_getfd(fd).is_err();
    STDIN_CLOSED.store(is_closed(rustix::stdio::stdin()), Ordering::Relaxed);
    STDOUT_CLOSED.store(is_closed(rustix::stdio::stdout()), Ordering::Relaxed);
}

/// # Errors
/// If nothing can be read from stdin.
pub(crate) fn check_stdin() -> Result<(), Stop> {
    if STDIN_CLOSED.load(Ordering::Relaxed) {
        return Err(refused("stdin is closed; to send nothing, redirect it from /dev/null"));
    }
    match access(io::stdin().as_fd())? {
        OFlag::O_WRONLY => Err(refused("stdin is not open for reading")),
        _ => Ok(()),
    }
}

/// # Errors
/// If nothing can be written to stdout.
pub(crate) fn check_stdout() -> Result<(), Stop> {
    if STDOUT_CLOSED.load(Ordering::Relaxed) {
        return Err(refused("stdout is closed; to discard the output, redirect it to /dev/null"));
    }
    match access(io::stdout().as_fd())? {
        OFlag::O_RDONLY => Err(refused("stdout is not open for writing")),
        _ => Ok(()),
    }
}

fn access(fd: BorrowedFd<'_>) -> Result<OFlag, Stop> {
    let flags = fcntl(fd, FcntlArg::F_GETFL);
    let flags = flags.map_err(|errno| refused(format!("fcntl of a standard stream: {errno}")))?;
    Ok(OFlag::from_bits_retain(flags) & OFlag::O_ACCMODE)
}

fn refused(message: impl Display) -> Stop {
    Stop::new(Exit::Failed, message.to_string())
}
