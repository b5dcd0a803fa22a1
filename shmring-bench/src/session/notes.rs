//! What to know before believing a table's figures, in words.

use super::Entry;
use crate::contender::{Room, Wait};
use crate::machine::Machine;
use crate::results::{CostRow, Row};
use crate::scenario::{Flow, Scenario, bytes};
use crate::stats::Spread;

/// Third over first quartile beyond which more rounds are advised.
const WIDE_RATIO: f64 = 1.5;
/// A side that waits for its CPU for a larger part of the run shares it with other work.
const BUSY_FRACTION: f64 = 0.1;
/// Fewer runs than these give no spread worth the name.
const FEW_RUNS: usize = 3;
/// A warning names so many; what concerns more of them concerns all.
const MOST_NAMES: usize = 6;

pub(super) struct Facts<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) machine: &'a Machine,
    pub(super) pinned: bool,
    pub(super) entries: &'a [Entry<'a>],
    pub(super) rows: &'a [Row],
    /// Whose runs the CPUs moved under, also when they were repeated, and how many.
    pub(super) moved: &'a [(&'static str, usize)],
}

pub(super) fn warnings(facts: &Facts<'_>) -> Vec<String> {
    let all = [unpinned, oversubscribed, governor, moved, few, busy, wide, cramped];
    all.iter().filter_map(|note| note(facts)).collect()
}

/// The same for the costs, which one CPU suffices for.
pub(super) fn of_costs(rows: &[CostRow]) -> Vec<String> {
    let wide = rows.iter().filter(|row| is_wide(&row.figure));
    far_apart(wide.map(|row| row.cost.clone())).into_iter().collect()
}

fn unpinned(facts: &Facts<'_>) -> Option<String> {
    let words = "there are no two CPUs: both sides share one and are not pinned, they take turns, \
                 and the figures say nothing about two CPUs";
    (!facts.pinned).then(|| words.to_owned())
}

fn oversubscribed(facts: &Facts<'_>) -> Option<String> {
    let spins = match facts.scenario.wait {
        Wait::Spin => ", and wait by spinning",
        Wait::Adaptive | Wait::Block => "",
    };
    (facts.pinned && facts.share_cpus()).then(|| {
        let ends = facts.ends();
        format!("{ends} ends share two CPUs{spins}: what the scheduler does is in the figures")
    })
}

fn governor(facts: &Facts<'_>) -> Option<String> {
    let governor = facts.machine.governor.as_ref().filter(|name| *name != "performance")?;
    Some(format!("the clock rate is not fixed (governor `{governor}`)"))
}

fn moved(facts: &Facts<'_>) -> Option<String> {
    let moved = facts.moved.iter().map(|(name, runs)| format!("{name} ({runs})"));
    told("the CPUs moved under runs, also when these were repeated", moved)
}

fn few(facts: &Facts<'_>) -> Option<String> {
    let few = facts.rows.iter().filter(|row| row.runs.len() < FEW_RUNS);
    told("few runs count", few.map(|row| format!("{} ({})", row.contender, row.runs.len())))
}

/// Where ends share CPUs, they wait for each other.
fn busy(facts: &Facts<'_>) -> Option<String> {
    let busy = |entry: &Entry<'_>| {
        let waited = entry.runs.iter().filter_map(|run| run.outcome.waited_fraction);
        let waited = Spread::of(waited)?.median;
        let name = entry.contender.name;
        (waited > BUSY_FRACTION).then(|| format!("{name} ({:.0} %)", waited * 100.0))
    };
    if !facts.pinned || facts.share_cpus() {
        return None;
    }
    told("other programs had the CPUs for part of the time", facts.entries.iter().filter_map(busy))
}

fn wide(facts: &Facts<'_>) -> Option<String> {
    let wide = facts.rows.iter().filter(|row| is_wide(&row.figure));
    far_apart(wide.map(|row| row.contender.clone()))
}

fn is_wide(figure: &Spread) -> bool {
    figure.q3 / figure.q1 > WIDE_RATIO
}

fn far_apart(names: impl Iterator<Item = String>) -> Option<String> {
    told("the middle half of the figures lies far apart, more rounds may help", names)
}

/// A ping-pong has one message on its way, whatever the room.
fn cramped(facts: &Facts<'_>) -> Option<String> {
    let Scenario { flow, room, message_bytes, .. } = *facts.scenario;
    let wanted = match room {
        Room::Messages(count) => u64::from(count) * message_bytes as u64,
        Room::Bytes(bytes) => bytes,
    };
    let has_less = |row: &&Row| (1..wanted).contains(&row.capacity_bytes);
    let cramped = facts.rows.iter().filter(has_less).filter(|_| flow != Flow::PingPong);
    told(
        "less room than was asked for, as the machine gives no more",
        cramped.map(|row| format!("{} ({})", row.contender, bytes(row.capacity_bytes))),
    )
}

impl Facts<'_> {
    fn ends(&self) -> usize {
        self.scenario.producers as usize + self.scenario.consumers as usize
    }

    /// Each side has one CPU.
    fn share_cpus(&self) -> bool {
        self.ends() > 2
    }
}

/// What is the matter, and with whom; nothing if that is nobody.
fn told(what: &str, whom: impl Iterator<Item = String>) -> Option<String> {
    let mut whom: Vec<String> = whom.collect();
    let more = whom.len().saturating_sub(MOST_NAMES);
    if more > 1 {
        whom.truncate(MOST_NAMES);
        whom.push(format!("and {more} more"));
    }
    (!whom.is_empty()).then(|| format!("{what}: {}", whom.join(", ")))
}

#[cfg(test)]
#[path = "notes_tests.rs"]
mod tests;
