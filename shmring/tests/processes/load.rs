//! Many messages between two processes.

use std::hash::Hasher;
use std::io::{self, Read, Write};

use shmring::{Config, RecvError, RecvIntoError, Segment, WaitMode};

use crate::common::{Name, child, watchdog};

/// Messages in all: every pair of modes, in a small and a large ring.
const MESSAGES: u64 = 1_008_000;
const MODES: [(&str, WaitMode); 3] =
    [("spin", WaitMode::Spin), ("adaptive", WaitMode::Adaptive), ("block", WaitMode::Block)];

/// Mostly small messages, now and then a long one.
fn len(number: u64) -> usize {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    (if mixed.is_multiple_of(64) { mixed % 2000 } else { mixed % 48 }) as usize
}

/// A message: its number as often as it fits, by a cheap rule that both sides know.
fn fill(number: u64, buffer: &mut [u8]) -> &[u8] {
    let message = &mut buffer[..len(number)];
    let word = number.wrapping_mul(0xD134_2543_DE82_EF95).to_ne_bytes();
    for chunk in message.chunks_mut(8) {
        chunk.copy_from_slice(&word[..chunk.len()]);
    }
    message
}

fn mode(name: &str) -> WaitMode {
    MODES.iter().find(|(known, _)| *known == name).unwrap().1
}

/// In the child: sends, in ways that change from message to message.
pub(crate) fn send(args: &[String]) {
    let count: u64 = args[2].parse().unwrap();
    let mut tx = Segment::attach(&args[0]).unwrap().producer().unwrap();
    tx.set_wait_mode(mode(&args[1]));
    let (mut one, mut two) = ([0; 2048], [0; 2048]);
    let mut number = 0;
    while number < count {
        let message = fill(number, &mut one);
        match number % 16 {
            3 => {
                let mut reservation = tx.reserve(message.len() + 5).unwrap();
                reservation.write_at(0, message);
                reservation.commit();
            }
            7 if number + 1 < count && len(number) + len(number + 1) < 2000 => {
                tx.send_batch(&[message, fill(number + 1, &mut two)]).unwrap();
                number += 1;
            }
            11 => {
                drop(tx.reserve(message.len()).unwrap());
                tx.send(message).unwrap();
            }
            _ => tx.send(message).unwrap(),
        }
        number += 1;
    }
}

fn run(sending: &str, receiving: WaitMode, capacity_bytes: u64, count: u64) {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(capacity_bytes));
    let mut rx = segment.consumer().unwrap();
    rx.set_wait_mode(receiving);
    let sender = child::start("send", &[&name, sending, &count.to_string()]);
    let (mut expected, mut buffer, mut number) = ([0; 2048], [0; 2048], 0);
    loop {
        let result = match number % 8 {
            2 => rx
                .recv_batch(4, |message| {
                    let len = message.copy_to(&mut buffer);
                    assert!(buffer[..len] == *fill(number, &mut expected), "message {number}");
                    number += 1;
                })
                .map_err(RecvIntoError::Recv),
            5 => rx
                .peek()
                .map(|peek| {
                    let len = peek.copy_to(&mut buffer);
                    assert!(buffer[..len] == *fill(number, &mut expected), "message {number}");
                    number += 1;
                    peek.release();
                    1
                })
                .map_err(RecvIntoError::Recv),
            _ => rx.recv_into(&mut buffer).inspect(|&len| {
                assert!(buffer[..len] == *fill(number, &mut expected), "message {number}");
                number += 1;
            }),
        };
        match result {
            Ok(_) => {}
            Err(RecvIntoError::Recv(RecvError::Eof)) => break,
            Err(error) => panic!("{error} at message {number}"),
        }
    }
    assert_eq!(number, count, "sent {sending}, received {receiving:?}");
    sender.finish();
}

/// Catches a message that is lost, doubled, torn or reordered on the way between two
/// processes, at the full speed of each pair of modes.
#[test]
fn a_million_messages_arrive_through_a_small_ring() {
    let _watchdog = watchdog("a_million_messages_arrive_through_a_small_ring");
    for (sending, _) in MODES {
        for (_, receiving) in MODES {
            run(sending, receiving, 4096, MESSAGES / 18);
        }
    }
}

/// As above, where the ring is seldom full.
#[test]
fn a_million_messages_arrive_through_a_large_ring() {
    let _watchdog = watchdog("a_million_messages_arrive_through_a_large_ring");
    for (sending, _) in MODES {
        for (_, receiving) in MODES {
            run(sending, receiving, 1 << 20, MESSAGES / 18);
        }
    }
}

const STREAM_BYTES: u64 = 5_000_003;

/// The bytes of the stream, from a small generator.
struct Bytes {
    state: u64,
    left: u64,
}

impl Bytes {
    fn new() -> Self {
        Self { state: 88_172_645_463_325_252, left: STREAM_BYTES }
    }
}

impl Read for Bytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.left as usize);
        for byte in &mut buffer[..len] {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            *byte = self.state as u8;
        }
        self.left -= len as u64;
        Ok(len)
    }
}

/// What was written into it, as a number and a length.
#[derive(Default)]
struct Digest {
    hasher: std::hash::DefaultHasher,
    len: u64,
}

impl Write for Digest {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Byte by byte, so that it does not matter how the bytes were grouped.
        bytes.iter().for_each(|&byte| self.hasher.write_u8(byte));
        self.len += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// In the child: copies the stream into the ring.
pub(crate) fn write(args: &[String]) {
    let tx = Segment::attach(&args[0]).unwrap().producer().unwrap();
    assert_eq!(io::copy(&mut Bytes::new(), &mut tx.into_writer()).unwrap(), STREAM_BYTES);
}

/// Catches a stream that loses or changes bytes between processes.
#[test]
fn a_stream_arrives_in_another_process() {
    let _watchdog = watchdog("a_stream_arrives_in_another_process");
    let mut expected = Digest::default();
    io::copy(&mut Bytes::new(), &mut expected).unwrap();
    for capacity_bytes in [4096, 1 << 18] {
        let name = Name::new();
        let segment = name.create(&Config::spsc().capacity_bytes(capacity_bytes));
        let mut reader = segment.consumer().unwrap().into_reader();
        let writer = child::start("write", &[&name]);
        let mut digest = Digest::default();
        io::copy(&mut reader, &mut digest).unwrap();
        assert_eq!(digest.len, STREAM_BYTES);
        assert_eq!(digest.hasher.finish(), expected.hasher.finish());
        writer.finish();
    }
}
