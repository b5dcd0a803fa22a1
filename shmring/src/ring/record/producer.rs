//! Send.

use super::{KIND_DATA, KIND_PAD, Ring, check_head, encode, max_len, record_bytes};
use crate::ring::{Corrupt, Place, Refused, WORD_BYTES, at_or_past, refresh_head};
use crate::sync::Ordering;

/// The producer refreshes its tail hint when it has moved this part of the ring.
const HINT_PARTS: u64 = 16;

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
        let room = ring.words.capacity().wrapping_sub(ring.words.offset(self.end));
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
            lead = encode(self.end, KIND_PAD, pad.wrapping_sub(WORD_BYTES));
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
