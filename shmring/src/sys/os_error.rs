//! The error of a system call.

use std::fmt;
use std::io;

/// A failed system call.
#[derive(Debug)]
#[non_exhaustive]
pub struct OsError {
    /// The call's name.
    pub call: &'static str,
    /// The object of the call.
    pub object: String,
    /// The error that the system returned.
    pub source: io::Error,
}

impl OsError {
    pub(crate) fn new(
        call: &'static str,
        object: impl Into<String>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self { call, object: object.into(), source: source.into() }
    }

    pub(crate) fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }
}

impl fmt::Display for OsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}: {}", self.call, self.object, self.source)
    }
}

impl std::error::Error for OsError {}
