//! The broadcast ring: one producer, and every subscriber receives every message.
//!
//! ```text
//!        floor                         mark      mark = hint   tail
//!          v                            v            v           v
//! ...free...[header|payload][header|payload]... [header|payload][0] ...free...
//!                 ^                       ^
//!          a gating subscriber's      another's
//!                cursor                 cursor
//! ```
//!
//! Records, their commit and rule Z are those of the [record ring](super::record). What differs
//! is who frees space: no consumer, but the producer itself, which raises the *floor*. Everything
//! before the floor may be overwritten at any moment.
//!
//! A subscriber is a record ring's consumer whose head is a *cursor* in its handle's own line.
//!
//! - The floor passes no cursor of a *gating* subscriber.
//! - An operator can *evict* a gating subscriber: it is a lossy one then, and learns that before
//!   anything else. The subscriber checks after each copy that it still gates.
//! - The cursor of a *lossy* subscriber holds nobody up. The subscriber copies a message, and then
//!   checks that the floor has not passed the message's position; if it has, the subscriber goes
//!   on at the oldest mark that is kept, and knows how many messages it missed.
//!
//! A *chunk* is a sixteenth of the ring. A *mark* is a record boundary and the count of messages
//! before it; there is one for each chunk of the ring, laid when tail first comes to that chunk.
//! The *hint* is the position of the newest mark. So the hint is always a boundary, and tail is
//! found from there by following headers.
//!
//! # The floor
//! - The producer alone stores it, by at most a chunk at a time. Before each raise it looks for
//!   gating subscribers, and after each it fences.
//! - A subscriber joins at a mark: it stores its cursor, sets its bit, fences, and then loads the
//!   floor. If the cursor is a chunk past the floor, the subscriber has joined: a raise that
//!   missed the bit may be under way, but the one after it sees the bit.
//! - **The hint is at least a chunk past the floor** and no mark is laid over the mark at the
//!   hint. So a subscriber can always join, and a successor of the producer finds tail.
//!
//! The segment holds `floor + chunk`, the position *from which* a subscriber can join: an empty
//! ring, whose words are all zero, can then be joined at its tail.
//!
//! # Death
//! A producer's death needs no repair, as in the record ring, and subscribers go on with its
//! successor. Of a gating subscriber the bit stays until its attachment is reaped.

mod gates;
mod join;
mod marks;
mod observe;
mod producer;
mod subscriber;
mod view;

pub(crate) use gates::Gates;
pub(crate) use join::Refusal;
pub use join::Start;
pub(crate) use marks::{MARKS, Mark, Marks};
pub(super) use observe::withdraw;
pub(crate) use observe::{Subscribed, SubscriberState};
pub(crate) use producer::Producer;
pub(crate) use subscriber::{Mode, Subscriber};
pub(crate) use view::most_records;

use super::tables::{Handle, HandleOwn};
use super::{Control, Corrupt, Words, at_or_past, record};
use crate::sync::{AtomicU64, Ordering, copy_fence, rule};

/// Bytes of a chunk of a ring of `capacity` bytes.
#[expect(clippy::arithmetic_side_effects, reason = "no division by a constant overflows")]
const fn chunk_bytes(capacity: u64) -> u64 {
    capacity / MARKS as u64
}

/// The longest message, in bytes, that a ring of `capacity` bytes, aligned to `align`, can take
/// once every gating subscriber has received everything. The floor stays a chunk behind the hint,
/// and the hint may be a chunk behind tail.
pub(crate) const fn max_len(capacity: u64, align: u64) -> u64 {
    record::max_len(capacity.wrapping_sub(chunk_bytes(capacity).wrapping_mul(2)), align)
}

/// A record boundary, and the count of messages before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Point {
    pub(crate) position: u64,
    pub(crate) messages: u64,
}

/// The shared words of one ring.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    records: record::Ring<'a>,
    hint: &'a AtomicU64,
    /// The floor and a chunk.
    join_from: &'a AtomicU64,
    gates: &'a Gates,
    marks: &'a Marks,
}

impl<'a> Ring<'a> {
    /// Returns the ring of a control block, words and marks, whose records start at multiples of
    /// `align` bytes. A chunk must be such a multiple.
    #[inline]
    pub(crate) fn new(
        control: &'a Control,
        words: Words<'a>,
        align: u64,
        marks: &'a Marks,
    ) -> Self {
        debug_assert!(chunk_bytes(words.capacity()) >= align);
        Self {
            records: record::Ring::new(control, words, align),
            hint: &control.producer.tail,
            join_from: &control.consumer.head,
            gates: &control.consumer.gates,
            marks,
        }
    }

    /// Returns the ring as the subscriber sees it whose line is `own`: as the consumer of a record
    /// ring, whose head is the cursor.
    #[inline]
    pub(crate) fn subscribed(self, own: &'a HandleOwn) -> record::Ring<'a> {
        self.records.read_from(&own.cursor, &own.messages)
    }

    /// Returns the bytes of the longest message.
    #[inline]
    pub(crate) fn max_len(self) -> u64 {
        max_len(self.records.capacity(), self.records.align())
    }

    /// See [`record::Ring::batch_len`]; to be compared with [`max_len`](Self::max_len) here.
    pub(crate) fn batch_len(self, lens: impl Iterator<Item = u64>) -> u64 {
        self.records.batch_len(lens)
    }

    #[inline]
    fn chunk(self) -> u64 {
        chunk_bytes(self.records.capacity())
    }

    /// Loads the floor.
    fn floor(self) -> u64 {
        self.join_from().wrapping_sub(self.chunk())
    }

    /// Loads the position from which a subscriber can join.
    fn join_from(self) -> u64 {
        // ORDERING: Acquire, with the fence in Producer::raise: who sees the floor sees a mark past
        // it, unless the producer has laid another one over it.
        self.join_from.load(Ordering::Acquire)
    }

    /// Returns `true` if nothing from `position` on had been overwritten when this was called: what
    /// the caller has copied of it is whole.
    #[inline]
    pub(crate) fn is_kept(self, position: u64) -> bool {
        // ORDERING: Acquire, with the fence in Producer::raise: a caller that has loaded what
        // was stored after a raise sees that floor.
        copy_fence();
        let join_from = self.join_from.load(Ordering::Relaxed);
        !rule(!at_or_past(position.wrapping_add(self.chunk()), join_from))
    }

    /// Checks that a record can start at a position of the segment (I6).
    fn check_position(self, what: &'static str, position: u64) -> Result<u64, Corrupt> {
        if position & self.records.align().wrapping_sub(1) == 0 {
            return Ok(position);
        }
        Err(Corrupt { what, position, found: position })
    }

    /// Follows headers from `from` to the first boundary for which `is_end` returns `true`, or to
    /// the first word that is not committed.
    ///
    /// # Errors
    /// `Corrupt` if a word is not a valid header, or if the records fill more than the ring. Of a
    /// caller that does not gate, only if `from` [is kept](Self::is_kept) afterwards.
    fn walk(self, from: Point, is_end: impl Fn(u64) -> bool) -> Result<Point, Corrupt> {
        let Point { mut position, mut messages } = from;
        while !is_end(position) {
            let word = self.records.load(position);
            if word == 0 {
                break;
            }
            let (kind, len) = self.records.decode(position, word)?;
            position = position.wrapping_add(self.records.record_bytes(len));
            messages = messages.wrapping_add(u64::from(kind == record::KIND_DATA));
            // Each step moves at least a word, so this also bounds the loop.
            if position.wrapping_sub(from.position) >= self.records.capacity() {
                return Err(Corrupt { what: "the chain of records", position, found: word });
            }
        }
        Ok(Point { position, messages })
    }

    /// Returns the newest mark. `None` if the producer laid so many meanwhile that none was read
    /// in one piece.
    fn newest(self) -> Option<Point> {
        (0..MAX_TRIES).find_map(|_| self.try_newest())
    }

    /// Returns the newest mark. `None` if the producer lays another one over it.
    pub(crate) fn try_newest(self) -> Option<Point> {
        // ORDERING: Acquire, with the Release in Producer::mark: who sees the hint sees its mark.
        let hint = self.hint.load(Ordering::Acquire);
        // Of a later lap, it is newer than the hint.
        marks::read(self, hint).filter(|point| at_or_past(point.position, hint))
    }

    /// Returns the position of the slowest gating subscriber; `None` if there is none. Loads the
    /// cursor of each.
    ///
    /// Of subscribers that release at the same time, and each fence before this, one finds the
    /// gate of all.
    pub(crate) fn gate(self, handles: &[Handle]) -> Option<u64> {
        let floor = self.floor();
        // ORDERING: Relaxed. Only a hint; raise loads it again, and fences.
        let cursors = self.gates.closed(handles).map(|own| own.cursor.load(Ordering::Relaxed));
        cursors.min_by_key(|cursor| cursor.wrapping_sub(floor).cast_signed())
    }

    /// Returns `true` if the floor can reach `need`, so that a refused reservation may fit.
    pub(crate) fn has_room(self, handles: &[Handle], need: u64) -> bool {
        self.gate(handles).is_none_or(|gate| at_or_past(gate, need))
    }

    /// Turns a gating subscriber into a lossy one: it holds nobody up any more, and learns that
    /// from its next look. Returns `true` if the handle of that index gated. The caller wakes the
    /// producer, and the subscriber if it is to learn of it at once.
    pub(crate) fn evict(self, handle: usize) -> bool {
        self.gates.evict(handle)
    }
}

/// How often a reader of marks, or one that joins, tries again after the producer was faster.
const MAX_TRIES: u32 = 100;
