//! Threads of the library's own.

use std::thread::{self, JoinHandle};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use crate::sys::OsError;

/// Starts a thread that blocks all signals but those of its own faults, as the kernel kills a
/// process that blocks those.
pub(crate) fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, OsError> {
    let failed = |call| move |error| OsError::new(call, name, error);
    let mut signals = SigSet::all();
    for fault in [Signal::SIGBUS, Signal::SIGSEGV, Signal::SIGFPE, Signal::SIGILL] {
        signals.remove(fault);
    }
    let mask = signals
        .thread_swap_mask(SigmaskHow::SIG_SETMASK)
        .map_err(|errno| failed("pthread_sigmask")(errno.into()))?;
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    // The mask was valid before.
    let _ = mask.thread_set_mask();
    thread.map_err(failed("pthread_create"))
}
