//! Errors of verbs that remove names.

use std::fmt;

use super::{AttachError, NameError, OsError};

/// Why a name was not removed.
#[derive(Debug)]
#[non_exhaustive]
pub enum UnlinkError {
    /// The name is not valid.
    Name(NameError),
    /// No file of that name exists.
    NotFound {
        /// The segment's name.
        name: String,
    },
    /// This process may not remove the name.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// The name belongs to another kind of file.
    NotASegment {
        /// The name.
        name: String,
        /// What is wrong with the file.
        why: &'static str,
    },
    /// The file could not be examined.
    Attach(AttachError),
    /// A system call failed.
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
