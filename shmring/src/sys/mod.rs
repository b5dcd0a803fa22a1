//! The operating system: one file per concern. Errors name the failed call and its object.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of counts, times and sizes; values of a segment are checked by the callers"
)]

pub(crate) mod affinity;
pub(crate) mod cgroup;
pub(crate) mod clock;
pub(crate) mod descriptor;
pub(crate) mod event;
pub(crate) mod event_wait;
pub(crate) mod fork;
pub(crate) mod futex;
pub(crate) mod inspect;
pub(crate) mod listener;
pub(crate) mod membarrier;
pub(crate) mod memfd;
mod os_error;
pub(crate) mod process;
pub(crate) mod refused;
pub(crate) mod shm;
pub(crate) mod socket;
pub(crate) mod standing;
pub(crate) mod thread;
pub(crate) mod token;
mod uring;
pub(crate) mod watch;

pub use os_error::OsError;

/// Runs a function that may make system calls, and restores `errno`: for signal handlers.
pub(crate) fn keep_errno<R>(call: impl FnOnce() -> R) -> R {
    let errno = nix::errno::Errno::last_raw();
    let result = call();
    nix::errno::Errno::set_raw(errno);
    result
}
