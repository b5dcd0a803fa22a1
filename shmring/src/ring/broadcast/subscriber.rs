//! A subscriber of a broadcast ring.

use super::gates::Gate;
use super::{MAX_TRIES, Point, Refusal, Ring, Start, marks, observe};
use crate::ring::record::Consumer;
use crate::ring::tables::HandleOwn;
use crate::ring::{Corrupt, Look, Place, at_or_past};
use crate::sync::Ordering;

/// What a subscriber does when the producer is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It holds the producer up, unless it is evicted.
    Gating,
    /// It misses messages, and learns how many.
    Lossy,
    /// It receives only the newest message each time.
    Latest,
}

/// A message and the point before it.
type Found = Result<Option<(Point, Place)>, Corrupt>;

/// The subscriber's private state.
#[derive(Clone, Debug)]
pub(crate) struct Subscriber {
    /// Lossy once it has learned that it was evicted.
    mode: Mode,
    gate: Gate,
    /// What it shares with the consumer of a record ring. Its messages are all before the cursor,
    /// received or not.
    records: Consumer,
    /// How many of them were overwritten or skipped since this subscriber joined.
    missed: u64,
}

impl Subscriber {
    /// Joins as the handle that has the index `handle` and the line `own`.
    ///
    /// # Errors
    /// See [`Refusal`]. The caller releases the handle then.
    pub(crate) fn join(
        ring: Ring<'_>,
        own: &HandleOwn,
        handle: usize,
        mode: Mode,
        start: Start,
    ) -> Result<Self, Refusal> {
        // Whatever the handle's last owner left.
        observe::withdraw(own);
        ring.gates.open(handle);
        let Point { position, messages } = match mode {
            Mode::Gating => ring.close_gate(own, handle, start)?,
            Mode::Lossy | Mode::Latest => ring.find(start)?,
        };
        let records = Consumer::at(ring.records, position, messages);
        let mut subscriber = Self { mode, gate: Gate::of(handle), records, missed: 0 };
        subscriber.go_on_at(ring, own, Point { position, messages });
        let subscription = match mode {
            Mode::Gating => observe::GATING,
            Mode::Lossy => observe::LOSSY,
            Mode::Latest => observe::LATEST,
        };
        own.subscription.store(subscription, Ordering::Relaxed);
        Ok(subscriber)
    }

    /// Moves the cursor. What is before it was not received.
    fn go_on_at(&mut self, ring: Ring<'_>, own: &HandleOwn, to: Point) {
        let passed = to.messages.wrapping_sub(self.records.messages());
        self.missed = self.missed.wrapping_add(passed);
        own.missed.store(self.missed, Ordering::Relaxed);
        self.records.release(ring.subscribed(own), to.position, passed);
    }

    /// Returns the position of the next message.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.records.head()
    }

    /// Returns the messages before that position since creation, received or not.
    #[inline]
    pub(crate) fn messages(&self) -> u64 {
        self.records.messages()
    }

    /// Returns how many messages were not received since this subscriber joined.
    pub(crate) fn missed(&self) -> u64 {
        self.missed
    }

    #[inline]
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    fn cursor(&self) -> Point {
        Point { position: self.position(), messages: self.messages() }
    }

    /// Fast path of [`look`](Self::look). Returns `None` if no message is committed at the cursor,
    /// or if the caller must take the slow path.
    #[inline(always)]
    pub(crate) fn look_fast(&mut self, ring: Ring<'_>) -> Option<Place> {
        // What the floor has passed, or an eviction has freed, may still look like a message.
        if self.is_whole(ring) { self.peek_fast(ring) } else { None }
    }

    /// As [`look_fast`](Self::look_fast), for a caller that [takes](Self::take) what it has copied
    /// and must take the slow path if that fails: what is found may be overwritten already.
    #[inline(always)]
    pub(crate) fn peek_fast(&mut self, ring: Ring<'_>) -> Option<Place> {
        if self.mode == Mode::Latest {
            return None;
        }
        self.records.peek_first(ring.records)
    }

    /// Looks for the next message. The caller copies it, and [takes](Self::take) it.
    ///
    /// # Errors
    /// `Corrupt` if the word at the cursor is not a valid header, and was not overwritten.
    pub(crate) fn look(&mut self, ring: Ring<'_>, own: &HandleOwn) -> Result<Look, Corrupt> {
        if self.mode == Mode::Latest {
            return self.look_newest(ring, own);
        }
        if self.is_whole(ring) {
            let found = self.records.peek(ring.records, self.position());
            // What was overwritten meanwhile is no header.
            if found.is_ok() || self.is_whole(ring) {
                return Ok(found?.map_or(Look::Empty, Look::Message));
            }
        }
        if self.mode == Mode::Gating {
            self.mode = Mode::Lossy;
            own.subscription.store(observe::EVICTED, Ordering::Relaxed);
            return Ok(Look::Evicted);
        }
        self.skip_lost(ring, own)
    }

    /// Returns the message at `from`, the end of one that was found before it and is whole, on the
    /// fast path.
    #[inline(always)]
    pub(crate) fn look_ahead_fast(&mut self, ring: Ring<'_>, from: u64) -> Option<Place> {
        self.records.peek_fast(ring.records, from)
    }

    /// Returns the message at `from`, the end of one that was found before it. `None` also if the
    /// one before it is not whole any more.
    ///
    /// # Errors
    /// As for [`look`](Self::look).
    pub(crate) fn look_ahead(&self, ring: Ring<'_>, from: u64) -> Result<Option<Place>, Corrupt> {
        let found = self.records.peek(ring.records, from);
        if self.is_whole(ring) { found } else { Ok(None) }
    }

    /// Returns `true` if nothing from the cursor on was overwritten before this was called: what
    /// was copied from there on is whole. If not, the next look says why.
    #[inline(always)]
    pub(crate) fn is_whole(&self, ring: Ring<'_>) -> bool {
        if self.mode == Mode::Gating {
            return ring.gates.is_closed(self.gate);
        }
        ring.is_kept(self.position())
    }

    /// Moves the cursor to `to`, the end of a message, past `messages` messages that were copied,
    /// or read in place by a gating subscriber. Their space may be overwritten from now on.
    ///
    /// Returns `false`, and does nothing, if some of it was overwritten before, or may have been as
    /// the subscriber was evicted. The caller discards what it has copied, and looks again.
    #[inline(always)]
    #[must_use = "what was copied may be torn"]
    pub(crate) fn take(&mut self, ring: Ring<'_>, own: &HandleOwn, to: u64, messages: u64) -> bool {
        let whole = self.is_whole(ring);
        if whole {
            self.records.release(ring.subscribed(own), to, messages);
        }
        whole
    }

    /// Returns `true` if a look finds a message, a loss, an eviction, or a corrupt word.
    #[inline]
    pub(crate) fn has_message(&self, ring: Ring<'_>) -> bool {
        self.records.has_message(ring.records) || !self.is_whole(ring)
    }

    /// Goes on at the oldest mark that is kept.
    #[cold]
    fn skip_lost(&mut self, ring: Ring<'_>, own: &HandleOwn) -> Result<Look, Corrupt> {
        for _ in 0..MAX_TRIES {
            let Some(oldest) = marks::oldest(ring, ring.floor()) else {
                continue;
            };
            let missed = self.missed_until(oldest)?;
            self.go_on_at(ring, own, oldest);
            return Ok(Look::Lagged { missed });
        }
        // The producer laid marks faster than they were read. The caller comes back.
        Ok(Look::Empty)
    }

    /// Returns how many messages are between the cursor and `point`.
    fn missed_until(&self, point: Point) -> Result<u64, Corrupt> {
        let missed = point.messages.wrapping_sub(self.messages());
        if missed < 1 << 63 && at_or_past(point.position, self.position()) {
            return Ok(missed);
        }
        let Point { position, messages } = point;
        Err(Corrupt { what: "a mark", position, found: messages })
    }

    /// Looks for the newest message, and skips those before it. Finds nothing if no mark leads there
    /// any more: the message ends at the newest mark, and the mark before it is lost.
    fn look_newest(&mut self, ring: Ring<'_>, own: &HandleOwn) -> Result<Look, Corrupt> {
        for _ in 0..MAX_TRIES {
            let Some(newest) = ring.newest() else {
                continue;
            };
            let (start, last) = self.newest_from(ring, newest);
            if !ring.is_kept(start.position) {
                if start == self.cursor() {
                    self.skip_lost(ring, own)?;
                }
                continue;
            }
            let Some((before, place)) = last? else {
                return Ok(Look::Empty);
            };
            self.missed_until(before)?;
            self.go_on_at(ring, own, before);
            return Ok(Look::Message(place));
        }
        Ok(Look::Empty)
    }

    /// Returns a point from which headers lead to the newest message, and that message with the
    /// point before it.
    fn newest_from(&self, ring: Ring<'_>, newest: Point) -> (Point, Found) {
        let cursor = self.cursor();
        let is_ahead = |mark: Point| !at_or_past(cursor.position, mark.position);
        if is_ahead(newest) {
            let last = last_message(ring, newest);
            if last != Ok(None) {
                return (newest, last);
            }
        }
        // No message comes after the newest mark: the last one before it ends there.
        let before = newest.position.wrapping_sub(1);
        let mark = marks::last_before(ring, ring.floor(), before);
        let start = mark.filter(|&mark| is_ahead(mark)).unwrap_or(cursor);
        (start, last_message(ring, start))
    }
}

/// Returns the last message that is committed after `from`, and the point before it.
fn last_message(ring: Ring<'_>, from: Point) -> Found {
    let looking = Consumer::at(ring.records, from.position, from.messages);
    let (mut at, mut last) = (from, None);
    // No message ends outside the window, so this also bounds the loop.
    while let Some(place) = looking.peek(ring.records, at.position)? {
        last = Some((at, place));
        at = Point { position: place.end, messages: at.messages.wrapping_add(1) };
    }
    Ok(last)
}
