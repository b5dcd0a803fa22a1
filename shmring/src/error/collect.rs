//! Errors of collecting what the dead left.

use std::fmt;

use super::{AttachError, Fault, UnlinkError};

/// Why nothing was collected at a name.
#[derive(Debug)]
#[non_exhaustive]
pub enum CollectError {
    /// The segment could not be examined. One that is damaged, or of another version, is only
    /// removed by [`Segment::unlink`](crate::Segment::unlink).
    Attach(AttachError),
    /// The name of an abandoned segment could not be removed.
    Unlink(UnlinkError),
    /// Somebody cut the segment's file short meanwhile, or the ring is corrupt, so that it
    /// cannot be told whether messages wait in it. [`Collector::unread`](crate::Collector::unread)
    /// removes the latter.
    Failed(Fault),
}

impl From<AttachError> for CollectError {
    fn from(error: AttachError) -> Self {
        Self::Attach(error)
    }
}

impl fmt::Display for CollectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Attach(error) => error.fmt(f),
            Self::Unlink(error) => error.fmt(f),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for CollectError {}
