//! All error types. A message says what failed, on which object, and what to do.
//!
//! Each message includes that of its inner error, which is a field; `source` therefore returns
//! `None`. Every error converts to an [`io::Error`](std::io::Error) of the matching kind.

use std::fmt;

pub use crate::ring::Corrupt;
pub use crate::ring::membership::Role;
pub use crate::sys::OsError;

mod attach;
mod collect;
mod config;
mod create;
mod drain;
mod evict;
mod io_kind;
mod join;
mod monitor;
mod offer;
mod peek;
mod readiness;
mod recv_into;
mod transfer;
mod unlink;
mod wait_set;

pub use attach::AttachError;
pub(crate) use attach::quoted;
pub use collect::CollectError;
pub use config::{ConfigError, NameError};
pub use create::CreateError;
pub use drain::DrainError;
pub use evict::EvictError;
pub use join::{JoinError, WrongType};
pub use monitor::MonitorError;
pub use offer::{OfferError, ReceiveError, ShareError};
pub use peek::PeekError;
pub use readiness::ReadinessError;
pub use recv_into::RecvIntoError;
#[cfg(feature = "tokio")]
pub(crate) use transfer::Timed;
pub(crate) use transfer::endless;
pub use transfer::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use unlink::UnlinkError;
pub use wait_set::WaitError;

/// Why a handle, an attachment or an observer cannot continue, in most cases for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The segment holds a value that no correct peer can have written.
    Corrupt(Corrupt),
    /// The handle belongs to the parent process, from which this process was forked.
    Forked,
    /// Another process truncated the segment's file. Only attachments with a
    /// [guard](crate::AttachOptions::guard) return this; SIGBUS kills the others.
    Truncated,
    /// The system refuses a call that sleeping needs, such as a seccomp filter does. Verbs that do
    /// not wait still work, and so does [`WaitMode::Spin`](crate::WaitMode::Spin).
    SleepRefused {
        /// The call.
        call: &'static str,
        /// The error number that the system returned.
        errno: i32,
    },
    /// This process cannot check whether its peers are alive, so a wait for a dead one might not
    /// end: the process closed the descriptors of the segment and cannot reopen it, or a filter
    /// refuses the call. Verbs that do not wait still work, except behind a message that its
    /// producer has not published. Attach anew.
    ProbeRefused {
        /// The call.
        call: &'static str,
        /// The error number that the system returned.
        errno: i32,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(corrupt) => corrupt.fmt(f),
            Self::Forked => f.write_str(
                "the handle belongs to the parent process; attach anew in the forked child",
            ),
            Self::SleepRefused { call, errno } => {
                let source = std::io::Error::from_raw_os_error(*errno);
                write!(f, "waiting takes the system call {call}, which is refused: {source}")
            }
            Self::ProbeRefused { call, errno } => {
                let source = std::io::Error::from_raw_os_error(*errno);
                write!(
                    f,
                    "cannot check whether peers are alive: {call} failed: {source}; keep the \
                     descriptors of the segment open and allow the call, or attach anew"
                )
            }
            Self::Truncated => {
                f.write_str("somebody cut the segment's file short; unlink it and create it anew")
            }
        }
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
#[path = "../error_tests.rs"]
mod tests;
