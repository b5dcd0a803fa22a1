//! Errors of sharing, offering and receiving sealed segments.

use std::fmt;
use std::path::PathBuf;

use super::{AttachError, Fault, OsError};

/// Why no descriptor of a segment was created for another process.
#[derive(Debug)]
#[non_exhaustive]
pub enum ShareError {
    /// The segment is not sealed, so every process that may write to it can truncate it.
    NotSealed {
        /// The segment's name.
        name: String,
    },
    /// The attachment cannot continue.
    Failed(Fault),
    /// This process may not open the segment any more, for instance because it changed its user
    /// after attaching.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// A system call failed.
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

/// Why a segment is not offered, or an offer cannot continue.
#[derive(Debug)]
#[non_exhaustive]
pub enum OfferError {
    /// The segment cannot be shared.
    Share(ShareError),
    /// The mode lets other users than the owner write, so observers could write as well.
    ObserversCouldWrite {
        /// The segment's permission bits.
        mode: u32,
    },
    /// Another process listens at the socket.
    InUse {
        /// The socket's path.
        path: PathBuf,
    },
    /// The path belongs to another kind of file.
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// A system call failed.
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
    /// No process listens at the socket.
    NoServer {
        /// The socket's path.
        path: PathBuf,
    },
    /// No server appeared, or none answered, before the timeout.
    TimedOut {
        /// The socket's path.
        path: PathBuf,
    },
    /// This process may not connect to the socket.
    Denied {
        /// The socket's path.
        path: PathBuf,
    },
    /// The server runs as another user than the options require.
    WrongServer {
        /// The socket's path.
        path: PathBuf,
        /// The required uid.
        expected: u32,
        /// The server's uid.
        found: u32,
    },
    /// This process is not on the server's list.
    Refused {
        /// The socket's path.
        path: PathBuf,
        /// This process's user, as the server sees it.
        uid: u32,
        /// This process's group, as the server sees it.
        gid: u32,
    },
    /// This user, or all users together, have too many connections to the server open.
    Busy {
        /// The socket's path.
        path: PathBuf,
        /// This process's user, as the server sees it.
        uid: u32,
    },
    /// The server gives this process the segment for reading only.
    ReadOnly {
        /// The socket's path.
        path: PathBuf,
    },
    /// A call of the server failed; its own log says which.
    ServerFailed {
        /// The socket's path.
        path: PathBuf,
    },
    /// The listening process does not speak this build's protocol.
    Protocol {
        /// The socket's path.
        path: PathBuf,
        /// What is wrong with its answer.
        what: &'static str,
    },
    /// Attaching to the received segment failed.
    Attach(AttachError),
    /// A system call failed.
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
