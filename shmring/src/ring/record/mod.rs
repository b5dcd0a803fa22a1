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
//! **Rule Z**: outside a commit the word at tail is 0, because the word after a
//! record is zeroed before the record becomes visible and the room check keeps
//! that word free. So a consumer needs no tail index, and payload of an earlier
//! lap is never taken for a header. A producer that sends one message after the other
//! zeroes the next one's word ahead of time, where it will be if all are of one length.
//!
//! Records start at multiples of the ring's alignment: a word, unless payloads are to be
//! aligned further. The payload is one word behind the header, so the ring's data starts one
//! word before such an address.
//!
//! A record never wraps. Where it does not fit before the end of the ring, a pad
//! record fills the rest and the record starts at the beginning.
//!
//! Death needs no repair: before the commit nothing is visible, after it all is.
//! A successor finds the tail by following headers from head.

mod consumer;
mod producer;

pub(crate) use consumer::Consumer;
pub(crate) use producer::Producer;

use super::{Control, Corrupt, Place, WORD_BYTES, Words, at_or_past};
use crate::sync::{AtomicU64, Ordering};

const KIND_DATA: u64 = 1;
const KIND_PAD: u64 = 2;

const LEN_BITS: u32 = 32;
const KIND_BITS: u32 = 8;
const CHECK_SHIFT: u32 = LEN_BITS + KIND_BITS;
const LEN_MASK: u64 = (1 << LEN_BITS) - 1;

/// The longest message, in bytes, that a ring of `capacity` bytes, aligned to `align`, can
/// always take once it is empty: with the worst pad before it and the zero word after it, it
/// just fits.
pub(crate) const fn max_len(capacity: u64, align: u64) -> u64 {
    (capacity / 2).wrapping_sub(align).wrapping_sub(WORD_BYTES)
}

/// One ring's shared words, as both sides see them.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    tail: &'a AtomicU64,
    head: &'a AtomicU64,
    messages: &'a AtomicU64,
    words: Words<'a>,
    /// A power of two, a word or more: what every record's position is a multiple of.
    align: u64,
}

#[inline]
fn check(position: u64) -> u64 {
    (position / WORD_BYTES) << CHECK_SHIFT
}

#[inline]
fn encode(position: u64, kind: u64, len: u64) -> u64 {
    check(position) | kind << LEN_BITS | len
}

impl<'a> Ring<'a> {
    /// The ring of that control block and those words, whose records are at multiples of
    /// `align` bytes, a power of two and at least a word.
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

    /// Bytes in the longest message.
    #[inline]
    pub(crate) fn max_len(self) -> u64 {
        max_len(self.words.capacity(), self.align)
    }

    /// The bytes that a record with a payload of `len` bytes, less than 2^63, takes up.
    #[inline]
    fn record_bytes(self, len: u64) -> u64 {
        let align = self.align;
        len.wrapping_add(WORD_BYTES - 1).wrapping_add(align) & align.wrapping_neg()
    }

    /// The length of the one message that takes up as many bytes as a batch of
    /// messages of these lengths. If that is at most [`max_len`](Self::max_len), the batch
    /// always fits once the ring is empty: wherever it wraps, the pad is shorter than a record
    /// of it.
    pub(crate) fn batch_len(self, lens: impl Iterator<Item = u64>) -> u64 {
        let bytes = lens.fold(0, |sum: u64, len| sum.saturating_add(self.record_bytes(len)));
        bytes.saturating_sub(WORD_BYTES)
    }

    /// Head is the position of a record, or nothing can be read there.
    fn check_head(self, head: u64) -> Result<(), Corrupt> {
        if head & self.align.wrapping_sub(1) == 0 {
            return Ok(());
        }
        Err(Corrupt { what: "head", position: head, found: head })
    }

    /// The word at a position where a header may be committed.
    #[inline]
    fn load(self, position: u64) -> u64 {
        // ORDERING: Acquire, with the Release in Producer::publish (I3).
        self.words.at(position).load(Ordering::Acquire)
    }

    /// The record with its header at `header` and a payload of `len` bytes.
    #[inline]
    fn place(self, header: u64, len: u64) -> Place {
        let offset = self.words.offset(header).wrapping_add(WORD_BYTES);
        Place { start: header, end: header.wrapping_add(self.record_bytes(len)), offset, len }
    }

    /// Splits a non-zero header into kind and length, if it can be one that a
    /// producer wrote at `position` (I6): the record ends inside the ring.
    #[inline]
    fn decode(self, position: u64, word: u64) -> Result<(u64, u64), Corrupt> {
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
    /// `Corrupt` if a header is none, or if the records fill more than the ring.
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

    /// What an observer can say of the ring: the bytes in it, and the messages
    /// released so far. Either may be out of date when it is read.
    pub(crate) fn observe(self) -> (u64, u64) {
        let head = self.head.load(Ordering::Relaxed);
        let hint = self.tail.load(Ordering::Relaxed);
        let from = if at_or_past(hint, head) { hint } else { head };
        let tail = self.scan(from).unwrap_or(from);
        let used = tail.wrapping_sub(head).min(self.words.capacity());
        (used, self.messages.load(Ordering::Relaxed))
    }

    /// Whether head has reached `need`, so that a refused reservation may fit.
    #[inline]
    pub(crate) fn has_room(self, need: u64) -> bool {
        // ORDERING: Relaxed. Only a hint; reserve loads head again with Acquire.
        at_or_past(self.head.load(Ordering::Relaxed), need)
    }
}
