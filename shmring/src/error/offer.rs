//! Errors of the verbs that pass sealed segments on.

use std::fmt;
use std::path::PathBuf;

use super::{AttachError, Fault, OsError};

/// Why a segment gave no descriptor to be passed on.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShareError {
    /// The segment is not sealed: whoever may write to it can cut it short.
    NotSealed {
        /// The segment's name.
        name: String,
    },
    /// Nothing can be done with this attachment any more.
    Failed(Fault),
    /// This process may not open the segment any more. It may have been allowed to when it
    /// attached, as another user.
    Denied {
        /// The segment's name.
        name: String,
    },
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
            Self::Denied { name } => write!(
                f,
                "permission to open {name:?} again denied; pass it on as the user who owns it, \
                 before this process changes its user"
            ),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ShareError {}

/// Why a segment is not offered, or nobody was answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum OfferError {
    /// The segment is none that can be passed on.
    Share(ShareError),
    /// Its mode lets others than its owner write, and so an observer could.
    ObserversCouldWrite {
        /// The segment's permission bits.
        mode: u32,
    },
    /// Somebody listens at that socket.
    InUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// There is something else of that name.
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for OfferError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share(error) => error.fmt(f),
            Self::ObserversCouldWrite { mode } => write!(
                f,
                "the segment's mode {mode:#o} lets others write, so an observer could too; \
                 create it with a mode that lets only its owner"
            ),
            Self::InUse { path } => {
                write!(f, "somebody listens at {path:?}; end that first, or choose another path")
            }
            Self::NotASocket { path } => {
                write!(f, "{path:?} exists and is no socket; choose another path")
            }
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for OfferError {}

/// Why no segment was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// Nobody listens at that socket.
    NoServer {
        /// The socket's path.
        path: PathBuf,
    },
    /// No server appeared, or none answered, until the timeout.
    TimedOut {
        /// The socket's path.
        path: PathBuf,
    },
    /// Permission to connect was denied.
    Denied {
        /// The socket's path.
        path: PathBuf,
    },
    /// The server belongs to another user than the one asked for.
    WrongServer {
        /// The socket's path.
        path: PathBuf,
        /// The uid asked for.
        expected: u32,
        /// The uid of the server.
        found: u32,
    },
    /// The server refuses this process: it is not on its list.
    Refused {
        /// The socket's path.
        path: PathBuf,
        /// This process's user, as the server sees it.
        uid: u32,
        /// This process's group, as the server sees it.
        gid: u32,
    },
    /// This user, or all together, hold as many connections to the server as it allows.
    Busy {
        /// The socket's path.
        path: PathBuf,
        /// This process's user, as the server sees it.
        uid: u32,
    },
    /// The server gives this process the segment for looking at it only.
    ReadOnly {
        /// The socket's path.
        path: PathBuf,
    },
    /// The server could not give the segment; it knows why.
    ServerFailed {
        /// The socket's path.
        path: PathBuf,
    },
    /// Whoever listens there does not offer segments as this build knows it.
    Protocol {
        /// The socket's path.
        path: PathBuf,
        /// What tells.
        what: &'static str,
    },
    /// What was received was not attached.
    Attach(AttachError),
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoServer { path } => {
                write!(f, "no server listens at {path:?}; start one first")
            }
            Self::TimedOut { path } => write!(f, "no server at {path:?} answered in time"),
            Self::Denied { path } => write!(
                f,
                "permission to connect to {path:?} denied; ask its owner to put this user on the \
                 list"
            ),
            Self::WrongServer { path, expected, found } => write!(
                f,
                "the server at {path:?} is of uid {found}, not of uid {expected}; somebody else \
                 runs it"
            ),
            Self::Refused { path, uid, gid } => write!(
                f,
                "refused: uid {uid} with gid {gid} is not on the list of the server at {path:?}"
            ),
            Self::Busy { path, uid } => write!(
                f,
                "the server at {path:?} has too many open connections, of uid {uid} or in all; \
                 try again"
            ),
            Self::ReadOnly { path } => write!(
                f,
                "the server at {path:?} gives this process the segment for reading only; observe \
                 it, or ask for more"
            ),
            Self::ServerFailed { path } => {
                write!(f, "the server at {path:?} failed to give the segment; see its log")
            }
            Self::Protocol { path, what } => write!(
                f,
                "the process that listens at {path:?} is not a server of this build of shmring: {what}"
            ),
            Self::Attach(error) => error.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReceiveError {}
