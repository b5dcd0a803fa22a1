//! Pending messages, looked at without receiving them.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use crate::error::{Fault, OsError, PeekError};
use crate::format::Geometry;
use crate::memory::mapping::Mapping;
use crate::observe::Observer;
use crate::observe::shadow::Shadow;
use crate::ring::slot::Look;
use crate::ring::{Corrupt, Place, WORD_BYTES, at_or_past};

/// How often consumers may take what was being copied before a look gives up.
const MAX_MISSES: u32 = 1000;

/// Messages that nobody has received, as they were found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Peeked {
    /// In the order in which consumers get them. Where consumers were faster than the look,
    /// some are missing between two.
    pub messages: Vec<Pending>,
    /// About how many messages consumers took after the look had begun and before it came
    /// to them.
    pub missed: u64,
    /// Why there are no more.
    pub end: PeekEnd,
}

/// A message that nobody has received.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Pending {
    /// The position at which it starts, in bytes of a record ring, else in slots.
    pub start: u64,
    /// The position at which it ends: what
    /// [`Message::end_position`](crate::Message::end_position) tells its receiver.
    pub end: u64,
    /// Bytes in the message.
    pub len: u64,
    /// The first of its bytes, as many as were asked for.
    pub bytes: Vec<u8>,
}

/// Why a look at pending messages ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PeekEnd {
    /// There are as many as were asked for.
    Limit,
    /// No more were sent.
    Empty,
    /// The next position is claimed and not published; what lies behind it has to wait.
    InFlight {
        /// The position, in slots.
        position: u64,
    },
    /// No correct peer can have written what comes next.
    Corrupt(Corrupt),
    /// Consumers were faster, at every try.
    Outrun,
}

impl Observer {
    /// Up to `max_messages` of the messages that wait to be received, and of each the first
    /// `max_bytes` bytes; of a packed ring, the elements. Nobody is kept from receiving them.
    ///
    /// Each is one that was sent, whole and unchanged: it is copied, and shown only if no
    /// consumer had passed it by then. It may be received by the time the caller sees it.
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

    /// As [`peek`](Self::peek), of the ring of that index among
    /// [`SegmentInfo::rings`](crate::SegmentInfo::rings).
    ///
    /// # Errors
    /// [`PeekError::NoRing`] if the segment has fewer rings; else as for `peek`.
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
        // What was cut off reads as zero, and may be taken for something else.
        self.mapping.check().map_err(PeekError::Failed)?;
        result
    }
}

/// Whether a segment that nobody uses holds a message that nobody received.
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
    // Each look ends the loop or passes one position, of which a ring has no more than this.
    for _ in 0..=shadow.shape().slots().unwrap_or(0) {
        match shadow.look()? {
            Look::Empty => return Ok(false),
            // Nobody is left to publish it; behind it there may be messages.
            Look::InFlight { position } => {
                let next = position.wrapping_add(1);
                if at_or_past(next, end) {
                    return Ok(false);
                }
                shadow.put_head(next);
            }
            Look::Message(_) | Look::Outrun => return Ok(true),
        }
    }
    Ok(true)
}

/// The way from head to tail.
struct Walk<'a> {
    shadow: Shadow<'a>,
    position: u64,
    /// Messages that consumers had taken at the last start, and those found since.
    received: u64,
    since: u64,
    found: Vec<Pending>,
    missed: u64,
}

impl<'a> Walk<'a> {
    fn new(shadow: Shadow<'a>) -> Self {
        let (position, received) = (shadow.head(), shadow.received());
        Self { shadow, position, received, since: 0, found: Vec::new(), missed: 0 }
    }

    /// Finds up to `max` messages. At one time there are at most `most` in a ring.
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
                Step::End(end) => break end,
                Step::Missed => {
                    self.start_over();
                    misses = misses.saturating_add(1);
                }
            }
        };
        Ok(Peeked { messages: self.found, missed: self.missed, end })
    }

    /// Copies what is at the position.
    fn step(&self, copier: &Copier<'_>) -> Result<Step, PeekError> {
        let Self { shadow, position, .. } = self;
        shadow.renew();
        shadow.put_head(*position);
        let (step, position) = match shadow.look() {
            Ok(Look::Message(place)) => (Step::Found(copier.copy(place)?), place.start),
            Ok(Look::Empty) => (Step::End(PeekEnd::Empty), *position),
            Ok(Look::InFlight { position }) => {
                (Step::End(PeekEnd::InFlight { position }), position)
            }
            Ok(Look::Outrun) => (Step::End(PeekEnd::Outrun), *position),
            Err(corrupt) => (Step::End(PeekEnd::Corrupt(corrupt)), *position),
        };
        Ok(if shadow.is_intact(position) { step } else { Step::Missed })
    }

    /// Goes on where head is by now.
    fn start_over(&mut self) {
        self.shadow.renew();
        self.position = self.shadow.head();
        let received = self.shadow.received();
        let passed = received.wrapping_sub(self.received).saturating_sub(self.since);
        self.missed = self.missed.saturating_add(passed);
        (self.received, self.since) = (received, 0);
    }
}

enum Step {
    Found(Pending),
    End(PeekEnd),
    /// Consumers have passed the position.
    Missed,
}

/// Copies payloads: through the file, as payload may change meanwhile, and elements may be of
/// any size.
struct Copier<'a> {
    file: &'a File,
    /// Where the ring's data is in the file.
    data: u64,
    max_bytes: usize,
}

impl Copier<'_> {
    fn copy(&self, place: Place) -> Result<Pending, PeekError> {
        let (offset, len) = (place.offset(), place.len());
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(self.max_bytes)];
        let read = self.file.read_exact_at(&mut bytes, self.data.saturating_add(offset));
        read.map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => PeekError::Failed(Fault::Truncated),
            _ => PeekError::Os(OsError::new("pread", "the segment", error)),
        })?;
        Ok(Pending { start: place.start, end: place.end, len, bytes })
    }
}
