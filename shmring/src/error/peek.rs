//! Errors of looking at messages from outside.

use std::fmt;

use super::{Fault, OsError};

/// Why no messages could be looked at.
#[derive(Debug)]
pub enum PeekError {
    /// Nothing can be done with this observer any more.
    Failed(Fault),
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for PeekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(fault) => fault.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PeekError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(fault) => Some(fault),
            Self::Os(error) => Some(error),
        }
    }
}
