//! The consumer of a record ring.

use super::{KIND_DATA, KIND_PAD, Ring, encode};
use crate::ring::{Corrupt, Place, WORD_BYTES};
use crate::sync::Ordering;

/// The consumer's private state.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Consumer {
    head: u64,
    messages: u64,
    /// The length of the last message, the guess for the next one.
    usual_len: u64,
    /// The bytes of its record.
    usual_bytes: u64,
}

impl Consumer {
    /// Takes over the consumer's side from a predecessor. The first message is the oldest that is
    /// not released. The caller owns the consumer role.
    ///
    /// # Errors
    /// `Corrupt` if head cannot be the position of a record.
    pub(crate) fn take_over(ring: Ring<'_>) -> Result<Self, Corrupt> {
        // ORDERING: Relaxed. The role's claim orders this after the predecessor.
        let head = ring.head.load(Ordering::Relaxed);
        ring.check_head(head)?;
        // ORDERING: Relaxed, as above.
        let messages = ring.messages.load(Ordering::Relaxed);
        Ok(Self::at(ring, head, messages))
    }

    /// Starts at `head`, the position of a record, after `messages` messages.
    pub(crate) fn at(ring: Ring<'_>, head: u64, messages: u64) -> Self {
        Self { head, messages, usual_len: 0, usual_bytes: ring.record_bytes(0) }
    }

    /// Returns the position of the oldest message that is not released.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Returns the messages released since creation.
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    /// Fast path of [`peek`](Self::peek) at head. Returns `None` if no message is committed there,
    /// or if a pad comes first.
    #[inline(always)]
    pub(crate) fn peek_first(&mut self, ring: Ring<'_>) -> Option<Place> {
        // The longest record takes less than the window, so from head the lap alone counts.
        debug_assert!(ring.record_bytes(ring.max_len()) <= window(ring));
        self.peek_before(ring, self.head, self.head.wrapping_add(lap(ring, self.head)))
    }

    /// Fast path of [`peek`](Self::peek). Returns `None` if no message is committed at `from`,
    /// or if a pad comes first.
    #[inline(always)]
    pub(crate) fn peek_fast(&mut self, ring: Ring<'_>, from: u64) -> Option<Place> {
        self.peek_before(ring, from, self.reach(ring, from))
    }

    /// Returns the position up to which messages from `from` on can follow one another: the end of
    /// the window or of the lap.
    #[inline(always)]
    pub(crate) fn reach(&self, ring: Ring<'_>, from: u64) -> u64 {
        let window = window(ring).wrapping_sub(from.wrapping_sub(self.head));
        from.wrapping_add(lap(ring, from).min(window))
    }

    /// As [`peek_fast`](Self::peek_fast), with the [`reach`](Self::reach) of `from`, or
    /// of a message before it.
    #[inline(always)]
    pub(crate) fn peek_before(&mut self, ring: Ring<'_>, from: u64, reach: u64) -> Option<Place> {
        let word = ring.load(from);
        // Where the next message lies follows from the length of this one. A CPU that takes
        // it from a word which it has still to load can do nothing ahead of that, while a
        // guess lets it go on.
        if word != encode(from, KIND_DATA, self.usual_len) {
            // The header of a message differs from that of an empty one at this position
            // by its length, and every other word by more than a length can be (I6).
            let len = word ^ encode(from, KIND_DATA, 0);
            if len > ring.max_len() {
                return None;
            }
            self.usual_len = len;
            self.usual_bytes = ring.record_bytes(len);
        }
        let fits = self.usual_bytes <= reach.wrapping_sub(from);
        fits.then(|| ring.place_of(from, self.usual_len, self.usual_bytes))
    }

    /// Returns the committed message at position `from`: head, or the end of a message peeked
    /// before. Returns `None` if no message is committed there.
    ///
    /// # Errors
    /// `Corrupt` if the word is not a valid header, or if the message would end outside
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
        if place.end.wrapping_sub(self.head) > window(ring) {
            return Err(Corrupt { what: "a record header", position: from, found: word });
        }
        Ok(Some(place))
    }

    #[cold]
    fn peek_past_pad(&self, ring: Ring<'_>, from: u64, len: u64) -> Result<Place, Corrupt> {
        let position = from.wrapping_add(ring.record_bytes(len));
        // ORDERING: Relaxed. The header after a pad was stored before the pad's own.
        let word = ring.words.at(position).load(Ordering::Relaxed);
        // A pad is committed together with the record behind it, never before another pad.
        match ring.decode(position, word) {
            Ok((KIND_DATA, len)) => Ok(ring.place(position, len)),
            _ => Err(Corrupt { what: "the record after a pad", position, found: word }),
        }
    }

    /// Releases the space of everything up to `to`, the end of a peeked message, and counts
    /// `messages` messages.
    #[inline]
    pub(crate) fn release(&mut self, ring: Ring<'_>, to: u64, messages: u64) {
        self.head = to;
        self.messages = self.messages.wrapping_add(messages);
        ring.messages.store(self.messages, Ordering::Relaxed);
        // ORDERING: Release, with the Acquire in refresh_head and in
        // Producer::take_over (I4).
        ring.head.store(to, Ordering::Release);
    }

    /// Returns `true` if a message, or a corrupt word, is at head.
    #[inline]
    pub(crate) fn has_message(&self, ring: Ring<'_>) -> bool {
        // ORDERING: Relaxed. Only a hint; peek loads the word again with Acquire.
        ring.words.at(self.head).load(Ordering::Relaxed) != 0
    }
}

/// Returns the bytes of all messages that can be in the ring at once: the word at tail is free.
#[inline(always)]
fn window(ring: Ring<'_>) -> u64 {
    ring.words.capacity().wrapping_sub(WORD_BYTES)
}

/// Returns the bytes from `position` to the end of the lap.
#[inline(always)]
fn lap(ring: Ring<'_>, position: u64) -> u64 {
    ring.words.capacity().wrapping_sub(ring.words.offset(position))
}
