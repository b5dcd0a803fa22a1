//! The record ring: one producer, one consumer, messages of any length.
//!
//! ```text
//!           head                          tail
//!            v                             v
//! ...free... [header|payload][header|payload][0] ...free... | end of ring
//!
//! header = check:24 | kind:8 | len:32        one word, stored once, last
//! ```
//!
//! - Send: write the payload, store 0 into the word after the record, store the
//!   record's header. That last store is the commit.
//! - Receive: load the word at head. 0 means empty; else it is a header.
//! - Release: store head past the record.
//!
//! **Rule Z**: outside a commit the word at tail is 0, because the producer
//! zeroes the word after a record before it publishes the record, and the room check keeps that
//! word free. So a consumer needs no tail index, and never takes payload of an earlier lap for a
//! header. A producer that sends messages one by one zeroes the next word ahead of time, where it
//! will be if the next message has the same length.
//!
//! Records start at multiples of the ring's alignment: a word, or more if payloads have
//! a larger alignment. The payload is one word behind the header, so the ring's data starts one
//! word before such an address.
//!
//! A record never wraps. Where it does not fit before the end of the ring, a pad
//! record fills the rest and the record starts at the beginning.
//!
//! Death needs no repair: before the commit nothing of a record is visible, after it everything
//! is. A successor finds the tail by following headers from head.

mod consumer;
mod producer;

pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;
pub(crate) use producer::Staging;

use super::{Control, Corrupt, Place, WORD_BYTES, Words, at_or_past};
use crate::sync::{AtomicU64, Ordering};

pub(super) const KIND_DATA: u64 = 1;
const KIND_PAD: u64 = 2;

const LEN_BITS: u32 = 32;
const KIND_BITS: u32 = 8;
const CHECK_SHIFT: u32 = LEN_BITS + KIND_BITS;
/// By how much a position, a multiple of a word, is shifted so that the number of its word is in
/// the check.
const POSITION_SHIFT: u32 = CHECK_SHIFT - WORD_BYTES.trailing_zeros();
const LEN_MASK: u64 = (1 << LEN_BITS) - 1;

/// The longest message, in bytes, that a ring of `capacity` bytes, aligned to `align`, can
/// always take once it is empty: with the worst pad before it and the zero word after it, it
/// just fits.
pub(crate) const fn max_len(capacity: u64, align: u64) -> u64 {
    (capacity / 2).wrapping_sub(align).wrapping_sub(WORD_BYTES)
}

/// The shared words of one ring, for both sides.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    tail: &'a AtomicU64,
    head: &'a AtomicU64,
    messages: &'a AtomicU64,
    words: Words<'a>,
    /// The alignment of every record's position: a power of two, at least a word.
    align: u64,
}

/// Returns the check of a header at `position`: the number of its word, in the upper bits.
#[inline]
fn check(position: u64) -> u64 {
    position << POSITION_SHIFT
}

/// Returns the header of a record at `position`, a multiple of a word.
#[inline]
fn encode(position: u64, kind: u64, len: u64) -> u64 {
    debug_assert!(position.is_multiple_of(WORD_BYTES));
    check(position) | kind << LEN_BITS | len
}

impl<'a> Ring<'a> {
    /// Returns `true` if a record is at the consumer's head, for a waiter that is not the consumer
    /// itself.
    pub(crate) fn has_message(self) -> bool {
        // ORDERING: Relaxed. Only a hint; the consumer loads the word again with Acquire.
        let head = self.head.load(Ordering::Relaxed);
        self.words.at(head).load(Ordering::Relaxed) != 0
    }

    /// Returns the ring of a control block and words, whose records start at multiples of `align`
    /// bytes, a power of two and at least a word.
    #[inline]
    pub(crate) fn new(control: &'a Control, words: Words<'a>, align: u64) -> Self {
        Self {
            tail: &control.producer.tail,
            head: &control.consumer.head,
            messages: &control.consumer.messages,
            words,
            align,
        }
    }

    /// Returns the same records, as a consumer sees them that keeps its head and its count of
    /// messages in those words.
    #[inline]
    pub(super) fn read_from(self, head: &'a AtomicU64, messages: &'a AtomicU64) -> Self {
        Self { head, messages, ..self }
    }

    /// Returns the bytes of the ring.
    #[inline]
    pub(super) fn capacity(self) -> u64 {
        self.words.capacity()
    }

    /// Returns the alignment of every record's position.
    #[inline]
    pub(super) fn align(self) -> u64 {
        self.align
    }

    /// Returns the bytes of the longest message.
    #[inline]
    pub(crate) fn max_len(self) -> u64 {
        max_len(self.words.capacity(), self.align)
    }

    /// Returns the bytes that a record with a payload of `len` bytes, less than 2^63, occupies.
    #[inline]
    pub(super) fn record_bytes(self, len: u64) -> u64 {
        let align = self.align;
        len.wrapping_add(WORD_BYTES - 1).wrapping_add(align) & align.wrapping_neg()
    }

    /// Returns the length of the single message that occupies as many bytes as a batch of messages
    /// of these lengths. If that is at most [`max_len`](Self::max_len), the batch
    /// always fits once the ring is empty: wherever it wraps, the pad is shorter than a record
    /// of it.
    pub(crate) fn batch_len(self, lens: impl Iterator<Item = u64>) -> u64 {
        let bytes: u128 = lens.map(|len| u128::from(self.record_bytes(len))).sum();
        u64::try_from(bytes).unwrap_or(u64::MAX).saturating_sub(WORD_BYTES)
    }

    /// Checks that head can be the position of a record.
    fn check_head(self, head: u64) -> Result<(), Corrupt> {
        if head & self.align.wrapping_sub(1) == 0 {
            return Ok(());
        }
        Err(Corrupt { what: "head", position: head, found: head })
    }

    /// Loads the word at a position where a header may be committed.
    #[inline]
    pub(super) fn load(self, position: u64) -> u64 {
        // ORDERING: Acquire, with the Release in Producer::publish (I3).
        self.words.at(position).load(Ordering::Acquire)
    }

    /// Returns the place of the record with its header at `header` and a payload of `len` bytes.
    /// Callers check first that the record ends inside the ring.
    #[inline]
    pub(super) fn place(self, header: u64, len: u64) -> Place {
        self.place_of(header, len, self.record_bytes(len))
    }

    /// As [`place`](Self::place), with the [`record_bytes`](Self::record_bytes) of `len`.
    #[inline]
    fn place_of(self, header: u64, len: u64, bytes: u64) -> Place {
        debug_assert_eq!(bytes, self.record_bytes(len));
        let offset = self.words.offset(header).wrapping_add(WORD_BYTES);
        Place { start: header, end: header.wrapping_add(bytes), offset, len }
    }

    /// Decodes a non-zero header into kind and length, and checks that a producer can have written
    /// it at `position` (I6): the record ends inside the ring.
    #[inline]
    pub(super) fn decode(self, position: u64, word: u64) -> Result<(u64, u64), Corrupt> {
        let kind = (word >> LEN_BITS) & ((1 << KIND_BITS) - 1);
        let len = word & LEN_MASK;
        let capacity = self.words.capacity();
        let room = capacity.wrapping_sub(self.words.offset(position));
        let fits = match kind {
            KIND_DATA => len <= self.max_len() && self.record_bytes(len) <= room,
            KIND_PAD => len.wrapping_add(WORD_BYTES) == room,
            _ => false,
        };
        if word >> CHECK_SHIFT != check(position) >> CHECK_SHIFT || !fits {
            return Err(Corrupt { what: "a record header", position, found: word });
        }
        Ok((kind, len))
    }

    /// Follows headers from `from`, a record boundary that the consumer cannot
    /// pass meanwhile or whose records it leaves intact, to the first
    /// uncommitted word.
    ///
    /// # Errors
    /// `Corrupt` if a word is not a valid header, or if the records fill more than the ring.
    pub(crate) fn scan(self, from: u64) -> Result<u64, Corrupt> {
        let mut position = from;
        loop {
            // ORDERING: Relaxed. A successor is ordered after its predecessor by
            // the role's claim; an observer only looks.
            let word = self.words.at(position).load(Ordering::Relaxed);
            if word == 0 {
                return Ok(position);
            }
            let (_, len) = self.decode(position, word)?;
            position = position.wrapping_add(self.record_bytes(len));
            // Each step moves at least a word, so this also bounds the loop.
            if position.wrapping_sub(from) > self.words.capacity().wrapping_sub(WORD_BYTES) {
                return Err(Corrupt { what: "the chain of records", position, found: word });
            }
        }
    }

    /// How many messages are in the ring, by its headers. Exact for a party that moves neither
    /// end meanwhile and no other does; otherwise out of date when it is read.
    pub(crate) fn count(self) -> u64 {
        let head = self.head.load(Ordering::Relaxed);
        let (mut position, mut messages) = (head, 0_u64);
        // Each step moves at least a word, so this also bounds the loop.
        while position.wrapping_sub(head) < self.words.capacity() {
            let word = self.words.at(position).load(Ordering::Relaxed);
            let Ok((kind, len)) = self.decode(position, word) else {
                break;
            };
            messages = messages.wrapping_add(u64::from(kind == KIND_DATA));
            position = position.wrapping_add(self.record_bytes(len));
        }
        messages
    }

    /// Returns the bytes in use and the messages released so far, for observers. Both may be out of
    /// date when the caller reads them.
    pub(crate) fn observe(self) -> (u64, u64) {
        let head = self.head.load(Ordering::Relaxed);
        let hint = self.tail.load(Ordering::Relaxed);
        let from = if at_or_past(hint, head) { hint } else { head };
        let tail = self.scan(from).unwrap_or(from);
        let used = tail.wrapping_sub(head).min(self.words.capacity());
        (used, self.messages.load(Ordering::Relaxed))
    }

    /// Returns `true` if head has reached `need`, so that a refused reservation may fit.
    #[inline]
    pub(crate) fn has_room(self, need: u64) -> bool {
        // ORDERING: Relaxed. Only a hint; reserve loads head again with Acquire.
        at_or_past(self.head.load(Ordering::Relaxed), need)
    }
}
