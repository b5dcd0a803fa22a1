//! What can be told about a segment, as data: it becomes JSON as it stands.

use serde::Serialize;
use shmring::{Description, ElementType, Participant, Status};

use crate::report;

/// All there is to tell about a segment.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    #[serde(flatten)]
    pub(crate) segment: SegmentFacts,
    #[serde(flatten)]
    pub(crate) status: StatusFacts,
}

impl Facts {
    pub(crate) fn of(description: &Description, status: &Status) -> Self {
        Self { segment: SegmentFacts::of(description), status: StatusFacts::of(status) }
    }
}

/// What never changes about a segment.
#[derive(Debug, Serialize)]
pub(crate) struct SegmentFacts {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) capacity_bytes: u64,
    /// Absent where messages are records.
    pub(crate) slots: Option<u64>,
    pub(crate) slot_bytes: Option<u64>,
    /// Absent where messages are bytes.
    pub(crate) element: Option<ElementFacts>,
    pub(crate) max_message_bytes: u64,
    pub(crate) total_bytes: u64,
    /// Octal, as chmod takes it.
    pub(crate) mode: String,
    pub(crate) owner_uid: u32,
    /// RFC 3339.
    pub(crate) created_at: String,
    pub(crate) creator_pid: u32,
}

impl SegmentFacts {
    pub(crate) fn of(description: &Description) -> Self {
        Self {
            name: description.name.clone(),
            kind: description.kind.to_string(),
            capacity_bytes: description.capacity_bytes,
            slots: description.slots,
            slot_bytes: description.slot_bytes,
            element: description.element.map(ElementFacts::of),
            max_message_bytes: description.max_message_bytes,
            total_bytes: description.total_bytes,
            mode: format!("{:04o}", description.mode),
            owner_uid: description.owner_uid,
            created_at: humantime::format_rfc3339_millis(description.created).to_string(),
            creator_pid: description.creator_pid,
        }
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        let size = match self.slots.zip(self.slot_bytes) {
            Some((slots, slot_bytes)) => format!("{} of {slot_bytes} bytes", count(slots)),
            None => {
                let short = report::bytes(self.capacity_bytes);
                format!("capacity {short} ({} bytes)", self.capacity_bytes)
            }
        };
        let message = match &self.element {
            Some(element) => element.summary(),
            None => format!("longest message {} bytes", self.max_message_bytes),
        };
        format!("{} ring, {size}, {message}, mode {}", self.kind, self.mode)
    }

    /// As few words as fit into a table.
    pub(crate) fn size(&self) -> String {
        match self.slots.zip(self.slot_bytes) {
            Some((slots, slot_bytes)) => format!("{slots} x {}", report::bytes(slot_bytes)),
            None => report::bytes(self.capacity_bytes),
        }
    }
}

/// The type of a ring's elements.
#[derive(Debug, Serialize)]
pub(crate) struct ElementFacts {
    size_bytes: u64,
    align_bytes: u64,
    /// Hexadecimal, as programs write it: many who read JSON keep no 64-bit numbers.
    type_id: String,
}

impl ElementFacts {
    fn of(element: ElementType) -> Self {
        let ElementType { size_bytes, align_bytes, type_id } = element;
        Self { size_bytes, align_bytes, type_id: format!("{type_id:#x}") }
    }

    fn summary(&self) -> String {
        let Self { size_bytes, align_bytes, type_id } = self;
        format!("elements of type {type_id}, {size_bytes} bytes aligned to {align_bytes}")
    }
}

/// How a segment is being used at the moment.
#[derive(Debug, Serialize)]
pub(crate) struct StatusFacts {
    pub(crate) state: &'static str,
    pub(crate) used_bytes: u64,
    /// Absent where messages are records.
    pub(crate) used_slots: Option<u64>,
    pub(crate) messages_received: u64,
    /// Slots that were passed without a message.
    pub(crate) tombstones: u64,
    /// Slots that were closed for senders that died in them.
    pub(crate) resolved: u64,
    /// Processes that died and were cleaned up after.
    pub(crate) repairs: u64,
    pub(crate) producers: Vec<ParticipantFacts>,
    pub(crate) consumers: Vec<ParticipantFacts>,
    pub(crate) attached: Vec<ParticipantFacts>,
}

impl StatusFacts {
    fn of(status: &Status) -> Self {
        let in_use = status.attached.iter().any(|participant| participant.alive);
        let state = match (status.closed, in_use) {
            (true, _) => "closed",
            (false, true) => "open",
            (false, false) => "idle",
        };
        let facts = |them: &[Participant]| them.iter().map(ParticipantFacts::of).collect();
        Self {
            state,
            used_bytes: status.used_bytes,
            used_slots: status.used_slots,
            messages_received: status.messages_received,
            tombstones: status.tombstones,
            resolved: status.resolved,
            repairs: status.repairs,
            producers: facts(&status.producers),
            consumers: facts(&status.consumers),
            attached: facts(&status.attached),
        }
    }

    /// A few words for people.
    pub(crate) fn used(&self) -> String {
        match self.used_slots {
            Some(slots) => count(slots),
            None => report::bytes(self.used_bytes),
        }
    }
}

fn count(slots: u64) -> String {
    format!("{slots} slot{}", if slots == 1 { "" } else { "s" })
}

/// A process that uses a segment.
#[derive(Debug, Serialize)]
pub(crate) struct ParticipantFacts {
    pub(crate) pid: u32,
    pub(crate) uid: u32,
    pub(crate) alive: bool,
}

impl ParticipantFacts {
    fn of(participant: &Participant) -> Self {
        Self { pid: participant.pid, uid: participant.uid, alive: participant.alive }
    }

    fn brief(&self) -> String {
        let Self { pid, alive, .. } = self;
        if *alive { pid.to_string() } else { format!("{pid} dead") }
    }
}

/// A few words for people about `participants`: up to `max` of them, and how many more.
pub(crate) fn brief(participants: &[ParticipantFacts], max: usize) -> String {
    if participants.is_empty() {
        return "-".to_owned();
    }
    let mut words: Vec<_> = participants.iter().take(max).map(ParticipantFacts::brief).collect();
    if participants.len() > max {
        words.push(format!("+{}", participants.len() - max));
    }
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    // Catches a list that outgrows its column, or hides how many there are or who is dead.
    #[test]
    fn many_participants_in_few_words() {
        let them: Vec<_> =
            (1..=5).map(|pid| ParticipantFacts { pid, uid: 0, alive: pid != 2 }).collect();
        assert_eq!(brief(&[], 3), "-");
        assert_eq!(brief(&them[..3], 3), "1, 2 dead, 3");
        assert_eq!(brief(&them, 3), "1, 2 dead, 3, +2");
    }
}
