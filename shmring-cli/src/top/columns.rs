//! The columns of a row: one list for the screen, for `--once` and for sorting.

use std::cmp::Ordering;

use crate::facts::{Entry, HeldUpFacts, Sample, State, StatusFacts, Unit};
use crate::report;

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Name,
    Kind,
    Capacity,
    Used,
    Fill,
    Messages,
    In,
    Out,
    Alive,
    Dead,
    State,
}

impl Column {
    /// All columns, from left to right.
    pub(crate) const ALL: [Self; 11] = [
        Self::Name,
        Self::Kind,
        Self::Capacity,
        Self::Used,
        Self::Fill,
        Self::Messages,
        Self::In,
        Self::Out,
        Self::Alive,
        Self::Dead,
        Self::State,
    ];

    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Kind => "KIND",
            Self::Capacity => "CAPACITY",
            Self::Used => "USED",
            Self::Fill => "FILL",
            Self::Messages => "MSGS/S",
            Self::In => "IN B/S",
            Self::Out => "OUT B/S",
            Self::Alive => "ALIVE",
            Self::Dead => "DEAD",
            Self::State => "STATE",
        }
    }

    /// Returns the key that sorts by it: the first letter of its header.
    pub(crate) fn key(self) -> char {
        self.header().chars().next().unwrap_or_default()
    }

    /// Returns its description for the help.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Kind => "kind of ring",
            Self::Capacity => "what the ring holds",
            Self::Used => "how much of it is used",
            Self::Fill => "the same in percent",
            Self::Messages => "messages received/s",
            Self::In => "bytes of ring filled/s",
            Self::Out => "bytes of ring freed/s",
            Self::Alive => "processes attached",
            Self::Dead => "dead not cleaned up",
            Self::State => "the state",
        }
    }

    /// Returns `true` for numbers, which are aligned right and sorted in descending order.
    pub(crate) fn is_number(self) -> bool {
        !matches!(self, Self::Name | Self::Kind | Self::State)
    }

    /// Returns the cell of a row.
    pub(crate) fn cell(self, entry: &Entry<Sample>) -> String {
        let sample = match (self, entry) {
            (Self::Name, _) => return report::printable(entry.name()),
            (Self::State, _) => return Standing::of(entry).word.to_owned(),
            (_, Entry::Broken { .. }) => return "-".to_owned(),
            (_, Entry::Sound(sample)) => sample,
        };
        let rate = |rate: Option<u64>| rate.map_or_else(|| "-".to_owned(), report::short);
        let segment = &sample.facts.segment;
        match self {
            Self::Kind => segment.kind.clone(),
            Self::Capacity => segment.size(),
            Self::Used => report::bytes(sample.facts.status.used_bytes),
            Self::Fill => format!("{}%", sample.facts.status.fill_percent),
            Self::Messages | Self::In | Self::Out => rate(self.number(sample)),
            _ => self.number(sample).unwrap_or(0).to_string(),
        }
    }

    /// Returns the number to sort by.
    fn number(self, sample: &Sample) -> Option<u64> {
        let status = &sample.facts.status;
        let rates = sample.rates.as_ref();
        match self {
            Self::Name | Self::Kind | Self::State => None,
            Self::Capacity => Some(sample.facts.segment.capacity_bytes),
            Self::Used => Some(status.used_bytes),
            Self::Fill => Some(status.fill_percent),
            Self::Messages => rates.map(|rates| rates.messages_received_per_s),
            Self::In => rates.map(|rates| bytes(sample, rates.sent_per_s)),
            Self::Out => rates.map(|rates| bytes(sample, rates.received_per_s)),
            Self::Alive => Some(status.attached_alive),
            Self::Dead => Some(dead(status)),
        }
    }

    /// Compares two rows by this column.
    pub(crate) fn compare(self, one: &Entry<Sample>, other: &Entry<Sample>) -> Ordering {
        let number = |entry: &Entry<Sample>| match entry {
            Entry::Sound(sample) => self.number(sample),
            Entry::Broken { .. } => None,
        };
        match self {
            Self::Name => one.name().cmp(other.name()),
            Self::Kind => self.cell(one).cmp(&self.cell(other)),
            Self::State => Standing::of(one).tone.cmp(&Standing::of(other).tone),
            _ => number(other).cmp(&number(one)),
        }
    }
}

fn dead(status: &StatusFacts) -> u64 {
    (status.attached.len() as u64).saturating_sub(status.attached_alive)
}

/// Returns a number of a ring's units in bytes.
fn bytes(sample: &Sample, units: u64) -> u64 {
    match sample.unit {
        Unit::Bytes => units,
        Unit::Slots => units.saturating_mul(sample.facts.segment.slot_bytes.unwrap_or(1)),
    }
}

/// A sender that waits for less than this is slowed down by a receiver, as is usual.
const HELD_UP_MS: u64 = 1000;

/// Returns `true` if the producer of a broadcast ring waits for a receiver that does not run, or has
/// waited for long; or if the worker that has the first job of a full job ring does not run.
fn is_held_up(sample: &Sample) -> bool {
    let for_long = |held_up: &HeldUpFacts| {
        // A worker with several jobs may have had one at any time, and be as fast as it can.
        held_up.holder.in_hand.is_empty() && held_up.since_ms >= HELD_UP_MS
    };
    let held_up = sample.held_up_by.as_ref();
    held_up.is_some_and(|held_up| held_up.is_hindered || for_long(held_up))
}

/// The state of a segment: a word and its severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) word: &'static str,
    pub(crate) tone: Tone,
}

/// The severity of a state, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// It has to be created anew.
    Bad,
    /// A process waits and cannot continue, or died.
    Stuck,
    /// It moves.
    Good,
    /// It could move.
    Resting,
    /// No process is attached.
    Unused,
}

impl Standing {
    pub(crate) fn of(entry: &Entry<Sample>) -> Self {
        let sample = match entry {
            Entry::Broken { state, .. } => return Self { word: state, tone: Tone::Bad },
            Entry::Sound(sample) => sample,
        };
        let kind = sample.stall.as_ref().map(|stall| stall.kind);
        let (word, tone) = match (sample.facts.status.state, kind) {
            (_, Some("corrupt")) => ("corrupt", Tone::Bad),
            (State::Abandoned, _) => ("abandoned", Tone::Stuck),
            (State::Deleted, _) => ("deleted", Tone::Stuck),
            (state @ (State::Closed | State::Idle), _) => (state.name(), Tone::Unused),
            (State::Open, Some("in_flight")) => ("in flight", Tone::Stuck),
            (State::Open, Some("full")) => ("full", Tone::Stuck),
            (State::Open, _) if is_held_up(sample) => ("held up", Tone::Stuck),
            (State::Open, Some("in_hand")) => ("in hand", Tone::Resting),
            (State::Open, Some("not_taken")) => ("not taken", Tone::Resting),
            (State::Open, Some(other)) => (other, Tone::Resting),
            (State::Open, None) if sample.rates.is_some() => ("moving", Tone::Good),
            (state @ State::Open, None) => (state.name(), Tone::Resting),
        };
        Self { word, tone }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{broken, held_up, moving, sample, still};
    use super::*;

    fn word(entry: &Entry<Sample>) -> &'static str {
        Standing::of(entry).word
    }

    // Catches a stuck ring that is not shown as stuck, and an unused one that is.
    #[test]
    fn what_goes_on_in_a_word() {
        assert_eq!(word(&broken("a", "its header is damaged")), "broken");
        assert_eq!(word(&moving("a", 1000)), "moving");
        assert_eq!(word(&sample("a")), "open");
        for (kind, said) in [
            ("in_flight", "in flight"),
            ("full", "full"),
            ("in_hand", "in hand"),
            ("not_taken", "not taken"),
            ("empty", "empty"),
            ("corrupt", "corrupt"),
        ] {
            assert_eq!(word(&still("a", kind, State::Open)), said);
        }
        assert_eq!(word(&still("a", "in_flight", State::Abandoned)), "abandoned");
        assert_eq!(word(&still("a", "full", State::Idle)), "idle");
        assert_eq!(word(&still("a", "corrupt", State::Idle)), "corrupt");
        assert_eq!(word(&still("a", "empty", State::Closed)), "closed");
    }

    // Catches the usual pace of a slow receiver taken for trouble, and trouble that a ring which
    // moves now and then hides.
    #[test]
    fn a_sender_that_waits() {
        assert_eq!(word(&held_up("a", 3, false)), "moving");
        assert_eq!(word(&held_up("a", 3, true)), "held up");
        assert_eq!(word(&held_up("a", 60_000, false)), "held up");
    }

    // Catches two columns that one key sorts by.
    #[test]
    fn every_column_has_a_key_of_its_own() {
        let mut keys: Vec<_> = Column::ALL.iter().map(|column| column.key()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), Column::ALL.len());
    }

    // Catches slots counted as bytes, and a rate where nothing was measured.
    #[test]
    fn rates_are_in_bytes() {
        let cells = |entry: &Entry<Sample>| {
            [Column::Messages, Column::In, Column::Out].map(|column| column.cell(entry))
        };
        // Slots of 64 bytes.
        assert_eq!(cells(&moving("a", 1500)), ["1.5 k", "96.0 k", "96.0 k"]);
        assert_eq!(cells(&sample("a")), ["-", "-", "-"]);
        assert_eq!(cells(&broken("a", "")), ["-", "-", "-"]);
    }
}
