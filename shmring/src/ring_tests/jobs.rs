//! The job ring over ordinary memory: producers and workers in one thread, with any interleaving
//! of whole operations.

mod bench;
mod cases;
mod hostile;
mod model;
mod oracle;

use super::{RELAXED, control, handles, read, write};
use crate::ring::jobs::{HEADER_BYTES, Ring, Worker};
use crate::ring::membership::Held;
use crate::ring::slot::{self, Many, Producer, Sizes, Slots};
use crate::ring::tables::Handle;
use crate::ring::{Control, Extent, Place};
use crate::sync::AtomicU64;

const MANY: Many = Many { producers: true, consumers: true };
/// Words of payload in a slot.
const PAYLOAD_WORDS: u64 = 2;
const SLOT_LEN: u64 = 8 * PAYLOAD_WORDS;
const SLOT_WORDS: u64 = 2 + PAYLOAD_WORDS;

/// Where claims, stamps and the position in next repeat, and where positions do.
const STARTS: [u64; 9] = [
    0,
    (1 << 37) - 1,
    (1 << 38) - 2,
    1 << 38,
    (1 << 39) - 1,
    (1 << 40) - 2,
    1 << 40,
    u64::MAX - 2,
    u64::MAX,
];

/// A job ring in ordinary memory, and handles.
struct Memory {
    control: Box<Control>,
    handles: Vec<Handle>,
    words: Vec<AtomicU64>,
    slots: u64,
}

impl Memory {
    /// An empty ring at position `start`; no slot was ever written.
    fn new(slots: u64, start: u64) -> Self {
        let words = (0..slots * SLOT_WORDS).map(|_| AtomicU64::new(0)).collect();
        let memory = Self { control: control(), handles: handles(8), words, slots };
        memory.control.producer.tail.store(start, RELAXED);
        memory.control.consumer.head.store(start, RELAXED);
        memory.control.consumer.next.store(start % (1 << 40), RELAXED);
        memory
    }

    /// The same after a lap of jobs that were done.
    fn aged(self) -> Self {
        for back in 1..=self.slots {
            let position = self.head().wrapping_sub(back);
            self.stamp(position).store(published(position, 0), RELAXED);
            self.claim(position).store(done(position), RELAXED);
        }
        self
    }

    fn slot_ring(&self) -> slot::Ring<'_> {
        let sizes = Sizes::new(self.slots, SLOT_WORDS, HEADER_BYTES, true);
        slot::Ring::new(&self.control, Slots::new(&self.words, sizes), MANY)
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(&self.control, self.slot_ring())
    }

    fn held(&self) -> Held<'_> {
        Held::new(&self.control, Some(self.ring()))
    }

    fn stamp(&self, position: u64) -> &AtomicU64 {
        &self.words[((position % self.slots) * SLOT_WORDS) as usize]
    }

    fn claim(&self, position: u64) -> &AtomicU64 {
        &self.words[((position % self.slots) * SLOT_WORDS) as usize + 1]
    }

    fn head(&self) -> u64 {
        self.control.consumer.head.load(RELAXED)
    }

    fn worker(&self, handle: usize) -> Worker {
        Worker::join(self.ring(), handle)
    }

    fn producer(&self) -> Producer {
        Producer::take_over(self.slot_ring()).unwrap()
    }

    /// Sends a job of `len` bytes through handle 7. Panics if there is no room.
    fn send(&self, producer: &mut Producer, len: u64) {
        let count = self.slot_ring().slots_of(len);
        self.ring().advance();
        producer.claim(self.slot_ring(), &self.handles[7].own.intent, count).unwrap();
        self.publish(producer, len);
    }

    /// Publishes a job of `len` bytes under the oldest open tickets.
    fn publish(&self, producer: &mut Producer, len: u64) {
        let ring = self.slot_ring();
        let position = producer.published();
        let bytes = payload(position, len);
        if len <= SLOT_LEN {
            let place = producer.place(ring, len);
            self.assert_in_slot(place);
            write(&self.words, place, &bytes);
            producer.publish(ring, len);
            return;
        }
        let space = ring.spanning(position, len);
        for (place, chunk) in ring.parts(space).zip(bytes.chunks(SLOT_LEN as usize)) {
            self.assert_in_slot(place);
            write(&self.words, place, chunk);
        }
        producer.publish_parts(ring, space, len);
    }

    fn read(&self, extent: Extent) -> Vec<u8> {
        let places = match extent {
            Extent::Whole(place) => vec![place],
            Extent::Spanning(message) => self.slot_ring().parts(message).collect(),
        };
        let parts = places.into_iter().map(|place| {
            self.assert_in_slot(place);
            read(&self.words, place)
        });
        parts.flatten().collect()
    }

    /// What I6 demands of every place that the ring hands out.
    fn assert_in_slot(&self, place: Place) {
        let slot_bytes = SLOT_WORDS * 8;
        let start = (place.start % self.slots) * slot_bytes + HEADER_BYTES;
        assert!(place.offset() == start && place.len() <= SLOT_LEN, "{place:?}");
    }
}

/// What the job at a position says, unlike any other's near it.
fn payload(position: u64, len: u64) -> Vec<u8> {
    (0..len).map(|i| (position.wrapping_mul(31).wrapping_add(i * 7) as u8) ^ 0x5A).collect()
}

/// A stamp as the format describes it, written without the ring's code.
fn published(position: u64, len: u64) -> u64 {
    (position.wrapping_add(1) % (1 << 40)) * 0x100_0000 + 0x10_0000 + len
}

/// A claim as the format describes it.
fn claim(position: u64, attempts: u64, handle: u64, state: u64) -> u64 {
    (position.wrapping_add(1) % (1 << 38)) * (1 << 26) + attempts * 1024 + handle * 4 + state
}

fn taken(position: u64, attempts: u64, handle: u64) -> u64 {
    claim(position, attempts, handle, 1)
}

fn returned(position: u64, attempts: u64) -> u64 {
    claim(position, attempts, 0, 2)
}

fn done(position: u64) -> u64 {
    claim(position, 0, 0, 3)
}
