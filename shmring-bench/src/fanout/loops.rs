//! What the ends of a run do, in processes of their own or on threads of one.

use std::hint;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::contender::{FanOut, FanOutInProcess, Nature, Received, Subscriber};
use super::scenarios::{Flow, Scenario};
use crate::contender::{BoxError, Place, Sender};
use crate::cpu::{self, Meter, Span, now_ns};
use crate::measure::length::{Fixed, Length, Runtime};
use crate::measure::memory::Aligned;
use crate::measure::{content, stream, with_length};
use crate::stats::Spread;
use crate::worker::Control;

/// Messages after which a slow subscriber sleeps, and for how long.
const SLOW_STRIDE: u64 = 256;
const SLOW_SLEEP: Duration = Duration::from_millis(1);
/// Before the first burst is due.
const LEAD_NS: u64 = 1_000_000;
/// One burst in so many is at the start and not counted.
const WARM_UP_PART: usize = 10;
/// A producer that waits longer than this waits for the subscriber that receives nothing.
const STALL_NS: u64 = 10_000_000;
/// Messages after such a wait, more than there is room for: without another wait, nobody holds it up.
const AFTER_STALL: u32 = 50_000;
/// Time within which the room must be used up.
const STALL_LIMIT: Duration = Duration::from_secs(5);
/// The latency of a message that was missed.
pub(super) const MISSED: u64 = u64::MAX;

/// A worker's part in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub(super) scenario: Scenario,
    pub(super) part: Part,
    /// Whether every byte of every message is written and checked: for a run that is not timed.
    pub(super) check: bool,
    /// CPUs for the threads of one process; others are pinned before.
    pub(super) cpus: Vec<usize>,
}

/// Which end of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    Producer,
    Subscriber(u32),
    /// One that opens its end and receives nothing until it is killed.
    Victim(u32),
    /// All of them, on threads.
    All,
}

/// What an end found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub(super) part: Part,
    pub(super) span: Span,
    /// Messages sent or received.
    pub(super) messages: u64,
    /// Messages missed.
    pub(super) missed: u64,
    /// Of a producer of bursts: the median time of a send.
    pub(super) send_ns: Option<f64>,
    /// Of a subscriber of bursts: how long after it was due the last message of each came.
    pub(super) late_ns: Vec<u64>,
    /// Of a producer that a subscriber holds up: from when to when its long waits were.
    pub(super) stalls_ns: Vec<[u64; 2]>,
}

/// Does a part of a run between processes.
pub(super) fn part<C: FanOut>(
    order: &Order,
    place: Place,
    control: &mut Control,
) -> Result<Value, BoxError> {
    let found = match order.part {
        Part::Producer => {
            let sender = C::open_sender(place)?;
            control.wait_for_start()?;
            produce(order, sender)?
        }
        Part::Subscriber(index) | Part::Victim(index) => {
            let mut subscriber = C::open_subscriber(place, index)?;
            control.wait_for_start()?;
            subscribe(order, index, &C::NATURE, &mut subscriber)?
        }
        Part::All => return Err("it works between processes".into()),
    };
    Ok(serde_json::to_value(vec![found])?)
}

/// Does all parts of a run between threads.
pub(super) fn all_parts<C: FanOutInProcess>(
    order: &Order,
    place: Place,
    control: &mut Control,
) -> Result<Value, BoxError> {
    let (senders, subscribers) = C::ends(&place.setting)?;
    control.wait_for_start()?;
    let barrier = Barrier::new(senders.len() + subscribers.len());
    let start = |end: usize| {
        if let Some(cpu) = order.cpus.get(end) {
            cpu::pin(*cpu)?;
        }
        barrier.wait();
        Ok::<(), BoxError>(())
    };
    let found: Result<Vec<Found>, BoxError> = thread::scope(|scope| {
        let mut threads = Vec::new();
        let start = &start;
        for sender in senders {
            threads.push(scope.spawn(move || {
                start(0)?;
                produce(order, sender)
            }));
        }
        for (index, mut subscriber) in (0..).zip(subscribers) {
            threads.push(scope.spawn(move || {
                start(1)?;
                subscribe(order, index, &C::NATURE, &mut subscriber)
            }));
        }
        let joined = threads.into_iter().map(|thread| thread.join());
        joined.map(|end| end.unwrap_or_else(|_| Err("a thread panicked".into()))).collect()
    });
    Ok(serde_json::to_value(found?)?)
}

fn produce(order: &Order, sender: impl Sender) -> Result<Found, BoxError> {
    let Order { scenario, check, .. } = order;
    with_length!(scenario.message_bytes, |len| match scenario.flow {
        Flow::Bursts { per_second, messages } if !check => {
            send_bursts(scenario, len, per_second, messages, sender)
        }
        Flow::Kill if !check => send_until_held_up(len, sender),
        _ => {
            let sent = stream::send(&scenario.stream(), len, 0, *check, sender)?;
            Ok(Found::sent(sent.span, sent.messages))
        }
    })
}

fn send_bursts(
    scenario: &Scenario,
    len: impl Length,
    per_second: u32,
    burst: u32,
    mut sender: impl Sender,
) -> Result<Found, BoxError> {
    let stride = len.bytes().next_multiple_of(64);
    let mut messages = Aligned::new(stride * burst as usize);
    let period_ns = 1_000_000_000 / u64::from(per_second);
    let bursts = scenario.run_ms * 1_000_000 / period_ns;
    let mut sends_ns = Vec::with_capacity(bursts as usize);
    let mut word = 0;
    let meter = Meter::start()?;
    let mut due_ns = now_ns()? + LEAD_NS;
    for _ in 0..bursts {
        for message in messages.bytes().chunks_mut(stride) {
            content::stamp(message, word);
            content::stamp(&mut message[8..], due_ns);
            word += 1;
        }
        while now_ns()? < due_ns {
            hint::spin_loop();
        }
        let start_ns = now_ns()?;
        for message in messages.bytes().chunks(stride) {
            sender.send(&message[..len.bytes()])?;
        }
        sends_ns.push((now_ns()? - start_ns) as f64 / f64::from(burst));
        due_ns += period_ns;
    }
    sender.finish()?;
    let warm_up = sends_ns.len() / WARM_UP_PART;
    let send_ns = Spread::of(sends_ns.split_off(warm_up)).map(|spread| spread.median);
    Ok(Found { send_ns, ..Found::sent(meter.stop()?, word) })
}

/// Sends until a send took long and none after it does. A wait for the CPU may be a long one too.
fn send_until_held_up(len: impl Length, mut sender: impl Sender) -> Result<Found, BoxError> {
    let mut message = Aligned::new(len.bytes());
    let message = &mut message.bytes()[..len.bytes()];
    let mut stalls_ns = Vec::new();
    let [mut word, mut since] = [0, 0];
    let meter = Meter::start()?;
    let start = Instant::now();
    loop {
        content::stamp(message, word);
        let before_ns = now_ns()?;
        sender.send(message)?;
        let after_ns = now_ns()?;
        word += 1;
        since += 1;
        if after_ns - before_ns > STALL_NS {
            stalls_ns.push([before_ns, after_ns]);
            since = 0;
        }
        let is_over = !stalls_ns.is_empty() && since > u64::from(AFTER_STALL);
        if is_over || start.elapsed() > STALL_LIMIT {
            break;
        }
    }
    sender.finish()?;
    Ok(Found { stalls_ns, ..Found::sent(meter.stop()?, word) })
}

fn subscribe(
    order: &Order,
    index: u32,
    nature: &Nature,
    subscriber: &mut impl Subscriber,
) -> Result<Found, BoxError> {
    let may_miss = nature.lossy.includes(index, order.scenario.subscribers);
    let ledger = Ledger::new(may_miss, nature.says_missed);
    with_length!(order.scenario.message_bytes, |len| {
        receive(order, len, index, ledger, subscriber)
    })
}

fn receive(
    order: &Order,
    len: impl Length,
    index: u32,
    mut ledger: Ledger,
    subscriber: &mut impl Subscriber,
) -> Result<Found, BoxError> {
    let Order { scenario, check, .. } = order;
    let slow = scenario.flow == Flow::OneSlow && index + 1 == scenario.subscribers;
    let burst = match scenario.flow {
        Flow::Bursts { messages, .. } if !check => Some(u64::from(messages)),
        _ => None,
    };
    let mut buffer = Aligned::new(len.bytes());
    let buffer = &mut buffer.bytes()[..len.bytes()];
    let mut late_ns = Vec::with_capacity(1 << 12);
    let meter = Meter::start()?;
    loop {
        match subscriber.receive(buffer)? {
            Received::Message(got) => content::check_len(got, len.bytes())?,
            Received::Missed(count) => {
                ledger.miss(count)?;
                continue;
            }
            Received::End => break,
        }
        let word = content::word_of(buffer).unwrap_or(0);
        ledger.take(word)?;
        if *check {
            content::check_fill(buffer, word)?;
        }
        if let Some(burst) = burst
            && word % burst == burst - 1
        {
            let due_ns = content::word_of(&buffer[8..]).unwrap_or(0);
            late_ns.resize((word / burst) as usize, MISSED);
            late_ns.push(now_ns()?.saturating_sub(due_ns));
        }
        if slow && ledger.received.is_multiple_of(SLOW_STRIDE) {
            thread::sleep(SLOW_SLEEP);
        }
    }
    let Ledger { received, missed, .. } = ledger;
    let found = Found::sent(meter.stop()?, received);
    Ok(Found { part: Part::Subscriber(index), missed, late_ns, ..found })
}

impl Found {
    fn sent(span: Span, messages: u64) -> Found {
        let (late_ns, stalls_ns) = (Vec::new(), Vec::new());
        let part = Part::Producer;
        Found { part, span, messages, missed: 0, send_ns: None, late_ns, stalls_ns }
    }
}

/// Follows the words that a subscriber receives: each comes once and in order, and those that do
/// not come were missed by a subscriber that may.
struct Ledger {
    next: u64,
    may_miss: bool,
    /// Whether the mechanism says what it missed: then all of it must be said.
    says_missed: bool,
    received: u64,
    missed: u64,
}

impl Ledger {
    fn new(may_miss: bool, says_missed: bool) -> Ledger {
        Ledger { next: 0, may_miss, says_missed, received: 0, missed: 0 }
    }

    #[inline(always)]
    fn take(&mut self, word: u64) -> Result<(), BoxError> {
        if word != self.next {
            self.skip(word)?;
        }
        self.next = word + 1;
        self.received += 1;
        Ok(())
    }

    #[cold]
    fn skip(&mut self, word: u64) -> Result<(), BoxError> {
        if word < self.next || !self.may_miss || self.says_missed {
            return Err(format!("message {word} came, {} was to come", self.next).into());
        }
        self.missed += word - self.next;
        Ok(())
    }

    #[cold]
    fn miss(&mut self, count: u64) -> Result<(), BoxError> {
        if !self.may_miss {
            return Err(format!("{count} messages were missed after {}", self.next).into());
        }
        self.next += count;
        self.missed += count;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(may_miss: bool, words: &[u64]) -> Result<u64, String> {
        let mut ledger = Ledger::new(may_miss, false);
        let taken = words.iter().try_for_each(|word| ledger.take(*word));
        taken.map(|()| ledger.missed).map_err(|error| error.to_string())
    }

    // Catches a loss that passes where none may be, and one that is not counted where it may.
    #[test]
    fn who_may_miss_messages_has_them_counted() {
        assert_eq!(take(false, &[0, 1, 2]), Ok(0));
        assert!(take(false, &[0, 2]).is_err());
        assert_eq!(take(true, &[0, 2, 5]), Ok(3));
        for wrong in [&[0, 0][..], &[1, 0]] {
            assert!(take(true, wrong).is_err(), "{wrong:?}");
        }
    }

    // Catches a mechanism that says a wrong number of missed messages.
    #[test]
    fn what_is_said_to_be_missed_must_be_exact() {
        let after = |said, word| {
            let mut ledger = Ledger::new(true, true);
            ledger.take(0).and_then(|()| ledger.miss(said)).and_then(|()| ledger.take(word))
        };
        assert!(after(3, 4).is_ok());
        assert!(after(3, 3).is_err());
        assert!(after(3, 5).is_err());
        assert!(Ledger::new(false, true).miss(1).is_err());
    }
}
