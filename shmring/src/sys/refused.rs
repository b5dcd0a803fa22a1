//! Calls for sleeping that the system does not let this thread make.
//!
//! The algorithms sleep, and know nothing of errors: what kept a thread from it is noted
//! here, and looked for by whoever let it sleep.

use std::cell::Cell;

use nix::errno::Errno;

/// A call, and what the system answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) call: &'static str,
    pub(crate) errno: i32,
}

thread_local! {
    static LAST: Cell<Option<Refused>> = const { Cell::new(None) };
}

/// Notes that `call` failed just now.
pub(super) fn note(call: &'static str) {
    LAST.set(Some(Refused { call, errno: Errno::last_raw() }));
}

/// What was noted since this was asked last.
pub(crate) fn take() -> Option<Refused> {
    LAST.take()
}
