//! Runs of messages: copied out together, written together, and only then
//! released, so that what was not written stays in the ring.

use shmring::{Consumer, Message};

use crate::framing::Outgoing;
use crate::output::Output;
use crate::signals::Signals;
use crate::stop::Stop;

/// Moves messages from a ring to stdout, a run at a time.
#[derive(Debug)]
pub(crate) struct Runs {
    consumer: Consumer,
    framing: Outgoing,
    output: Output,
    /// Where in the output each message of the run ends.
    ends: Vec<usize>,
}

impl Runs {
    pub(crate) fn new(consumer: Consumer, framing: Outgoing, output: Output) -> Self {
        Self { consumer, framing, output, ends: Vec::new() }
    }

    pub(crate) fn consumer(&mut self) -> &mut Consumer {
        &mut self.consumer
    }

    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Writes what is in the ring, up to `max` messages and about as many bytes as
    /// the output's buffer holds, and releases it. Returns how many messages that
    /// is; 0 if none is there. If writing fails, those that were written whole are
    /// released.
    pub(crate) fn move_one(&mut self, max: u64, signals: &Signals) -> Result<u64, Stop> {
        let Self { consumer, framing, output, ends } = self;
        ends.clear();
        output.clear();
        let mut ahead = consumer.lookahead();
        while !output.is_full()
            && (ends.len() as u64) < max
            && let Some(message) = ahead.next()
        {
            copy(&message, *framing, output);
            ends.push(output.filled());
        }
        match output.flush(signals) {
            Ok(()) => Ok(ahead.release() as u64),
            Err((written, stop)) => {
                ahead.release_first(ends.partition_point(|end| *end <= written));
                Err(stop)
            }
        }
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
