//! A memory fence that runs on the CPUs of other threads.

#![allow(unsafe_code)]

// From the kernel's `linux/membarrier.h`.
const GLOBAL_EXPEDITED: libc::c_int = 1 << 1;
const REGISTER_GLOBAL_EXPEDITED: libc::c_int = 1 << 2;

fn membarrier(command: libc::c_int) -> libc::c_long {
    // SAFETY: the call touches no memory of the program.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) }
}

/// Registers this process, until it calls exec, as one whose threads [`barrier`] fences. Returns
/// `false` if the kernel lacks the call or refuses it.
pub(crate) fn register() -> bool {
    membarrier(REGISTER_GLOBAL_EXPEDITED) == 0
}

/// Makes every thread of every registered process, and the caller, execute a full fence between
/// the call and the return. Returns `true` if they did.
pub(crate) fn barrier() -> bool {
    membarrier(GLOBAL_EXPEDITED) == 0
}
