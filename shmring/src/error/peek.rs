//! Errors of looking at messages from outside.

use std::fmt;

use super::{Fault, OsError};

/// Why no messages could be looked at.
#[derive(Debug)]
#[non_exhaustive]
pub enum PeekError {
    /// The segment has no ring of that index.
    NoRing {
        /// The index asked for.
        ring: usize,
        /// How many rings the segment has.
        rings: usize,
    },
    /// Nothing can be done with this observer any more.
    Failed(Fault),
    /// A call failed.
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
