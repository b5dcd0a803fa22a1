//! The configuration of a round: a function of the seed and the round's number.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shmring::{Config, Kind, Role, Start, Subscribe, WaitMode};

use shmring_bench::random::{Random, mix};

/// The slots, and their bytes, of the smallest job ring that takes the messages' headers.
const MIN_JOBS: (u64, u64) = (2, 48);

/// The element of a ring of values: a sealed message.
pub(super) type Element = [u64; 4];

/// How workers wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Waits {
    Sleeping,
    Adaptive,
    Spinning,
}

impl Waits {
    pub(super) fn mode(self) -> WaitMode {
        match self {
            Waits::Sleeping => WaitMode::Block,
            Waits::Adaptive => WaitMode::Adaptive,
            Waits::Spinning => WaitMode::Spin,
        }
    }
}

/// How a subscriber of a broadcast ring subscribes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Mode {
    Gating,
    Lossy,
    Latest,
}

impl Mode {
    /// That of the worker with this seed.
    pub(super) fn of(seed: u64) -> Self {
        [Mode::Gating, Mode::Gating, Mode::Lossy, Mode::Latest][seed as usize % 4]
    }

    /// As a subscriber at the next message, or at the oldest that is kept.
    pub(super) fn subscribe(self, seed: u64) -> Subscribe {
        let how = match self {
            Mode::Gating => Subscribe::gating(),
            Mode::Lossy => Subscribe::lossy(),
            Mode::Latest => Subscribe::latest(),
        };
        if seed & 4 == 0 { how } else { how.from(Start::Oldest) }
    }
}

/// Which workers have a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Monitors {
    None,
    Some,
    All,
}

/// One ring and its users.
#[derive(Clone, Debug)]
pub(super) struct Setup {
    pub(super) kind: Kind,
    /// Of a record ring.
    capacity_bytes: u64,
    /// Of the others.
    slots: u64,
    slot_bytes: u64,
    pub(super) waits: Waits,
    monitors: Monitors,
    /// Workers for each role. Of a sole role one has it and the others stand by.
    pub(super) producers: usize,
    pub(super) consumers: usize,
    /// How long each segment of the round is in use.
    pub(super) lives: Vec<Duration>,
    /// For all that is decided in the round.
    pub(super) seed: u64,
    /// Whether the messages are elements, for handles of values.
    pub(super) of_values: bool,
}

fn choose<T: Copy>(random: &mut Random, from: &[T]) -> T {
    from[random.below(from.len())]
}

impl Setup {
    pub(super) fn of(seed: u64, round: u32) -> Setup {
        let mut random = Random(mix(seed) ^ mix(!u64::from(round)));
        let waits = choose(&mut random, &[Waits::Sleeping, Waits::Adaptive, Waits::Spinning]);
        // A spinning worker takes a CPU from the others.
        let most = if waits == Waits::Spinning { 2 } else { 4 };
        let count = 1 + random.below(3);
        // One after the other, so that a short run covers all of them.
        let kind = Kind::ALL[round as usize % Kind::ALL.len()];
        Setup {
            kind,
            capacity_bytes: choose(&mut random, &[1 << 12, 1 << 12, 1 << 14, 1 << 17, 1 << 20]),
            slots: choose(&mut random, &[1, 2, 4, 4, 16, 16, 64, 1024]),
            slot_bytes: choose(&mut random, &[24, 48, 64, 128, 256, 1024]),
            waits,
            monitors: choose(&mut random, &[Monitors::None, Monitors::Some, Monitors::All]),
            producers: 1 + random.below(most),
            consumers: 1 + random.below(most),
            lives: (0..count)
                .map(|_| Duration::from_millis(200 + random.below(500) as u64))
                .collect(),
            seed: random.next(),
            of_values: match kind {
                Kind::Spsc | Kind::Jobs => false,
                Kind::Packed => true,
                Kind::Broadcast => random.below(2) == 0,
                _ => random.below(4) == 0,
            },
        }
    }

    /// Tables have room for the living workers and few more, so that a leaked entry is noticed.
    pub(super) fn config(&self) -> Config {
        let workers = (self.producers + self.consumers) as u64;
        let config = match self.kind {
            Kind::Spsc => Config::spsc().capacity_bytes(self.capacity_bytes),
            Kind::Broadcast => Config::broadcast().capacity_bytes(self.capacity_bytes),
            Kind::Jobs => {
                let (slots, slot_bytes) = self.job_slots();
                Config::jobs().slots(slots).slot_bytes(slot_bytes)
            }
            kind if self.of_values => Config::new(kind).slots(self.slots),
            kind => Config::new(kind).slots(self.slots).slot_bytes(self.slot_bytes),
        };
        let config = if self.of_values { config.values::<Element>() } else { config };
        config.max_handles(workers + 1).max_attachments(workers + 2)
    }

    fn job_slots(&self) -> (u64, u64) {
        (self.slots.max(MIN_JOBS.0), self.slot_bytes.max(MIN_JOBS.1))
    }

    pub(super) fn workers(&self, role: Role) -> usize {
        match role {
            Role::Producer => self.producers,
            Role::Consumer => self.consumers,
        }
    }

    pub(super) fn has_monitor(&self, incarnation: u32) -> bool {
        match self.monitors {
            Monitors::None => false,
            Monitors::Some => incarnation.is_multiple_of(2),
            Monitors::All => true,
        }
    }

    /// The most messages that a batch has.
    pub(super) fn most_in_batch(&self) -> usize {
        if matches!(self.kind, Kind::Spsc | Kind::Broadcast) {
            8
        } else if self.kind == Kind::Jobs {
            // Each may take one slot more than its part of the longest.
            (self.slots / 2).clamp(1, 8) as usize
        } else {
            self.slots.min(8) as usize
        }
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup { kind, capacity_bytes, slots, slot_bytes, producers, consumers, .. } = self;
        match kind {
            Kind::Spsc | Kind::Broadcast => write!(f, "{kind} ring of {capacity_bytes} bytes")?,
            Kind::Packed => write!(f, "packed ring of {slots} elements")?,
            Kind::Jobs => {
                let (slots, slot_bytes) = self.job_slots();
                write!(f, "job ring of {slots} slots of {slot_bytes} bytes")?;
            }
            _ if self.of_values => write!(f, "{kind} ring of {slots} slots")?,
            _ => write!(f, "{kind} ring of {slots} slots of {slot_bytes} bytes")?,
        }
        f.write_str(if self.of_values { ", of values" } else { "" })?;
        write!(f, ", {producers} producers, {consumers} consumers")?;
        f.write_str(match self.waits {
            Waits::Sleeping => ", sleeping",
            Waits::Adaptive => ", adaptive",
            Waits::Spinning => ", spinning",
        })?;
        f.write_str(match self.monitors {
            Monitors::None => "",
            Monitors::Some => ", some monitored",
            Monitors::All => ", all monitored",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches choices that are never made, and rounds that are not a function of the seed.
    #[test]
    fn a_seed_comes_to_all_rings_and_always_the_same() {
        let texts = |seed| (0..300).map(move |round| Setup::of(seed, round).to_string());
        let all: Vec<String> = texts(1).collect();
        assert!(texts(1).eq(all.iter().cloned()) && !texts(2).eq(all.iter().cloned()));
        let kinds = ["spsc", "mpmc", "mpsc", "spmc", "packed", "broadcast", "job"];
        let waits = ["sleeping,", "adaptive,", "spinning,"];
        for kind in kinds {
            for wait in waits {
                let chosen = |text: &String| text.starts_with(kind) && text.contains(wait);
                assert!(all.iter().any(chosen), "{kind}, {wait}");
            }
        }
        for kind in ["mpmc", "mpsc", "spmc", "broadcast"] {
            let of_values = |text: &&String| text.starts_with(kind) && text.contains("of values");
            let count = all.iter().filter(|text| text.starts_with(kind)).count();
            assert!((1..count).contains(&all.iter().filter(of_values).count()), "{kind}");
        }
        assert!((0..300).all(|round| Setup::of(1, round).config().rounded_slots().is_ok()));
    }
}
