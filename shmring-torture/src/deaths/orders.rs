//! What a party is told to do, one order after the other, and what it answers.

use serde::{Deserialize, Serialize};

use super::Waits;

/// How a party begins: it attaches, and then waits for orders.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(super) segment: String,
    pub(super) waits: Waits,
    pub(super) monitor: bool,
}

/// One order. Messages are numbered through a case, whoever sends them, so that whoever receives
/// knows which one must come.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Take a role if it is not held yet; try until its dead holder's is free.
    Produce { require_consumer: bool },
    /// As `Produce`.
    Consume,
    /// Give up all roles.
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
    /// Reserve space, write to it, and stand still.
    HoldReservation,
    /// Look at this message in place, and stand still.
    HoldPeek { number: u64 },
}

/// What a party answers: once for each order, and once more before it waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    /// About to wait in the ring, or standing still.
    Waits,
    /// The order was carried out.
    Done {
        /// When its last step returned.
        at_ns: u64,
        /// The number of the next message, where the order asks for it.
        next: u64,
    },
}
