//! Facts about segments and those who use them, for people to read.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

/// What a ring can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One producer, one consumer, messages of any length.
    Spsc,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spsc => f.pad("spsc"),
        }
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(kind: &str) -> Result<Self, String> {
        match kind {
            "spsc" => Ok(Self::Spsc),
            _ => Err(format!(
                "there is no kind {kind:?}; there is spsc: one producer, one consumer, messages of \
                 any length"
            )),
        }
    }
}

/// What a segment is; none of it ever changes.
#[derive(Clone, Debug)]
pub struct Description {
    /// The name, without the leading slash.
    pub name: String,
    /// What the ring can do.
    pub kind: Kind,
    /// Bytes in the ring.
    pub capacity_bytes: u64,
    /// Bytes in the longest message.
    pub max_message_bytes: u64,
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

/// Someone who is attached to a segment, or was when its process died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Participant {
    /// The process, as numbered in its own pid namespace.
    pub pid: u32,
    /// The effective user.
    pub uid: u32,
    /// Whether the kernel still holds the mapping's token.
    pub alive: bool,
}

impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}{}", self.pid, if self.alive { "" } else { " (dead)" })
    }
}

/// What goes on in a segment, at about the time of looking.
#[derive(Clone, Debug)]
pub struct Status {
    /// Bytes of the ring in use.
    pub used_bytes: u64,
    /// Messages consumed since the segment was created.
    pub messages_received: u64,
    /// Dead attaches that others cleaned up since the segment was created.
    pub repairs: u64,
    /// Whether the ring was closed for good.
    pub closed: bool,
    /// Who has the producer role.
    pub producer: Option<Participant>,
    /// Who has the consumer role.
    pub consumer: Option<Participant>,
    /// Everyone attached.
    pub attached: Vec<Participant>,
}

/// What an attach got of what the segment's creator asked for; `None` is not asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Obtained {
    /// Whether all pages are mapped already.
    pub prefault: Option<bool>,
    /// Whether the pages are locked into memory.
    pub lock: Option<bool>,
    /// Whether the system was asked for huge pages and has them.
    pub huge_pages: Option<bool>,
}
