//! Records system calls for sleeping that the kernel refused to this thread.
//!
//! The algorithms call sleep and know no errors. The call records its error here, and the code that
//! started the wait takes it from here.

use std::cell::Cell;

use nix::errno::Errno;

/// A call, and the error number that the kernel returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) call: &'static str,
    pub(crate) errno: i32,
}

thread_local! {
    static LAST: Cell<Option<Refused>> = const { Cell::new(None) };
}

/// Records that `call` failed just now.
pub(super) fn note(call: &'static str) {
    LAST.set(Some(Refused { call, errno: Errno::last_raw() }));
}

/// Returns what was recorded since the last call, and clears it.
pub(crate) fn take() -> Option<Refused> {
    LAST.take()
}
