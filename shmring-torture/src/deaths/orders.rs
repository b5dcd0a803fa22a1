//! Orders from the parent to a party, and the party's answers.

use serde::{Deserialize, Serialize};

use super::Waits;

/// How a party begins: it attaches, and then waits for orders.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(super) segment: String,
    pub(super) waits: Waits,
    pub(super) monitor: bool,
}

/// One order. Messages are numbered through a case, whichever party sends them, so that a receiver
/// knows which one it must get.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Take the producer role if this party does not hold it; retry until its dead holder is
    /// reaped.
    Produce { require_consumer: bool },
    /// As `Produce`.
    Consume,
    /// Release all roles.
    Leave,
    /// Send so many messages.
    Send { first: u64, count: u64 },
    /// Send messages until the ring is full. The answer's number is that of the next one.
    Fill { first: u64 },
    /// Receive so many messages, which must be these.
    Receive { first: u64, count: u64 },
    /// Wait in a receive for this message.
    AwaitMessage { number: u64 },
    /// Wait in a receive for the end of the stream.
    AwaitEnd,
    /// Wait in a send of this message until there is room.
    AwaitRoom { number: u64 },
    /// Wait in a send of this message, which must fail, until the pipe breaks.
    AwaitBrokenPipe { number: u64 },
    /// Reserve space, write to it, and pause.
    HoldReservation,
    /// Peek at this message, and pause.
    HoldPeek { number: u64 },
}

/// What a party answers: once for each order, and once more before it waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// About to wait in the ring, or paused.
    Waits,
    /// The order was carried out.
    Done {
        /// When its last step returned.
        at_ns: u64,
        /// The number of the next message, where the order asks for it.
        next: u64,
    },
}
