//! Properties and state of segments, rings and participants, as plain data.

#![allow(clippy::indexing_slicing, reason = "there is always a first ring")]

mod participant;
#[cfg(feature = "serde")]
mod serialize;
mod status;
mod type_name;

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

pub use participant::{
    Holder, InHand, Participant, PidNamespace, Process, ProcessState, Subscription,
    SubscriptionMode,
};
pub use status::{Delay, Front, HeldUp, Jobs, RingStatus, Stall, Status};
pub use type_name::TypeName;

use crate::ring::membership::Role;

/// The kind of a ring: its algorithm, and how many handles each role can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Kind {
    /// A record ring: one producer, one consumer, messages of any length.
    Spsc,
    /// A slot ring: many producers, many consumers that compete for messages.
    Mpmc,
    /// A slot ring: many producers, one consumer.
    Mpsc,
    /// A slot ring: one producer, many consumers that compete for messages.
    Spmc,
    /// A packed ring: one producer, one consumer, elements of one type.
    Packed,
    /// A broadcast ring: one producer, and subscribers that each receive every message, of any
    /// length.
    Broadcast,
    /// A job ring: many producers, many workers that acknowledge what they take.
    Jobs,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 7] =
        [Self::Spsc, Self::Mpmc, Self::Mpsc, Self::Spmc, Self::Packed, Self::Broadcast, Self::Jobs];

    /// Returns `true` if several handles can have the role at the same time.
    pub fn shares(self, role: Role) -> bool {
        match role {
            Role::Producer => matches!(self, Self::Mpmc | Self::Mpsc | Self::Jobs),
            Role::Consumer => {
                matches!(self, Self::Mpmc | Self::Spmc | Self::Broadcast | Self::Jobs)
            }
        }
    }

    /// Returns `true` if several handles can have the role at the same time, and what one of them
    /// takes the others do not get: messages, or room.
    pub fn competes(self, role: Role) -> bool {
        self.shares(role) && self != Self::Broadcast
    }

    /// Returns the name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spsc => "spsc",
            Self::Mpmc => "mpmc",
            Self::Mpsc => "mpsc",
            Self::Spmc => "spmc",
            Self::Packed => "packed",
            Self::Broadcast => "broadcast",
            Self::Jobs => "jobs",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| {
            format!(
                "there is no kind {name:?}; there are spsc, mpmc, mpsc, spmc, packed, broadcast \
                 and jobs"
            )
        })
    }
}

/// The element type of a ring, as the segment records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ElementType {
    /// Size of an element in bytes.
    pub size_bytes: u64,
    /// Alignment of an element in bytes.
    pub align_bytes: u64,
    /// Identifies the type and its layout; see [`Element`](crate::Element).
    pub type_id: u64,
    /// The name of the type.
    pub name: TypeName,
}

impl ElementType {
    /// Returns `true` if size, alignment and id are equal.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |element: &Self| (element.size_bytes, element.align_bytes, element.type_id);
        key(self) == key(other)
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size_bytes, align_bytes, type_id, name } = self;
        if name.is_unknown() {
            f.write_str("elements ")?;
        } else {
            write!(f, "`{name}` ")?;
        }
        write!(f, "({size_bytes} bytes aligned to {align_bytes}, type id {type_id:#x})")
    }
}

/// The properties of a ring, which never change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RingInfo {
    /// The kind.
    pub kind: Kind,
    /// Size of the data in bytes.
    pub capacity_bytes: u64,
    /// Number of slots; `None` for a record ring or a broadcast ring.
    pub slots: Option<u64>,
    /// Size of a slot in bytes, in a slot ring including the 8-byte stamp and in a job ring 16 bytes
    /// of header; `None` for a record ring.
    pub slot_bytes: Option<u64>,
    /// Alignment of each payload in bytes.
    pub payload_align_bytes: u64,
    /// The element type; `None` if the ring holds bytes.
    pub element: Option<ElementType>,
    /// Length of the longest possible message in bytes.
    pub max_message_bytes: u64,
}

/// The properties of a segment, which never change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The name, without the leading slash.
    pub name: String,
    /// The rings, at least one.
    pub rings: Vec<RingInfo>,
    /// The creator's metadata; see [`Config::metadata`](crate::Config::metadata).
    pub metadata: Vec<u8>,
    /// Size of the segment in bytes.
    pub total_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// The uid of the file's owner.
    pub owner_uid: u32,
    /// When it was created.
    pub created: SystemTime,
    /// The creator's pid, in its own pid namespace.
    pub creator_pid: u32,
}

impl SegmentInfo {
    /// Returns the first ring, which is the only one unless the segment was created with several.
    pub fn ring(&self) -> &RingInfo {
        &self.rings[0]
    }
}

/// Which of the creator's requests about pages the system granted to an attachment; `None` if the
/// creator did not ask.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Obtained {
    /// Whether all pages were populated on attach.
    pub prefault: Option<bool>,
    /// Whether the pages are locked in memory.
    pub lock: Option<bool>,
    /// Whether the system accepted the request for huge pages. It may do so although shared memory
    /// gets none.
    pub huge_pages: Option<bool>,
}
