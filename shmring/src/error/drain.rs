//! Errors of draining a ring.

use std::fmt;

use super::Fault;

/// Why not everything that was sent was received. The ring is closed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DrainError {
    /// Messages were left in the ring at the deadline.
    TimedOut {
        /// The number of messages left.
        unreceived: u64,
    },
    /// An [`Interrupter`](crate::Interrupter) ended the wait, and messages are left.
    Interrupted {
        /// The number of messages left.
        unreceived: u64,
    },
    /// The last consumer has gone, and messages are left.
    BrokenPipe {
        /// The number of messages left.
        unreceived: u64,
    },
    /// The handle cannot continue.
    Failed(Fault),
}

impl From<Fault> for DrainError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl fmt::Display for DrainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { unreceived } => {
                write!(f, "timed out: {unreceived} messages were not received")
            }
            Self::Interrupted { unreceived } => {
                write!(f, "interrupted: {unreceived} messages were not received")
            }
            Self::BrokenPipe { unreceived } => write!(
                f,
                "the consumer has gone (broken pipe): {unreceived} messages were not received"
            ),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for DrainError {}
