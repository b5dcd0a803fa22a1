//! A fence on the CPUs of others.

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

/// Whether the kernel can do it, and lets this process.
pub(crate) fn is_available() -> bool {
    let wanted = libc::c_long::from(GLOBAL_EXPEDITED | REGISTER_GLOBAL_EXPEDITED);
    let known = membarrier(QUERY);
    known >= 0 && known & wanted == wanted
}

/// Makes this process one of those whose CPUs fence at [`barrier`], until it execs.
pub(crate) fn register() -> Result<(), OsError> {
    match membarrier(REGISTER_GLOBAL_EXPEDITED) {
        0 => Ok(()),
        _ => {
            let error = io::Error::last_os_error();
            Err(OsError::new("membarrier(REGISTER_GLOBAL_EXPEDITED)", "this process", error))
        }
    }
}

/// Lets every thread of every registered process have executed a full fence between the
/// call and the return, and the caller as well; whether that is so.
pub(crate) fn barrier() -> bool {
    let done = membarrier(GLOBAL_EXPEDITED) == 0;
    if !done {
        refused::note("membarrier");
    }
    done
}
