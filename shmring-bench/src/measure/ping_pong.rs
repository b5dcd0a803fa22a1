//! Ping-pong: one message there and back, again and again.

use std::time::{Duration, Instant};

use super::content;
use super::finding::{Finding, Latencies};
use super::length::Length;
use super::memory::Aligned;
use crate::contender::Wait;
use crate::contender::{BoxError, Receiver, Sender};
use crate::cpu::{Meter, now_ns};
use crate::scenario::Scenario;
use crate::stats::Spread;

/// Round trips that are timed together: the clock costs little among so many, ...
const BURST_ROUNDS: u32 = 64;
/// ... and where both sleep in every round, among fewer.
const BURST_ROUNDS_ASLEEP: u32 = 8;
/// Round trips before anything is timed.
const WARM_UP_ROUNDS: u32 = 200;
/// Round trips of a run that checks all bytes.
const CHECKED_ROUNDS: u32 = 1000;

/// Plays for half of the time in bursts, and for the other half times each round trip by itself.
pub(super) fn ping(
    scenario: &Scenario,
    len: impl Length,
    check: bool,
    there: impl Sender,
    back: &mut impl Receiver,
) -> Result<Finding, BoxError> {
    let mut histogram = Latencies::histogram()?;
    let mut bursts = Vec::with_capacity(1 << 16);
    let mut game = Game { len, check, word: 0, there, back, buffer: Aligned::new(len.bytes()) };
    let meter = Meter::start()?;
    game.rounds(if check { CHECKED_ROUNDS } else { WARM_UP_ROUNDS })?;
    let rounds = if scenario.wait == Wait::Spin { BURST_ROUNDS } else { BURST_ROUNDS_ASLEEP };
    let half = if check { Duration::ZERO } else { scenario.run_time() / 2 };
    let start = Instant::now();
    let mut before = start;
    loop {
        game.rounds(rounds)?;
        let now = Instant::now();
        if bursts.len() < bursts.capacity() {
            bursts.push((now - before).as_nanos() as f64 / f64::from(2 * rounds));
        }
        before = now;
        if now - start >= half {
            break;
        }
    }
    let middle = Instant::now();
    while middle.elapsed() < half {
        for _ in 0..rounds {
            let before_ns = now_ns()?;
            game.rounds(1)?;
            histogram.saturating_record((now_ns()? - before_ns) / 2);
        }
    }
    let span = meter.stop()?;
    let Game { there, back, mut buffer, word: messages, .. } = game;
    there.finish()?;
    // The other side ends its stream when it sees the end of this one.
    if back.recv_into(buffer.bytes())?.is_some() {
        return Err("more messages came back than were sent".into());
    }
    Ok(Finding {
        span,
        producer: Some(0),
        messages,
        sum: 0,
        burst_ns: Spread::of(bursts).map(|spread| spread.median),
        latencies: Some(Latencies::of(&histogram)),
    })
}

struct Game<'a, L, S, R> {
    len: L,
    check: bool,
    word: u64,
    there: S,
    back: &'a mut R,
    buffer: Aligned,
}

impl<L: Length, S: Sender, R: Receiver> Game<'_, L, S, R> {
    #[inline(always)]
    fn rounds(&mut self, rounds: u32) -> Result<(), BoxError> {
        let buffer = &mut self.buffer.bytes()[..self.len.bytes()];
        for _ in 0..rounds {
            content::stamp(buffer, self.word);
            if self.check {
                content::fill(buffer, self.word);
            }
            self.there.send(buffer)?;
            // What was sent must not pass for what comes back.
            content::stamp(buffer, !self.word);
            let Some(received) = self.back.recv_into(buffer)? else {
                return Err("the other side has gone".into());
            };
            content::check_len(received, buffer.len())?;
            if content::word_of(buffer) != Some(self.word) {
                return Err(other_word(content::word_of(buffer), self.word));
            }
            if self.check {
                content::check_fill(buffer, self.word)?;
            }
            self.word += 1;
        }
        Ok(())
    }
}

#[cold]
fn other_word(word: Option<u64>, wanted: u64) -> BoxError {
    let wanted = content::describe(wanted);
    match word.map(content::describe) {
        Some(word) => format!("{word} came back instead of {wanted}").into(),
        None => format!("an empty message came back instead of {wanted}").into(),
    }
}

/// Sends back what comes, to the end.
pub(super) fn pong(
    len: impl Length,
    there: &mut impl Receiver,
    mut back: impl Sender,
) -> Result<Finding, BoxError> {
    let mut buffer = Aligned::new(len.bytes());
    let buffer = &mut buffer.bytes()[..len.bytes()];
    let mut messages = 0;
    let meter = Meter::start()?;
    while let Some(received) = there.recv_into(buffer)? {
        content::check_len(received, buffer.len())?;
        back.send(buffer)?;
        messages += 1;
    }
    let span = meter.stop()?;
    back.finish()?;
    Ok(Finding { span, producer: None, messages, sum: 0, burst_ns: None, latencies: None })
}
