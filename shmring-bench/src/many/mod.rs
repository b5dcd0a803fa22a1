//! One thread that serves many channels, each of which brings a message now and then: what that
//! takes of its CPU, and how late a message is.
//!
//! This very program is started again as the sender, which sends to one channel after the other at
//! a steady rate, and sleeps in between. The ways to receive are measured one after the other,
//! for a second or two each, in several rounds.

mod sender;
#[cfg(feature = "peers")]
mod services;
#[cfg(feature = "tokio")]
mod tasks;
mod ways;

use std::fmt::Write as _;
use std::time::Duration;

use hdrhistogram::Histogram;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

use crate::contender::BoxError;
use crate::stats::Spread;

pub use sender::send;
use ways::{WAYS, Way};

/// The word that the sender is started with.
pub const SENDER: &str = "send-to-many";
/// Nanoseconds on the monotonic clock when it was sent: all that a message says.
const MESSAGE_BYTES: usize = 8;

/// How to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many channels.
    pub channels: usize,
    /// Messages a second, over all channels.
    pub rate: u32,
    /// For how long a way is measured at a time.
    pub time: Duration,
    /// How often each way is measured.
    pub rounds: usize,
    /// Only ways whose names contain this are measured, and those that they are compared with.
    pub only: String,
}

impl Plan {
    fn ways(&self) -> Vec<&'static Way> {
        let is_chosen = |name: &str| name.contains(&self.only);
        let is_compared = |name| WAYS.iter().any(|way| way.against == name && is_chosen(way.name));
        WAYS.iter().filter(|way| is_chosen(way.name) || is_compared(way.name)).collect()
    }
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Many {
    /// How many channels there were.
    pub channels: usize,
    /// Messages a second, over all channels.
    pub rate: u32,
    /// One for each way to receive.
    pub ways: Vec<Figures>,
}

/// What one way takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Its name.
    pub way: String,
    /// The way that it is compared with.
    pub against: String,
    /// CPU time of the receiving process for each message, in microseconds.
    pub receiver_us: Spread,
    /// The same of the sending process, from when all channels are open.
    pub sender_us: Spread,
    /// From the send to the receipt, in microseconds: the median of each round.
    pub latency_us: Spread,
    /// CPU time of both processes, as a multiple of that of `against` in the same round.
    pub cpu_ratio: Spread,
    /// Latency, likewise.
    pub latency_ratio: Spread,
}

/// One round of one way.
struct Round {
    receiver_us: f64,
    sender_us: f64,
    latency_us: f64,
}

/// Measures each way to receive.
///
/// # Errors
/// If a way fails, or loses a message.
pub fn measure(plan: &Plan) -> Result<Many, BoxError> {
    let ways = plan.ways();
    let mut rounds: Vec<Vec<Round>> = ways.iter().map(|_| Vec::new()).collect();
    for _ in 0..plan.rounds {
        for (way, rounds) in ways.iter().zip(&mut rounds) {
            let round = round(way, plan).map_err(|error| format!("{}: {error}", way.name))?;
            rounds.push(round);
        }
    }
    let figures = |(way, of): (&&Way, &Vec<Round>)| {
        let find = |name| ways.iter().position(|other| other.name == name);
        // A way that is measured only as a reference may lack its own.
        let reference = find(way.against).or_else(|| find(way.name)).unwrap_or(0);
        let spread = |figure: fn(&Round) -> f64| Spread::of(of.iter().map(figure));
        let ratio = |figure: fn(&Round) -> f64| {
            let base = rounds[reference].iter().map(figure);
            Spread::of(of.iter().map(figure).zip(base).map(|(it, base)| it / base.max(0.001)))
        };
        Some(Figures {
            way: way.name.to_owned(),
            against: ways.get(reference)?.name.to_owned(),
            receiver_us: spread(|round| round.receiver_us)?,
            sender_us: spread(|round| round.sender_us)?,
            latency_us: spread(|round| round.latency_us)?,
            cpu_ratio: ratio(|round| round.receiver_us + round.sender_us)?,
            latency_ratio: ratio(|round| round.latency_us)?,
        })
    };
    let figures = ways.iter().zip(&rounds).map(figures).collect::<Option<_>>();
    let ways = figures.ok_or("no rounds")?;
    Ok(Many { channels: plan.channels, rate: plan.rate, ways })
}

fn round(way: &Way, plan: &Plan) -> Result<Round, BoxError> {
    let messages = (f64::from(plan.rate) * plan.time.as_secs_f64()) as u64;
    let mut latencies = Histogram::<u64>::new(3)?;
    let channels = (way.open)(plan.channels)?;
    let child = sender::start(way.transport, channels.addresses(), plan.rate, messages)?;
    let own = cpu_us()?;
    let received = channels.receive(&mut |sent_ns| {
        // As long as a histogram that grows can hold.
        let _ = latencies.record(sender::now_ns().saturating_sub(sent_ns));
    })?;
    let own = cpu_us()? - own;
    let others = child.finish()?;
    if received != messages {
        return Err(format!("{received} of {messages} messages came").into());
    }
    let each = messages.max(1) as f64;
    Ok(Round {
        receiver_us: own / each,
        sender_us: others / each,
        latency_us: latencies.value_at_quantile(0.5) as f64 / 1000.0,
    })
}

/// CPU time of this process so far, in microseconds.
fn cpu_us() -> Result<f64, BoxError> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let spent = usage.user_time() + usage.system_time();
    Ok(spent.num_microseconds() as f64)
}

/// The figures as a table.
pub fn text(many: &Many) -> String {
    let mut text = format!(
        "{} channels, {} messages/s in all; us, the middle half of the rounds, and multiples of \
         another way.\n{:<24}{:>21}{:>21}{:>21}{:>19}{:>19}  {}\n",
        many.channels,
        many.rate,
        "",
        "CPU, receiver",
        "CPU, sender",
        "latency",
        "CPU",
        "latency",
        "times those of"
    );
    let us = |spread: Spread| format!("{:.1} ({:.1}..{:.1})", spread.median, spread.q1, spread.q3);
    let times =
        |spread: Spread| format!("{:.2} ({:.2}..{:.2})", spread.median, spread.q1, spread.q3);
    for figures in &many.ways {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{:<24}{:>21}{:>21}{:>21}{:>19}{:>19}  {}",
            figures.way,
            us(figures.receiver_us),
            us(figures.sender_us),
            us(figures.latency_us),
            times(figures.cpu_ratio),
            times(figures.latency_ratio),
            figures.against
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a table without a way, or whose reference is not one.
    #[test]
    fn every_way_is_in_the_table() {
        let spread = Spread::of([1.0]).unwrap();
        let figures = |way: &Way| Figures {
            way: way.name.to_owned(),
            against: way.against.to_owned(),
            receiver_us: spread,
            sender_us: spread,
            latency_us: spread,
            cpu_ratio: spread,
            latency_ratio: spread,
        };
        let ways: Vec<_> = WAYS.iter().map(figures).collect();
        let text = text(&Many { channels: 2, rate: 3, ways });
        assert!(WAYS.iter().all(|way| text.contains(way.name)), "{text}");
        let is_way = |name: &str| WAYS.iter().any(|way| way.name == name);
        assert!(WAYS.iter().all(|way| is_way(way.against)));
    }
}
