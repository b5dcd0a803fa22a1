//! Errors of making a descriptor for event loops.

use std::fmt;

use super::{Fault, OsError};

/// Why no [`Readiness`](crate::Readiness) was made.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadinessError {
    /// The handle cannot continue.
    Failed(Fault),
    /// The system refuses a descriptor or a thread.
    Os(OsError),
}

impl From<Fault> for ReadinessError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl fmt::Display for ReadinessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(fault) => fault.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

// `Display` includes the inner error, so `source` returns none.
impl std::error::Error for ReadinessError {}
