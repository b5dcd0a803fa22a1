//! One way at a fixed rate: each message holds the time when it was due, and the receiver takes the
//! time since. If the sender falls behind, it sends at once what was due, under its old time: what
//! a stall does to the messages behind it is in the figures ("coordinated omission" left out none).

use std::hint;

use nix::errno::Errno;
use nix::sys::prctl::set_timerslack;
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, ClockNanosleepFlags, clock_nanosleep};

use super::content;
use super::finding::{Finding, Latencies};
use super::length::Length;
use super::memory::Aligned;
use crate::contender::{BoxError, Receiver, Sender};
use crate::cpu::{Meter, now_ns};
use crate::scenario::Scenario;

/// One in so many messages is at the start and not counted: their lines are cold.
const WARM_UP_PART: u64 = 10;
/// Before the first message is due.
const LEAD_NS: u64 = 1_000_000;
const NS_PER_S: u64 = 1_000_000_000;

/// The kernel may let a sleep take so much longer, to end it together with others. It does so by 50
/// us unless told otherwise, in which several messages may fall due.
const TIMER_SLACK_NS: u64 = 1;

/// How a sender waits until a message is due.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pace {
    /// It reads the clock again and again.
    Spinning,
    /// It sleeps.
    Sleeping,
}

impl Pace {
    /// Sleeps of this thread that end when they are to.
    pub(super) fn sleeping() -> Result<Pace, BoxError> {
        set_timerslack(TIMER_SLACK_NS)?;
        Ok(Pace::Sleeping)
    }

    fn wait_until(self, due_ns: u64) -> Result<(), BoxError> {
        while now_ns()? < due_ns {
            match self {
                Pace::Spinning => hint::spin_loop(),
                Pace::Sleeping => sleep_until(due_ns)?,
            }
        }
        Ok(())
    }
}

/// Sleeps until then, on the clock of [`now_ns`], or until a signal.
fn sleep_until(due_ns: u64) -> nix::Result<()> {
    let due = TimeSpec::new((due_ns / NS_PER_S) as i64, (due_ns % NS_PER_S) as i64);
    let flags = ClockNanosleepFlags::TIMER_ABSTIME;
    match clock_nanosleep(ClockId::CLOCK_MONOTONIC, flags, &due) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// How many are due in a run.
fn messages(scenario: &Scenario, period_ns: u64) -> u64 {
    (scenario.run_ms * 1_000_000 / period_ns).max(WARM_UP_PART)
}

pub(super) fn send(
    scenario: &Scenario,
    len: impl Length,
    per_second: u32,
    check: bool,
    mut sender: impl Sender,
    pace: Pace,
) -> Result<Finding, BoxError> {
    let mut buffer = Aligned::new(len.bytes());
    let buffer = &mut buffer.bytes()[..len.bytes()];
    let period_ns = NS_PER_S / u64::from(per_second);
    let messages = messages(scenario, period_ns);
    let meter = Meter::start()?;
    let mut due_ns = now_ns()? + LEAD_NS;
    for _ in 0..messages {
        if check {
            content::fill(buffer, due_ns);
        }
        pace.wait_until(due_ns)?;
        content::stamp(buffer, due_ns);
        sender.send(buffer)?;
        due_ns += period_ns;
    }
    sender.finish()?;
    let span = meter.stop()?;
    Ok(Finding { span, producer: Some(0), messages, sum: 0, burst_ns: None, latencies: None })
}

pub(super) fn receive(
    scenario: &Scenario,
    len: impl Length,
    per_second: u32,
    check: bool,
    receiver: &mut impl Receiver,
) -> Result<Finding, BoxError> {
    let mut histogram = Latencies::histogram()?;
    let mut buffer = Aligned::new(len.bytes());
    let buffer = &mut buffer.bytes()[..len.bytes()];
    let period_ns = NS_PER_S / u64::from(per_second);
    let warm_up = messages(scenario, period_ns) / WARM_UP_PART;
    let mut next_ns = None;
    let mut received = 0;
    let meter = Meter::start()?;
    while let Some(len) = receiver.recv_into(buffer)? {
        let now_ns = now_ns()?;
        content::check_len(len, buffer.len())?;
        let due_ns = content::word_of(buffer).unwrap_or(0);
        if due_ns != *next_ns.get_or_insert(due_ns) {
            return Err(format!("after {received} messages, one was lost or out of order").into());
        }
        next_ns = Some(due_ns + period_ns);
        if check {
            content::check_fill(buffer, due_ns)?;
        }
        received += 1;
        if received > warm_up {
            histogram.saturating_record(now_ns.saturating_sub(due_ns));
        }
    }
    Ok(Finding {
        span: meter.stop()?,
        producer: None,
        messages: received,
        sum: 0,
        burst_ns: None,
        latencies: Some(Latencies::of(&histogram)),
    })
}
