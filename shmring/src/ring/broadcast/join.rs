//! How a subscriber joins.

use super::gates::Gate;
use super::{MAX_TRIES, Point, Ring, marks};
use crate::ring::Corrupt;
use crate::ring::at_or_past;
use crate::ring::tables::HandleOwn;
use crate::sync::{Ordering, fence, rule};

/// The message that a subscriber of a broadcast ring receives first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Start {
    /// The next one that is sent.
    Next,
    /// The oldest one that is kept; up to a sixteenth of the ring may be kept before it.
    Oldest,
    /// The one after that position, at which a message ends: one that a
    /// [message](crate::Message::end_position) or [`Consumer::position`](crate::Consumer::position)
    /// returned, perhaps to a process before this one.
    Position(u64),
}

/// Why a subscriber cannot join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No mark that is kept leads to the position: it was overwritten, or no message ends there.
    Gone,
    /// The producer was faster on every try.
    Outrun,
    Corrupt(Corrupt),
}

impl Ring<'_> {
    /// Returns the mark, at `from` or after it, that leads to `start`. `None` if the producer was
    /// faster.
    fn mark_for(self, start: Start, from: u64) -> Result<Option<Point>, Refusal> {
        let Start::Position(position) = start else {
            let oldest = (start == Start::Oldest).then(|| marks::oldest(self, from)).flatten();
            return Ok(oldest.or_else(|| self.newest()));
        };
        let Some(newest) = self.newest() else {
            return Ok(None);
        };
        // What is before the floor stays before it.
        let is_kept = at_or_past(position, from);
        if is_kept && at_or_past(position, newest.position) {
            return Ok(Some(newest));
        }
        let mark = is_kept.then(|| marks::last_before(self, from, position)).flatten();
        mark.map(Some).ok_or(Refusal::Gone)
    }

    /// Returns where `start` is, as headers lead there from `mark`.
    fn walk_to(self, start: Start, mark: Point) -> Result<Point, Refusal> {
        let is_end = |position| match start {
            Start::Next => false,
            Start::Oldest => true,
            Start::Position(to) => at_or_past(position, to),
        };
        let found = self.walk(mark, is_end).map_err(Refusal::Corrupt)?;
        match start {
            Start::Position(to) if found.position != to => Err(Refusal::Gone),
            _ => Ok(found),
        }
    }

    /// Finds `start` without holding anybody up. It may be overwritten right afterwards.
    pub(super) fn find(self, start: Start) -> Result<Point, Refusal> {
        for _ in 0..MAX_TRIES {
            let Some(mark) = self.mark_for(start, self.floor())? else {
                continue;
            };
            let found = self.walk_to(start, mark);
            // What was overwritten meanwhile proves nothing.
            if self.is_kept(mark.position) {
                return found;
            }
        }
        Err(Refusal::Outrun)
    }

    /// Closes the gate of a handle and finds `start`. From now on nothing is overwritten that is
    /// not before the handle's cursor.
    ///
    /// # Errors
    /// See [`Refusal`]. The gate may stay closed: to release the handle opens it.
    pub(super) fn close_gate(
        self,
        own: &HandleOwn,
        handle: usize,
        start: Start,
    ) -> Result<Point, Refusal> {
        let mut from = self.join_from();
        for _ in 0..MAX_TRIES {
            let mark = self.mark_for(start, from)?;
            if let Some(mark) = mark {
                own.cursor.store(mark.position, Ordering::Relaxed);
                // The bit stays over several tries, so that the producer gets no further ahead.
                self.gates.close(handle);
            }
            // Either the raise after next sees the cursor, or this sees the floor before.
            // ORDERING: SeqCst, with the fence in raise.
            fence(Ordering::SeqCst);
            from = self.join_from();
            let Some(mark) = mark else {
                continue;
            };
            if rule(!at_or_past(mark.position, from)) {
                continue;
            }
            let found = self.walk_to(start, mark);
            // Of one that is evicted meanwhile, what was overwritten proves nothing.
            if self.gates.is_closed(Gate::of(handle)) {
                return found;
            }
        }
        Err(Refusal::Outrun)
    }
}
