//! Runs of messages: copied together and written together. An exclusive consumer releases them
//! only then, so that messages that were not written stay in the ring. A subscriber of a broadcast
//! ring does so before: if it is evicted meanwhile, its copies may be torn, and are not written.

use std::time::Instant;

use shmring::{
    Consumer, Eof, Fault, Kind, Lookahead, Message, RecvTimeoutError, Segment, Subscribe,
};

use crate::process::stop::Stop;
use crate::report;
use crate::transfer::attaching::Patience;
use crate::transfer::framing::Outgoing;
use crate::transfer::losses::{Loss, Missed};
use crate::transfer::meter::Moved;
use crate::transfer::output::Output;
use crate::transfer::watcher::Watcher;

/// Competing consumers take messages from the ring before they write them. These limits bound
/// the loss, and a pipe has room for that many bytes, of messages that fit a slot.
const AT_RISK_MESSAGES: u64 = 256;
const AT_RISK_BYTES: u64 = 64 << 10;

/// Moves messages from a ring to stdout, a run at a time.
#[derive(Debug)]
pub(crate) struct Runs {
    consumer: Consumer,
    framing: Outgoing,
    /// What precedes each message in the output, besides its framing.
    prefix: Vec<u8>,
    /// The most messages that a competing consumer takes at once.
    max_at_risk: u64,
    /// The end of each message of the run.
    ends: Vec<End>,
    is_subscriber: bool,
    /// Of a subscriber: the position after the last message that was written whole.
    written: u64,
    /// When the first message was seen.
    began: Option<Instant>,
    moved: Moved,
    /// Messages that left the ring and were not written whole.
    lost: u64,
}

/// How to receive from broadcast rings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    pub(crate) how: Subscribe,
    /// What the end of the stream means.
    pub(crate) eof: Eof,
}

/// The end of a message.
#[derive(Clone, Copy, Debug)]
struct End {
    /// In the output.
    bytes: usize,
    /// In the ring.
    position: u64,
}

/// The result of an attempt to move a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Messages were written.
    Moved,
    /// No message came in time.
    TimedOut,
    /// Messages were missed; others follow.
    Missed(Missed),
    /// The watcher ended the wait for one.
    Interrupted,
    /// The stream has ended.
    Ended,
    /// The ring cannot be read any more.
    Failed(Fault),
}

/// How long a run waits for its first message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    Not,
    AtMost(Patience),
}

impl Runs {
    /// Joins the ring as a consumer. `prefix` precedes each message. Without a `subscription`, as
    /// any consumer.
    pub(crate) fn new(
        segment: &Segment,
        framing: Outgoing,
        prefix: Vec<u8>,
        subscription: Option<Subscription>,
    ) -> Result<Self, Stop> {
        let ring = segment.info();
        let slot_bytes = ring.ring().slot_bytes.unwrap_or(ring.ring().max_message_bytes);
        let consumer = match subscription {
            None => segment.consumer(),
            Some(Subscription { how, eof }) => segment.subscribe(how).map(|mut consumer| {
                consumer.set_eof(eof);
                consumer
            }),
        };
        let consumer = consumer.map_err(|error| Stop::join(&ring.name, &error))?;
        let is_subscriber = ring.ring().kind == Kind::Broadcast;
        Ok(Self {
            written: consumer.position(),
            consumer,
            framing,
            prefix,
            max_at_risk: match is_subscriber {
                // Those that it did not write are in the ring for others.
                true => AT_RISK_MESSAGES,
                false => (AT_RISK_BYTES / slot_bytes.max(1)).clamp(1, AT_RISK_MESSAGES),
            },
            ends: Vec::new(),
            is_subscriber,
            began: None,
            moved: Moved::default(),
            lost: 0,
        })
    }

    pub(crate) fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// Returns when the first message was seen; `None` before that.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Returns the whole messages that were written so far.
    pub(crate) fn moved(&self) -> Moved {
        self.moved
    }

    /// Returns which messages were received and not written whole.
    pub(crate) fn loss(&self) -> Option<Loss> {
        let from = self.is_subscriber.then_some(self.written);
        (self.lost > 0).then_some(Loss { messages: self.lost, from })
    }

    /// Returns what there is to say of a subscription at its end.
    pub(crate) fn totals(&self) -> Option<String> {
        let missed = report::count(self.consumer.missed(), "message");
        self.is_subscriber
            .then(|| format!("missed {missed}, the next one is at position {}", self.written))
    }

    /// Counts the messages of the run of which `written` bytes were written. Returns how many were
    /// written whole.
    fn count(&mut self, written: usize) -> usize {
        let whole = whole(&self.ends, written, |end| end.bytes);
        let Some(End { bytes, position }) = self.ends[..whole].last().copied() else {
            return 0;
        };
        self.written = position;
        self.moved.messages += whole as u64;
        let each = self.framing.overhead_bytes() + self.prefix.len() as u64;
        let overhead_bytes = whole as u64 * each;
        self.moved.bytes += (bytes as u64).saturating_sub(overhead_bytes);
        whole
    }

    /// Waits for a message, and writes what is in the ring, up to `max` messages.
    pub(super) fn move_one(
        &mut self,
        max: u64,
        wait: Wait,
        watcher: &Watcher<'_>,
        output: &mut Output,
    ) -> Result<(), Halt> {
        let moved = match (self.consumer.is_exclusive(), self.is_subscriber) {
            (true, false) => self.write_and_release(max, wait, watcher, output),
            (true, true) => self.release_and_write(max, wait, watcher, output),
            (false, _) => self.take_and_write(max, wait, watcher, output),
        };
        moved.map_err(|halt| match halt {
            Halt::Ring(RecvTimeoutError::Lagged { missed }) => {
                self.missed(Missed::Messages(missed))
            }
            Halt::Ring(RecvTimeoutError::Evicted) => self.missed(Missed::Evicted),
            halt => halt,
        })
    }

    fn missed(&mut self, missed: Missed) -> Halt {
        self.written = self.consumer.position();
        Halt::Missed(missed)
    }

    /// Writes about as many bytes as the output's buffer holds, and releases the messages that
    /// were written whole, also if the write failed.
    fn write_and_release(
        &mut self,
        max: u64,
        wait: Wait,
        watcher: &Watcher<'_>,
        output: &mut Output,
    ) -> Result<(), Halt> {
        self.await_message(wait, watcher)?;
        let Self { consumer, framing, prefix, ends, .. } = self;
        let mut ahead = consumer.lookahead().map_err(RecvTimeoutError::from)?;
        copy_ahead(&mut ahead, max, (*framing, prefix), ends, output);
        let (written, result) = match output.flush(watcher.signals()) {
            Ok(written) => (written, Ok(())),
            Err((written, stop)) => (written, Err(stop.into())),
        };
        ahead.release_first(whole(ends, written, |end| end.bytes));
        self.count(written);
        result
    }

    /// Releases messages of about as many bytes as the output's buffer holds, and writes them.
    fn release_and_write(
        &mut self,
        max: u64,
        wait: Wait,
        watcher: &Watcher<'_>,
        output: &mut Output,
    ) -> Result<(), Halt> {
        self.await_message(wait, watcher)?;
        let Self { consumer, framing, prefix, ends, .. } = self;
        let mut ahead = consumer.lookahead().map_err(RecvTimeoutError::from)?;
        copy_ahead(&mut ahead, max, (*framing, prefix), ends, output);
        if ahead.release() < ends.len() {
            // It was evicted meanwhile, which its next verb returns.
            return Err(RecvTimeoutError::Interrupted.into());
        }
        self.write_taken(watcher, output)
    }

    fn await_message(&mut self, wait: Wait, watcher: &Watcher<'_>) -> Result<(), Halt> {
        let Self { consumer, began, .. } = self;
        match wait {
            Wait::Not => drop(consumer.try_peek().map_err(RecvTimeoutError::from)?),
            Wait::AtMost(patience) => {
                watcher.waiting(|| consumer.peek_timeout(patience.remaining()).map(drop))?;
            }
        }
        began.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Takes messages when stdout has room, and writes all of them: while the reader of stdout
    /// does not read, other consumers can take them.
    fn take_and_write(
        &mut self,
        max: u64,
        wait: Wait,
        watcher: &Watcher<'_>,
        output: &mut Output,
    ) -> Result<(), Halt> {
        let Self { consumer, framing, prefix, max_at_risk, ends, began, .. } = self;
        output.await_room(watcher.signals())?;
        ends.clear();
        output.clear();
        let max = usize::try_from(max.min(*max_at_risk)).unwrap_or(usize::MAX);
        let visit = |message: &Message<'_>| {
            began.get_or_insert_with(Instant::now);
            ends.push(copy(message, *framing, prefix, output));
        };
        match wait {
            Wait::Not => consumer.try_recv_batch(max, visit).map_err(RecvTimeoutError::from)?,
            Wait::AtMost(patience) => {
                watcher.waiting(|| consumer.recv_batch_timeout(max, patience.remaining(), visit))?
            }
        };
        self.write_taken(watcher, output)
    }

    /// Writes messages that left the ring, or at least this subscriber's part of it.
    fn write_taken(&mut self, watcher: &Watcher<'_>, output: &mut Output) -> Result<(), Halt> {
        let (written, result) = match output.flush(watcher.signals()) {
            Ok(written) => (written, Ok(())),
            Err((written, stop @ Stop::Signal(_))) => (output.finish(written), Err(stop.into())),
            Err((written, stop)) => (written, Err(stop.into())),
        };
        let whole = self.count(written);
        self.lost += (self.ends.len() - whole) as u64;
        result
    }
}

/// Returns how many messages end within the first `written` bytes.
pub(super) fn whole<T>(ends: &[T], written: usize, bytes: impl Fn(&T) -> usize) -> usize {
    ends.partition_point(|end| bytes(end) <= written)
}

/// Why a run was not moved.
#[derive(Debug)]
pub(super) enum Halt {
    /// The ring returned no message.
    Ring(RecvTimeoutError),
    /// Messages were missed; others follow.
    Missed(Missed),
    Stop(Stop),
}

impl From<RecvTimeoutError> for Halt {
    fn from(error: RecvTimeoutError) -> Self {
        Self::Ring(error)
    }
}

impl From<Stop> for Halt {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

/// Copies up to `max` messages, and no more once the output's buffer is full.
fn copy_ahead(
    ahead: &mut Lookahead<'_>,
    max: u64,
    (framing, prefix): (Outgoing, &[u8]),
    ends: &mut Vec<End>,
    output: &mut Output,
) {
    ends.clear();
    output.clear();
    while !output.is_full()
        && (ends.len() as u64) < max
        && let Some(message) = ahead.next()
    {
        ends.push(copy(&message, framing, prefix, output));
    }
}

fn copy(message: &Message<'_>, framing: Outgoing, prefix: &[u8], output: &mut Output) -> End {
    let bytes = output.append(framing, prefix, message.len(), |space| message.copy_to(space));
    End { bytes, position: message.end_position() }
}
