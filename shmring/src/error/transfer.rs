//! Errors of the verbs that move messages.

use std::fmt;
use std::io;

use super::Fault;

/// Why a message was not sent, and sending did not wait. Nothing of it is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrySendError {
    /// There is no room until consumers take or release messages. Try again.
    Full,
    /// Other producers were faster, at every try. Try again.
    WouldBlock,
    /// There can never be room.
    TooLong {
        /// Bytes in the message, or what a batch in a record ring comes to.
        len: usize,
        /// The most that one message can have.
        max: usize,
    },
    /// There can never be room for as many messages at once.
    TooMany {
        /// Messages in the batch.
        count: usize,
        /// The slots of the ring.
        max: usize,
    },
    /// The last consumer has gone.
    BrokenPipe,
    /// The ring was closed for good.
    Closed,
    /// Nothing can be done with this handle any more.
    Failed(Fault),
}

/// Why a message was not sent. Nothing of it is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// There was no room until the timeout.
    TimedOut,
    /// An [`Interrupter`](crate::Interrupter) ended the wait for room.
    Interrupted,
    /// There can never be room.
    TooLong {
        /// Bytes in the message, or what a batch in a record ring comes to.
        len: usize,
        /// The most that one message can have.
        max: usize,
    },
    /// There can never be room for as many messages at once.
    TooMany {
        /// Messages in the batch.
        count: usize,
        /// The slots of the ring.
        max: usize,
    },
    /// The last consumer has gone.
    BrokenPipe,
    /// The ring was closed for good.
    Closed,
    /// Nothing can be done with this handle any more.
    Failed(Fault),
}

/// Why no message was received, without waiting for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// No message is there. Try again.
    Empty,
    /// A message is there or on its way, but not for this call: its producer has not
    /// finished it, or other consumers were faster, at every try. Try again.
    WouldBlock,
    /// The next message is longer than the buffer. It was not consumed.
    TooSmall {
        /// Bytes in the message.
        len: usize,
    },
    /// The ring is empty, and it was closed or its last producer has gone.
    Eof,
    /// Consumers compete for the messages of this ring: none can be looked at in place
    /// before it is received.
    NotExclusive,
    /// Nothing can be done with this handle any more.
    Failed(Fault),
}

/// Why no message was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvError {
    /// No message came until the timeout.
    TimedOut,
    /// An [`Interrupter`](crate::Interrupter) ended the wait for a message.
    Interrupted,
    /// The next message is longer than the buffer. It was not consumed.
    TooSmall {
        /// Bytes in the message.
        len: usize,
    },
    /// The ring is empty, and it was closed or its last producer has gone.
    Eof,
    /// Consumers compete for the messages of this ring: none can be looked at in place
    /// before it is received.
    NotExclusive,
    /// Nothing can be done with this handle any more.
    Failed(Fault),
}

impl From<Fault> for TrySendError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<Fault> for TryRecvError {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault)
    }
}

impl From<TrySendError> for SendError {
    /// A send that waits is refused for now only when its time is over.
    fn from(error: TrySendError) -> Self {
        match error {
            TrySendError::Full | TrySendError::WouldBlock => Self::TimedOut,
            TrySendError::TooLong { len, max } => Self::TooLong { len, max },
            TrySendError::TooMany { count, max } => Self::TooMany { count, max },
            TrySendError::BrokenPipe => Self::BrokenPipe,
            TrySendError::Closed => Self::Closed,
            TrySendError::Failed(fault) => Self::Failed(fault),
        }
    }
}

impl From<TryRecvError> for RecvError {
    /// A receive that waits is refused for now only when its time is over.
    fn from(error: TryRecvError) -> Self {
        match error {
            TryRecvError::Empty | TryRecvError::WouldBlock => Self::TimedOut,
            TryRecvError::TooSmall { len } => Self::TooSmall { len },
            TryRecvError::Eof => Self::Eof,
            TryRecvError::NotExclusive => Self::NotExclusive,
            TryRecvError::Failed(fault) => Self::Failed(fault),
        }
    }
}

const BROKEN_PIPE: &str = "the consumer has gone (broken pipe)";
const CLOSED: &str = "the ring was closed";
const END: &str = "end of stream: the ring is empty and its producer has gone";
const NOT_EXCLUSIVE: &str = "consumers compete for the messages of this ring, so none can be \
    looked at in place; receive a copy";

fn too_long(f: &mut fmt::Formatter<'_>, len: usize, max: usize) -> fmt::Result {
    write!(f, "{len} bytes are too long: a message has at most {max}; create a larger ring")
}

fn too_many(f: &mut fmt::Formatter<'_>, count: usize, max: usize) -> fmt::Result {
    write!(f, "{count} messages are too many at once for a ring of {max} slots")
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the ring is full"),
            Self::WouldBlock => f.write_str("other producers were faster, at every try"),
            Self::TooLong { len, max } => too_long(f, *len, *max),
            Self::TooMany { count, max } => too_many(f, *count, *max),
            Self::BrokenPipe => f.write_str(BROKEN_PIPE),
            Self::Closed => f.write_str(CLOSED),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timed out: the ring stayed full"),
            Self::Interrupted => f.write_str("interrupted while the ring was full"),
            Self::TooLong { len, max } => too_long(f, *len, *max),
            Self::TooMany { count, max } => too_many(f, *count, *max),
            Self::BrokenPipe => f.write_str(BROKEN_PIPE),
            Self::Closed => f.write_str(CLOSED),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

fn too_small(f: &mut fmt::Formatter<'_>, len: usize) -> fmt::Result {
    write!(f, "the next message has {len} bytes, more than the buffer")
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the ring is empty"),
            Self::WouldBlock => f.write_str("the next message is on its way"),
            Self::TooSmall { len } => too_small(f, *len),
            Self::Eof => f.write_str(END),
            Self::NotExclusive => f.write_str(NOT_EXCLUSIVE),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timed out: the ring stayed empty"),
            Self::Interrupted => f.write_str("interrupted while the ring was empty"),
            Self::TooSmall { len } => too_small(f, *len),
            Self::Eof => f.write_str(END),
            Self::NotExclusive => f.write_str(NOT_EXCLUSIVE),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for TrySendError {}
impl std::error::Error for SendError {}
impl std::error::Error for TryRecvError {}
impl std::error::Error for RecvError {}

impl From<SendError> for io::Error {
    fn from(error: SendError) -> Self {
        let kind = match error {
            SendError::TimedOut => io::ErrorKind::TimedOut,
            SendError::Interrupted => io::ErrorKind::Interrupted,
            SendError::TooLong { .. } | SendError::TooMany { .. } => io::ErrorKind::InvalidInput,
            SendError::BrokenPipe | SendError::Closed => io::ErrorKind::BrokenPipe,
            SendError::Failed(fault) => fault_kind(fault),
        };
        io::Error::new(kind, error)
    }
}

impl From<RecvError> for io::Error {
    fn from(error: RecvError) -> Self {
        let kind = match error {
            RecvError::TimedOut => io::ErrorKind::TimedOut,
            RecvError::Interrupted => io::ErrorKind::Interrupted,
            RecvError::TooSmall { .. } => io::ErrorKind::InvalidInput,
            RecvError::Eof => io::ErrorKind::UnexpectedEof,
            RecvError::NotExclusive => io::ErrorKind::Unsupported,
            RecvError::Failed(fault) => fault_kind(fault),
        };
        io::Error::new(kind, error)
    }
}

pub(super) fn fault_kind(fault: Fault) -> io::ErrorKind {
    match fault {
        Fault::Corrupt(_) | Fault::Truncated => io::ErrorKind::InvalidData,
        Fault::Forked | Fault::SleepRefused { .. } | Fault::ProbeRefused { .. } => {
            io::ErrorKind::Unsupported
        }
    }
}
