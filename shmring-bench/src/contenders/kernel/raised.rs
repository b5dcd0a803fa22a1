//! Limits that are raised for a moment, and put back.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// A soft limit of this process, raised to its hard limit until this is dropped.
pub(super) struct Raised {
    resource: Resource,
    soft: rlim_t,
    hard: rlim_t,
}

impl Raised {
    /// `None` if nothing can be raised: the limit stays as it is.
    pub(super) fn new(resource: Resource) -> Option<Raised> {
        let (soft, hard) = getrlimit(resource).ok()?;
        setrlimit(resource, hard, hard).ok()?;
        Some(Raised { resource, soft, hard })
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        // Any process may lower a soft limit.
        let _ = setrlimit(self.resource, self.soft, self.hard);
    }
}
