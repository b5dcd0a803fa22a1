//! Errors of verbs that receive into the caller's buffer.

use std::fmt;

use super::RecvError;

/// Why a verb received no message into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvIntoError<E = RecvError> {
    /// The next message is longer than the buffer. It stays in the ring.
    TooSmall {
        /// Bytes in the message.
        len: usize,
    },
    /// The error that the same verb without a buffer returns.
    Recv(E),
}

impl<E> From<E> for RecvIntoError<E> {
    fn from(error: E) -> Self {
        Self::Recv(error)
    }
}

impl<E: fmt::Display> fmt::Display for RecvIntoError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { len } => {
                write!(f, "the buffer is too small for the next message, which has {len} bytes")
            }
            Self::Recv(error) => error.fmt(f),
        }
    }
}

// `Display` includes the inner error, so `source` returns none.
impl<E: std::error::Error> std::error::Error for RecvIntoError<E> {}
