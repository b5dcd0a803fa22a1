//! Why a verb ends early, and the exit code that reports it.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::{self, ExitCode};

use shmring::{
    AttachError, CollectError, CreateError, Fault, JoinError, OfferError, ReceiveError, UnlinkError,
};
use signal_hook::low_level::{emulate_default_handler, exit};

/// Exit codes that scripts can rely on. 0 is success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Failed = 1,
    Usage = 2,
    NoSegment = 3,
    TimedOut = 4,
    PeerGone = 5,
    Corrupt = 6,
    Taken = 7,
}

/// Why a verb ends early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// A failure: a line for stderr and an exit code.
    Failed { exit: Exit, message: String },
    /// A failure that the verb has reported.
    Reported(Exit),
    /// The reader of stdout has left. Not a failure.
    OutputClosed,
    /// A signal.
    Signal(i32),
}

impl Stop {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::Failed { exit, message: message.into() }
    }

    /// Reports the loss of a transfer with the ring `name`: in the line for stderr, or in a line
    /// of its own.
    pub(crate) fn with_loss(self, name: &str, loss: impl Display) -> Self {
        match self {
            Self::Failed { exit, message } => Self::new(exit, format!("{message}; {loss}")),
            stop => {
                say(format!("{name:?}: {loss}"));
                stop
            }
        }
    }

    /// Returns the end by a fault of the ring `name`.
    pub(crate) fn fault(name: &str, fault: &Fault) -> Self {
        Self::new(fault_exit(fault), format!("{name:?}: {fault}"))
    }

    /// Returns the end by a handle that the ring `name` refused.
    pub(crate) fn join(name: &str, error: &JoinError) -> Self {
        let exit = match error {
            JoinError::RoleTaken { .. } => Exit::Taken,
            JoinError::Closed => Exit::PeerGone,
            JoinError::WrongKind { .. } | JoinError::WrongType { .. } => Exit::Corrupt,
            JoinError::Failed(fault) => fault_exit(fault),
            _ => Exit::Failed,
        };
        Self::new(exit, format!("{name:?}: {error}"))
    }
}

pub(crate) fn fault_exit(fault: &Fault) -> Exit {
    match fault {
        Fault::Corrupt(_) | Fault::Truncated => Exit::Corrupt,
        _ => Exit::Failed,
    }
}

pub(crate) fn attach_exit(error: &AttachError) -> Exit {
    match error {
        AttachError::Name(_) => Exit::Usage,
        AttachError::NotFound { .. } => Exit::NoSegment,
        AttachError::TimedOut { .. } => Exit::TimedOut,
        AttachError::NotASegment { .. }
        | AttachError::NotSealed { .. }
        | AttachError::Incompatible { .. }
        | AttachError::CorruptHeader { .. } => Exit::Corrupt,
        _ => Exit::Failed,
    }
}

impl From<AttachError> for Stop {
    fn from(error: AttachError) -> Self {
        Self::new(attach_exit(&error), error.to_string())
    }
}

impl From<ReceiveError> for Stop {
    fn from(error: ReceiveError) -> Self {
        let exit = match &error {
            ReceiveError::NoServer { .. } => Exit::NoSegment,
            ReceiveError::TimedOut { .. } => Exit::TimedOut,
            ReceiveError::Protocol { .. } => Exit::Corrupt,
            ReceiveError::Attach(attach) => attach_exit(attach),
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<OfferError> for Stop {
    fn from(error: OfferError) -> Self {
        let exit = match &error {
            OfferError::InUse { .. } | OfferError::NotASocket { .. } => Exit::Taken,
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<CreateError> for Stop {
    fn from(error: CreateError) -> Self {
        let exit = match &error {
            CreateError::Name(_) | CreateError::Config(_) => Exit::Usage,
            CreateError::Exists { .. }
            | CreateError::Differs { .. }
            | CreateError::InUse { .. } => Exit::Taken,
            CreateError::Attach(attach) => attach_exit(attach),
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<UnlinkError> for Stop {
    fn from(error: UnlinkError) -> Self {
        let exit = match &error {
            UnlinkError::Name(_) => Exit::Usage,
            UnlinkError::NotFound { .. } => {
                let message = format!("{error}; `shmring ls` lists what there is");
                return Self::new(Exit::NoSegment, message);
            }
            UnlinkError::NotASegment { .. } => Exit::Corrupt,
            UnlinkError::Attach(attach) => attach_exit(attach),
            _ => Exit::Failed,
        };
        Self::new(exit, error.to_string())
    }
}

impl From<CollectError> for Stop {
    fn from(error: CollectError) -> Self {
        let message = error.to_string();
        match error {
            CollectError::Attach(attach) => Self::new(attach_exit(&attach), message),
            CollectError::Unlink(unlink) => unlink.into(),
            CollectError::Failed(fault) => Self::new(fault_exit(&fault), message),
            _ => Self::new(Exit::Failed, message),
        }
    }
}

/// Prints a message to stderr. Unlike `eprintln!`, it does not panic if stderr is closed.
pub(crate) fn say(message: impl Display) {
    let _ = writeln!(io::stderr(), "shmring: {message}");
}

/// Reports the end on stderr, and returns the exit code.
pub(crate) fn exit_code(result: Result<(), Stop>) -> ExitCode {
    match result {
        Ok(()) | Err(Stop::OutputClosed) => ExitCode::SUCCESS,
        Err(Stop::Reported(exit)) => ExitCode::from(exit as u8),
        Err(Stop::Failed { exit, message }) => {
            say(message);
            ExitCode::from(exit as u8)
        }
        Err(Stop::Signal(signal)) => {
            // The verb has cleaned up.
            die_of(signal)
        }
    }
}

/// Ends the process by a signal: a shell that runs it in a loop stops, too. If that is not
/// possible, exits with the code that a shell shows for the signal.
pub(crate) fn die_of(signal: i32) -> ! {
    // The kernel drops signals that the first process of a container sends to itself, and with
    // them the abort that the emulation falls back to.
    if process::id() != 1 {
        let _ = emulate_default_handler(signal);
    }
    exit(128 + signal)
}
