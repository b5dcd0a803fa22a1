//! What can be told about a segment, as data: it becomes JSON as it stands.

use serde::Serialize;
use shmring::{Description, Participant, Status};

use crate::report;

/// What never changes about a segment.
#[derive(Debug, Serialize)]
pub(crate) struct SegmentFacts {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) capacity_bytes: u64,
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
        format!(
            "{} ring, capacity {} ({} bytes), longest message {} bytes, mode {}",
            self.kind,
            report::bytes(self.capacity_bytes),
            self.capacity_bytes,
            self.max_message_bytes,
            self.mode,
        )
    }
}

/// How a segment is being used at the moment.
#[derive(Debug, Serialize)]
pub(crate) struct StatusFacts {
    pub(crate) state: &'static str,
    pub(crate) used_bytes: u64,
    pub(crate) messages_received: u64,
    /// Processes that died and were cleaned up after.
    pub(crate) repairs: u64,
    pub(crate) producer: Option<ParticipantFacts>,
    pub(crate) consumer: Option<ParticipantFacts>,
    pub(crate) attached: Vec<ParticipantFacts>,
}

impl StatusFacts {
    pub(crate) fn of(status: &Status) -> Self {
        let in_use = status.attached.iter().any(|participant| participant.alive);
        let state = match (status.closed, in_use) {
            (true, _) => "closed",
            (false, true) => "open",
            (false, false) => "idle",
        };
        Self {
            state,
            used_bytes: status.used_bytes,
            messages_received: status.messages_received,
            repairs: status.repairs,
            producer: status.producer.as_ref().map(ParticipantFacts::of),
            consumer: status.consumer.as_ref().map(ParticipantFacts::of),
            attached: status.attached.iter().map(ParticipantFacts::of).collect(),
        }
    }
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

    /// A few words for people.
    pub(crate) fn brief(participant: Option<&Self>) -> String {
        match participant {
            None => "-".to_owned(),
            Some(Self { pid, alive: true, .. }) => pid.to_string(),
            Some(Self { pid, alive: false, .. }) => format!("{pid} dead"),
        }
    }
}
