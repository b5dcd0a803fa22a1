//! Errors of evicting a subscriber.

use std::fmt;

use super::Fault;

/// Why no subscriber was evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvictError {
    /// The subscriber has left, or was reaped.
    Gone {
        /// The index of the handle that it had.
        handle: usize,
    },
    /// The handle is not that of a gating subscriber, so that no producer waits for it.
    NotGating {
        /// The index of the handle.
        handle: usize,
    },
    /// The attachment cannot continue.
    Failed(Fault),
}

impl fmt::Display for EvictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { handle } => {
                write!(f, "the subscriber that had handle {handle} is not there any more")
            }
            Self::NotGating { handle } => {
                write!(f, "handle {handle} is not a gating subscriber, so no producer waits for it")
            }
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for EvictError {}
