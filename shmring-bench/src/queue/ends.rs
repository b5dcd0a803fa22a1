//! What the ends of a run do, whatever the mechanism.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::scenarios::{Flow, Scenario};
use crate::contender::BoxError;
use crate::cpu::{Meter, Span};
use crate::measure::content::{self, Ledger};
use crate::random::Random;

/// A producer has so many lengths, one message after the other, and then the same again.
const LENGTHS: usize = 4096;
/// The longest line of a log.
pub(super) const LONGEST_LINE: usize = 1 << 16;
/// The longest job.
pub(super) const LONGEST_JOB: usize = 64;
/// The last message of a producer of lines, shorter than any of these.
const END_BYTES: usize = 16;
/// Messages between two looks at the clock.
const STRIDE: u32 = 64;

/// A worker's part in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(super) contender: String,
    pub(super) scenario: Scenario,
    pub(super) part: Part,
    /// Whether every byte of every message is written and checked: for a run that is not timed.
    pub(super) check: bool,
}

/// Which end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    Producer(u32),
    Consumer,
    /// A worker that takes a job and has it until it is killed.
    Victim,
}

/// What an end found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) part: Part,
    pub(super) span: Span,
    /// Messages sent or received, their bytes, and the sum that tells which ones they were.
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) sum: u64,
    /// Of a worker that waits for a dead one's job: when it had it.
    pub(super) taken_ns: Option<u64>,
}

/// The lengths of a producer's messages, the same for all mechanisms that take them.
///
/// Of the lines of a log, 97 % have 40 to 160 bytes, 2.5 % have 161 to 2048, and 0.5 % have 2049 to
/// 65,536, each length of a class as often as the others. Those longer than `longest` are left out.
/// Jobs have 8 to 64 bytes.
pub(super) fn lengths(flow: Flow, producer: u32, longest: usize) -> Vec<usize> {
    let mut random = Random(u64::from(producer) + 1);
    let mut within = |least: usize, most: usize| least + random.below(most - least + 1);
    let mut length = || match (flow, within(0, 999)) {
        (Flow::Jobs | Flow::Killed, _) => within(8, LONGEST_JOB),
        (Flow::Log, 0..970) => within(40, 160),
        (Flow::Log, 970..995) => within(161, 2048),
        (Flow::Log, _) => within(2049, LONGEST_LINE),
    };
    (0..LENGTHS).map(|_| length()).filter(|len| *len <= longest).collect()
}

/// Sends messages until the time is over, and of a log the end.
pub(super) fn produce(
    order: &Order,
    longest: usize,
    mut send: impl FnMut(&[u8]) -> Result<(), BoxError>,
) -> Result<Found, BoxError> {
    let Order { scenario, part, check, .. } = order;
    let Part::Producer(index) = *part else { return Err("it is no producer".into()) };
    let lengths = lengths(scenario.flow, index, longest);
    let mut buffer = vec![0; longest];
    let first = content::first_word(index);
    let [mut messages, mut bytes] = [0; 2];
    let mut next = lengths.iter().cycle();
    let meter = Meter::start()?;
    let until = Instant::now() + Duration::from_millis(scenario.run_ms);
    while Instant::now() < until {
        for len in next.by_ref().take(STRIDE as usize) {
            let message = &mut buffer[..*len];
            let word = first + messages;
            content::stamp(message, word);
            if *check {
                content::fill(message, word);
            }
            send(message)?;
            messages += 1;
            bytes += *len as u64;
        }
    }
    if scenario.flow == Flow::Log {
        send(&[0; END_BYTES])?;
    }
    let sum = content::sum_of(index, messages);
    Ok(Found { part: *part, span: meter.stop()?, messages, bytes, sum, taken_ns: None })
}

/// Follows the messages that a consumer receives.
pub(super) struct Book {
    check: bool,
    part: Part,
    ledger: Ledger,
    /// By producer: the lengths of its messages.
    lengths: Vec<Vec<usize>>,
    bytes: u64,
    /// Whether a producer's last message says so.
    ends: bool,
    /// Producers of lines that have not sent their last.
    pub(super) open: u32,
    meter: Meter,
}

impl Book {
    pub(super) fn start(order: &Order, longest: usize) -> Result<Book, BoxError> {
        let Order { scenario, part, check, .. } = order;
        let producers = scenario.producers();
        let of = |producer| lengths(scenario.flow, producer, longest);
        Ok(Book {
            check: *check,
            part: *part,
            ledger: Ledger::new(producers, scenario.consumers()),
            lengths: (0..producers).map(of).collect(),
            bytes: 0,
            ends: scenario.flow == Flow::Log,
            open: producers,
            meter: Meter::start()?,
        })
    }

    /// Takes in a message. Of lines, the last of a producer too.
    #[inline(always)]
    pub(super) fn take(&mut self, message: &[u8]) -> Result<(), BoxError> {
        if self.ends && message.len() == END_BYTES {
            self.open = self.open.saturating_sub(1);
            return Ok(());
        }
        let word = content::word_of(message).unwrap_or(u64::MAX);
        self.ledger.take(word)?;
        let lengths = &self.lengths[content::producer_of(word)];
        let sequence = (word - content::first_word(content::producer_of(word) as u32)) as usize;
        content::check_len(message.len(), lengths[sequence % lengths.len()])?;
        if self.check {
            content::check_fill(message, word)?;
        }
        self.bytes += message.len() as u64;
        Ok(())
    }

    pub(super) fn close(self) -> Result<Found, BoxError> {
        let Ledger { messages, sum, .. } = self.ledger;
        let span = self.meter.stop()?;
        Ok(Found { part: self.part, span, messages, bytes: self.bytes, sum, taken_ns: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a mix that is not the one which reports name.
    #[test]
    fn lines_are_mixed_as_reports_say() {
        let all: Vec<usize> = (0..3).flat_map(|it| lengths(Flow::Log, it, LONGEST_LINE)).collect();
        let share = |least, most| {
            let count = all.iter().filter(|len| (least..=most).contains(*len)).count();
            count as f64 / all.len() as f64
        };
        assert!((0.96..0.98).contains(&share(40, 160)), "{}", share(40, 160));
        assert!((0.02..0.03).contains(&share(161, 2048)), "{}", share(161, 2048));
        assert!((0.003..0.007).contains(&share(2049, LONGEST_LINE)));
        let short = lengths(Flow::Log, 0, 8192);
        assert!(short.len() < LENGTHS && short.iter().all(|len| (40..=8192).contains(len)));
        let jobs = lengths(Flow::Jobs, 1, LONGEST_JOB);
        assert!(jobs.len() == LENGTHS && jobs.iter().all(|len| (8..=64).contains(len)));
    }
}
