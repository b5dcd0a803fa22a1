//! The broadcast ring.

mod bench;
mod evicting;
mod hostile;
mod joins;
mod model;
mod tiny;

use super::{RELAXED, assert_inside, before_wrap, control, handles, header, read, write};
use crate::ring::broadcast::{MARKS, Marks, Mode, Producer, Refusal, Ring, Start, Subscriber};
use crate::ring::tables::Handle;
use crate::ring::{Control, Place, Refused, Words, membership};
use crate::sync::AtomicU64;

/// Handles of subscribers.
const HANDLES: usize = 4;

/// A ring in ordinary memory.
struct Memory {
    control: Box<Control>,
    words: Vec<AtomicU64>,
    marks: Box<Marks>,
    handles: Vec<Handle>,
    align: u64,
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words: Vec<_> = self.words.iter().map(|word| format!("{word:x?}")).collect();
        write!(f, "hint {:#x}, join from {:#x}, words {words:?}", self.hint(), self.join_from())
    }
}

impl Memory {
    /// An empty ring at position `start`, whose records are at multiples of `align` bytes.
    fn new(capacity: u64, start: u64, align: u64) -> Self {
        let words = (0..capacity / 8).map(|_| AtomicU64::new(0)).collect();
        // SAFETY: marks are made of atomics.
        let marks: Box<Marks> = Box::new(unsafe { super::zeroed() });
        let memory = Self { control: control(), words, marks, handles: handles(HANDLES), align };
        if start != 0 {
            // Zeros are marks of position 0.
            (0..capacity).step_by(8).for_each(|at| memory.set_mark(at, u64::MAX, 0));
        }
        memory.set_hint(start);
        memory.set_join_from(start);
        memory.set_mark(start, start, 0);
        memory
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(&self.control, Words::new(&self.words), self.align, &self.marks)
    }

    fn capacity(&self) -> u64 {
        self.words.len() as u64 * 8
    }

    fn chunk(&self) -> u64 {
        self.capacity() / 16
    }

    fn at(&self, position: u64) -> &AtomicU64 {
        &self.words[((position % self.capacity()) / 8) as usize]
    }

    fn hint(&self) -> u64 {
        self.control.producer.tail.load(RELAXED)
    }

    fn set_hint(&self, hint: u64) {
        self.control.producer.tail.store(hint, RELAXED);
    }

    fn join_from(&self) -> u64 {
        self.control.consumer.head.load(RELAXED)
    }

    fn set_join_from(&self, position: u64) {
        self.control.consumer.head.store(position, RELAXED);
    }

    fn floor(&self) -> u64 {
        self.join_from().wrapping_sub(self.chunk())
    }

    /// Stores the mark of the chunk that `at` is in.
    fn set_mark(&self, at: u64, position: u64, messages: u64) {
        let mark = &self.marks[(at % self.capacity() / self.chunk()) as usize];
        mark.position.store(position, RELAXED);
        mark.messages.store(messages, RELAXED);
    }

    /// The marks, as they are stored: position and messages.
    fn marks(&self) -> [(u64, u64); MARKS] {
        std::array::from_fn(|index| {
            let mark = &self.marks[index];
            (mark.position.load(RELAXED), mark.messages.load(RELAXED))
        })
    }

    fn join(&self, handle: usize, mode: Mode, start: Start) -> Result<Subscriber, Refusal> {
        let own = &self.handles[handle].own;
        let joined = Subscriber::join(self.ring(), own, handle, mode, start);
        if joined.is_err() {
            self.leave(handle);
        }
        joined
    }

    fn leave(&self, handle: usize) {
        membership::release_handle(&*self.control, &self.handles, handle);
    }

    fn is_gating(&self, handle: usize) -> bool {
        self.ring().is_gating(handle)
    }

    fn write(&self, place: Place, payload: &[u8]) {
        write(&self.words, place, payload);
    }

    fn read(&self, place: Place) -> Vec<u8> {
        assert_inside(place, self.capacity());
        read(&self.words, place)
    }

    /// Sends a message of `len` bytes, all `byte`.
    fn send(&self, producer: &mut Producer, len: u64, byte: u8) -> Result<Place, Refused> {
        let place = producer.reserve(self.ring(), &self.handles, len)?;
        self.write(place, &vec![byte; len as usize]);
        producer.stage(self.ring(), place, len);
        producer.publish(self.ring());
        Ok(place)
    }
}
