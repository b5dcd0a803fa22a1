//! Errors of sending and receiving.

use std::fmt;

use super::Fault;

/// Why a `try_` verb sent no message. No part of it is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError {
    /// The ring has no room until consumers take or release messages. Try again.
    Full,
    /// The call lost the claim to other producers at every try. Try again.
    WouldBlock,
    /// The message is longer than the ring's longest.
    TooLong {
        /// Bytes in the message, or in all of a batch in a record ring.
        len: usize,
        /// The longest possible message in bytes.
        max: usize,
    },
    /// The batch takes more slots than the ring has.
    TooMany {
        /// Slots that the batch takes: one for each message or value, and more for a message that
        /// is longer than a slot.
        count: usize,
        /// Slots in the ring.
        max: usize,
    },
    /// The last consumer has left.
    BrokenPipe,
    /// The ring was closed for good.
    Closed,
    /// The handle cannot continue.
    Failed(Fault),
}

/// Why a blocking verb sent no message. No part of it is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// An [`Interrupter`](crate::Interrupter) ended the wait for room.
    Interrupted,
    /// The message is longer than the ring's longest.
    TooLong {
        /// Bytes in the message, or in all of a batch in a record ring.
        len: usize,
        /// The longest possible message in bytes.
        max: usize,
    },
    /// The batch takes more slots than the ring has.
    TooMany {
        /// Slots that the batch takes: one for each message or value, and more for a message that
        /// is longer than a slot.
        count: usize,
        /// Slots in the ring.
        max: usize,
    },
    /// The last consumer has left.
    BrokenPipe,
    /// The ring was closed for good.
    Closed,
    /// The handle cannot continue.
    Failed(Fault),
}

/// Why a verb with a deadline sent no message. No part of it is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendTimeoutError {
    /// The ring had no room before the deadline.
    TimedOut,
    /// An [`Interrupter`](crate::Interrupter) ended the wait for room.
    Interrupted,
    /// The message is longer than the ring's longest.
    TooLong {
        /// Bytes in the message, or in all of a batch in a record ring.
        len: usize,
        /// The longest possible message in bytes.
        max: usize,
    },
    /// The batch takes more slots than the ring has.
    TooMany {
        /// Slots that the batch takes: one for each message or value, and more for a message that
        /// is longer than a slot.
        count: usize,
        /// Slots in the ring.
        max: usize,
    },
    /// The last consumer has left.
    BrokenPipe,
    /// The ring was closed for good.
    Closed,
    /// The handle cannot continue.
    Failed(Fault),
}

/// Why a `try_` verb received no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// The ring is empty. Try again.
    Empty,
    /// The ring is not empty, but this call got no message: the producer of the next one has not
    /// published it yet, or other consumers took the messages at every try. Try again.
    WouldBlock,
    /// The ring is empty, and it was closed or its last producer has left.
    Eof,
    /// The ring's consumers compete, or this is a lossy subscriber, so messages cannot be read in
    /// place. Only verbs that read in place return this.
    NotExclusive,
    /// A lossy subscriber of a broadcast ring was overrun: so many messages were overwritten before
    /// it received them. The next verb goes on at the oldest one that is kept.
    Lagged {
        /// The number of messages.
        missed: u64,
    },
    /// An operator made this gating subscriber of a broadcast ring [lossy](crate::Subscribe::lossy);
    /// see [`Segment::evict`](crate::Segment::evict). Returned once; the next verb goes on.
    Evicted,
    /// The worker has as many jobs as it can have: acknowledge one, or give it back, first. Job
    /// rings only.
    HandsFull {
        /// The most that a worker can have.
        max: usize,
    },
    /// The handle cannot continue.
    Failed(Fault),
}

/// Why a blocking verb received no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvError {
    /// An [`Interrupter`](crate::Interrupter) ended the wait for a message.
    Interrupted,
    /// The ring is empty, and it was closed or its last producer has left.
    Eof,
    /// The ring's consumers compete, or this is a lossy subscriber, so messages cannot be read in
    /// place. Only verbs that read in place return this.
    NotExclusive,
    /// A lossy subscriber of a broadcast ring was overrun: so many messages were overwritten before
    /// it received them. The next verb goes on at the oldest one that is kept.
    Lagged {
        /// The number of messages.
        missed: u64,
    },
    /// An operator made this gating subscriber of a broadcast ring [lossy](crate::Subscribe::lossy);
    /// see [`Segment::evict`](crate::Segment::evict). Returned once; the next verb goes on.
    Evicted,
    /// The worker has as many jobs as it can have: acknowledge one, or give it back, first. Job
    /// rings only.
    HandsFull {
        /// The most that a worker can have.
        max: usize,
    },
    /// The handle cannot continue.
    Failed(Fault),
}

impl RecvError {
    /// Returns `true` if later verbs of the consumer may receive messages: it was overrun or evicted.
    pub(crate) fn is_passing(self) -> bool {
        matches!(self, Self::Lagged { .. } | Self::Evicted)
    }
}

/// Why a verb with a deadline received no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// No message arrived before the deadline.
    TimedOut,
    /// An [`Interrupter`](crate::Interrupter) ended the wait for a message.
    Interrupted,
    /// The ring is empty, and it was closed or its last producer has left.
    Eof,
    /// The ring's consumers compete, or this is a lossy subscriber, so messages cannot be read in
    /// place. Only verbs that read in place return this.
    NotExclusive,
    /// A lossy subscriber of a broadcast ring was overrun: so many messages were overwritten before
    /// it received them. The next verb goes on at the oldest one that is kept.
    Lagged {
        /// The number of messages.
        missed: u64,
    },
    /// An operator made this gating subscriber of a broadcast ring [lossy](crate::Subscribe::lossy);
    /// see [`Segment::evict`](crate::Segment::evict). Returned once; the next verb goes on.
    Evicted,
    /// The worker has as many jobs as it can have: acknowledge one, or give it back, first. Job
    /// rings only.
    HandsFull {
        /// The most that a worker can have.
        max: usize,
    },
    /// The handle cannot continue.
    Failed(Fault),
}

macro_rules! from_fault {
    ($($error:ident),*) => {$(
        impl From<Fault> for $error {
            fn from(fault: Fault) -> Self {
                Self::Failed(fault)
            }
        }
    )*};
}

from_fault!(TrySendError, SendError, SendTimeoutError, TryRecvError, RecvError, RecvTimeoutError);

impl From<TrySendError> for SendTimeoutError {
    /// Converts the last refusal of a send whose deadline has passed.
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

impl From<SendError> for SendTimeoutError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Interrupted => Self::Interrupted,
            SendError::TooLong { len, max } => Self::TooLong { len, max },
            SendError::TooMany { count, max } => Self::TooMany { count, max },
            SendError::BrokenPipe => Self::BrokenPipe,
            SendError::Closed => Self::Closed,
            SendError::Failed(fault) => Self::Failed(fault),
        }
    }
}

impl From<TryRecvError> for RecvTimeoutError {
    /// Converts the last refusal of a receive whose deadline has passed.
    fn from(error: TryRecvError) -> Self {
        match error {
            TryRecvError::Empty | TryRecvError::WouldBlock => Self::TimedOut,
            TryRecvError::Eof => Self::Eof,
            TryRecvError::NotExclusive => Self::NotExclusive,
            TryRecvError::Lagged { missed } => Self::Lagged { missed },
            TryRecvError::Evicted => Self::Evicted,
            TryRecvError::HandsFull { max } => Self::HandsFull { max },
            TryRecvError::Failed(fault) => Self::Failed(fault),
        }
    }
}

impl From<RecvError> for RecvTimeoutError {
    fn from(error: RecvError) -> Self {
        match error {
            RecvError::Interrupted => Self::Interrupted,
            RecvError::Eof => Self::Eof,
            RecvError::NotExclusive => Self::NotExclusive,
            RecvError::Lagged { missed } => Self::Lagged { missed },
            RecvError::Evicted => Self::Evicted,
            RecvError::HandsFull { max } => Self::HandsFull { max },
            RecvError::Failed(fault) => Self::Failed(fault),
        }
    }
}

/// An error of a wait with a deadline.
pub(crate) trait Timed {
    /// The error of the same wait without one.
    type Untimed;

    /// Returns the error of the verb without a deadline; `None` for a timeout.
    fn untimed(self) -> Option<Self::Untimed>;
}

impl Timed for SendTimeoutError {
    type Untimed = SendError;

    fn untimed(self) -> Option<SendError> {
        Some(match self {
            Self::TimedOut => return None,
            Self::Interrupted => SendError::Interrupted,
            Self::TooLong { len, max } => SendError::TooLong { len, max },
            Self::TooMany { count, max } => SendError::TooMany { count, max },
            Self::BrokenPipe => SendError::BrokenPipe,
            Self::Closed => SendError::Closed,
            Self::Failed(fault) => SendError::Failed(fault),
        })
    }
}

impl Timed for RecvTimeoutError {
    type Untimed = RecvError;

    fn untimed(self) -> Option<RecvError> {
        Some(match self {
            Self::TimedOut => return None,
            Self::Interrupted => RecvError::Interrupted,
            Self::Eof => RecvError::Eof,
            Self::NotExclusive => RecvError::NotExclusive,
            Self::Lagged { missed } => RecvError::Lagged { missed },
            Self::Evicted => RecvError::Evicted,
            Self::HandsFull { max } => RecvError::HandsFull { max },
            Self::Failed(fault) => RecvError::Failed(fault),
        })
    }
}

/// Waits without a deadline. A timeout, which `wait` then cannot return, would be repeated.
#[inline(always)]
pub(crate) fn endless<R, E: Timed>(
    mut wait: impl FnMut() -> Result<R, E>,
) -> Result<R, E::Untimed> {
    loop {
        match wait() {
            Ok(done) => return Ok(done),
            Err(error) => {
                if let Some(error) = error.untimed() {
                    return Err(error);
                }
            }
        }
    }
}

const BROKEN_PIPE: &str = "the consumer has gone (broken pipe)";
const CLOSED: &str = "the ring was closed";
const END: &str = "end of stream: the ring is empty and its producer has gone";
const NOT_EXCLUSIVE: &str = "other consumers may take the messages of this ring, or its producer \
    may overwrite them, so none can be looked at in place; receive a copy";
const EVICTED: &str = "evicted: this subscriber no longer holds the producer up, and may miss \
    messages; subscribe again to miss none";

fn lagged(f: &mut fmt::Formatter<'_>, missed: u64) -> fmt::Result {
    write!(
        f,
        "the producer was faster: {missed} messages were overwritten before they were received"
    )
}

fn too_long(f: &mut fmt::Formatter<'_>, len: usize, max: usize) -> fmt::Result {
    write!(f, "{len} bytes are too long: a message has at most {max}; create a larger ring")
}

fn hands_full(f: &mut fmt::Formatter<'_>, max: usize) -> fmt::Result {
    write!(f, "the worker has {max} jobs, the most it can; acknowledge one or give it back first")
}

fn too_many(f: &mut fmt::Formatter<'_>, count: usize, max: usize) -> fmt::Result {
    write!(f, "a batch that takes {count} slots does not fit into a ring of {max}")
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the ring is full"),
            Self::WouldBlock => {
                f.write_str("lost the claim to other producers at every try; try again")
            }
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
            Self::Interrupted => f.write_str("interrupted while the ring was full"),
            Self::TooLong { len, max } => too_long(f, *len, *max),
            Self::TooMany { count, max } => too_many(f, *count, *max),
            Self::BrokenPipe => f.write_str(BROKEN_PIPE),
            Self::Closed => f.write_str(CLOSED),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the ring is empty"),
            Self::WouldBlock => f.write_str("the next message is on its way"),
            Self::Eof => f.write_str(END),
            Self::NotExclusive => f.write_str(NOT_EXCLUSIVE),
            Self::Lagged { missed } => lagged(f, *missed),
            Self::Evicted => f.write_str(EVICTED),
            Self::HandsFull { max } => hands_full(f, *max),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interrupted => f.write_str("interrupted while the ring was empty"),
            Self::Eof => f.write_str(END),
            Self::NotExclusive => f.write_str(NOT_EXCLUSIVE),
            Self::Lagged { missed } => lagged(f, *missed),
            Self::Evicted => f.write_str(EVICTED),
            Self::HandsFull { max } => hands_full(f, *max),
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl fmt::Display for SendTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.untimed() {
            None => f.write_str("timed out: the ring stayed full"),
            Some(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.untimed() {
            None => f.write_str("timed out: the ring stayed empty"),
            Some(error) => error.fmt(f),
        }
    }
}

// `Display` includes the fault, so `source` returns none.
impl std::error::Error for TrySendError {}
impl std::error::Error for SendError {}
impl std::error::Error for SendTimeoutError {}
impl std::error::Error for TryRecvError {}
impl std::error::Error for RecvError {}
impl std::error::Error for RecvTimeoutError {}
