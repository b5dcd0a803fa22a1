//! Every error, typed: what was refused, on what object, and what to do about it.
//!
//! Each message is complete: it says what an inner error says, which `source` therefore does not
//! return. The inner error itself is a field. Every error can become an
//! [`io::Error`](std::io::Error) of a fitting kind.

use std::fmt;

pub use crate::ring::Corrupt;
pub use crate::ring::membership::Role;
pub use crate::sys::OsError;

mod attach;
mod collect;
mod config;
mod create;
mod drain;
mod io_kind;
mod join;
mod monitor;
mod offer;
mod peek;
mod recv_into;
mod transfer;
mod unlink;

pub use attach::AttachError;
pub(crate) use attach::quoted;
pub use collect::CollectError;
pub use config::{ConfigError, NameError};
pub use create::CreateError;
pub use drain::DrainError;
pub use join::{JoinError, WrongType};
pub use monitor::MonitorError;
pub use offer::{OfferError, ReceiveError, ShareError};
pub use peek::PeekError;
pub use recv_into::RecvIntoError;
pub(crate) use transfer::endless;
pub use transfer::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
pub use unlink::UnlinkError;

/// What ends the use of a handle, mostly for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The segment holds a value that no correct peer can have written.
    Corrupt(Corrupt),
    /// The handle belongs to the process that this one was forked from.
    Forked,
    /// Somebody cut the segment's file short. Told of attaches with a
    /// [guard](crate::AttachOptions::guard); others are killed by SIGBUS.
    Truncated,
    /// The system does not let this process make a call that sleeping takes. Verbs that do
    /// not wait go on working, and so does [`WaitMode::Spin`](crate::WaitMode::Spin).
    SleepRefused {
        /// The call.
        call: &'static str,
        /// What the system answered.
        errno: i32,
    },
    /// This process cannot check whether its peers are alive, so a wait for a dead one could
    /// be endless: it closed the descriptors of the segment and cannot reopen it, or a filter
    /// refuses the call. Verbs that do not wait go on working, except behind a message that
    /// its producer has not finished. Attach anew.
    ProbeRefused {
        /// The call.
        call: &'static str,
        /// What the system answered.
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
