//! Errors of collecting abandoned segments.

use std::fmt;

use super::{AttachError, Fault, UnlinkError};

/// Why a collector did not process a name.
#[derive(Debug)]
#[non_exhaustive]
pub enum CollectError {
    /// The segment could not be examined. A segment that is damaged or of another version is
    /// removed only by [`Segment::unlink`](crate::Segment::unlink).
    Attach(AttachError),
    /// The name of an abandoned segment could not be removed.
    Unlink(UnlinkError),
    /// Another process truncated the segment's file, or the ring is corrupt, so that the collector
    /// cannot see whether it holds unread messages. [`Collector::unread`](crate::Collector::unread)
    /// removes corrupt ones.
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
