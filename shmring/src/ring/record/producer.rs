//! The producer of a record ring.

use super::{KIND_DATA, KIND_PAD, Ring, encode};
use crate::ring::{Corrupt, LINE_BYTES, Place, Refused, WORD_BYTES, at_or_past, refresh_head};
use crate::sync::{Ordering, reuse_fence, rule};

/// The producer refreshes its tail hint when it has moved this part of the ring, ...
const HINT_PARTS: u64 = 16;
/// ... but at least so many bytes.
const HINT_MIN_BYTES: u64 = 4096;
/// The longest record whose lines are fetched for the next one, in bytes with its header. Of
/// longer ones the copy takes longer than the lines do.
const AHEAD_MAX_BYTES: u64 = 256;

/// The producer's private state: nothing in it is ever read from the segment again.
#[derive(Clone, Debug)]
#[repr(align(64))]
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
    /// The end of the space that the fast path may use: by the last copy of head it is free,
    /// with the word after it, the ring does not end before it, and no hint is due. It holds no
    /// record that is longer than the longest.
    limit: u64,
    /// A position whose word is zero already, in case the next record that is sent by itself
    /// ends there. Equals tail if there is none, as no record ends there.
    cleared: u64,
}

impl Producer {
    /// Continues after the last record of a predecessor. The caller owns the producer role.
    ///
    /// # Errors
    /// `Corrupt` as for [`Ring::scan`].
    pub(crate) fn take_over(ring: Ring<'_>) -> Result<Self, Corrupt> {
        // ORDERING: Acquire, with the Release in Consumer::release (I4): space
        // before this head is overwritten without another load of head.
        let head = ring.head.load(Ordering::Acquire);
        reuse_fence();
        ring.check_head(head)?;
        Ok(Self::at(ring.scan(head)?, head))
    }

    /// Continues at `tail`, where no record is committed, with all space before `head` free.
    pub(crate) fn at(tail: u64, head: u64) -> Self {
        Self {
            tail,
            end: tail,
            first: 0,
            head_cache: head,
            hinted: tail,
            limit: tail,
            cleared: tail,
        }
    }

    /// Reserves space for a message of `len` bytes after the staged records. Writes nothing; a
    /// second call without staging reserves the same space.
    ///
    /// # Errors
    /// `TooLong` if the message can never fit (alone, or after the staged records), `Full` if
    /// the consumer must release space first, `Corrupt` if head lies outside the window (I1).
    pub(crate) fn reserve(&mut self, ring: Ring<'_>, len: u64) -> Result<Place, Refused> {
        if let Some(place) = self.reserve_fast(ring, len) {
            return Ok(place);
        }
        let capacity = ring.words.capacity();
        if len > ring.max_len() {
            return Err(Refused::TooLong);
        }
        if self.tail.wrapping_sub(self.hinted) >= hint_bytes(capacity) {
            self.hint(ring);
        }
        let (place, end) = self.next_place(ring, len);
        if end.wrapping_sub(self.head_cache) > capacity {
            // Possibly full: head may have moved since it was copied.
            self.refresh_head(ring).map_err(Refused::Corrupt)?;
        }
        let unhinted = self.end.wrapping_sub(self.hinted);
        let until_hint = hint_bytes(capacity).saturating_sub(unhinted);
        let longest = ring.record_bytes(ring.max_len());
        self.set_limit(ring, until_hint.min(longest));
        if end.wrapping_sub(self.head_cache) <= capacity {
            self.reach(place);
            return Ok(place);
        }
        // Really full.
        let need = end.wrapping_sub(capacity);
        Err(if at_or_past(self.tail, need) { Refused::Full { need } } else { Refused::TooLong })
    }

    /// Where a record for `len` bytes, at most [`Ring::max_len`], goes, and the position after
    /// it and the word behind it, which must be free to be zeroed.
    pub(crate) fn next_place(&self, ring: Ring<'_>, len: u64) -> (Place, u64) {
        let need = ring.record_bytes(len);
        let room = ring.words.capacity().wrapping_sub(ring.words.offset(self.end));
        let pad = if need <= room { 0 } else { room };
        let place = ring.place(self.end.wrapping_add(pad), len);
        (place, place.end.wrapping_add(WORD_BYTES))
    }

    /// As [`reserve`](Self::reserve), on the fast path. Returns `None` if the caller must take
    /// the slow path.
    #[inline(always)]
    pub(crate) fn reserve_fast(&mut self, ring: Ring<'_>, len: u64) -> Option<Place> {
        // What the caller writes there may never become a record. Every reservation clears the
        // mark here, except those of `begin`, which clears it itself.
        self.cleared = self.tail;
        self.plain_place(ring, len)
    }

    /// Returns the place of a record for `len` bytes, if it lies in the space of the fast path.
    #[inline(always)]
    fn plain_place(&self, ring: Ring<'_>, len: u64) -> Option<Place> {
        plain_place(ring, self.end, self.limit, len)
    }

    /// Finds how far the fast path may go from `end` on: at most `most` bytes.
    pub(crate) fn set_limit(&mut self, ring: Ring<'_>, most: u64) {
        let capacity = ring.words.capacity();
        let used = self.end.wrapping_sub(self.head_cache).wrapping_add(WORD_BYTES);
        let free = capacity.saturating_sub(used);
        let lap = capacity.wrapping_sub(ring.words.offset(self.end));
        self.limit = self.end.wrapping_add(free.min(lap).min(most));
    }

    /// Extends the space of the fast path to `place`, for which there is room, if it is next.
    pub(crate) fn reach(&mut self, place: Place) {
        if place.start == self.end && !at_or_past(self.limit, place.end) {
            self.limit = place.end;
        }
    }

    /// The position before which all space is free.
    #[inline]
    pub(crate) fn free_before(&self) -> u64 {
        self.head_cache
    }

    /// Frees the space before `position`, which is at most tail.
    pub(crate) fn set_free_before(&mut self, position: u64) {
        self.head_cache = position;
    }

    /// Position after the last staged record; equals tail if none is staged.
    #[inline]
    pub(crate) fn staged_end(&self) -> u64 {
        self.end
    }

    #[cold]
    fn refresh_head(&mut self, ring: Ring<'_>) -> Result<(), Corrupt> {
        let head = refresh_head(ring.head, self.head_cache, self.tail)?;
        ring.check_head(head)?;
        self.head_cache = head;
        self.hint(ring);
        Ok(())
    }

    /// Stages the record at `place`, now `len` bytes long, after the staged ones. The consumer
    /// sees none of them before [`publish`](Self::publish).
    ///
    /// `place` is the last one reserved, and `len` is at most its length.
    #[inline(always)]
    pub(crate) fn stage(&mut self, ring: Ring<'_>, place: Place, len: u64) {
        debug_assert!(len <= place.len);
        let header = encode(place.start, KIND_DATA, len);
        let pad = place.start.wrapping_sub(self.end);
        let is_first = self.end == self.tail;
        let mut lead = header;
        if pad != 0 {
            ring.words.at(place.start).store(header, Ordering::Relaxed);
            lead = encode(self.end, KIND_PAD, pad.wrapping_sub(WORD_BYTES));
            self.limit = place.start.wrapping_add(ring.record_bytes(len));
        }
        if is_first {
            self.first = lead;
        } else {
            ring.words.at(self.end).store(lead, Ordering::Relaxed);
        }
        self.end = place.start.wrapping_add(ring.record_bytes(len));
    }

    /// Returns `true` if a record is staged.
    #[inline(always)]
    pub(crate) fn has_staged(&self) -> bool {
        self.end != self.tail
    }

    /// For more records after a staged one, on the fast path.
    #[inline(always)]
    pub(crate) fn staging<'p, 'a>(&'p mut self, ring: Ring<'a>) -> Staging<'p, 'a> {
        debug_assert!(self.has_staged() && self.cleared == self.tail);
        Staging { end: self.end, limit: self.limit, producer: self, ring }
    }

    /// Makes all staged records visible at once.
    #[inline]
    pub(crate) fn publish(&mut self, ring: Ring<'_>) {
        if self.end == self.tail {
            return;
        }
        clear(ring, self.end);
        self.commit(ring, self.first, self.end);
    }

    /// Reserves space for one message that is sent by itself, on the fast path;
    /// [`finish`](Self::finish) publishes it after the payload is stored. Returns `None` if the
    /// caller must take the slow path.
    #[inline(always)]
    pub(crate) fn begin(&self, ring: Ring<'_>, len: u64) -> Option<Place> {
        if self.end != self.tail {
            return None;
        }
        let place = self.plain_place(ring, len)?;
        if rule(place.end != self.cleared) {
            // Before the payload: a CPU waits least for its stores if those to one cache
            // line follow one another, and the header is in the line of the payload's start.
            clear(ring, place.end);
        }
        Some(place)
    }

    /// Publishes the message that [`begin`](Self::begin) reserved space for.
    #[inline(always)]
    pub(crate) fn finish(&mut self, ring: Ring<'_>, place: Place) {
        self.commit(ring, encode(place.start, KIND_DATA, place.len), place.end);
        self.clear_ahead(ring, place.end.wrapping_sub(place.start));
    }

    /// Stores in advance what the next record needs before its commit, if it is as long as the
    /// last one: a zero after it, and a zero in each of its lines.
    ///
    /// A store to a line that another CPU has read waits until that CPU gives up the line, and
    /// all later stores wait with it, the commit too. Between two sends nothing waits for that.
    #[inline(always)]
    fn clear_ahead(&mut self, ring: Ring<'_>, bytes: u64) {
        if bytes > self.limit.wrapping_sub(self.end) {
            return;
        }
        let ahead = self.end.wrapping_add(bytes);
        if bytes <= AHEAD_MAX_BYTES {
            let mut next_line = LINE_BYTES.wrapping_sub(self.end % LINE_BYTES);
            while next_line < bytes {
                clear(ring, self.end.wrapping_add(next_line));
                next_line = next_line.wrapping_add(LINE_BYTES);
            }
        }
        clear(ring, ahead);
        self.cleared = ahead;
    }

    /// Stores the header at tail; the next record goes to `end`.
    #[inline(always)]
    fn commit(&mut self, ring: Ring<'_>, header: u64, end: u64) {
        // ORDERING: Release, with the Acquire in Ring::load (I3). The commit.
        ring.words.at(self.tail).store(header, Ordering::Release);
        self.tail = end;
        self.end = end;
    }

    /// Discards the staged records, none of which was visible.
    #[inline]
    pub(crate) fn abort(&mut self) {
        if self.end != self.tail {
            self.end = self.tail;
            self.limit = self.tail;
        }
    }

    /// Stores the tail hint for observers.
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

/// Stages records after a staged one. Until it is dropped it alone knows how many: stores to the
/// ring wait the longer, the more others are between them.
pub(crate) struct Staging<'p, 'a> {
    producer: &'p mut Producer,
    ring: Ring<'a>,
    end: u64,
    limit: u64,
}

impl Staging<'_, '_> {
    /// See [`Producer::reserve_fast`].
    #[inline(always)]
    pub(crate) fn reserve_fast(&self, len: u64) -> Option<Place> {
        plain_place(self.ring, self.end, self.limit, len)
    }

    /// Stages the record at `place`, which is the last one reserved.
    #[inline(always)]
    pub(crate) fn stage(&mut self, place: Place) {
        debug_assert!(place.start == self.end);
        let header = encode(place.start, KIND_DATA, place.len);
        self.ring.words.at(place.start).store(header, Ordering::Relaxed);
        self.end = place.end;
    }
}

impl Drop for Staging<'_, '_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.producer.end = self.end;
    }
}

/// Returns the place of a record for `len` bytes at `end`, if it lies before `limit`.
#[inline(always)]
fn plain_place(ring: Ring<'_>, end: u64, limit: u64, len: u64) -> Option<Place> {
    let room = limit.wrapping_sub(end);
    debug_assert!(room <= ring.record_bytes(ring.max_len()));
    // A record that fits is not too long, as the limit is no further than the longest record
    // reaches. The first comparison keeps a length of almost 2^64 from wrapping.
    let fits = len < room && ring.record_bytes(len) <= room;
    fits.then(|| ring.place(end, len))
}

/// Rule Z: the next header, at `position`, reads as "not committed" before the one in front
/// of it appears.
#[inline(always)]
fn clear(ring: Ring<'_>, position: u64) {
    ring.words.at(position).store(0, Ordering::Relaxed);
}

/// How far the tail moves between two hints.
fn hint_bytes(capacity: u64) -> u64 {
    (capacity / HINT_PARTS).max(HINT_MIN_BYTES)
}
