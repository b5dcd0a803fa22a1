//! The slot ring over ordinary memory: several producers and consumers in one thread,
//! with any interleaving of whole operations.

mod bench;
mod hostile;
mod model;
mod oracle;
mod resolving;
mod span_deaths;
mod spans;
mod stamps;
mod takeover;
mod tiny;
mod walks;
mod windows;

use std::mem::ManuallyDrop;

use super::{RELAXED, control, handles, read, write};
use crate::ring::slot::{
    Consumer, Many, Producer, Resolved, Ring, Sizes, Slots, Spanning, resolve,
};
use crate::ring::tables::Handle;
use crate::ring::{Control, Corrupt, Extent, Look, Place, Refused};
use crate::sync::AtomicU64;

const MPMC: Many = Many { producers: true, consumers: true };
const MPSC: Many = Many { producers: true, consumers: false };
const SPMC: Many = Many { producers: false, consumers: true };
const SOLE: Many = Many { producers: false, consumers: false };
const ALL: [Many; 4] = [MPMC, MPSC, SPMC, SOLE];

/// Where stamps and announcements repeat, and where positions do.
const STARTS: [u64; 8] =
    [0, (1 << 39) - 1, 1 << 39, (1 << 40) - 2, (1 << 40) - 1, 1 << 40, u64::MAX - 2, u64::MAX];

/// A ring of slots in ordinary memory, and a handle for each who takes part.
struct Memory {
    control: Box<Control>,
    handles: Vec<Handle>,
    words: Vec<AtomicU64>,
    slots: u64,
    many: Many,
    /// Whether messages may span slots.
    spans: bool,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let stamps: Vec<_> =
            (0..self.slots).map(|slot| format!("{:x?}", self.stamp(slot))).collect();
        let intents = self.handles.iter().map(|handle| handle.own.intent.load(RELAXED));
        let intents: Vec<_> = intents.map(|intent| format!("{intent:x}")).collect();
        let (head, tail) = (self.head(), self.tail());
        write!(f, "{:?} head {head:#x} tail {tail:#x} {stamps:?} {intents:?}", self.many)
    }
}

impl Memory {
    /// An empty ring at position `start`, new: no slot was ever written.
    fn new(many: Many, slots: u64, payload_words: u64, start: u64) -> Self {
        let words = zeroed_words((slots * (1 + payload_words)) as usize);
        let (control, handles) = (control(), handles(4));
        let memory = Self { control, handles, words, slots, many, spans: false };
        memory.set_tail(start);
        memory.set_head(start);
        memory
    }

    /// The same, whose messages may span slots.
    fn spanning(self) -> Self {
        Self { spans: true, ..self }
    }

    /// The same after a lap: each slot holds the message before the next.
    fn aged(self) -> Self {
        for back in 1..=self.slots {
            let position = self.head().wrapping_sub(back);
            self.stamp(position).store(published(position, 0), RELAXED);
        }
        self
    }

    fn ring(&self) -> Ring<'_> {
        let slots =
            Slots::new(&self.words, Sizes::new(self.slots, self.slot_words(), 8, self.spans));
        Ring::new(&self.control, slots, self.many)
    }

    fn slot_words(&self) -> u64 {
        self.words.len() as u64 / self.slots
    }

    /// Bytes of the longest message in one slot.
    fn max_len(&self) -> u64 {
        self.slot_words() * 8 - 8
    }

    /// Slots of a message of `len` bytes.
    fn slots_of(&self, len: u64) -> u64 {
        len.div_ceil(self.max_len()).max(1)
    }

    fn stamp(&self, position: u64) -> &AtomicU64 {
        &self.words[((position % self.slots) * self.slot_words()) as usize]
    }

    fn intent(&self, handle: usize) -> &AtomicU64 {
        &self.handles[handle].own.intent
    }

    fn head(&self) -> u64 {
        self.control.consumer.head.load(RELAXED)
    }

    fn set_head(&self, head: u64) {
        self.control.consumer.head.store(head, RELAXED);
    }

    fn tail(&self) -> u64 {
        self.control.producer.tail.load(RELAXED)
    }

    fn set_tail(&self, tail: u64) {
        self.control.producer.tail.store(tail, RELAXED);
    }

    fn producer(&self) -> Producer {
        Producer::take_over(self.ring()).unwrap()
    }

    fn consumer(&self) -> Consumer {
        Consumer::take_over(self.ring())
    }

    /// Sends a message of `len` bytes through handle 0.
    fn send(&self, producer: &mut Producer, len: u64) -> Result<Place, Refused> {
        producer.claim(self.ring(), self.intent(0), 1)?;
        Ok(self.fill(producer, len))
    }

    /// Sends so many messages of 8 bytes through handle 0.
    fn send_all(&self, producer: &mut Producer, count: u64) {
        for _ in 0..count {
            self.send(producer, 8).unwrap();
        }
    }

    /// Publishes the oldest open ticket as a message of `len` bytes.
    fn fill(&self, producer: &mut Producer, len: u64) -> Place {
        let place = producer.place(self.ring(), len);
        self.assert_in_slot(place);
        assert_eq!(place.len(), len);
        write(&self.words, place, &payload(place.start, len));
        producer.publish(self.ring(), len);
        place
    }

    /// Sends a message of `len` bytes, in as many slots as it takes, through handle 0.
    fn send_parts(&self, producer: &mut Producer, len: u64) -> Result<Extent, Refused> {
        producer.claim(self.ring(), self.intent(0), self.slots_of(len))?;
        Ok(self.fill_parts(producer, len))
    }

    /// As [`fill`](Self::fill), of a message that may take several tickets.
    fn fill_parts(&self, producer: &mut Producer, len: u64) -> Extent {
        let ring = self.ring();
        let space = producer.publishing(ring).spanning(len);
        assert_eq!((space.start, space.len), (producer.published(), len));
        self.write_parts(space);
        producer.publishing(ring).publish_parts(space, len);
        producer.hint_if_due(ring);
        if len <= self.max_len() {
            return Extent::Whole(ring.place(space.start, len));
        }
        Extent::Spanning(space)
    }

    /// Writes the payload of a message that takes several slots.
    fn write_parts(&self, message: Spanning) {
        let bytes = payload(message.start, message.len);
        let mut from = 0;
        for place in self.ring().parts(message) {
            self.assert_in_slot(place);
            let to = from + place.len() as usize;
            write(&self.words, place, &bytes[from..to]);
            from = to;
        }
        assert_eq!(from, bytes.len());
    }

    /// The bytes of what a consumer found.
    fn read_extent(&self, extent: Extent) -> Vec<u8> {
        match extent {
            Extent::Whole(place) => self.read(place),
            Extent::Spanning(message) => {
                assert!(message.len > self.max_len(), "it fits into a slot");
                assert_eq!(message.end.wrapping_sub(message.start), self.slots_of(message.len));
                self.ring().parts(message).flat_map(|place| self.read(place)).collect()
            }
        }
    }

    /// Slots that were passed: tombstones, and parts of messages.
    fn passed(&self) -> (u64, u64) {
        (self.control.roles.tombstones(), self.control.consumer.parts.load(RELAXED))
    }

    /// What is at head for a consumer that comes now.
    fn look(&self) -> Result<Look, Corrupt> {
        self.consumer().look(self.ring())
    }

    fn read(&self, place: Place) -> Vec<u8> {
        self.assert_in_slot(place);
        read(&self.words, place)
    }

    /// What I6 demands of every place that the ring hands out.
    fn assert_in_slot(&self, place: Place) {
        let slot_bytes = self.slot_words() * 8;
        assert_eq!(place.offset(), (place.start % self.slots) * slot_bytes + 8, "{place:?}");
        assert_eq!(place.end, place.start.wrapping_add(1), "{place:?}");
        assert!(place.len() <= slot_bytes - 8, "{place:?}");
    }
}

/// Words of zero that cost nothing before they are touched.
fn zeroed_words(count: usize) -> Vec<AtomicU64> {
    let mut words = ManuallyDrop::new(vec![0_u64; count]);
    // SAFETY: the vector's own parts, which it does not use any more; an atomic lies in
    // memory as its number does.
    unsafe { Vec::from_raw_parts(words.as_mut_ptr().cast(), words.len(), words.capacity()) }
}

/// What the message at a position says, unlike any other's near it.
fn payload(position: u64, len: u64) -> Vec<u8> {
    (0..len).map(|i| (position.wrapping_mul(31).wrapping_add(i * 7) as u8) ^ 0x5A).collect()
}

/// A stamp as the format describes it, written without the ring's code.
fn published(position: u64, len: u64) -> u64 {
    (position.wrapping_add(1) % (1 << 40)) * 0x100_0000 + 0x10_0000 + len
}

fn tombstone(position: u64) -> u64 {
    (position.wrapping_add(1) % (1 << 40)) * 0x100_0000 + 0x20_0000
}

fn part(position: u64) -> u64 {
    (position.wrapping_add(1) % (1 << 40)) * 0x100_0000 + 0x40_0000
}

/// What a consumer found, if it is a message.
fn message(look: Look) -> Option<Extent> {
    match look {
        Look::Message(place) => Some(Extent::Whole(place)),
        Look::Spanning(message) => Some(Extent::Spanning(message)),
        _ => None,
    }
}

/// An intent as the format describes it.
fn announcement(first: u64, count: u64) -> u64 {
    (first % (1 << 39)) * 0x200_0000 + count
}
