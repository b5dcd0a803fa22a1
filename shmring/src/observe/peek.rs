//! Reading pending messages without receiving them.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use crate::error::{Fault, OsError, PeekError};
use crate::format::Geometry;
use crate::memory::mapping::Mapping;
use crate::observe::Observer;
use crate::observe::shadow::Shadow;
use crate::ring::{Corrupt, Extent, Look, Place, WORD_BYTES, at_or_past};

/// Copies that consumers may overtake before a peek gives up.
const MAX_MISSES: u32 = 1000;

/// Pending messages of a ring, as an observer found them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Peeked {
    /// In the order in which consumers receive them. Messages that consumers took during the peek
    /// are missing.
    pub messages: Vec<Pending>,
    /// About how many messages consumers took during the peek, before the observer copied them.
    pub missed: u64,
    /// Why the peek ended.
    pub end: PeekEnd,
}

/// A message that no consumer has received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Pending {
    /// The position at which it starts, in bytes of a record ring, else in slots.
    pub start: u64,
    /// The position at which it ends, which its receiver gets from
    /// [`Message::end_position`](crate::Message::end_position).
    pub end: u64,
    /// Bytes in the message.
    pub len: u64,
    /// Its first bytes, up to the requested number.
    pub bytes: Vec<u8>,
}

/// Why a peek ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeekEnd {
    /// The requested number of messages was found.
    Limit,
    /// No more messages are in the ring.
    Empty,
    /// The next position is claimed and not published; messages behind it have to wait.
    InFlight {
        /// The position, in slots.
        position: u64,
    },
    /// The next position holds a value that no correct peer can have written.
    Corrupt(Corrupt),
    /// Consumers overtook the observer at every try.
    Outrun,
}

impl Observer {
    /// Copies up to `max_messages` pending messages, and the first `max_bytes` bytes of each; in a
    /// packed ring, a message is an element. Consumers can receive them meanwhile.
    ///
    /// Of a job ring, these are the jobs that are not acknowledged, those in hand included.
    ///
    /// Of a broadcast ring, these are the messages that are kept, from the oldest one that a mark
    /// leads to, whoever has received them.
    ///
    /// Each returned message is one that was sent, unchanged: a copy is kept only if no consumer
    /// had passed the message when the copy was complete. Consumers may have received it by the
    /// time this returns.
    ///
    /// ```
    /// use shmring::observe::PeekEnd;
    /// use shmring::{Config, Observer, Segment};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let name = format!("doc-peek-{}", std::process::id());
    /// # let name = name.as_str();
    /// let segment = Segment::create(name, &Config::spsc())?;
    /// segment.producer()?.send(b"hello")?;
    ///
    /// let peeked = Observer::open(name)?.peek(10, 100)?;
    /// assert_eq!(peeked.messages[0].bytes, b"hello");
    /// assert_eq!(peeked.end, PeekEnd::Empty);
    /// # Segment::unlink(name)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`PeekError`].
    pub fn peek(&self, max_messages: usize, max_bytes: usize) -> Result<Peeked, PeekError> {
        self.peek_ring(0, max_messages, max_bytes)
    }

    /// As [`peek`](Self::peek), of the ring at an index of
    /// [`SegmentInfo::rings`](crate::SegmentInfo::rings).
    ///
    /// # Errors
    /// [`PeekError::NoRing`] if the segment has fewer rings; otherwise as for `peek`.
    pub fn peek_ring(
        &self,
        ring: usize,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<Peeked, PeekError> {
        self.mapping.check().map_err(PeekError::Failed)?;
        let look = self.probe.look().map_err(PeekError::Os)?;
        let file = look.file().map_err(PeekError::Os)?;
        let map = self.geometry.map();
        let found = Shadow::new(&self.mapping, &self.geometry, ring).zip(map.rings.get(ring));
        let (shadow, offsets) = found.ok_or(PeekError::NoRing { ring, rings: map.rings.len() })?;
        let copier = Copier { file, data: offsets.data, max_bytes };
        let shape = shadow.shape();
        let most = shape.slots().unwrap_or(shape.capacity_bytes() / WORD_BYTES);
        let walk = Walk::new(shadow);
        let result = walk.run(&copier, max_messages, usize::try_from(most).unwrap_or(usize::MAX));
        // A truncated page reads as zeros, which may look like valid content.
        self.mapping.check().map_err(PeekError::Failed)?;
        result
    }
}

/// Returns `true` if a segment without attached processes holds a message that somebody is to
/// receive. Those of a broadcast ring were for the subscribers of their time.
///
/// # Errors
/// `Corrupt` where a consumer would find that.
pub(crate) fn has_unread(mapping: &Mapping, geometry: &Geometry) -> Result<bool, Corrupt> {
    for ring in 0..geometry.rings.len() {
        if let Some(shadow) = Shadow::new(mapping, geometry, ring)
            && is_unread(&shadow)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_unread(shadow: &Shadow<'_>) -> Result<bool, Corrupt> {
    let (head, (used, _)) = (shadow.head(), shadow.observe());
    let end = head.wrapping_add(used);
    // Each look ends the loop or passes one of the ring's positions.
    let jobs = shadow.jobs();
    let is_done = |start| jobs.is_some_and(|ring| ring.is_done(start));
    for _ in 0..=shadow.shape().slots().unwrap_or(0) {
        match shadow.look()? {
            Look::Message(place) if is_done(place.start) => shadow.put_head(place.end),
            Look::Spanning(message) if is_done(message.start) => shadow.put_head(message.end),
            Look::Empty => return Ok(false),
            // No process is left to publish it; messages may follow.
            Look::InFlight { position } => {
                let next = position.wrapping_add(1);
                if at_or_past(next, end) {
                    return Ok(false);
                }
                shadow.put_head(next);
            }
            Look::Message(_)
            | Look::Spanning(_)
            | Look::Outrun
            | Look::Lagged { .. }
            | Look::Evicted
            | Look::Held
            | Look::HandsFull => {
                return Ok(true);
            }
        }
    }
    Ok(true)
}

/// A walk from head to tail.
struct Walk<'a> {
    shadow: Shadow<'a>,
    position: u64,
    /// Messages that consumers had taken when the walk last started, and messages found since.
    received: u64,
    since: u64,
    found: Vec<Pending>,
    missed: u64,
}

impl<'a> Walk<'a> {
    fn new(shadow: Shadow<'a>) -> Self {
        shadow.renew_for_peek();
        let (position, received) = (shadow.head(), shadow.received());
        Self { shadow, position, received, since: 0, found: Vec::new(), missed: 0 }
    }

    /// Finds up to `max` messages. A ring holds at most `most` at one time.
    fn run(mut self, copier: &Copier<'_>, max: usize, most: usize) -> Result<Peeked, PeekError> {
        let mut misses = 0;
        let end = loop {
            if self.found.len() >= max {
                break PeekEnd::Limit;
            }
            if self.found.len() > most || misses > MAX_MISSES {
                break PeekEnd::Outrun;
            }
            match self.step(copier)? {
                Step::Found(message) => {
                    self.position = message.end;
                    self.since = self.since.wrapping_add(1);
                    self.found.push(message);
                }
                Step::Passed { end } => {
                    self.position = end;
                    self.since = self.since.wrapping_add(1);
                }
                Step::End(end) => break end,
                Step::Missed => {
                    self.start_over();
                    misses = misses.saturating_add(1);
                }
            }
        };
        Ok(Peeked { messages: self.found, missed: self.missed, end })
    }

    /// Copies the message at the position.
    fn step(&self, copier: &Copier<'_>) -> Result<Step, PeekError> {
        let Self { shadow, position, .. } = self;
        shadow.renew_for_peek();
        shadow.put_head(*position);
        let jobs = shadow.jobs();
        let is_done = |start| jobs.is_some_and(|ring| ring.is_done(start));
        let (step, position) = match shadow.look() {
            Ok(Look::Message(place)) if is_done(place.start) => {
                (Step::Passed { end: place.end }, place.start)
            }
            Ok(Look::Spanning(message)) if is_done(message.start) => {
                (Step::Passed { end: message.end }, message.start)
            }
            Ok(Look::Message(place)) => {
                let extent = Extent::Whole(place);
                (Step::Found(copier.copy(extent, std::iter::once(place))?), place.start)
            }
            Ok(Look::Spanning(message)) => {
                let parts = shadow.parts(message);
                (Step::Found(copier.copy(Extent::Spanning(message), parts)?), message.start)
            }
            Ok(Look::Empty) => (Step::End(PeekEnd::Empty), *position),
            Ok(Look::InFlight { position }) => {
                (Step::End(PeekEnd::InFlight { position }), position)
            }
            // Only a subscriber or a worker finds the others.
            Ok(
                Look::Outrun | Look::Lagged { .. } | Look::Evicted | Look::Held | Look::HandsFull,
            ) => (Step::End(PeekEnd::Outrun), *position),
            Err(corrupt) => (Step::End(PeekEnd::Corrupt(corrupt)), *position),
        };
        Ok(if shadow.is_intact(position) { step } else { Step::Missed })
    }

    /// Restarts at the current head.
    fn start_over(&mut self) {
        self.shadow.renew_for_peek();
        self.position = self.shadow.head();
        let received = self.shadow.received();
        // What a consumer passes it counts a moment later, so the number can go back.
        let passed = if at_or_past(received, self.received) {
            received.wrapping_sub(self.received).saturating_sub(self.since)
        } else {
            0
        };
        self.missed = self.missed.saturating_add(passed);
        (self.received, self.since) = (received, 0);
    }
}

enum Step {
    Found(Pending),
    End(PeekEnd),
    /// A job that is acknowledged, behind one that is not.
    Passed {
        end: u64,
    },
    /// Consumers have passed the position.
    Missed,
}

/// Copies payloads with `pread`, since a peer may store to them meanwhile.
struct Copier<'a> {
    file: &'a File,
    /// Where the ring's data is in the file.
    data: u64,
    max_bytes: usize,
}

impl Copier<'_> {
    fn copy(
        &self,
        message: Extent,
        parts: impl Iterator<Item = Place>,
    ) -> Result<Pending, PeekError> {
        let len = message.len();
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(self.max_bytes)];
        let mut left = &mut bytes[..];
        for part in parts {
            let (piece, next) = left.split_at_mut(left.len().min(part.len() as usize));
            let read = self.file.read_exact_at(piece, self.data.saturating_add(part.offset()));
            read.map_err(|error| match error.kind() {
                ErrorKind::UnexpectedEof => PeekError::Failed(Fault::Truncated),
                _ => PeekError::Os(OsError::new("pread", "the segment", error)),
            })?;
            left = next;
        }
        Ok(Pending { start: message.start(), end: message.end(), len, bytes })
    }
}
