//! Errors of peeking as an observer.

use std::fmt;

use super::{Fault, OsError};

/// Why an observer could not read pending messages.
#[derive(Debug)]
#[non_exhaustive]
pub enum PeekError {
    /// The segment has no ring of that index.
    NoRing {
        /// The requested index.
        ring: usize,
        /// The number of rings in the segment.
        rings: usize,
    },
    /// The observer cannot continue.
    Failed(Fault),
    /// A system call failed.
    Os(OsError),
}

impl fmt::Display for PeekError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRing { ring, rings } => {
                write!(
                    f,
                    "the segment has {rings} rings, so none of index {ring}; indices begin at 0"
                )
            }
            Self::Failed(fault) => fault.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PeekError {}
