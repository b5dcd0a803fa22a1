//! Conversion to `std::io::Error`: its kind says what a caller can act on, and it holds the error.

use std::io::{Error, ErrorKind};

use super::transfer::Timed;
use super::{
    AttachError, CollectError, ConfigError, CreateError, DrainError, EvictError, Fault, JoinError,
    MonitorError, NameError, OfferError, OsError, PeekError, ReadinessError, ReceiveError,
    RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, ShareError,
    TryRecvError, TrySendError, UnlinkError, WaitError,
};

/// Returns the matching `ErrorKind`.
trait Sort {
    fn kind(&self) -> ErrorKind;
}

macro_rules! into_io_error {
    ($($error:ty),*) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Self::new(error.kind(), error)
            }
        })*
    };
}

into_io_error!(
    AttachError,
    CollectError,
    ConfigError,
    CreateError,
    DrainError,
    EvictError,
    Fault,
    JoinError,
    MonitorError,
    NameError,
    OfferError,
    OsError,
    PeekError,
    ReadinessError,
    ReceiveError,
    ShareError,
    UnlinkError,
    WaitError,
    TrySendError,
    SendError,
    SendTimeoutError,
    TryRecvError,
    RecvError,
    RecvTimeoutError,
    RecvIntoError<TryRecvError>,
    RecvIntoError<RecvError>,
    RecvIntoError<RecvTimeoutError>
);

impl Sort for WaitError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for ReadinessError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(fault) => fault.kind(),
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for OsError {
    fn kind(&self) -> ErrorKind {
        self.source.kind()
    }
}

impl Sort for Fault {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Corrupt(_) | Self::Truncated => ErrorKind::InvalidData,
            Self::Forked | Self::SleepRefused { .. } | Self::ProbeRefused { .. } => {
                ErrorKind::Unsupported
            }
        }
    }
}

impl Sort for NameError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

impl Sort for ConfigError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidInput
    }
}

impl Sort for AttachError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(error) => error.kind(),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Denied { .. } | Self::WrongOwner { .. } | Self::WorldWritable { .. } => {
                ErrorKind::PermissionDenied
            }
            Self::NoTokens { .. } => ErrorKind::Unsupported,
            Self::WrongMetadata { .. }
            | Self::NotSealed { .. }
            | Self::NotASegment { .. }
            | Self::Incompatible { .. }
            | Self::CorruptHeader { .. } => ErrorKind::InvalidData,
            Self::Leased { .. } | Self::Busy { .. } | Self::TableFull { .. } => {
                ErrorKind::ResourceBusy
            }
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for CreateError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(error) => error.kind(),
            Self::Config(error) => error.kind(),
            Self::Exists { .. } | Self::Differs { .. } => ErrorKind::AlreadyExists,
            Self::InUse { .. } => ErrorKind::ResourceBusy,
            Self::Denied { .. } => ErrorKind::PermissionDenied,
            Self::NoSpace { .. } | Self::NoInodes { .. } => ErrorKind::StorageFull,
            Self::NoMemory { .. } => ErrorKind::OutOfMemory,
            Self::FileSizeLimit { .. } => ErrorKind::FileTooLarge,
            Self::Attach(error) => error.kind(),
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for UnlinkError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(error) => error.kind(),
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Denied { .. } => ErrorKind::PermissionDenied,
            Self::NotASegment { .. } => ErrorKind::InvalidData,
            Self::Attach(error) => error.kind(),
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for CollectError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Attach(error) => error.kind(),
            Self::Unlink(error) => error.kind(),
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for ShareError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NotSealed { .. } => ErrorKind::Unsupported,
            Self::Failed(fault) => fault.kind(),
            Self::Denied { .. } => ErrorKind::PermissionDenied,
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for OfferError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Share(error) => error.kind(),
            Self::ObserversCouldWrite { .. } => ErrorKind::PermissionDenied,
            Self::InUse { .. } => ErrorKind::AddrInUse,
            Self::NotASocket { .. } => ErrorKind::AlreadyExists,
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for ReceiveError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoServer { .. } => ErrorKind::NotFound,
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Denied { .. }
            | Self::WrongServer { .. }
            | Self::Refused { .. }
            | Self::ReadOnly { .. } => ErrorKind::PermissionDenied,
            Self::Busy { .. } => ErrorKind::ResourceBusy,
            Self::ServerFailed { .. } => ErrorKind::Other,
            Self::Protocol { .. } => ErrorKind::InvalidData,
            Self::Attach(error) => error.kind(),
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for JoinError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::RoleTaken { .. } | Self::Outrun | Self::TableFull { .. } => {
                ErrorKind::ResourceBusy
            }
            Self::Closed => ErrorKind::BrokenPipe,
            Self::WrongKind { .. } | Self::WrongType(_) | Self::Gone => ErrorKind::InvalidInput,
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for MonitorError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Failed(fault) => fault.kind(),
            Self::Denied { .. } => ErrorKind::PermissionDenied,
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for PeekError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::NoRing { .. } => ErrorKind::InvalidInput,
            Self::Failed(fault) => fault.kind(),
            Self::Os(error) => error.kind(),
        }
    }
}

impl Sort for TrySendError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Full | Self::WouldBlock => ErrorKind::WouldBlock,
            Self::TooLong { .. } | Self::TooMany { .. } => ErrorKind::InvalidInput,
            Self::BrokenPipe | Self::Closed => ErrorKind::BrokenPipe,
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for SendError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Interrupted => ErrorKind::Interrupted,
            Self::TooLong { .. } | Self::TooMany { .. } => ErrorKind::InvalidInput,
            Self::BrokenPipe | Self::Closed => ErrorKind::BrokenPipe,
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for SendTimeoutError {
    fn kind(&self) -> ErrorKind {
        self.untimed().map_or(ErrorKind::TimedOut, |error| error.kind())
    }
}

impl Sort for TryRecvError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Empty | Self::WouldBlock => ErrorKind::WouldBlock,
            Self::Eof => ErrorKind::UnexpectedEof,
            Self::NotExclusive => ErrorKind::Unsupported,
            Self::Lagged { .. } | Self::Evicted | Self::HandsFull { .. } => ErrorKind::Other,
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for RecvError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Interrupted => ErrorKind::Interrupted,
            Self::Eof => ErrorKind::UnexpectedEof,
            Self::NotExclusive => ErrorKind::Unsupported,
            Self::Lagged { .. } | Self::Evicted | Self::HandsFull { .. } => ErrorKind::Other,
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for RecvTimeoutError {
    fn kind(&self) -> ErrorKind {
        self.untimed().map_or(ErrorKind::TimedOut, |error| error.kind())
    }
}

impl<E: Sort> Sort for RecvIntoError<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooSmall { .. } => ErrorKind::InvalidInput,
            Self::Recv(error) => error.kind(),
        }
    }
}

impl Sort for EvictError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Gone { .. } => ErrorKind::NotFound,
            Self::NotGating { .. } => ErrorKind::InvalidInput,
            Self::Failed(fault) => fault.kind(),
        }
    }
}

impl Sort for DrainError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TimedOut { .. } => ErrorKind::TimedOut,
            Self::Interrupted { .. } => ErrorKind::Interrupted,
            Self::BrokenPipe { .. } => ErrorKind::BrokenPipe,
            Self::Failed(fault) => fault.kind(),
        }
    }
}
