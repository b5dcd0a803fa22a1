//! What is asked of every mechanism, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::contender::{Entry, Lossy};
use crate::contender::{Room, Setting, Wait};
use crate::scenario::{self, bytes};

/// What the ends do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// As many messages as go through.
    Throughput,
    /// The same, with a last subscriber that sleeps for 1 ms after every 256 messages.
    OneSlow,
    /// So many messages at once, at fixed times, far below what a mechanism can move. The producer
    /// spins until they are due, and each send is timed.
    Bursts {
        /// Bursts that are due in a second.
        per_second: u32,
        /// Messages of each.
        messages: u32,
    },
    /// A last subscriber that receives nothing is killed while the producer waits for it.
    Kill,
}

/// One table of a report: what all its mechanisms do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// What the ends do.
    pub flow: Flow,
    /// Bytes of each message.
    pub message_bytes: usize,
    /// Room between the ends.
    pub room: Room,
    /// How the ends wait.
    pub wait: Wait,
    /// Processes that receive each message.
    pub subscribers: u32,
    /// Duration of a run, in milliseconds.
    pub run_ms: u64,
}

/// The numbers of subscribers.
const NUMBERS: [u32; 4] = [1, 2, 3, 8];
const MESSAGE_BYTES: usize = 64;
const LONG_MESSAGE_BYTES: usize = 1024;
const ROOM: Room = Room::Messages(1024);
const RUN_MS: u64 = 100;

/// All of them, in the order of reports.
pub(super) fn all() -> Vec<Scenario> {
    [Wait::Spin, Wait::Block].into_iter().flat_map(waiting).collect()
}

fn waiting(wait: Wait) -> Vec<Scenario> {
    let one = Scenario {
        flow: Flow::Throughput,
        message_bytes: MESSAGE_BYTES,
        room: ROOM,
        wait,
        subscribers: 1,
        run_ms: RUN_MS,
    };
    let to = |subscribers| Scenario { subscribers, ..one.clone() };
    let latency = |subscribers| Scenario {
        flow: Flow::Bursts { per_second: 1000, messages: 1 },
        run_ms: 3 * RUN_MS,
        ..to(subscribers)
    };
    // Several rounds of the ring, each of which takes 64 ms: longer than the subscribers of one CPU
    // take turns.
    let cost = |subscribers| Scenario {
        flow: Flow::Bursts { per_second: 500, messages: 32 },
        run_ms: 4 * RUN_MS,
        ..to(subscribers)
    };
    let mut scenarios: Vec<Scenario> = NUMBERS.map(to).into();
    scenarios.push(Scenario { message_bytes: LONG_MESSAGE_BYTES, ..to(3) });
    scenarios.extend(NUMBERS.map(latency));
    scenarios.extend([1, 8].map(cost));
    scenarios.push(Scenario { flow: Flow::OneSlow, ..to(3) });
    scenarios.push(Scenario { flow: Flow::Kill, ..to(2) });
    scenarios
}

impl Scenario {
    /// Whether a mechanism has a place in the table.
    pub(crate) fn suits(&self, entry: &Entry) -> bool {
        let nature = &entry.nature;
        let [least, most] = nature.subscribers;
        (least..=most).contains(&self.subscribers)
            && nature.waits.contains(&self.wait)
            && nature.sizes.contain(self.message_bytes)
            && (self.flow == Flow::Kill || !nature.only_kills)
            && (self.flow != Flow::Kill || (!entry.threads && nature.lossy == Lossy::None))
    }

    /// The name of the mechanism to whose figures the others' are put in relation.
    pub(crate) fn reference(&self) -> &'static str {
        if self.subscribers == 1 { "record ring each" } else { "broadcast, gating" }
    }

    /// Producer and subscribers.
    pub fn ends(&self) -> usize {
        self.subscribers as usize + 1
    }

    pub(crate) fn setting(&self, name_prefix: &str) -> Setting {
        Setting {
            name_prefix: name_prefix.to_owned(),
            room: self.room,
            message_bytes: self.message_bytes,
            wait: self.wait,
            batch: 1,
            producers: 1,
            consumers: self.subscribers,
        }
    }

    /// A stream of the same messages, for the producer's loop.
    pub(crate) fn stream(&self) -> scenario::Scenario {
        scenario::Scenario {
            wait: self.wait,
            run_ms: self.run_ms,
            ..scenario::Scenario::throughput(self.message_bytes, self.room)
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flow {
            Flow::Throughput => write!(f, "throughput")?,
            Flow::OneSlow => write!(f, "one slow subscriber")?,
            Flow::Bursts { per_second, messages: 1 } => write!(f, "latency at {per_second}/s")?,
            Flow::Bursts { per_second, messages } => {
                write!(f, "bursts of {messages} at {per_second}/s")?;
            }
            Flow::Kill => write!(f, "one killed")?,
        }
        write!(f, ", {}", bytes(self.message_bytes as u64))?;
        match self.room {
            Room::Messages(count) => write!(f, ", {count} deep")?,
            Room::Bytes(room) => write!(f, ", room of {}", bytes(room))?,
        }
        write!(f, ", to {}, {}", self.subscribers, self.wait)
    }
}
