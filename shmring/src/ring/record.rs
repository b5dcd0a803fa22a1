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
//! lap is never taken for a header.
//!
//! A record never wraps. Where it does not fit before the end of the ring, a pad
//! record fills the rest and the record starts at the beginning.
//!
//! Death needs no repair: before the commit nothing is visible, after it all is.
//! A successor finds the tail by following headers from head.

use super::{
    Control, Corrupt, Place, Refused, WORD_BYTES, Words, align_word, at_or_past, refresh_head,
};
use crate::sync::{AtomicU64, Ordering};

const KIND_DATA: u64 = 1;
const KIND_PAD: u64 = 2;

const LEN_BITS: u32 = 32;
const KIND_BITS: u32 = 8;
const CHECK_SHIFT: u32 = LEN_BITS + KIND_BITS;
const LEN_MASK: u64 = (1 << LEN_BITS) - 1;

/// The producer refreshes its tail hint when it has moved this part of the ring.
const HINT_PARTS: u64 = 16;

/// The longest message, in bytes, that a ring of `capacity` bytes can always
/// take once it is empty: with the worst pad before it and the zero word after
/// it, it just fits.
pub(crate) const fn max_len(capacity: u64) -> u64 {
    capacity / 2 - 2 * WORD_BYTES
}

/// One ring's shared words, as both sides see them.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    tail: &'a AtomicU64,
    head: &'a AtomicU64,
    messages: &'a AtomicU64,
    words: Words<'a>,
}

/// The bytes that a record with a payload of `len` bytes takes up.
#[inline]
const fn record_bytes(len: u64) -> u64 {
    align_word(WORD_BYTES + len)
}

/// The length of the one message that takes up as many bytes as a batch of
/// messages of these lengths. If that is at most [`max_len`], the batch always fits
/// once the ring is empty: wherever it wraps, the pad is shorter than a record of it.
pub(crate) fn batch_len(lens: impl Iterator<Item = u64>) -> u64 {
    lens.fold(0, |sum: u64, len| sum.saturating_add(record_bytes(len))).saturating_sub(WORD_BYTES)
}

#[inline]
fn check(position: u64) -> u64 {
    (position / WORD_BYTES) << CHECK_SHIFT
}

#[inline]
fn encode(position: u64, kind: u64, len: u64) -> u64 {
    check(position) | kind << LEN_BITS | len
}

/// Head is the position of a word, or nothing can be read there.
fn check_head(head: u64) -> Result<(), Corrupt> {
    if head.is_multiple_of(WORD_BYTES) {
        return Ok(());
    }
    Err(Corrupt { what: "head", position: head, found: head })
}

impl<'a> Ring<'a> {
    #[inline]
    pub(crate) fn new(control: &'a Control, words: Words<'a>) -> Self {
        Self {
            tail: &control.producer.tail,
            head: &control.consumer.head,
            messages: &control.consumer.messages,
            words,
        }
    }

    /// Bytes in the longest message.
    #[inline]
    pub(crate) fn max_len(self) -> u64 {
        max_len(self.words.capacity())
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
        let offset = self.words.offset(header) + WORD_BYTES;
        Place { start: header, end: header.wrapping_add(record_bytes(len)), offset, len }
    }

    /// Splits a non-zero header into kind and length, if it can be one that a
    /// producer wrote at `position` (I6): the record ends inside the ring.
    #[inline]
    fn decode(self, position: u64, word: u64) -> Result<(u64, u64), Corrupt> {
        let kind = (word >> LEN_BITS) & ((1 << KIND_BITS) - 1);
        let len = word & LEN_MASK;
        let capacity = self.words.capacity();
        let room = capacity - self.words.offset(position);
        let fits = match kind {
            KIND_DATA => len <= max_len(capacity) && record_bytes(len) <= room,
            KIND_PAD => len + WORD_BYTES == room,
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
            position = position.wrapping_add(record_bytes(len));
            // Each step moves at least a word, so this also bounds the loop.
            if position.wrapping_sub(from) > self.words.capacity() - WORD_BYTES {
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

/// The producer's private state: nothing in it is ever read from the segment again.
#[derive(Debug)]
pub(crate) struct Producer {
    /// Position of the first header that is not committed.
    tail: u64,
    /// Position after the last staged record; equals `tail` when none is staged.
    end: u64,
    /// What the commit stores at `tail`: the first staged header.
    first: u64,
    /// A copy of head. May be out of date, then it is too small.
    head_cache: u64,
    /// The tail hint that was stored last.
    hinted: u64,
}

impl Producer {
    /// Takes the producer's side over from a predecessor, at the tail that its
    /// records lead to. The caller owns the producer role.
    ///
    /// # Errors
    /// `Corrupt` as for [`Ring::scan`].
    pub(crate) fn take_over(ring: Ring<'_>) -> Result<Self, Corrupt> {
        // ORDERING: Acquire, with the Release in Consumer::release (I4): space
        // before this head is overwritten without another look at it.
        let head = ring.head.load(Ordering::Acquire);
        check_head(head)?;
        let tail = ring.scan(head)?;
        Ok(Self { tail, end: tail, first: 0, head_cache: head, hinted: tail })
    }

    /// Grants space for a message of `len` bytes after the staged records.
    /// Nothing is written; granting again without staging grants the same space.
    ///
    /// # Errors
    /// `TooLong` if it can never fit (alone, or with what is staged before it),
    /// `Full` if the consumer has to release first, `Corrupt` if head lies
    /// outside the window (I1).
    #[inline]
    pub(crate) fn reserve(&mut self, ring: Ring<'_>, len: u64) -> Result<Place, Refused> {
        let capacity = ring.words.capacity();
        if len > max_len(capacity) {
            return Err(Refused::TooLong);
        }
        if let Some(place) = self.reserve_plainly(ring, len) {
            return Ok(place);
        }
        // Possibly full: head may have moved since it was copied.
        self.refresh_head(ring).map_err(Refused::Corrupt)?;
        // Really full.
        self.reserve_plainly(ring, len).ok_or_else(|| {
            let (_, end) = self.next_place(ring, len);
            let need = end.wrapping_sub(capacity);
            if at_or_past(self.tail, need) { Refused::Full { need } } else { Refused::TooLong }
        })
    }

    /// Where a record for `len` bytes, at most [`max_len`], goes, and the position after
    /// it and the word behind it, which must be free to be zeroed.
    #[inline]
    fn next_place(&self, ring: Ring<'_>, len: u64) -> (Place, u64) {
        let need = record_bytes(len);
        let room = ring.words.capacity() - ring.words.offset(self.end);
        let pad = if need <= room { 0 } else { room };
        let place = ring.place(self.end.wrapping_add(pad), len);
        (place, place.end.wrapping_add(WORD_BYTES))
    }

    /// As [`reserve`](Self::reserve), if the last copy of head says that there is room.
    #[inline]
    pub(crate) fn reserve_plainly(&mut self, ring: Ring<'_>, len: u64) -> Option<Place> {
        let capacity = ring.words.capacity();
        if len > max_len(capacity) {
            return None;
        }
        let (place, end) = self.next_place(ring, len);
        (end.wrapping_sub(self.head_cache) <= capacity).then_some(place)
    }

    #[cold]
    fn refresh_head(&mut self, ring: Ring<'_>) -> Result<(), Corrupt> {
        let head = refresh_head(ring.head, self.head_cache, self.tail)?;
        check_head(head)?;
        self.head_cache = head;
        self.hint(ring);
        Ok(())
    }

    /// Puts the record that `place` was granted for, now `len` bytes long, behind
    /// the staged ones. The consumer sees none of them before [`publish`](Self::publish).
    ///
    /// `place` is the last one granted and `len` is at most its length.
    #[inline]
    pub(crate) fn stage(&mut self, ring: Ring<'_>, place: Place, len: u64) {
        debug_assert!(len <= place.len);
        let header = encode(place.start, KIND_DATA, len);
        let pad = place.start.wrapping_sub(self.end);
        let is_first = self.end == self.tail;
        let mut lead = header;
        if pad != 0 {
            ring.words.at(place.start).store(header, Ordering::Relaxed);
            lead = encode(self.end, KIND_PAD, pad - WORD_BYTES);
        }
        if is_first {
            self.first = lead;
        } else {
            ring.words.at(self.end).store(lead, Ordering::Relaxed);
        }
        self.end = place.start.wrapping_add(record_bytes(len));
    }

    /// Makes all staged records visible at once.
    #[inline]
    pub(crate) fn publish(&mut self, ring: Ring<'_>) {
        if self.end == self.tail {
            return;
        }
        // Rule Z: the next header reads as "not committed" before this one appears.
        ring.words.at(self.end).store(0, Ordering::Relaxed);
        // ORDERING: Release, with the Acquire in Consumer::peek (I3). The commit.
        ring.words.at(self.tail).store(self.first, Ordering::Release);
        self.tail = self.end;
        if self.tail.wrapping_sub(self.hinted) >= ring.words.capacity() / HINT_PARTS {
            self.hint(ring);
        }
    }

    /// Forgets the staged records. Nothing of them was visible.
    #[inline]
    pub(crate) fn abort(&mut self) {
        self.end = self.tail;
    }

    /// Tells observers where the tail is.
    pub(crate) fn hint(&mut self, ring: Ring<'_>) {
        self.hinted = self.tail;
        ring.tail.store(self.tail, Ordering::Relaxed);
    }

    /// The position after the last commit.
    #[inline]
    pub(crate) fn tail(&self) -> u64 {
        self.tail
    }
}

/// The consumer's private state.
#[derive(Debug)]
pub(crate) struct Consumer {
    head: u64,
    messages: u64,
}

impl Consumer {
    /// Takes the consumer's side over from a predecessor. The first message is
    /// the oldest that was not released. The caller owns the consumer role.
    ///
    /// # Errors
    /// `Corrupt` if head is not the position of a word.
    pub(crate) fn take_over(ring: Ring<'_>) -> Result<Self, Corrupt> {
        // ORDERING: Relaxed. The role's claim orders this after the predecessor.
        let head = ring.head.load(Ordering::Relaxed);
        check_head(head)?;
        Ok(Self { head, messages: ring.messages.load(Ordering::Relaxed) })
    }

    /// The position of the oldest message that was not released.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// The message at position `from`, head or the end of a message peeked before, if one
    /// is committed there and no pad comes first.
    #[inline]
    pub(crate) fn peek_plainly(&self, ring: Ring<'_>, from: u64) -> Option<Place> {
        // The header of a message differs from that of an empty one at this position by
        // its length, and every other word by more than a length can be (I6).
        let len = ring.load(from) ^ encode(from, KIND_DATA, 0);
        let capacity = ring.words.capacity();
        let bytes = record_bytes(len & LEN_MASK);
        let room = capacity - ring.words.offset(from);
        let ahead = from.wrapping_sub(self.head).wrapping_add(bytes);
        let fits = len <= max_len(capacity) && bytes <= room && ahead <= capacity - WORD_BYTES;
        fits.then(|| ring.place(from, len))
    }

    /// The committed message at position `from`: head, or the end of a message
    /// peeked before. `None` if none is committed there.
    ///
    /// # Errors
    /// `Corrupt` if the word is no header, or if the message would end outside
    /// the window (I1, I6).
    #[inline]
    pub(crate) fn peek(&self, ring: Ring<'_>, from: u64) -> Result<Option<Place>, Corrupt> {
        let word = ring.load(from);
        if word == 0 {
            return Ok(None);
        }
        let (kind, len) = ring.decode(from, word)?;
        let place = if kind == KIND_PAD {
            self.peek_past_pad(ring, from, len)?
        } else {
            ring.place(from, len)
        };
        if place.end.wrapping_sub(self.head) > ring.words.capacity() - WORD_BYTES {
            return Err(Corrupt { what: "a record header", position: from, found: word });
        }
        Ok(Some(place))
    }

    #[cold]
    fn peek_past_pad(&self, ring: Ring<'_>, from: u64, len: u64) -> Result<Place, Corrupt> {
        let position = from.wrapping_add(record_bytes(len));
        // ORDERING: Relaxed. The header after a pad was stored before the pad's own.
        let word = ring.words.at(position).load(Ordering::Relaxed);
        // A pad is committed together with the record behind it, never before another pad.
        match ring.decode(position, word) {
            Ok((KIND_DATA, len)) => Ok(ring.place(position, len)),
            _ => Err(Corrupt { what: "the record after a pad", position, found: word }),
        }
    }

    /// Hands back the space of everything up to `to`, the end of a peeked
    /// message, counting `messages` of them.
    #[inline]
    pub(crate) fn release(&mut self, ring: Ring<'_>, to: u64, messages: u64) {
        self.head = to;
        self.messages = self.messages.wrapping_add(messages);
        ring.messages.store(self.messages, Ordering::Relaxed);
        // ORDERING: Release, with the Acquire in refresh_head and in
        // Producer::take_over (I4).
        ring.head.store(to, Ordering::Release);
    }

    /// Whether a message, or a corrupt word, waits at head.
    #[inline]
    pub(crate) fn has_message(&self, ring: Ring<'_>) -> bool {
        // ORDERING: Relaxed. Only a hint; peek loads the word again with Acquire.
        ring.words.at(self.head).load(Ordering::Relaxed) != 0
    }
}
