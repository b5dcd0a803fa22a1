//! A memory fence that runs on the CPUs of other threads.

#![allow(unsafe_code)]

use std::io;

use super::refused;
use crate::sys::OsError;

// From the kernel's `linux/membarrier.h`.
const QUERY: libc::c_int = 0;
const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

fn membarrier(command: libc::c_int) -> libc::c_long {
    // SAFETY: the call touches no memory of the program.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
}

/// Returns `true` if the kernel supports the calls and permits them to this process.
pub(crate) fn is_available() -> bool {
    let wanted = libc::c_long::from(GLOBAL_EXPEDITED | REGISTER_GLOBAL_EXPEDITED);
    let known = membarrier(QUERY);
    known >= 0 && known & wanted == wanted
}

/// Registers this process, until it calls exec, as one whose threads [`barrier`] fences.
pub(crate) fn register() -> Result<(), OsError> {
    match membarrier(REGISTER_GLOBAL_EXPEDITED) {
        0 => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            Err(OsError::new("membarrier(REGISTER_GLOBAL_EXPEDITED)", "this process", error))
        }
    }
}

/// Makes every thread of every registered process, and the caller, execute a full fence between
/// the call and the return. Returns `true` if they did.
pub(crate) fn barrier() -> bool {
    let done = membarrier(GLOBAL_EXPEDITED) == 0;
    if !done {
        refused::note("membarrier");
    }
    done
}
