//! What the parts of a run found, and what that makes together.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::contender::BoxError;
use crate::cpu::Span;
use crate::scenario::{Flow, Scenario};

/// The longest time that the histogram distinguishes from longer ones.
const MAX_NS: u64 = 60_000_000_000;
/// Digits of a time that are kept.
const DIGITS: u8 = 3;

/// What one part found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) span: Span,
    /// Which producer; none if it received.
    pub(crate) producer: Option<u32>,
    /// Messages sent or received; round trips of a ping-pong, those that are not timed included.
    pub(crate) messages: u64,
    /// Of the words received, see [`super::content::Ledger`].
    pub(crate) sum: u64,
    /// Median of the mean one-way times of bursts, which no clock is read within.
    pub(crate) burst_ns: Option<f64>,
    /// One-way times of single messages.
    pub(crate) latencies: Option<Latencies>,
}

/// How often which time came, in ns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latencies(Vec<(u64, u64)>);

/// The reported percentiles.
pub const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 99.99];

impl Latencies {
    /// A histogram to record into, without allocation.
    pub(crate) fn histogram() -> Result<Histogram<u64>, BoxError> {
        Ok(Histogram::new_with_bounds(1, MAX_NS, DIGITS)?)
    }

    pub(crate) fn of(histogram: &Histogram<u64>) -> Latencies {
        let recorded = histogram.iter_recorded();
        Latencies(recorded.map(|step| (step.value_iterated_to(), step.count_at_value())).collect())
    }

    /// All of several runs together.
    pub fn together<'a>(all: impl IntoIterator<Item = &'a Latencies>) -> Latencies {
        let mut counts = std::collections::BTreeMap::new();
        for (ns, count) in all.into_iter().flat_map(|latencies| &latencies.0) {
            *counts.entry(*ns).or_insert(0) += count;
        }
        Latencies(counts.into_iter().collect())
    }

    /// How many were timed.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).sum()
    }

    /// The time in ns that `percent` of 100 are at most; `None` if nothing was timed.
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        let rank = ((percent / 100.0 * self.count() as f64).ceil() as u64).max(1);
        let mut below = 0;
        self.0.iter().find_map(|(ns, count)| {
            below += count;
            (below >= rank).then_some(*ns)
        })
    }

    /// The longest in ns.
    pub fn max(&self) -> Option<u64> {
        self.0.last().map(|(ns, _)| *ns)
    }
}

/// What a run gave. There is none for a run in which a message was not right.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// Messages that came through; round trips of a ping-pong.
    pub messages: u64,
    /// From the first part's start to the last one's stop, in seconds.
    pub seconds: f64,
    /// What the scenario is about: messages a second, or ns that a message took.
    pub figure: f64,
    /// User and system time of all parts for each message; a ping-pong counts each way.
    pub cpu_ns_per_message: f64,
    /// How often a part went to sleep.
    pub voluntary_switches: u64,
    /// How often a part was made to give way.
    pub involuntary_switches: u64,
    /// The largest share of the run that a part waited for its CPU; none if the kernel does not
    /// count it.
    pub waited_fraction: Option<f64>,
    /// Times of single messages, where the scenario is about them.
    pub latencies: Option<Latencies>,
    /// The room that the mechanism obtained; 0 if it does not tell.
    pub capacity_bytes: u64,
}

/// Puts the findings of all parts together, and checks that all messages arrived.
pub(crate) fn outcome(
    scenario: &Scenario,
    capacity_bytes: u64,
    findings: &[Finding],
) -> Result<Outcome, String> {
    let ping_pong = scenario.flow == Flow::PingPong;
    let received: Vec<&Finding> = findings.iter().filter(|part| part.producer.is_none()).collect();
    let messages: u64 = received.iter().map(|part| part.messages).sum();
    account(findings, &received, messages)?;
    let start_ns = findings.iter().map(|part| part.span.start_ns).min().unwrap_or(0);
    let stop_ns = findings.iter().map(|part| part.span.stop_ns).max().unwrap_or(0);
    let span_ns = stop_ns.saturating_sub(start_ns).max(1) as f64;
    let total = |count: fn(&Span) -> u64| findings.iter().map(|part| count(&part.span)).sum();
    let waited = findings.iter().filter_map(|part| part.span.waited_ns).max();
    let latencies = findings.iter().find_map(|part| part.latencies.clone());
    let burst_ns = findings.iter().find_map(|part| part.burst_ns);
    let figure = match scenario.flow {
        Flow::PingPong => burst_ns,
        Flow::OneWay { .. } | Flow::Paced { .. } => {
            latencies.as_ref().and_then(|all| all.percentile(50.0)).map(|ns| ns as f64)
        }
        Flow::Throughput | Flow::InPlace => Some(messages as f64 / span_ns * 1e9),
    };
    let figure = figure.filter(|_| messages > 0).ok_or("no message came through in time")?;
    let cpu_ns: u64 = total(|span| span.cpu_ns);
    let ways = if ping_pong { 2 } else { 1 };
    Ok(Outcome {
        messages,
        seconds: span_ns / 1e9,
        figure,
        cpu_ns_per_message: cpu_ns as f64 / (messages * ways) as f64,
        voluntary_switches: total(|span| span.voluntary_switches),
        involuntary_switches: total(|span| span.involuntary_switches),
        waited_fraction: waited.map(|ns| ns as f64 / span_ns),
        latencies,
        capacity_bytes,
    })
}

/// Whether what was received is what was sent, by count and sum.
fn account(findings: &[Finding], received: &[&Finding], messages: u64) -> Result<(), String> {
    let producers = || findings.iter().filter_map(|part| Some((part.producer?, part.messages)));
    let sent: u64 = producers().map(|(_, messages)| messages).sum();
    if sent != messages {
        return Err(format!("{sent} messages were sent and {messages} received"));
    }
    if received.len() > 1 {
        let sums = |sum: u64, other: u64| sum.wrapping_add(other);
        let sent = producers().map(|(index, count)| super::content::sum_of(index, count));
        if sent.fold(0, sums) != received.iter().map(|part| part.sum).fold(0, sums) {
            return Err("the consumers together did not receive what was sent: some messages \
                        came twice, others never"
                .to_owned());
        }
    }
    Ok(())
}
