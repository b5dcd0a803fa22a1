//! Runs of messages: copied together and written together. An exclusive consumer releases them
//! only then, so that messages that were not written stay in the ring.

use std::time::Instant;

use shmring::{Consumer, Fault, Interrupter, Message, RecvTimeoutError, Segment};

use crate::process::stop::{Exit, Stop};
use crate::transfer::attaching::Patience;
use crate::transfer::framing::Outgoing;
use crate::transfer::meter::Moved;
use crate::transfer::output::Output;
use crate::transfer::watcher::Watcher;

/// Competing consumers take messages from the ring before they write them. These limits bound
/// the loss, and a pipe has room for that many bytes.
const AT_RISK_MESSAGES: u64 = 256;
const AT_RISK_BYTES: u64 = 64 << 10;

/// Moves messages from a ring to stdout, a run at a time.
#[derive(Debug)]
pub(crate) struct Runs {
    name: String,
    consumer: Consumer,
    framing: Outgoing,
    /// What precedes each message in the output, besides its framing.
    prefix: Vec<u8>,
    /// The most messages that a competing consumer takes at once.
    max_at_risk: u64,
    /// The end of each message of the run in the output.
    ends: Vec<usize>,
    /// When the first message was seen.
    began: Option<Instant>,
    moved: Moved,
    /// Messages that left the ring and were not written whole.
    lost: u64,
}

/// The result of an attempt to move a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Messages were written.
    Moved,
    /// No message came in time.
    TimedOut,
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
    /// Joins the ring as a consumer. `is_prefixed`: its name precedes each message.
    pub(crate) fn new(
        segment: &Segment,
        framing: Outgoing,
        is_prefixed: bool,
    ) -> Result<Self, Stop> {
        let ring = segment.info();
        Ok(Self {
            name: ring.name.clone(),
            consumer: segment.consumer().map_err(|error| Stop::join(&ring.name, &error))?,
            framing,
            prefix: if is_prefixed { framing.prefix(&ring.name) } else { Vec::new() },
            max_at_risk: (AT_RISK_BYTES / ring.ring().max_message_bytes.max(1))
                .clamp(1, AT_RISK_MESSAGES),
            ends: Vec::new(),
            began: None,
            moved: Moved::default(),
            lost: 0,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn consumer(&self) -> &Consumer {
        &self.consumer
    }

    /// Returns an object that ends the waits for messages.
    pub(crate) fn interrupter(&self) -> Interrupter {
        self.consumer.interrupter()
    }

    /// Returns when the first message was seen; `None` before that.
    pub(crate) fn began(&self) -> Option<Instant> {
        self.began
    }

    /// Returns the whole messages that were written so far.
    pub(crate) fn moved(&self) -> Moved {
        self.moved
    }

    /// Returns how many messages left the ring and were not written whole.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    fn count(&mut self, messages: u64, written_bytes: usize) {
        self.moved.messages += messages;
        let each = self.framing.overhead_bytes() + self.prefix.len() as u64;
        let overhead_bytes = messages * each;
        self.moved.bytes += (written_bytes as u64).saturating_sub(overhead_bytes);
    }

    /// Waits for a message, and writes what is in the ring, up to `max` messages.
    pub(crate) fn move_one(
        &mut self,
        max: u64,
        wait: Wait,
        watcher: &Watcher<'_>,
        output: &mut Output,
    ) -> Result<Run, Stop> {
        let moved = if self.consumer.is_exclusive() {
            self.write_and_release(max, wait, watcher, output)
        } else {
            self.take_and_write(max, wait, watcher, output)
        };
        let error = match moved {
            Ok(()) => return Ok(Run::Moved),
            Err(Halt::Stop(stop)) => return Err(stop),
            Err(Halt::Ring(error)) => error,
        };
        match error {
            RecvTimeoutError::TimedOut => Ok(Run::TimedOut),
            RecvTimeoutError::Interrupted => Ok(Run::Interrupted),
            RecvTimeoutError::Eof => Ok(Run::Ended),
            RecvTimeoutError::Failed(fault) => Ok(Run::Failed(fault)),
            // Only exclusive consumers peek, so this is not `NotExclusive`.
            _ => Err(Stop::new(Exit::Failed, format!("{:?}: {error}", self.name))),
        }
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
        let Self { consumer, framing, prefix, ends, began, .. } = self;
        match wait {
            Wait::Not => drop(consumer.try_peek().map_err(RecvTimeoutError::from)?),
            Wait::AtMost(patience) => {
                watcher.waiting(|| consumer.peek_timeout(patience.remaining()).map(drop))?;
            }
        }
        began.get_or_insert_with(Instant::now);
        ends.clear();
        output.clear();
        let mut ahead = consumer.lookahead().map_err(RecvTimeoutError::from)?;
        while !output.is_full()
            && (ends.len() as u64) < max
            && let Some(message) = ahead.next()
        {
            copy(&message, *framing, prefix, output);
            ends.push(output.filled());
        }
        let (written, result) = match output.flush(watcher.signals()) {
            Ok(written) => (written, Ok(())),
            Err((written, stop)) => (written, Err(stop.into())),
        };
        let (whole, written) = whole_messages(ends, written);
        ahead.release_first(whole);
        self.count(whole as u64, written);
        result
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
            copy(message, *framing, prefix, output);
            ends.push(output.filled());
        };
        match wait {
            Wait::Not => consumer.try_recv_batch(max, visit).map_err(RecvTimeoutError::from)?,
            Wait::AtMost(patience) => {
                watcher.waiting(|| consumer.recv_batch_timeout(max, patience.remaining(), visit))?
            }
        };
        let (written, result) = match output.flush(watcher.signals()) {
            Ok(written) => (written, Ok(())),
            Err((written, stop @ Stop::Signal(_))) => (output.finish(written), Err(stop.into())),
            Err((written, stop)) => (written, Err(stop.into())),
        };
        let (whole, written) = whole_messages(ends, written);
        self.lost += (ends.len() - whole) as u64;
        self.count(whole as u64, written);
        result
    }
}

/// Returns how many messages end within the first `written` bytes, and where the last one ends.
fn whole_messages(ends: &[usize], written: usize) -> (usize, usize) {
    let whole = ends.partition_point(|end| *end <= written);
    (whole, ends[..whole].last().copied().unwrap_or(0))
}

/// Why a run was not moved.
#[derive(Debug)]
enum Halt {
    /// The ring returned no message.
    Ring(RecvTimeoutError),
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

fn copy(message: &Message<'_>, framing: Outgoing, prefix: &[u8], output: &mut Output) {
    if !prefix.is_empty() {
        output.extend(prefix.len()).copy_from_slice(prefix);
    }
    let (before, after) = framing.frame(message.len());
    if let Some(before) = before {
        output.extend(before.len()).copy_from_slice(&before);
    }
    message.copy_to(output.extend(message.len()));
    if let Some(after) = after {
        output.extend(1).fill(after);
    }
}
