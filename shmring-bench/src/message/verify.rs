//! Checks what arrives: every message, once, in order, whole.

use std::fmt;
use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::{HEADER_BYTES, checksum};

/// Gaps that are kept open at a time. A mechanism that only reorders does not need more.
const MAX_GAPS: usize = 64;

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Shorter than a header.
    Stub {
        /// The sequence number that was to come.
        expected: u64,
        /// Bytes that came.
        len: usize,
    },
    /// Another length than the header says: cut off, or run together with something else.
    Length {
        /// The sequence number that was to come.
        expected: u64,
        /// Bytes that the header says.
        said: u32,
        /// Bytes that came.
        len: usize,
    },
    /// The checksum does not fit: some byte of the message is another than was sent.
    Checksum {
        /// The sequence number that was to come.
        expected: u64,
        /// The sequence number in the header, if that is not what changed.
        sequence: u64,
        /// The message's bytes.
        len: usize,
    },
    /// Came a second time.
    Repeated {
        /// Its sequence number.
        sequence: u64,
        /// The sequence number that was to come.
        expected: u64,
    },
    /// Came after later ones.
    Reordered {
        /// Its sequence number.
        sequence: u64,
        /// The latest that came before it.
        after: u64,
    },
    /// Never came, though later ones did.
    Lost {
        /// The first one that is missing.
        sequence: u64,
        /// How many are missing.
        messages: u64,
    },
    /// The stream ended too early.
    Ended {
        /// How many messages were sent.
        sent: u64,
        /// How many came.
        received: u64,
    },
    /// More came than were sent.
    TooMany {
        /// How many messages were sent.
        sent: u64,
        /// How many came.
        received: u64,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::Stub { expected, len } => {
                write!(f, "message {expected} was to come, but {len} bytes came, no whole header")
            }
            Defect::Length { expected, said, len } => {
                write!(
                    f,
                    "message {expected} was to come: its header says {said} bytes, {len} came"
                )
            }
            Defect::Checksum { expected, sequence, len } => write!(
                f,
                "message {expected} was to come: corrupted, the checksum does not fit the {len} \
                 bytes (their header says message {sequence})"
            ),
            Defect::Repeated { sequence, expected } => {
                write!(f, "message {sequence} came again, where message {expected} was to come")
            }
            Defect::Reordered { sequence, after } => {
                write!(f, "message {sequence} came out of order, after message {after}")
            }
            Defect::Lost { sequence, messages: 1 } => write!(f, "message {sequence} was lost"),
            Defect::Lost { sequence, messages } => {
                write!(f, "{messages} messages were lost, the first one is message {sequence}")
            }
            Defect::Ended { sent, received } => {
                write!(f, "the stream ended after {received} of {sent} messages")
            }
            Defect::TooMany { sent, received } => {
                write!(f, "{received} messages came, but only {sent} were sent")
            }
        }
    }
}

impl std::error::Error for Defect {}

/// Checks a stream of messages.
#[derive(Debug, Default)]
pub struct Verifier {
    expected: u64,
    received: u64,
    bytes: u64,
    /// What was skipped so far. Whether it was lost or only delayed shows later.
    gaps: Vec<Range<u64>>,
}

impl Verifier {
    /// Bytes of all messages that were found good.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Checks the next message of the stream.
    pub fn check(&mut self, message: &[u8]) -> Result<(), Defect> {
        let expected = self.expected;
        let Some((header, payload)) = message.split_first_chunk::<HEADER_BYTES>() else {
            return Err(Defect::Stub { expected, len: message.len() });
        };
        let [sequence @ .., l0, l1, l2, l3, c0, c1, c2, c3] = *header;
        let sequence = u64::from_le_bytes(sequence);
        let said = u32::from_le_bytes([l0, l1, l2, l3]);
        if said as usize != message.len() {
            return Err(Defect::Length { expected, said, len: message.len() });
        }
        if checksum(sequence, said, xxh3_64(payload)) != u32::from_le_bytes([c0, c1, c2, c3]) {
            return Err(Defect::Checksum { expected, sequence, len: message.len() });
        }
        if sequence != expected {
            self.out_of_turn(sequence)?;
        }
        self.expected = sequence + 1;
        self.received += 1;
        self.bytes += message.len() as u64;
        Ok(())
    }

    /// Says what a message is that was not to come now: an early one opens a gap, any other is
    /// a defect.
    fn out_of_turn(&mut self, sequence: u64) -> Result<(), Defect> {
        let expected = self.expected;
        if sequence < expected {
            if self.gaps.iter().any(|gap| gap.contains(&sequence)) {
                return Err(Defect::Reordered { sequence, after: expected - 1 });
            }
            return Err(Defect::Repeated { sequence, expected });
        }
        self.gaps.push(expected..sequence);
        if self.gaps.len() > MAX_GAPS { Err(self.lost()) } else { Ok(()) }
    }

    fn lost(&self) -> Defect {
        let messages = self.gaps.iter().map(|gap| gap.end - gap.start).sum();
        Defect::Lost { sequence: self.gaps[0].start, messages }
    }

    /// Checks at the end of the stream that all of the messages came that were sent.
    pub fn finish(self, sent: u64) -> Result<(), Defect> {
        let received = self.received;
        if !self.gaps.is_empty() {
            return Err(self.lost());
        }
        match received {
            _ if received < sent => Err(Defect::Ended { sent, received }),
            _ if received > sent => Err(Defect::TooMany { sent, received }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Generator, Plan};
    use super::*;

    const SENT: u64 = 20;
    const PLAN: Plan = Plan { seed: 3, total_bytes: 0, max_message_bytes: 1024 };

    /// What the verifier says of twenty messages that `spoil` has had its hands on.
    fn verdict(spoil: impl FnOnce(&mut Vec<Vec<u8>>)) -> Result<(), Defect> {
        let mut generator = Generator::new(&PLAN);
        let mut stream: Vec<Vec<u8>> =
            (0..SENT).map(|_| generator.next_message().to_vec()).collect();
        spoil(&mut stream);
        let mut verifier = Verifier::default();
        for message in &stream {
            verifier.check(message)?;
        }
        verifier.finish(SENT)
    }

    #[test]
    fn an_untouched_stream_is_good() {
        assert_eq!(verdict(|_| ()), Ok(()));
    }

    #[test]
    fn a_lost_message_is_named() {
        let lost = Err(Defect::Lost { sequence: 5, messages: 1 });
        assert_eq!(verdict(|stream| drop(stream.remove(5))), lost);
    }

    #[test]
    fn several_lost_messages_are_counted() {
        let lost = Err(Defect::Lost { sequence: 2, messages: 4 });
        let spoil = |stream: &mut Vec<Vec<u8>>| {
            stream.drain(10..12);
            stream.drain(2..4);
        };
        assert_eq!(verdict(spoil), lost);
    }

    #[test]
    fn a_lost_last_message_shows_at_the_end() {
        let ended = Err(Defect::Ended { sent: SENT, received: SENT - 1 });
        assert_eq!(verdict(|stream| drop(stream.pop())), ended);
    }

    #[test]
    fn a_repeated_message_is_told_from_a_late_one() {
        let repeated = Err(Defect::Repeated { sequence: 5, expected: 6 });
        assert_eq!(verdict(|stream| stream.insert(6, stream[5].clone())), repeated);
        let reordered = Err(Defect::Reordered { sequence: 5, after: 6 });
        assert_eq!(verdict(|stream| stream.swap(5, 6)), reordered);
    }

    #[test]
    fn one_message_too_many_is_seen() {
        let spoil = |stream: &mut Vec<Vec<u8>>| {
            let mut generator = Generator::new(&PLAN);
            (0..SENT).for_each(|_| drop(generator.next_message().to_vec()));
            stream.push(generator.next_message().to_vec());
        };
        assert_eq!(verdict(spoil), Err(Defect::TooMany { sent: SENT, received: SENT + 1 }));
    }

    #[test]
    fn a_truncated_message_is_seen_however_little_is_left() {
        for left in 0..HEADER_BYTES {
            let stub = Err(Defect::Stub { expected: 5, len: left });
            assert_eq!(verdict(|stream| stream[5].truncate(left)), stub);
        }
        let shortened = verdict(|stream| {
            stream[5].pop();
        });
        assert!(matches!(shortened, Err(Defect::Length { expected: 5, .. })), "{shortened:?}");
    }

    #[test]
    fn a_changed_byte_is_seen_wherever_it_is() {
        let bytes = std::cell::Cell::new(0);
        verdict(|stream| bytes.set(stream[5].len())).unwrap();
        for at in 0..bytes.get() {
            let verdict = verdict(|stream| stream[5][at] ^= 0x10);
            let seen = match verdict {
                Err(Defect::Length { expected: 5, .. }) => (8..12).contains(&at),
                Err(Defect::Checksum { expected: 5, .. }) => !(8..12).contains(&at),
                _ => false,
            };
            assert!(seen, "byte {at}: {verdict:?}");
        }
    }

    #[test]
    fn a_payload_under_another_header_is_seen() {
        let spoil = |stream: &mut Vec<Vec<u8>>| {
            let (first, second) = stream.split_at_mut(6);
            let len = first[5].len().min(second[0].len());
            first[5][HEADER_BYTES..len].copy_from_slice(&second[0][HEADER_BYTES..len]);
        };
        assert!(matches!(verdict(spoil), Err(Defect::Checksum { expected: 5, .. })));
    }
}
