//! Runs of messages: copied out together, written together, and only then
//! released, so that what was not written stays in the ring.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use shmring::{Consumer, Message, Segment, TryRecvError};

use crate::framing::Outgoing;
use crate::output::Output;
use crate::signals::Signals;
use crate::stop::Stop;

/// Reads messages ahead of their release.
pub(crate) struct Runs<'a> {
    segment: &'a Segment,
    consumer: Consumer,
    framing: Outgoing,
    output: Output,
    /// Position of the first message that was not released. Not known before the
    /// first release.
    head: Option<u64>,
    /// Where in the output each message of the run ends, and its position.
    ends: Vec<(usize, u64)>,
}

impl<'a> Runs<'a> {
    pub(crate) fn new(
        segment: &'a Segment,
        consumer: Consumer,
        framing: Outgoing,
        output: Output,
    ) -> Self {
        Self { segment, consumer, framing, output, head: None, ends: Vec::new() }
    }

    pub(crate) fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Copies what is in the ring to the output: at least one message, at most
    /// `max`, and not many more bytes than its buffer holds. Releases nothing.
    ///
    /// A batch is consumed when its visitor returns from the last message, unless
    /// it unwinds. So the visitor unwinds at the last message that it wants, which
    /// must be one that is known to be there.
    pub(crate) fn read(&mut self, max: u64) -> Result<(), TryRecvError> {
        self.ends.clear();
        self.output.clear();
        let known_end = self.known_end();
        let Self { consumer, framing, output, ends, .. } = self;
        let visit = |message: &Message<'_>| {
            copy(message, *framing, output);
            let position = message.position();
            ends.push((output.filled(), position));
            // Positions may wrap, so only their distance counts.
            let distance = known_end.map(|known_end| known_end.wrapping_sub(position));
            let is_last = distance.is_none_or(|left| left == 0 || left > i64::MAX as u64);
            if is_last || output.is_full() || ends.len() as u64 == max {
                resume_unwind(Box::new(()));
            }
        };
        // The consumer promises to be as it was before, and the rest is appended to.
        match catch_unwind(AssertUnwindSafe(|| consumer.try_recv_batch(usize::MAX, visit))) {
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) | Err(_) => Ok(()),
        }
    }

    /// A position up to which messages are committed.
    fn known_end(&self) -> Option<u64> {
        let used = self.segment.status().ok()?.used_bytes;
        self.head.map(|head| head.wrapping_add(used))
    }

    /// Writes the run and releases it; if writing fails, as much of it as was
    /// written. Returns how many messages that is.
    pub(crate) fn write(&mut self, signals: &Signals) -> Result<u64, Stop> {
        match self.output.flush(signals) {
            Ok(()) => Ok(self.release(self.ends.len())),
            Err((written, stop)) => {
                let whole = self.ends.partition_point(|(end, _)| *end <= written);
                self.release(whole);
                Err(stop)
            }
        }
    }

    fn release(&mut self, count: usize) -> u64 {
        if count == 0 {
            return 0;
        }
        // Nothing but a fault can stop it, and the next read tells that.
        let _ = self.consumer.try_recv_batch(count, |_| {});
        self.head = self.ends.get(count - 1).map(|(_, position)| *position);
        count as u64
    }
}

fn copy(message: &Message<'_>, framing: Outgoing, output: &mut Output) {
    let (before, after) = framing.frame(message.len());
    if let Some(before) = before {
        output.extend(before.len()).copy_from_slice(&before);
    }
    message.copy_to(output.extend(message.len()));
    if let Some(after) = after {
        output.extend(1).fill(after);
    }
}
