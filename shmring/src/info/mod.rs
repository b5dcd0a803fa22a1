//! Facts about segments and those who use them, for people to read.

#![allow(clippy::indexing_slicing, reason = "there is always a first ring")]

mod participant;
mod status;
mod type_name;

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

pub use participant::{Holder, Participant, PidNamespace, Process, ProcessState};
pub use status::{Front, RingStatus, Stall, Status};
pub use type_name::TypeName;

use crate::ring::membership::Role;

/// What a ring can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Spsc, Self::Mpmc, Self::Mpsc, Self::Spmc, Self::Packed];

    /// Whether several handles can have a role at the same time.
    pub fn shares(self, role: Role) -> bool {
        match role {
            Role::Producer => matches!(self, Self::Mpmc | Self::Mpsc),
            Role::Consumer => matches!(self, Self::Mpmc | Self::Spmc),
        }
    }

    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spsc => "spsc",
            Self::Mpmc => "mpmc",
            Self::Mpsc => "mpsc",
            Self::Spmc => "spmc",
            Self::Packed => "packed",
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
            format!("there is no kind {name:?}; there are spsc, mpmc, mpsc, spmc and packed")
        })
    }
}

/// The type of a ring's elements, as its segment records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementType {
    /// Bytes in an element.
    pub size_bytes: u64,
    /// What an element's address is a multiple of, in bytes.
    pub align_bytes: u64,
    /// Names the type with its layout; see [`Element`](crate::Element).
    pub type_id: u64,
    /// The name of the type.
    pub name: TypeName,
}

impl ElementType {
    /// Returns `true` if both are one type: of the same size, alignment and id.
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

/// What a ring is; none of it ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RingInfo {
    /// What the ring can do.
    pub kind: Kind,
    /// Bytes in the ring.
    pub capacity_bytes: u64,
    /// Slots in the ring, unless it has records.
    pub slots: Option<u64>,
    /// Bytes from one slot to the next, in a slot ring with the 8 bytes of its stamp.
    pub slot_bytes: Option<u64>,
    /// What the address of each payload is a multiple of, in bytes.
    pub payload_align_bytes: u64,
    /// What the ring holds, if that is elements of one type.
    pub element: Option<ElementType>,
    /// Bytes in the longest message.
    pub max_message_bytes: u64,
}

/// What a segment is; none of it ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// The name, without the leading slash.
    pub name: String,
    /// The rings, at least one.
    pub rings: Vec<RingInfo>,
    /// What the creator put into the segment; see [`Config::metadata`](crate::Config::metadata).
    pub metadata: Vec<u8>,
    /// Bytes in the segment.
    pub total_bytes: u64,
    /// Permission bits.
    pub mode: u32,
    /// Who owns the segment.
    pub owner_uid: u32,
    /// When it was created.
    pub created: SystemTime,
    /// Who created it, as numbered in the creator's pid namespace.
    pub creator_pid: u32,
}

impl SegmentInfo {
    /// The first ring, which is the only one unless the segment was made with several.
    pub fn ring(&self) -> &RingInfo {
        &self.rings[0]
    }
}

/// What an attachment got of what the segment's creator asked for; `None` is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Obtained {
    /// Whether all pages are mapped already.
    pub prefault: Option<bool>,
    /// Whether the pages are locked into memory.
    pub lock: Option<bool>,
    /// Whether the system took the request for huge pages. It does so also where none are to
    /// be had for shared memory.
    pub huge_pages: Option<bool>,
}
