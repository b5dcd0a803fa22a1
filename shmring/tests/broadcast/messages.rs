//! Messages that show whether they are whole and which one they are, and accounts of them.

use shmring::{Config, Consumer, Segment, TryRecvError};

use crate::common::{Name, payload};

/// Bytes of a small ring, and of its chunks.
pub(crate) const CAPACITY: u64 = 4096;
pub(crate) const CHUNK: u64 = CAPACITY / 16;
const NUMBER_BYTES: usize = size_of::<u64>();

pub(crate) fn config() -> Config {
    Config::broadcast().capacity_bytes(CAPACITY)
}

pub(crate) fn ring(name: &Name) -> Segment {
    name.create(&config())
}

/// The message of that number, with at least that number in it.
pub(crate) fn message(number: u64, len: usize) -> Vec<u8> {
    let mut message = number.to_ne_bytes().to_vec();
    message.extend(payload(number, len.saturating_sub(NUMBER_BYTES)));
    message
}

/// The number of a message, which must be whole.
#[track_caller]
pub(crate) fn number_of(bytes: &[u8]) -> u64 {
    let number = u64::from_ne_bytes(bytes[..NUMBER_BYTES].try_into().unwrap());
    assert!(message(number, bytes.len()) == bytes, "torn, or of several messages: {number}");
    number
}

/// A length for the message of that number: short ones, long ones, and now and then the longest.
pub(crate) fn len_of(number: u64, max: usize) -> usize {
    match number % 23 {
        0 => max,
        1 => NUMBER_BYTES,
        2 => max - 1,
        _ => NUMBER_BYTES + (number * 37 % 300) as usize,
    }
}

/// What a subscriber is to receive next, as far as it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) next: u64,
    pub(crate) received: u64,
    pub(crate) missed: u64,
}

impl Account {
    /// Of a subscriber that joined before the message of that number.
    pub(crate) fn from(next: u64) -> Self {
        Self { next, received: 0, missed: 0 }
    }

    /// Enters a message, which must be the next one.
    #[track_caller]
    pub(crate) fn enter(&mut self, number: u64) {
        assert_eq!(number, self.next, "received {}, missed {}", self.received, self.missed);
        (self.next, self.received) = (self.next + 1, self.received + 1);
    }

    /// Enters a loss.
    #[track_caller]
    pub(crate) fn miss(&mut self, missed: u64) {
        assert!(missed > 0, "a loss of nothing");
        (self.next, self.missed) = (self.next + missed, self.missed + missed);
    }

    /// Enters everything that is there for a gating or a lossy subscriber. Returns what ended it.
    #[track_caller]
    pub(crate) fn drain(&mut self, rx: &mut Consumer) -> TryRecvError {
        loop {
            match rx.try_recv() {
                Ok(message) => self.enter(number_of(&message)),
                Err(TryRecvError::Lagged { missed }) => self.miss(missed),
                Err(end) => return end,
            }
        }
    }
}
