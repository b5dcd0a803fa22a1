//! Errors of verbs that remove names.

use std::fmt;

use super::{AttachError, NameError, OsError};

/// Why a name was not removed.
#[derive(Debug)]
#[non_exhaustive]
pub enum UnlinkError {
    /// The name cannot be one.
    Name(NameError),
    /// There is nothing of that name.
    NotFound {
        /// The segment's name.
        name: String,
    },
    /// Permission denied.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// The name is that of another file.
    NotASegment {
        /// The name.
        name: String,
        /// What shows it.
        why: &'static str,
    },
    /// What has the name could not be examined.
    Attach(AttachError),
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for UnlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::NotFound { name } => write!(f, "there is no segment {name:?}"),
            Self::Denied { name } => {
                write!(f, "permission to remove {name:?} denied; only its owner can")
            }
            Self::NotASegment { name, why } => {
                write!(f, "{name:?} is no shmring segment: {why}; only a forced unlink removes it")
            }
            Self::Attach(error) => error.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UnlinkError {}
