//! Facts about a segment, as data that serializes to the documented JSON.

mod deleted;
mod held_up;
mod participant;
mod rates;
mod sample;
mod stall;

use std::fmt::Display;

use serde::Serialize;
use shmring::info::{Jobs, RingStatus, SubscriptionMode};
use shmring::{ElementType, Kind, Participant, SegmentInfo, Status};

use crate::report;
use crate::report::hex;
pub(crate) use deleted::open_deleted;
pub(crate) use held_up::HeldUpFacts;
use participant::JobFacts;
pub(crate) use participant::{HolderFacts, ParticipantFacts, SubscriptionFacts, brief};
pub(crate) use rates::Rates;
use sample::millis;
pub(crate) use sample::{Look, Past, Sample};
use stall::Scene;
pub(crate) use stall::{StallFacts, Subject, Unit};

/// A segment and its status.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Facts {
    #[serde(flatten)]
    pub(crate) segment: SegmentFacts,
    #[serde(flatten)]
    pub(crate) status: StatusFacts,
}

impl Facts {
    pub(crate) fn of(description: &SegmentInfo, status: &Status) -> Self {
        Self {
            segment: SegmentFacts::of(description),
            status: StatusFacts::of(description, status),
        }
    }

    /// Returns the facts of a segment that lost its name.
    pub(crate) fn deleted(mut self, label: String) -> Self {
        self.segment.name = label;
        self.status.state = State::Deleted;
        self
    }
}

/// A segment in a list: its facts, or why it cannot be read.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Entry<T> {
    Sound(Box<T>),
    Broken { name: String, state: &'static str, error: String },
}

impl<T> Entry<T> {
    pub(crate) fn broken(name: &str, error: impl Display) -> Self {
        Self::Broken { name: name.to_owned(), state: "broken", error: error.to_string() }
    }
}

/// The facts of a segment that never change.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SegmentFacts {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) capacity_bytes: u64,
    /// Absent if messages are records.
    pub(crate) slots: Option<u64>,
    pub(crate) slot_bytes: Option<u64>,
    /// Absent if messages are bytes.
    pub(crate) element: Option<ElementFacts>,
    pub(crate) max_message_bytes: u64,
    pub(crate) total_bytes: u64,
    /// The creator's metadata. Absent if they are empty or not UTF-8.
    pub(crate) metadata: Option<String>,
    /// The metadata in hexadecimal. Absent if they are empty or UTF-8.
    pub(crate) metadata_hex: Option<String>,
    /// Octal, as chmod takes it.
    pub(crate) mode: String,
    pub(crate) owner_uid: u32,
    /// RFC 3339.
    pub(crate) created_at: String,
    pub(crate) creator_pid: u32,
}

impl SegmentFacts {
    pub(crate) fn of(description: &SegmentInfo) -> Self {
        let metadata = String::from_utf8(description.metadata.clone());
        Self {
            name: description.name.clone(),
            kind: description.ring().kind.to_string(),
            capacity_bytes: description.ring().capacity_bytes,
            slots: description.ring().slots,
            slot_bytes: description.ring().slot_bytes,
            element: description.ring().element.map(ElementFacts::of),
            max_message_bytes: description.ring().max_message_bytes,
            total_bytes: description.total_bytes,
            metadata: metadata.clone().ok().filter(|text| !text.is_empty()),
            metadata_hex: metadata.err().map(|error| hex::digits(error.as_bytes())),
            mode: format!("{:04o}", description.mode),
            owner_uid: description.owner_uid,
            created_at: humantime::format_rfc3339_millis(description.created).to_string(),
            creator_pid: description.creator_pid,
        }
    }

    /// Returns `true` if each consumer receives all messages.
    pub(crate) fn is_broadcast(&self) -> bool {
        self.kind == Kind::Broadcast.name()
    }

    /// Returns `true` if consumers acknowledge what they take.
    pub(crate) fn has_jobs(&self) -> bool {
        self.kind == Kind::Jobs.name()
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

    /// Rows for people.
    pub(crate) fn rows(&self) -> Vec<(&'static str, String)> {
        let mut rows = vec![
            ("name", report::printable(&self.name)),
            ("ring", self.summary()),
            ("memory", format!("{} bytes in all", self.total_bytes)),
            ("created", format!("{} by pid {}", self.created_at, self.creator_pid)),
            ("owner", format!("uid {}", self.owner_uid)),
        ];
        if let Some(text) = &self.metadata {
            rows.push(("metadata", report::printable(text)));
        }
        if let Some(digits) = &self.metadata_hex {
            rows.push(("metadata", format!("0x{digits}")));
        }
        rows
    }

    /// Returns the size as a cell of a table.
    pub(crate) fn size(&self) -> String {
        match self.slots.zip(self.slot_bytes) {
            Some((slots, slot_bytes)) => format!("{slots} x {}", report::bytes(slot_bytes)),
            None => report::bytes(self.capacity_bytes),
        }
    }
}

/// The type of a ring's elements.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ElementFacts {
    size_bytes: u64,
    align_bytes: u64,
    /// Hexadecimal: many JSON parsers round 64-bit numbers.
    type_id: String,
    /// The type's name. Absent if the creator did not store it.
    type_name: Option<String>,
}

impl ElementFacts {
    fn of(element: ElementType) -> Self {
        let ElementType { size_bytes, align_bytes, type_id, name } = element;
        let type_name = (!name.is_unknown()).then(|| name.to_string());
        Self { size_bytes, align_bytes, type_id: format!("{type_id:#x}"), type_name }
    }

    fn summary(&self) -> String {
        let Self { size_bytes, align_bytes, type_id, type_name } = self;
        let name = type_name.as_ref().map_or(String::new(), |name| format!("`{name}`, "));
        format!("elements of type {name}{type_id}, {size_bytes} bytes aligned to {align_bytes}")
    }
}

/// The state of a segment at one moment.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusFacts {
    pub(crate) state: State,
    /// The next position to consume, in bytes of a record ring, else in slots; of a broadcast ring,
    /// that of the slowest gating subscriber, or tail if there is none.
    pub(crate) head: u64,
    /// The next position to claim.
    pub(crate) tail: u64,
    pub(crate) used_bytes: u64,
    /// Absent if messages are records.
    pub(crate) used_slots: Option<u64>,
    /// The used part of the ring, rounded down.
    pub(crate) fill_percent: u64,
    /// `true` if no message fits.
    pub(crate) full: bool,
    /// Of a broadcast ring, those before head.
    pub(crate) messages_received: u64,
    /// Messages that were sent into a broadcast ring.
    #[serde(skip)]
    pub(crate) messages_sent: Option<u64>,
    /// How long the producer of a broadcast ring has found no room; absent if it has some.
    pub(crate) full_for_ms: Option<u64>,
    /// Absent if it is no job ring.
    pub(crate) jobs: Option<JobsFacts>,
    /// Subscribers of a broadcast ring that were evicted.
    pub(crate) evictions: u64,
    /// Slots that consumers passed without a message.
    pub(crate) tombstones: u64,
    /// Slots that consumers closed for producers that died in them.
    pub(crate) resolved: u64,
    /// Dead attachments that were reaped.
    pub(crate) repairs: u64,
    pub(crate) producers_so_far: u64,
    pub(crate) consumers_so_far: u64,
    /// Handles that sleep.
    pub(crate) sleepers: u64,
    pub(crate) producers: Vec<ParticipantFacts>,
    pub(crate) consumers: Vec<ParticipantFacts>,
    pub(crate) attached_alive: u64,
    pub(crate) attached: Vec<ParticipantFacts>,
}

/// The jobs of a job ring that are not acknowledged.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct JobsFacts {
    /// Those that nobody has.
    pub(crate) waiting: u64,
    /// Of these, those that came back.
    pub(crate) returned: u64,
    /// Those that workers have.
    pub(crate) in_hand: u64,
}

impl JobsFacts {
    fn of(jobs: Jobs) -> Self {
        let Jobs { waiting, returned, in_hand, .. } = jobs;
        Self { waiting, returned, in_hand }
    }

    /// Returns them as text.
    pub(crate) fn summary(self) -> String {
        let Self { waiting, returned, in_hand } = self;
        let back = if returned > 0 { format!(" ({returned} came back)") } else { String::new() };
        format!("{waiting} waiting{back}, {in_hand} in hand")
    }
}

/// The state of a segment's users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// A process is attached.
    Open,
    /// No process is attached, and none died in it.
    Idle,
    /// No process is attached, and one died in it since the last attached.
    Abandoned,
    /// Closed for good.
    Closed,
    /// Its name was removed while processes use it.
    Deleted,
}

impl State {
    pub(crate) fn of(status: &Status) -> Self {
        let mut alive = status.attached.iter().map(|participant| participant.alive);
        match (status.ring().closed, status.attached.is_empty()) {
            (true, _) => Self::Closed,
            (false, true) => Self::Idle,
            (false, false) if alive.any(|alive| alive) => Self::Open,
            (false, false) => Self::Abandoned,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Idle => "idle",
            Self::Abandoned => "abandoned",
            Self::Closed => "closed",
            Self::Deleted => "deleted",
        }
    }
}

impl StatusFacts {
    fn of(description: &SegmentInfo, status: &Status) -> Self {
        let facts = |them: &[Participant]| them.iter().map(ParticipantFacts::of).collect();
        Self {
            state: State::of(status),
            head: status.ring().head,
            tail: status.ring().tail,
            used_bytes: status.ring().used_bytes,
            used_slots: status.ring().used_slots,
            fill_percent: percent(status.ring().used_bytes, description.ring().capacity_bytes),
            full: status.ring().full,
            messages_received: status.ring().messages_received,
            messages_sent: sent(description.ring().kind, status.ring()),
            full_for_ms: status.ring().full_for.map(millis),
            jobs: status.ring().jobs.map(JobsFacts::of),
            evictions: status.ring().evictions,
            tombstones: status.ring().tombstones,
            resolved: status.ring().resolved,
            repairs: status.repairs,
            producers_so_far: status.ring().producers_so_far,
            consumers_so_far: status.ring().consumers_so_far,
            sleepers: status.ring().sleepers,
            producers: facts(&status.ring().producers),
            consumers: facts(&status.ring().consumers),
            attached_alive: status.attached.iter().filter(|one| one.alive).count() as u64,
            attached: facts(&status.attached),
        }
    }

    /// Returns the used part as text.
    pub(crate) fn used(&self) -> String {
        used(self.used_slots, self.used_bytes)
    }

    /// Returns the counters as text.
    pub(crate) fn so_far(&self) -> String {
        let messages = match self.messages_sent {
            Some(sent) => format!("{} sent", report::count(sent, "message")),
            None => format!("{} received", report::count(self.messages_received, "message")),
        };
        let mut words = vec![messages];
        for (number, what) in [
            (self.tombstones, "slots passed without one"),
            (self.resolved, "slots closed for the dead"),
            (self.repairs, "dead reaped"),
            (self.evictions, "evicted"),
        ] {
            if number > 0 {
                words.push(format!("{number} {what}"));
            }
        }
        words.push(report::count(self.producers_so_far, "producer"));
        words.push(report::count(self.consumers_so_far, "consumer"));
        words.join(", ")
    }

    /// Returns the numbers of living and dead attachments as a cell of a table.
    pub(crate) fn attached(&self) -> String {
        match self.attached.len() as u64 - self.attached_alive {
            0 => self.attached_alive.to_string(),
            dead => format!("{} + {dead} dead", self.attached_alive),
        }
    }
}

/// Returns how many messages were sent into a broadcast ring: those before head, and those that the
/// slowest gating subscriber has before it.
fn sent(kind: Kind, ring: &RingStatus) -> Option<u64> {
    if kind != Kind::Broadcast {
        return None;
    }
    let subscriptions = ring.holders.iter().filter_map(|holder| holder.subscription);
    let gating = subscriptions.filter(|one| one.mode == SubscriptionMode::Gating);
    let lag_messages = gating.map(|one| one.lag_messages).max().unwrap_or(0);
    Some(ring.messages_received.saturating_add(lag_messages))
}

/// Returns the content of a ring as text.
pub(crate) fn used(slots: Option<u64>, bytes: u64) -> String {
    slots.map_or_else(|| report::bytes(bytes), count)
}

/// Returns a part of a whole in percent, rounded down.
fn percent(part: u64, whole: u64) -> u64 {
    u64::try_from(u128::from(part) * 100 / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

/// Returns a number of slots as text.
fn count(slots: u64) -> String {
    report::count(slots, "slot")
}
