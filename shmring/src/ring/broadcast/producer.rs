//! The producer of a broadcast ring.

use super::{Point, Ring, marks};
use crate::ring::record::{self, Staging};
use crate::ring::tables::Handle;
use crate::ring::{Corrupt, Place, Refused, at_or_past};
use crate::sync::{Ordering, fence, rule};

/// The producer's private state: nothing in it is ever read from the segment again.
#[derive(Clone, Debug)]
pub(crate) struct Producer {
    /// What it shares with the producer of a record ring. All space before the floor is free.
    records: record::Producer,
    /// Messages before tail.
    messages: u64,
    /// Messages between tail and the end of the staged records.
    staged: u64,
    /// The position of the newest mark.
    hint: u64,
}

impl Producer {
    /// Continues after the last record of a predecessor. The caller owns the producer role.
    ///
    /// # Errors
    /// `Corrupt` if the floor or the hint is no position that a predecessor can have left, or as
    /// for [`Ring::walk`].
    pub(crate) fn take_over(ring: Ring<'_>) -> Result<Self, Corrupt> {
        // ORDERING: Relaxed. The role's claim orders this after the predecessor.
        let join_from = ring.join_from.load(Ordering::Relaxed);
        // The predecessor may have died between the two.
        // ORDERING: SeqCst, in place of the fence in raise.
        fence(Ordering::SeqCst);
        ring.check_position("the floor", join_from)?;
        let hint = ring.hint.load(Ordering::Relaxed);
        let window = ring.records.capacity();
        if hint.wrapping_sub(join_from) > window {
            return Err(Corrupt { what: "the hint", position: join_from, found: hint });
        }
        // The predecessor laid the mark before it stored the hint, and none over it.
        let mark = marks::read(ring, hint).filter(|point| point.position == hint);
        let mark = mark.ok_or(Corrupt { what: "a mark", position: hint, found: hint })?;
        let Point { position, messages } = ring.walk(mark, |_| false)?;
        let floor = join_from.wrapping_sub(ring.chunk());
        if position.wrapping_sub(floor) > window {
            return Err(Corrupt { what: "the chain of records", position, found: floor });
        }
        let records = record::Producer::at(position, floor);
        Ok(Self { records, messages, staged: 0, hint })
    }

    /// Reserves space for a message of `len` bytes after the staged records. Writes nothing to the
    /// data; a second call without staging reserves the same space.
    ///
    /// # Errors
    /// `TooLong` if the message can never fit (alone, or after the staged records), `Full` if
    /// gating subscribers must release space first, `Corrupt` if a cursor of theirs is past tail.
    pub(crate) fn reserve(
        &mut self,
        ring: Ring<'_>,
        handles: &[Handle],
        len: u64,
    ) -> Result<Place, Refused> {
        if let Some(place) = self.reserve_fast(ring, len) {
            return Ok(place);
        }
        if len > ring.max_len() {
            return Err(Refused::TooLong);
        }
        self.mark(ring);
        let capacity = ring.records.capacity();
        let (place, end) = self.records.next_place(ring.records, len);
        while end.wrapping_sub(self.records.free_before()) > capacity {
            if !self.raise(ring, handles).map_err(Refused::Corrupt)? {
                return Err(self.refusal(ring, end.wrapping_sub(capacity)));
            }
        }
        // Up to the end of the chunk: the next one has a mark.
        let chunk = ring.chunk();
        let in_chunk = self.records.staged_end() & chunk.wrapping_sub(1);
        self.records.set_limit(ring.records, chunk.wrapping_sub(in_chunk));
        self.records.reach(place);
        Ok(place)
    }

    /// There is room once the floor reaches `need`, which it can if that is far enough behind the
    /// hint.
    fn refusal(&self, ring: Ring<'_>, need: u64) -> Refused {
        let can_be_freed = at_or_past(self.highest_floor(ring), need);
        if can_be_freed { Refused::Full { need } } else { Refused::TooLong }
    }

    fn highest_floor(&self, ring: Ring<'_>) -> u64 {
        self.hint.wrapping_sub(ring.chunk())
    }

    /// Raises the floor by at most a chunk, as far as gating subscribers let it. Returns `false`
    /// if they let it nowhere.
    ///
    /// # Errors
    /// `Corrupt` if the cursor of a gating subscriber is past tail, or not aligned.
    #[cold]
    fn raise(&mut self, ring: Ring<'_>, handles: &[Handle]) -> Result<bool, Corrupt> {
        let floor = self.records.free_before();
        let chunk = ring.chunk();
        let mut by = self.highest_floor(ring).wrapping_sub(floor);
        if rule(by > chunk) {
            by = chunk;
        }
        for own in ring.gates.closed(handles) {
            // ORDERING: Relaxed. With the fence below it is an Acquire, with the Release in
            // record::Consumer::release (I4).
            let cursor = own.cursor.load(Ordering::Relaxed);
            let tail = self.records.tail();
            if !at_or_past(tail, cursor) {
                return Err(Corrupt { what: "a cursor", position: tail, found: cursor });
            }
            ring.check_position("a cursor", cursor)?;
            // One that is about to join may have a cursor that the floor has passed: it sees that.
            let ahead = if at_or_past(cursor, floor) { cursor.wrapping_sub(floor) } else { 0 };
            by = by.min(ahead);
        }
        if by == 0 {
            return Ok(false);
        }
        let raised = floor.wrapping_add(by);
        // ORDERING: Relaxed. A floor that passes a mark is at least the second one since the next mark
        // was laid, as it was a chunk behind: the fence of the first is a Release, with the Acquire
        // in Ring::join_from.
        ring.join_from.store(raised.wrapping_add(chunk), Ordering::Relaxed);
        // A raise that missed the bit of a subscriber which missed this floor is the last one
        // that did.
        // ORDERING: SeqCst, with the fence in join. Release, with the copy_fence in is_kept and in
        // is_closed: what is stored from now on to the space before the floor. Acquire, with the
        // Release of whoever moved its cursor (I4).
        fence(Ordering::SeqCst);
        self.records.set_free_before(raised);
        Ok(true)
    }

    /// Lays a mark at tail and moves the hint there, if tail has come to another chunk.
    fn mark(&mut self, ring: Ring<'_>) {
        let position = self.records.tail();
        if rule(position ^ self.hint < ring.chunk()) {
            return;
        }
        // The floor is a chunk behind the hint, and tail less than the ring ahead of the floor:
        // this is not the mark at the hint.
        marks::lay(ring, Point { position, messages: self.messages });
        // ORDERING: Release, with the Acquire in newest.
        ring.hint.store(position, Ordering::Release);
        self.hint = position;
    }

    /// As [`reserve`](Self::reserve), on the fast path. Returns `None` if the caller must take
    /// the slow path.
    #[inline(always)]
    pub(crate) fn reserve_fast(&mut self, ring: Ring<'_>, len: u64) -> Option<Place> {
        self.records.reserve_fast(ring.records, len)
    }

    /// See [`record::Producer::begin`].
    #[inline(always)]
    pub(crate) fn begin(&self, ring: Ring<'_>, len: u64) -> Option<Place> {
        self.records.begin(ring.records, len)
    }

    /// See [`record::Producer::finish`].
    #[inline(always)]
    pub(crate) fn finish(&mut self, ring: Ring<'_>, place: Place) {
        self.records.finish(ring.records, place);
        self.messages = self.messages.wrapping_add(1);
    }

    /// See [`record::Producer::stage`].
    #[inline(always)]
    pub(crate) fn stage(&mut self, ring: Ring<'_>, place: Place, len: u64) {
        self.records.stage(ring.records, place, len);
        self.staged = self.staged.wrapping_add(1);
    }

    /// Returns `true` if a record is staged.
    #[inline(always)]
    pub(crate) fn has_staged(&self) -> bool {
        self.records.has_staged()
    }

    /// For more records after a staged one, on the fast path. The caller counts them, and passes
    /// the count to [`count_staged`](Self::count_staged).
    #[inline(always)]
    pub(crate) fn staging<'p, 'a>(&'p mut self, ring: Ring<'a>) -> Staging<'p, 'a> {
        self.records.staging(ring.records)
    }

    /// Counts messages that were staged by [`staging`](Self::staging).
    #[inline(always)]
    pub(crate) fn count_staged(&mut self, messages: u64) {
        self.staged = self.staged.wrapping_add(messages);
    }

    /// Makes all staged records visible at once.
    #[inline]
    pub(crate) fn publish(&mut self, ring: Ring<'_>) {
        self.records.publish(ring.records);
        self.messages = self.messages.wrapping_add(self.staged);
        self.staged = 0;
    }

    /// Discards the staged records, none of which was visible.
    #[inline]
    pub(crate) fn abort(&mut self) {
        self.records.abort();
        self.staged = 0;
    }

    /// Moves the hint, if tail has come to another chunk: for observers, and for subscribers that
    /// join.
    pub(crate) fn hint(&mut self, ring: Ring<'_>) {
        self.mark(ring);
    }

    /// The position after the last commit.
    #[inline]
    pub(crate) fn tail(&self) -> u64 {
        self.records.tail()
    }

    /// How many messages were committed since creation.
    #[inline]
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }
}
