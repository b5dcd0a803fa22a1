//! What a record ring must do, told with a queue and plain arithmetic.

use std::collections::VecDeque;

/// A committed message: its bytes, and the position after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) end: u64,
    pub(super) bytes: Vec<u8>,
}

/// What the ring must answer to a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Granted; the header lies at that position.
    Header(u64),
    Full {
        need: u64,
    },
    TooLong,
}

#[derive(Debug)]
pub(super) struct Oracle {
    capacity: u64,
    align: u64,
    pub(super) head: u64,
    pub(super) tail: u64,
    pub(super) messages: u64,
    pub(super) queue: VecDeque<Record>,
    staged: Vec<Record>,
}

/// Bytes that a message takes up.
pub(super) fn size_of(len: u64, align: u64) -> u64 {
    (8 + len).next_multiple_of(align)
}

impl Oracle {
    pub(super) fn new(capacity: u64, start: u64, align: u64) -> Self {
        let (queue, staged) = (VecDeque::new(), Vec::new());
        Self { capacity, align, head: start, tail: start, messages: 0, queue, staged }
    }

    fn staged_end(&self) -> u64 {
        self.staged.last().map_or(self.tail, |record| record.end)
    }

    pub(super) fn reserve(&self, len: u64) -> Answer {
        if len > self.capacity / 2 - self.align - 8 {
            return Answer::TooLong;
        }
        let from = self.staged_end();
        let room = self.capacity - from % self.capacity;
        let pad = if size_of(len, self.align) > room { room } else { 0 };
        // The zero word after the record is part of what it takes.
        let taken = from.wrapping_sub(self.head) + pad + size_of(len, self.align) + 8;
        if taken <= self.capacity {
            return Answer::Header(from.wrapping_add(pad));
        }
        let missing = taken - self.capacity;
        if missing <= self.tail.wrapping_sub(self.head) {
            Answer::Full { need: self.head.wrapping_add(missing) }
        } else {
            Answer::TooLong
        }
    }

    pub(super) fn stage(&mut self, header: u64, bytes: Vec<u8>) {
        let end = header.wrapping_add(size_of(bytes.len() as u64, self.align));
        self.staged.push(Record { end, bytes });
    }

    pub(super) fn publish(&mut self) {
        self.tail = self.staged_end();
        self.queue.extend(self.staged.drain(..));
    }

    pub(super) fn abort(&mut self) {
        self.staged.clear();
    }

    pub(super) fn release(&mut self, count: usize) {
        for record in self.queue.drain(..count) {
            self.head = record.end;
            self.messages += 1;
        }
    }

    pub(super) fn used(&self) -> u64 {
        self.tail.wrapping_sub(self.head)
    }
}
