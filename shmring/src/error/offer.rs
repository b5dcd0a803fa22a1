//! Errors of the verbs that pass sealed segments on.

use std::fmt;

use super::{Fault, OsError};

/// Why a segment gave no descriptor to be passed on.
#[derive(Debug)]
pub enum ShareError {
    /// The segment is not sealed: whoever may write to it can cut it short.
    NotSealed {
        /// The segment's name.
        name: String,
    },
    /// Nothing can be done with this attach any more.
    Failed(Fault),
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for ShareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed { name } => {
                write!(f, "{name:?} is not sealed; create it sealed, or share its name")
            }
            Self::Failed(fault) => fault.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ShareError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotSealed { .. } => None,
            Self::Failed(fault) => Some(fault),
            Self::Os(error) => Some(error),
        }
    }
}
