//! The messages that are sent: mixed sizes, each with a header that lets it be verified.
//!
//! ```text
//! | sequence u64 | length u32 | checksum u32 | payload: length - 16 bytes |
//! ```
//!
//! Lengths run from 16 bytes to 64 KiB and are log-uniform: as many messages between 16 and 32
//! bytes as between 32 and 64 KiB. Half are at most 1 KiB long, and the mean is 7.9 kB. A *cycle* is
//! [`CYCLE_MESSAGES`] messages, one from each of as many equal steps of the logarithm, shuffled; so
//! every run has the same mix. Payloads are cut from a pool of random bytes that is made once, with
//! their checksums: to make a message is to write its sixteen bytes of header.

mod verify;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

pub use verify::{Defect, Verifier};

use crate::random::{Random, mix};

/// Bytes of the header, and so the shortest message.
pub const HEADER_BYTES: usize = 16;
/// The longest message.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;
/// Messages after which payloads repeat. Their 2 MB stay in a second or third level cache.
pub const CYCLE_MESSAGES: usize = 256;

/// All that both sides need to know to agree on the messages of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Decides the order of the lengths and the payloads.
    pub seed: u64,
    /// The messages together hold at least this many bytes, and without the last one fewer.
    pub total_bytes: u64,
    /// The longest message, at least [`HEADER_BYTES`].
    pub max_message_bytes: usize,
}

impl Plan {
    /// The lengths of one cycle, in order.
    fn lengths(&self) -> Vec<usize> {
        let ratio = self.max_message_bytes as f64 / HEADER_BYTES as f64;
        let mut lengths: Vec<usize> = (0..CYCLE_MESSAGES)
            .map(|step| (step as f64 + 0.5) / CYCLE_MESSAGES as f64)
            .map(|part| (HEADER_BYTES as f64 * ratio.powf(part)) as usize)
            .collect();
        let mut random = Random(self.seed);
        for last in (1..lengths.len()).rev() {
            lengths.swap(last, random.below(last + 1));
        }
        lengths
    }

    /// How many messages and bytes a run has.
    pub fn size(&self) -> Size {
        let lengths = self.lengths();
        let cycle_bytes: u64 = lengths.iter().map(|len| *len as u64).sum();
        let cycles = self.total_bytes / cycle_bytes;
        let mut size =
            Size { messages: cycles * CYCLE_MESSAGES as u64, bytes: cycles * cycle_bytes };
        for len in lengths {
            if size.bytes >= self.total_bytes {
                break;
            }
            size.messages += 1;
            size.bytes += len as u64;
        }
        size
    }
}

/// How much a run moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Messages.
    pub messages: u64,
    /// Bytes of all messages, headers included.
    pub bytes: u64,
}

/// Makes the messages of a plan, one after the other.
#[derive(Debug)]
pub struct Generator {
    pool: Vec<u8>,
    cycle: Vec<Cut>,
    sequence: u64,
}

/// Where a message of the cycle lies in the pool.
#[derive(Debug)]
struct Cut {
    start: usize,
    len: usize,
    payload_hash: u64,
}

impl Generator {
    /// Makes the pool.
    pub fn new(plan: &Plan) -> Generator {
        let lengths = plan.lengths();
        let mut random = Random(!plan.seed);
        let words = lengths.iter().map(|len| len.div_ceil(8)).sum();
        let pool: Vec<u8> = (0..words).flat_map(|_| random.next().to_le_bytes()).collect();
        let mut start = 0;
        let cut = |len: usize| {
            let payload_hash = xxh3_64(&pool[start + HEADER_BYTES..start + len]);
            let cut = Cut { start, len, payload_hash };
            start += len.next_multiple_of(8);
            cut
        };
        let cycle = lengths.into_iter().map(cut).collect();
        Generator { pool, cycle, sequence: 0 }
    }

    /// The next message. There is no last one: a plan's [`Size`] tells where to end.
    pub fn next_message(&mut self) -> &[u8] {
        let cut = &self.cycle[self.sequence as usize % CYCLE_MESSAGES];
        let message = &mut self.pool[cut.start..cut.start + cut.len];
        let length = cut.len as u32;
        message[..8].copy_from_slice(&self.sequence.to_le_bytes());
        message[8..12].copy_from_slice(&length.to_le_bytes());
        let check = checksum(self.sequence, length, cut.payload_hash);
        message[12..16].copy_from_slice(&check.to_le_bytes());
        self.sequence += 1;
        message
    }
}

/// Writes the header of a message whose payload is complete.
///
/// # Panics
/// If there is no room for the header.
pub fn seal(sequence: u64, message: &mut [u8]) {
    let length = message.len() as u32;
    let (header, payload) = message.split_at_mut(HEADER_BYTES);
    header[..8].copy_from_slice(&sequence.to_le_bytes());
    header[8..12].copy_from_slice(&length.to_le_bytes());
    let check = checksum(sequence, length, xxh3_64(payload));
    header[12..].copy_from_slice(&check.to_le_bytes());
}

/// Returns the sequence number of a message, or `None` if a byte differs from what [`seal`] left.
pub fn open(message: &[u8]) -> Option<u64> {
    let [sequence @ .., l0, l1, l2, l3, c0, c1, c2, c3] = *message.first_chunk::<HEADER_BYTES>()?;
    let sequence = u64::from_le_bytes(sequence);
    let length = u32::from_le_bytes([l0, l1, l2, l3]);
    let check = checksum(sequence, length, xxh3_64(&message[HEADER_BYTES..]));
    let sound = length as usize == message.len() && check == u32::from_le_bytes([c0, c1, c2, c3]);
    sound.then_some(sequence)
}

/// Covers the header's other fields too, so that a payload under another message's header is seen.
fn checksum(sequence: u64, length: u32, payload_hash: u64) -> u32 {
    mix(payload_hash ^ mix(sequence) ^ u64::from(length)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(total_bytes: u64) -> Plan {
        Plan { seed: 7, total_bytes, max_message_bytes: MAX_MESSAGE_BYTES }
    }

    #[test]
    fn lengths_have_the_documented_range_and_mean() {
        let lengths = plan(0).lengths();
        assert!(lengths.iter().all(|len| (HEADER_BYTES..=MAX_MESSAGE_BYTES).contains(len)));
        assert_eq!(lengths.iter().filter(|len| **len <= 1024).count(), CYCLE_MESSAGES / 2);
        let mean = lengths.iter().sum::<usize>() / CYCLE_MESSAGES;
        assert!((7_800..=8_000).contains(&mean), "mean {mean}");
    }

    #[test]
    fn the_same_seed_gives_the_same_messages_and_another_seed_others() {
        let take = |seed| {
            let mut generator = Generator::new(&Plan { seed, ..plan(0) });
            (0..600).map(|_| generator.next_message().to_vec()).collect::<Vec<_>>()
        };
        assert!(take(7) == take(7));
        assert!(take(7) != take(8));
    }

    // Catches a change of a sealed message, wherever it is, that is taken for none.
    #[test]
    fn what_was_sealed_opens_if_it_was_not_changed() {
        let mut message = [0xA5; 40];
        seal(u64::MAX - 1, &mut message);
        assert_eq!(open(&message), Some(u64::MAX - 1));
        for at in 0..message.len() {
            message[at] ^= 1;
            assert_eq!(open(&message), None, "byte {at}");
            message[at] ^= 1;
            assert_eq!(open(&message[..at]), None, "{at} bytes");
        }
    }

    #[test]
    fn size_agrees_with_the_messages() {
        for total_bytes in [0, 1, 100_000, 2_016_000, 10_000_000] {
            let plan = plan(total_bytes);
            let size = plan.size();
            let mut generator = Generator::new(&plan);
            let mut bytes = 0;
            let mut messages = 0;
            while bytes < total_bytes {
                bytes += generator.next_message().len() as u64;
                messages += 1;
            }
            assert_eq!(size, Size { messages, bytes });
        }
    }
}
