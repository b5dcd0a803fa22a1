//! Errors of wait sets.

use std::fmt;

use super::Fault;

/// Why a wait of a set ended without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitError {
    /// An [`Interrupter`](crate::Interrupter) ended the wait.
    Interrupted,
    /// One of the attachments cannot be used any more, or sleeping is refused.
    Failed(Fault),
}

impl From<Fault> for WaitError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("the wait was interrupted; call it again to go on"),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

// `Display` includes the inner error, so `source` returns none.
impl std::error::Error for WaitError {}
