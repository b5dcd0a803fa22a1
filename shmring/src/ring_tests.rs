//! The algorithms over ordinary memory, in one thread. What several threads may
//! see of each other is checked by the models of `loom-tests`.

#![allow(unsafe_code)]

mod broadcast;
mod corrupt;
mod jobs;
mod model;
mod oracle;
mod packed;
mod roles;
mod shared_roles;
mod slot;
mod tiny;
mod waking;

use crate::ring::record::{Consumer, Ring};
use crate::ring::tables::Handle;
use crate::ring::{Control, Corrupt, Place, Words};
use crate::sync::{AtomicU64, Ordering};

const RELAXED: Ordering = Ordering::Relaxed;

/// A ring in ordinary memory.
struct Memory {
    control: Box<Control>,
    words: Vec<AtomicU64>,
    align: u64,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.words.iter().map(|word| format!("{word:x?}")).collect();
        write!(f, "head {:#x}, words {words:?}", self.head())
    }
}

/// A value whose bytes are all zero, as in a new segment.
///
/// # Safety
/// All zero must be a value of `T`.
unsafe fn zeroed<T>() -> T {
    // SAFETY: the caller's promise.
    unsafe { std::mem::zeroed() }
}

fn control() -> Box<Control> {
    // SAFETY: a control block is made of atomics and padding.
    Box::new(unsafe { zeroed() })
}

fn handles(count: usize) -> Vec<Handle> {
    // SAFETY: a handle is made of atomics and padding.
    (0..count).map(|_| unsafe { zeroed() }).collect()
}

impl Memory {
    /// An empty ring at position `start`.
    fn new(capacity: u64, start: u64) -> Self {
        Self::aligned(capacity, start, 8)
    }

    /// The same with records at multiples of `align` bytes.
    fn aligned(capacity: u64, start: u64, align: u64) -> Self {
        let words = (0..capacity / 8).map(|_| AtomicU64::new(0)).collect();
        let memory = Self { control: control(), words, align };
        memory.control.producer.tail.store(start, RELAXED);
        memory.set_head(start);
        memory
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(&self.control, Words::new(&self.words), self.align)
    }

    fn capacity(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    fn at(&self, position: u64) -> &AtomicU64 {
        &self.words[((position % self.capacity()) / 8) as usize]
    }

    fn set_head(&self, head: u64) {
        self.control.consumer.head.store(head, RELAXED);
    }

    fn head(&self) -> u64 {
        self.control.consumer.head.load(RELAXED)
    }

    fn write(&self, place: Place, payload: &[u8]) {
        write(&self.words, place, payload);
    }

    /// The tail to which the records lead, and how many messages a consumer sees there.
    fn committed(&self) -> Result<(u64, u64), Corrupt> {
        let consumer = Consumer::take_over(self.ring())?;
        let (mut end, mut count) = (consumer.head(), 0);
        while let Some(place) = consumer.peek(self.ring(), end)? {
            (end, count) = (place.end, count + 1);
        }
        Ok((self.ring().scan(self.head())?, count))
    }

    fn read(&self, place: Place) -> Vec<u8> {
        assert_inside(place, self.capacity());
        read(&self.words, place)
    }
}

/// Writes a payload where it was granted, byte by byte.
fn write(words: &[AtomicU64], place: Place, payload: &[u8]) {
    assert!(payload.len() as u64 <= place.len());
    for (i, chunk) in payload.chunks(8).enumerate() {
        let mut bytes = [0; 8];
        bytes[..chunk.len()].copy_from_slice(chunk);
        words[place.offset() as usize / 8 + i].store(u64::from_ne_bytes(bytes), RELAXED);
    }
}

fn read(words: &[AtomicU64], place: Place) -> Vec<u8> {
    let words = &words[place.offset() as usize / 8..];
    let bytes = words.iter().flat_map(|word| word.load(RELAXED).to_ne_bytes());
    bytes.take(place.len() as usize).collect()
}

/// What I6 demands of every place that a ring hands out.
fn assert_inside(place: Place, capacity: u64) {
    assert!(place.offset().is_multiple_of(8) && place.offset() >= 8, "{place:?}");
    assert!(place.len() <= capacity && place.offset() + place.len() <= capacity, "{place:?}");
}

/// A header as the format describes it, written without the ring's code.
fn header(position: u64, kind: u64, len: u64) -> u64 {
    ((position / 8) % (1 << 24)) << 40 | kind << 32 | len
}

/// `count` words before position 2^64, which is position 0 again.
fn before_wrap(count: u64) -> u64 {
    0_u64.wrapping_sub(8 * count)
}
