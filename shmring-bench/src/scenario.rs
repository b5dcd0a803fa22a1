//! Scenarios: what is asked of every contender of one table, as data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::contender::{Nature, Room, Setting, Wait};

/// What the ends do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// One message goes to the other side and back, again and again, through two instances.
    PingPong,
    /// Messages are due at fixed times, whether the mechanism keeps up or not; each is timed from
    /// when it was due, so that one that is held up by another is not forgotten.
    OneWay {
        /// Messages that are due in a second.
        per_second: u32,
    },
    /// As [`OneWay`](Self::OneWay), but the sender sleeps until the next message is due, so that
    /// the CPU time is that of a program that has nothing else to do.
    Paced {
        /// Messages that are due in a second.
        per_second: u32,
    },
    /// As many messages as go through, copied in and copied out.
    Throughput,
    /// As many messages as go through, written and read where they lie.
    InPlace,
}

impl Flow {
    /// Whether what counts is how long a message takes.
    pub fn is_latency(self) -> bool {
        self == Flow::PingPong || self.is_timed()
    }

    /// Whether messages are due at fixed times.
    pub fn is_timed(self) -> bool {
        matches!(self, Flow::OneWay { .. } | Flow::Paced { .. })
    }
}

/// One table of a report: what all its contenders do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// What the ends do.
    pub flow: Flow,
    /// Bytes of each message.
    pub message_bytes: usize,
    /// Room between the ends.
    pub room: Room,
    /// Messages that are sent at once, and received at once at most.
    pub batch: usize,
    /// How the ends wait.
    pub wait: Wait,
    /// Processes that send.
    pub producers: u32,
    /// Processes that receive.
    pub consumers: u32,
    /// How long each run takes, in milliseconds.
    pub run_ms: u64,
}

/// Messages of a run at a fixed rate, at least.
const ONE_WAY_MESSAGES: u64 = 200;

/// Lengths of messages that are sent in batches: for these the loops are compiled.
pub const BATCH_LENGTHS: [usize; 2] = [8, 64];

impl Scenario {
    /// Ping-pong, spinning, between two processes.
    pub const fn ping_pong(message_bytes: usize) -> Scenario {
        Scenario {
            flow: Flow::PingPong,
            message_bytes,
            room: Room::Messages(64),
            batch: 1,
            wait: Wait::Spin,
            producers: 1,
            consumers: 1,
            run_ms: 60,
        }
    }

    /// Throughput, spinning, one process to another, one message at a time.
    pub const fn throughput(message_bytes: usize, room: Room) -> Scenario {
        Scenario { flow: Flow::Throughput, room, ..Scenario::ping_pong(message_bytes) }
    }

    /// The same in batches.
    pub const fn batch(self, batch: usize) -> Scenario {
        Scenario { batch, ..self }
    }

    /// The same with another way of waiting. To sleep and wake takes longer, hence so does a run.
    pub const fn wait(self, wait: Wait) -> Scenario {
        let run_ms = if matches!(wait, Wait::Spin) { self.run_ms } else { 2 * self.run_ms };
        Scenario { wait, run_ms, ..self }
    }

    /// The same between so many processes.
    pub const fn between(self, producers: u32, consumers: u32) -> Scenario {
        Scenario { producers, consumers, run_ms: 2 * self.run_ms, ..self }
    }

    /// The same, written and read in place.
    pub const fn in_place(self) -> Scenario {
        Scenario { flow: Flow::InPlace, ..self }
    }

    /// The same one way at a fixed rate, long enough for some hundreds of messages.
    pub const fn one_way(self, per_second: u32) -> Scenario {
        let long_ms = ONE_WAY_MESSAGES * 1000 / per_second as u64;
        let run_ms = if long_ms > self.run_ms { long_ms } else { self.run_ms };
        Scenario { flow: Flow::OneWay { per_second }, run_ms, ..self }
    }

    /// The same at a fixed rate, with a sender that sleeps, for so long.
    pub const fn paced(self, per_second: u32, run_ms: u64) -> Scenario {
        Scenario { flow: Flow::Paced { per_second }, run_ms, ..self }
    }

    /// Whether a mechanism of this nature has a place in the table.
    pub fn suits(&self, nature: &Nature) -> bool {
        (nature.many_producers || self.producers == 1)
            && (nature.many_consumers || self.consumers == 1)
            && nature.waits.contains(&self.wait)
            && nature.sizes.contain(self.message_bytes)
            && (nature.queues || self.flow == Flow::PingPong)
            && (nature.in_place || self.flow != Flow::InPlace)
            && (self.batch == 1 || BATCH_LENGTHS.contains(&self.message_bytes))
            && !(nature.numbered && self.flow.is_timed())
    }

    /// How long one run takes, apart from the start of its processes.
    pub fn run_time(&self) -> Duration {
        Duration::from_millis(self.run_ms)
    }

    pub(crate) fn setting(&self, name_prefix: &str) -> Setting {
        Setting {
            name_prefix: name_prefix.to_owned(),
            room: self.room,
            message_bytes: self.message_bytes,
            wait: self.wait,
            batch: self.batch,
            producers: self.producers,
            consumers: self.consumers,
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flow {
            Flow::PingPong => write!(f, "ping-pong")?,
            Flow::OneWay { per_second } => write!(f, "one way at {per_second}/s")?,
            Flow::Paced { per_second } => write!(f, "paced at {per_second}/s")?,
            Flow::Throughput => write!(f, "throughput")?,
            Flow::InPlace => write!(f, "throughput in place")?,
        }
        write!(f, ", {}", bytes(self.message_bytes as u64))?;
        if self.flow != Flow::PingPong {
            match self.room {
                Room::Messages(count) => write!(f, ", {count} deep")?,
                Room::Bytes(room) => write!(f, ", room of {}", bytes(room))?,
            }
        }
        if self.batch > 1 {
            write!(f, ", batches of {}", self.batch)?;
        }
        if (self.producers, self.consumers) != (1, 1) {
            write!(f, ", {}p{}c", self.producers, self.consumers)?;
        }
        write!(f, ", {}", self.wait)
    }
}

/// `65536` as `64 KiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}
