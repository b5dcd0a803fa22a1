//! Messages that a transfer did not receive or did not write, as it reports them.

use std::fmt;

use crate::process::stop::Stop;
use crate::report;

/// Messages that were received and not written whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loss {
    pub(super) messages: u64,
    /// The position from which a subscriber can receive them again.
    pub(super) from: Option<u64>,
}

impl Loss {
    /// Returns `true` if the end of the transfer is to mention it. A reader of stdout that leaves
    /// needs nothing more, and what a subscriber did not write is lost to no other one.
    pub(crate) fn concerns(&self, stop: &Stop) -> bool {
        self.from.is_none() || !matches!(stop, Stop::OutputClosed)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, from } = *self;
        let were = if messages == 1 { "was" } else { "were" };
        let count = report::count(messages, "message");
        match from {
            None => write!(f, "{count} {were} taken from the ring and not written"),
            Some(from) => {
                write!(f, "{count} {were} received and not written; `--from {from}` goes on there")
            }
        }
    }
}

/// What a subscriber of a broadcast ring did not receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missed {
    /// So many messages.
    Messages(u64),
    /// Perhaps messages from now on.
    Evicted,
}
