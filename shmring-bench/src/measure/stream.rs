//! Streams: producers send as fast as they can until their time is over, consumers receive to the
//! end.

use std::time::{Duration, Instant};

use super::content::{self, Ledger};
use super::finding::Finding;
use super::length::Length;
use super::memory::{Aligned, Batch};
use crate::contender::{BoxError, Receiver, Sender};
use crate::cpu::Meter;
use crate::scenario::Scenario;

/// Bytes of prepared messages: few enough for the first-level cache.
const POOL_BYTES: usize = 16 << 10;
/// The most prepared messages. A word that was just written must not be copied at once together
/// with its neighbours: the copy would wait until the word has left the store buffer.
const POOL_MESSAGES: usize = 64;
/// Bytes that are sent between two looks at the clock, ...
const CLOCK_BYTES: usize = 64 << 10;
/// ... but not more messages than this.
const CLOCK_MESSAGES: usize = 256;
/// Messages of a run that checks all bytes: some rounds of the ring, ...
const CHECKED_MESSAGES: u64 = 5000;
/// ... or so many bytes.
const CHECKED_BYTES: u64 = 64 << 20;

/// Tells a producer when to stop.
struct Until {
    deadline: Instant,
    /// Messages between two looks at the clock.
    stride: u64,
    /// The most messages.
    most: u64,
}

impl Until {
    fn new(scenario: &Scenario, check: bool) -> Until {
        let len = scenario.message_bytes.max(1);
        let stride = (CLOCK_BYTES / len).clamp(1, CLOCK_MESSAGES) as u64;
        let enough = CHECKED_MESSAGES.min(CHECKED_BYTES / len as u64).max(16);
        let time = if check { Duration::from_secs(10) } else { scenario.run_time() };
        Until {
            deadline: Instant::now() + time,
            stride,
            most: if check { enough } else { u64::MAX },
        }
    }

    /// Whether there are more to send, after `sent`. To be asked after each stride.
    fn more(&self, sent: u64) -> bool {
        sent < self.most && Instant::now() < self.deadline
    }
}

fn sent(meter: Meter, index: u32, messages: u64) -> Result<Finding, BoxError> {
    Ok(Finding {
        span: meter.stop()?,
        producer: Some(index),
        messages,
        sum: 0,
        burst_ns: None,
        latencies: None,
    })
}

fn received(meter: Meter, ledger: &Ledger) -> Result<Finding, BoxError> {
    Ok(Finding {
        span: meter.stop()?,
        producer: None,
        messages: ledger.messages,
        sum: ledger.sum,
        burst_ns: None,
        latencies: None,
    })
}

fn sending(word: u64) -> impl FnOnce(BoxError) -> BoxError {
    move |error| format!("sending {}: {error}", content::describe(word)).into()
}

pub(crate) fn send(
    scenario: &Scenario,
    len: impl Length,
    index: u32,
    check: bool,
    mut sender: impl Sender,
) -> Result<Finding, BoxError> {
    let stride = len.bytes().next_multiple_of(64);
    let slots = (POOL_BYTES / stride).clamp(2, POOL_MESSAGES).next_power_of_two();
    let mut pool = Aligned::new(slots * stride);
    let pool = pool.bytes();
    let first = content::first_word(index);
    // Each message is stamped half a pool ahead of its being sent.
    let ahead = slots / 2;
    for slot in 0..ahead {
        content::stamp(&mut pool[slot * stride..], first + slot as u64);
    }
    let meter = Meter::start()?;
    let until = Until::new(scenario, check);
    let mut word = first;
    loop {
        for _ in 0..until.stride {
            if len.bytes() == 8 && !check {
                sender.send(&word.to_le_bytes()).map_err(sending(word))?;
            } else {
                let next = (word as usize + ahead) % slots * stride;
                content::stamp(&mut pool[next..next + len.bytes()], word + ahead as u64);
                let start = word as usize % slots * stride;
                let message = &mut pool[start..start + len.bytes()];
                if check {
                    content::fill(message, word);
                }
                sender.send(message).map_err(sending(word))?;
            }
            word += 1;
        }
        if !until.more(word - first) {
            break;
        }
    }
    sender.finish()?;
    sent(meter, index, word - first)
}

pub(super) fn receive(
    scenario: &Scenario,
    len: impl Length,
    check: bool,
    receiver: &mut impl Receiver,
) -> Result<Finding, BoxError> {
    let mut buffer = Aligned::new(len.bytes());
    let buffer = &mut buffer.bytes()[..len.bytes()];
    let mut ledger = Ledger::new(scenario.producers, scenario.consumers);
    let meter = Meter::start()?;
    while let Some(received) = receiver.recv_into(buffer)? {
        content::check_len(received, len.bytes())?;
        let word = content::word_of(buffer).unwrap_or(0);
        ledger.take(word)?;
        if check {
            content::check_fill(buffer, word)?;
        }
    }
    received(meter, &ledger)
}

pub(super) fn send_batches<const LEN: usize>(
    scenario: &Scenario,
    index: u32,
    check: bool,
    mut sender: impl Sender,
) -> Result<Finding, BoxError> {
    // Two of them, so that a batch is stamped while the one before is sent.
    let mut batches = [Batch::<LEN>::new(scenario.batch), Batch::<LEN>::new(scenario.batch)];
    let first = content::first_word(index);
    let mut word = first;
    batches[0].stamp(word, check);
    let meter = Meter::start()?;
    let until = Until::new(scenario, check);
    loop {
        for _ in 0..until.stride.div_ceil(scenario.batch as u64) {
            let [now, next] = &mut batches;
            next.stamp(word + scenario.batch as u64, check);
            sender.send_batch(now.messages()).map_err(sending(word))?;
            word += scenario.batch as u64;
            batches.swap(0, 1);
        }
        if !until.more(word - first) {
            break;
        }
    }
    sender.finish()?;
    sent(meter, index, word - first)
}

pub(super) fn receive_batches<const LEN: usize>(
    scenario: &Scenario,
    check: bool,
    receiver: &mut impl Receiver,
) -> Result<Finding, BoxError> {
    let mut batch = Batch::<LEN>::new(scenario.batch);
    let mut ledger = Ledger::new(scenario.producers, scenario.consumers);
    let meter = Meter::start()?;
    loop {
        let count = receiver.recv_batch(batch.messages())?;
        if count == 0 {
            return received(meter, &ledger);
        }
        for message in &batch.messages()[..count] {
            let word = content::word_of(message).unwrap_or(0);
            ledger.take(word)?;
            if check {
                content::check_fill(message, word)?;
            }
        }
    }
}

pub(super) fn send_in_place(
    scenario: &Scenario,
    index: u32,
    check: bool,
    mut sender: impl Sender,
) -> Result<Finding, BoxError> {
    let first = content::first_word(index);
    let mut word = first;
    let meter = Meter::start()?;
    let until = Until::new(scenario, check);
    loop {
        for _ in 0..until.stride {
            let write = |message: &mut [u8]| {
                if check {
                    content::fill(message, word);
                } else {
                    message.fill(word as u8);
                }
                content::stamp(message, word);
            };
            sender.send_in_place(scenario.message_bytes, write).map_err(sending(word))?;
            word += 1;
        }
        if !until.more(word - first) {
            break;
        }
    }
    sender.finish()?;
    sent(meter, index, word - first)
}

pub(super) fn receive_in_place(
    scenario: &Scenario,
    check: bool,
    receiver: &mut impl Receiver,
) -> Result<Finding, BoxError> {
    let mut ledger = Ledger::new(scenario.producers, scenario.consumers);
    let meter = Meter::start()?;
    let len = scenario.message_bytes;
    let mut look = |message: &[u8]| {
        content::check_len(message.len(), len)?;
        let word = content::word_of(message).unwrap_or(0);
        ledger.take(word)?;
        if check {
            return content::check_fill(message, word);
        }
        std::hint::black_box(sum(message));
        Ok::<(), BoxError>(())
    };
    while let Some(verdict) = receiver.recv(&mut look)? {
        verdict?;
    }
    received(meter, &ledger)
}

/// Reads all of a message, as a program that uses it would.
fn sum(message: &[u8]) -> u64 {
    let (words, rest) = message.as_chunks::<8>();
    let words = words.iter().fold(0, |sum: u64, word| sum.wrapping_add(u64::from_le_bytes(*word)));
    rest.iter().fold(words, |sum, byte| sum.wrapping_add(u64::from(*byte)))
}
