//! Presets: scenarios, and the contenders in them.

use crate::contender::{Group, Room, Wait};
use crate::contestant::Contestant;
use crate::scenario::{Flow, Scenario};

/// Tables under a name.
#[derive(Clone, Debug)]
pub struct Preset {
    /// What it is called on the command line.
    pub name: &'static str,
    /// Rounds, unless others are asked for.
    pub rounds: u32,
    /// Whether the costs of single steps are measured too.
    pub costs: bool,
    /// What is measured.
    pub tables: Vec<Planned>,
}

/// A table that is to be.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What all contenders do.
    pub scenario: Scenario,
    /// The contenders, of those that the scenario suits.
    pub who: Who,
}

/// The contenders.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// These.
    Named(&'static [&'static str]),
    /// Those of these groups, without variants.
    Groups(&'static [Group]),
    /// These, the others in relation to the first.
    Beside(&'static [&'static str]),
    /// All, variants included, except the observed ones.
    All,
}

impl Planned {
    /// Whether a contender has a row.
    pub fn has(&self, contender: &Contestant) -> bool {
        let wanted = match self.who {
            Who::Named(names) | Who::Beside(names) => names.contains(&contender.name),
            Who::Groups(groups) => {
                groups.contains(&contender.nature.group) && !contender.nature.variant
            }
            Who::All => !contender.nature.watched,
        };
        wanted && self.scenario.suits(&contender.nature)
    }

    /// To whom the others are put in relation.
    pub fn reference(&self) -> Option<&'static str> {
        if let Who::Beside([first, ..]) = self.who {
            return Some(first);
        }
        let Scenario { flow, wait, message_bytes, producers, consumers, .. } = self.scenario;
        Some(match (wait, flow) {
            (Wait::Spin, _) if (producers, consumers) != (1, 1) => "plain mpmc",
            (Wait::Spin, Flow::PingPong) if message_bytes <= 64 => "cache line",
            (Wait::Spin, Flow::Throughput) if message_bytes == 8 => "packed words",
            (Wait::Spin, Flow::Throughput) if message_bytes == 64 => "line ring",
            (Wait::Spin, _) => "plain spsc",
            (Wait::Block, Flow::PingPong) if message_bytes == 8 => "bare futex",
            _ => "pipe",
        })
    }
}

/// The names of all presets, with what they are for.
pub const NAMES: [(&str, &str); 7] = [
    ("quick", "the rings, a pipe, a Unix socket and a message queue beside the limits; 1 min"),
    ("seed", "the rings beside every mechanism of the kernel; 6 min"),
    ("peers", "the rings beside other projects' (needs the cargo feature `peers`); 5 min"),
    ("goals", "the ratios that the rings are to reach, each told as reached or not; 3 min"),
    ("watched", "what it costs a ring that somebody looks on; 2 min"),
    ("idle", "CPU time of rings and the kernel's mechanisms where both sides mostly sleep; 3 min"),
    ("full", "everything, in every scenario; 20 min"),
];

/// The preset of that name.
pub fn preset(name: &str) -> Option<Preset> {
    let (name, _) = NAMES.iter().find(|(known, _)| *known == name)?;
    let (rounds, tables) = match *name {
        "quick" => (9, quick()),
        "seed" => (9, groups(&[Group::Limit, Group::Plain, Group::Ring, Group::Kernel], seed())),
        "peers" => {
            let groups_of = &[Group::Limit, Group::Plain, Group::Ring, Group::Peer, Group::Threads];
            (9, groups(groups_of, peers()))
        }
        "goals" => (15, crate::goals::tables()),
        "watched" => (9, watched()),
        "idle" => (11, idle()),
        _ => (5, full().into_iter().map(|scenario| Planned { scenario, who: Who::All }).collect()),
    };
    let costs = ["quick", "seed", "full"].contains(name);
    Some(Preset { name, rounds, costs, tables })
}

/// Usual depths.
const DEEP: Room = Room::Messages(1024);
const DEEPER: Room = Room::Messages(65_536);
const MIB: Room = Room::Bytes(1 << 20);
const MIB_8: Room = Room::Bytes(8 << 20);

const QUICK: Who = Who::Named(&[
    "cache line",
    "bare futex",
    "packed words",
    "line ring",
    "plain spsc",
    "record ring",
    "packed ring",
    "mpmc ring",
    "pipe",
    "unix stream",
    "posix mq",
]);

fn quick() -> Vec<Planned> {
    let scenarios = [
        Scenario::ping_pong(8),
        Scenario::ping_pong(8).wait(Wait::Block),
        Scenario::throughput(8, DEEP),
        Scenario::throughput(8, DEEP).wait(Wait::Adaptive),
        Scenario::throughput(1024, MIB).wait(Wait::Adaptive),
        Scenario::throughput(64 << 10, MIB).wait(Wait::Adaptive),
    ];
    scenarios.into_iter().map(|scenario| Planned { scenario, who: QUICK }).collect()
}

fn groups(groups: &'static [Group], scenarios: Vec<Scenario>) -> Vec<Planned> {
    let planned = |scenario| Planned { scenario, who: Who::Groups(groups) };
    scenarios.into_iter().map(planned).collect()
}

fn seed() -> Vec<Scenario> {
    let adaptive = || Scenario::throughput(8, DEEP).wait(Wait::Adaptive);
    let mut scenarios = vec![
        Scenario::ping_pong(8),
        Scenario::ping_pong(64),
        Scenario::ping_pong(8).wait(Wait::Block),
        Scenario::ping_pong(8).wait(Wait::Adaptive).paced(50_000, 120),
        Scenario::throughput(8, DEEP),
    ];
    let lens = [8, 64, 1 << 10, 4 << 10, 64 << 10, 1 << 20];
    scenarios.extend(lens.map(|len| by_length(len, Wait::Adaptive)));
    scenarios.push(Scenario::throughput(64, DEEPER).wait(Wait::Adaptive));
    scenarios.push(adaptive().batch(32));
    scenarios.push(Scenario::throughput(8, DEEP).wait(Wait::Block));
    scenarios.extend(between(adaptive()));
    scenarios
}

fn peers() -> Vec<Scenario> {
    let mut scenarios = vec![
        Scenario::ping_pong(8),
        Scenario::ping_pong(64),
        Scenario::throughput(8, DEEP),
        Scenario::throughput(8, DEEP).batch(32),
        Scenario::throughput(64, DEEP),
        Scenario::throughput(64, DEEPER),
        Scenario::throughput(1 << 10, MIB),
        Scenario::throughput(4 << 10, MIB),
        Scenario::throughput(64 << 10, MIB),
        Scenario::throughput(4 << 10, MIB).in_place(),
    ];
    scenarios.extend(between(Scenario::throughput(8, DEEP)));
    scenarios.extend(between(Scenario::throughput(8, DEEP).batch(32)));
    scenarios
}

/// The same scenario between several processes.
fn between(scenario: Scenario) -> Vec<Scenario> {
    let numbers = [(2, 1), (1, 2), (2, 2), (4, 4)];
    numbers.map(|(producers, consumers)| scenario.clone().between(producers, consumers)).to_vec()
}

fn full() -> Vec<Scenario> {
    [Wait::Spin, Wait::Adaptive, Wait::Block].into_iter().flat_map(full_waiting).collect()
}

fn full_waiting(wait: Wait) -> Vec<Scenario> {
    let one = Scenario::throughput(8, DEEP).wait(wait);
    let mut scenarios = [8, 56, 64, 256].map(|len| Scenario::ping_pong(len).wait(wait)).to_vec();
    let to_and_fro = || Scenario::ping_pong(8).wait(wait);
    scenarios.extend([1_000, 50_000].map(|per_second| match wait {
        Wait::Spin => to_and_fro().one_way(per_second),
        // A sender that reads the clock until a message is due would hide what sleepers cost.
        Wait::Adaptive | Wait::Block => to_and_fro().paced(per_second, 250),
    }));
    scenarios.extend([3, 6, 8, 10, 12, 14, 16, 20].map(|shift| by_length(1 << shift, wait)));
    scenarios.push(Scenario::throughput(8, DEEPER).wait(wait));
    scenarios.push(Scenario::throughput(64, DEEPER).wait(wait));
    scenarios.extend([1 << 10, 64 << 10].map(|len| Scenario::throughput(len, MIB_8).wait(wait)));
    scenarios.extend([8, 32].map(|batch| one.clone().batch(batch)));
    scenarios.push(Scenario::throughput(64, DEEP).batch(32).wait(wait));
    let in_place = |len| Scenario::throughput(len, MIB).wait(wait).in_place();
    scenarios.extend([4 << 10, 64 << 10].map(in_place));
    scenarios.extend(between(one.clone()));
    scenarios.extend(between(one.batch(32)));
    scenarios
}

/// The CPU time of programs that mostly sleep.
fn idle() -> Vec<Planned> {
    const SLEEPERS: Who =
        Who::Beside(&["pipe", "fifo", "unix stream", "record ring", "packed ring", "mpmc ring"]);
    [(10, 2000), (1_000, 500), (50_000, 250)]
        .map(|(per_second, run_ms)| {
            Scenario::ping_pong(8).wait(Wait::Block).paced(per_second, run_ms)
        })
        .map(|scenario| Planned { scenario, who: SLEEPERS })
        .into()
}

/// The cost of an observer for the users of a ring.
fn watched() -> Vec<Planned> {
    const RECORD: Who = Who::Beside(&[
        "record ring, unwatched",
        "record ring, watched at 10 Hz",
        "record ring, watched at 1 kHz",
    ]);
    const PACKED: Who = Who::Beside(&[
        "packed ring, unwatched",
        "packed ring, watched at 10 Hz",
        "packed ring, watched at 1 kHz",
    ]);
    const MPMC: Who = Who::Beside(&[
        "mpmc ring, unwatched",
        "mpmc ring, watched at 10 Hz",
        "mpmc ring, watched at 1 kHz",
    ]);
    [
        (Scenario::throughput(8, DEEP), RECORD),
        (Scenario::throughput(1024, MIB), RECORD),
        (Scenario::throughput(8, DEEP), PACKED),
        (Scenario::throughput(8, DEEP), MPMC),
    ]
    // Of a second, so that ten looks fall into it.
    .map(|(scenario, who)| Planned { scenario: Scenario { run_ms: 1000, ..scenario }, who })
    .into()
}

/// Short messages in a room for so many, longer ones in a room of bytes that holds a few at least.
fn by_length(len: usize, wait: Wait) -> Scenario {
    let room = if len <= 64 { DEEP } else { Room::Bytes((1 << 20).max(4 * len as u64)) };
    Scenario::throughput(len, room).wait(wait)
}
