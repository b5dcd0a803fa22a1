//! Errors of the verbs that make, find and join segments.

use std::fmt;

use super::{Fault, OsError, Role};
use crate::facts::{ElementType, Kind, Participant};

/// A name that no segment can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameError {
    /// Nothing is left after the optional leading slash.
    Empty,
    /// It is `.` or `..`.
    Dot,
    /// There is a slash behind the first character.
    InnerSlash,
    /// It holds a NUL byte.
    Nul,
    /// It is longer than the system allows.
    TooLong {
        /// Bytes in the name, without the leading slash.
        len: usize,
        /// The most there may be.
        max: usize,
    },
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the segment name is empty"),
            Self::Dot => f.write_str("a segment cannot be named `.` or `..`"),
            Self::InnerSlash => {
                f.write_str("a segment name may start with a slash but not hold another one")
            }
            Self::Nul => f.write_str("a segment name cannot hold a NUL byte"),
            Self::TooLong { len, max } => {
                write!(f, "the segment name has {len} bytes, at most {max} are possible")
            }
        }
    }
}

impl std::error::Error for NameError {}

/// A configuration that no segment can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// The capacity is zero, or too large.
    Capacity {
        /// The capacity asked for, in bytes.
        capacity_bytes: u64,
        /// The largest possible one, in bytes.
        max_bytes: u64,
    },
    /// The slots are none, or too many.
    Slots {
        /// The slots asked for.
        slots: u64,
        /// The most there may be.
        max: u64,
    },
    /// The slots are too small for a stamp and a message, or too large.
    SlotBytes {
        /// The size asked for, in bytes.
        slot_bytes: u64,
        /// The smallest possible one, in bytes: an 8-byte stamp and 8 bytes of payload.
        min: u64,
        /// The largest possible one, in bytes.
        max: u64,
    },
    /// The element type has no size, or does not fit into a slot.
    Element {
        /// Its size in bytes.
        size_bytes: u64,
        /// The largest possible one, in bytes.
        max_bytes: u64,
    },
    /// A packed ring without the type of its elements.
    NoElement,
    /// A size that rings of this kind do not have.
    NotForKind {
        /// The size.
        what: &'static str,
        /// The kind.
        kind: Kind,
    },
    /// A table with no entries, or with too many.
    Entries {
        /// Which table.
        what: &'static str,
        /// The entries asked for.
        entries: u64,
        /// The most there may be.
        max: u64,
    },
    /// Mode bits beyond read, write and execute for owner, group and others.
    Mode {
        /// The mode asked for.
        mode: u32,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capacity { capacity_bytes, max_bytes } => write!(
                f,
                "a ring cannot have a capacity of {capacity_bytes} bytes; choose 1 to {max_bytes}"
            ),
            Self::Slots { slots, max } => {
                write!(f, "a ring cannot have {slots} slots; choose 1 to {max}")
            }
            Self::SlotBytes { slot_bytes, min, max } => write!(
                f,
                "a slot cannot have {slot_bytes} bytes: 8 are its stamp, the others its message; \
                 choose {min} to {max}"
            ),
            Self::Element { size_bytes, max_bytes } => write!(
                f,
                "elements of {size_bytes} bytes do not fit into a slot; choose a type of 1 to \
                 {max_bytes} bytes"
            ),
            Self::NoElement => {
                f.write_str("a packed ring holds elements of one type, and none was given")
            }
            Self::NotForKind { what, kind } => {
                let has = match kind {
                    Kind::Spsc => "a capacity in bytes",
                    Kind::Mpmc | Kind::Mpsc | Kind::Spmc => "slots, and a size of them",
                    Kind::Packed => "slots, and a type of elements",
                };
                write!(f, "a ring of kind {kind} has no {what}; it has {has}")
            }
            Self::Entries { what, entries, max } => {
                write!(f, "a segment cannot have {entries} {what}; choose 1 to {max}")
            }
            Self::Mode { mode } => write!(f, "{mode:#o} is no file mode; choose 0 to 0o777"),
        }
    }
}

impl std::error::Error for ConfigError {}

/// Why no segment was created. Nothing of it is left behind.
#[derive(Debug)]
pub enum CreateError {
    /// The name cannot be one.
    Name(NameError),
    /// The configuration cannot be one.
    Config(ConfigError),
    /// There is something of that name.
    Exists {
        /// The segment's name.
        name: String,
    },
    /// The segment to be replaced is in use.
    InUse {
        /// The segment's name.
        name: String,
        /// Who is attached.
        by: Vec<Participant>,
    },
    /// The segment to be replaced is one that only its owner may remove.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// Shared memory is full.
    NoSpace {
        /// The segment's name.
        name: String,
        /// Bytes that the segment takes.
        needed_bytes: u64,
        /// Bytes that are free in shared memory.
        free_bytes: u64,
    },
    /// The new segment could not be attached, or the old one not examined.
    Attach(AttachError),
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::Config(error) => error.fmt(f),
            Self::Exists { name } => {
                write!(f, "{name:?} exists; attach to it, recreate it, or choose another name")
            }
            Self::InUse { name, by } => {
                write!(f, "{name:?} is in use")?;
                for (i, participant) in by.iter().enumerate() {
                    write!(f, "{} {participant}", if i == 0 { " by" } else { "," })?;
                }
                f.write_str("; end them first, or unlink the name and create it anew")
            }
            Self::Denied { name } => {
                write!(f, "permission to replace {name:?} denied; only its owner can")
            }
            Self::NoSpace { name, needed_bytes, free_bytes } => write!(
                f,
                "{name:?} needs {needed_bytes} bytes but shared memory has {free_bytes} left; \
                 choose a smaller capacity or enlarge /dev/shm"
            ),
            Self::Attach(error) => error.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CreateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Attach(error) => Some(error),
            Self::Os(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a segment was not attached. Nothing of it was changed.
#[derive(Debug)]
pub enum AttachError {
    /// The name cannot be one.
    Name(NameError),
    /// There is nothing of that name.
    NotFound {
        /// The segment's name.
        name: String,
    },
    /// There was nothing of that name until the timeout.
    TimedOut {
        /// The segment's name.
        name: String,
    },
    /// Permission denied.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// The segment belongs to another user than the one asked for.
    WrongOwner {
        /// The segment's name.
        name: String,
        /// The uid asked for.
        expected: u32,
        /// The uid of the owner.
        found: u32,
    },
    /// Everybody may write to the segment, and that was not accepted.
    WorldWritable {
        /// The segment's name.
        name: String,
        /// Its permission bits.
        mode: u32,
    },
    /// There is something else of that name.
    NotASegment {
        /// The segment's name.
        name: String,
        /// What tells.
        why: &'static str,
    },
    /// The segment is of a version or kind that this build does not know.
    Incompatible {
        /// The segment's name.
        name: String,
        /// What differs.
        what: &'static str,
        /// What the segment says.
        found: u64,
        /// What this build expects.
        expected: u64,
    },
    /// The segment's header is damaged.
    CorruptHeader {
        /// The segment's name.
        name: String,
        /// What is wrong.
        what: &'static str,
        /// What the segment says.
        found: u64,
    },
    /// Another process creates, attaches to or replaces the segment and does not finish.
    Busy {
        /// The segment's name.
        name: String,
    },
    /// As many processes as the segment has room for are attached.
    TableFull {
        /// The segment's name.
        name: String,
        /// How many that is.
        attaches: usize,
    },
    /// The segment's wake-ups rely on a system call that this process may not make, or its
    /// kernel does not know.
    NoBarrier {
        /// The segment's name.
        name: String,
        /// The refused call.
        source: OsError,
    },
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::NotFound { name } => write!(f, "there is no segment {name:?}; create it first"),
            Self::TimedOut { name } => write!(f, "no segment {name:?} appeared in time"),
            Self::Denied { name } => {
                write!(f, "permission to use {name:?} denied; ask its owner for read and write")
            }
            Self::WrongOwner { name, expected, found } => write!(
                f,
                "{name:?} belongs to uid {found}, not to uid {expected}; somebody else made it"
            ),
            Self::WorldWritable { name, mode } => write!(
                f,
                "{name:?} can be written to by everybody (mode {mode:#o}); accept that, or let \
                 its owner narrow the mode"
            ),
            Self::NotASegment { name, why } => write!(f, "{name:?} is no shmring segment: {why}"),
            Self::Incompatible { name, what, found, expected } => write!(
                f,
                "{name:?} is incompatible: its {what} is {found:#x}, this program's is \
                 {expected:#x}; use one build of shmring on both sides"
            ),
            Self::CorruptHeader { name, what, found } => write!(
                f,
                "{name:?} is corrupt: its {what} is {found:#x}; unlink it and create it anew"
            ),
            Self::Busy { name } => {
                write!(f, "{name:?} is being created or replaced by a process that does not finish")
            }
            Self::TableFull { name, attaches } => write!(
                f,
                "{name:?} has all its {attaches} attaches in use; create it with more of them"
            ),
            Self::NoBarrier { name, source } => write!(
                f,
                "{name:?} cannot be used here: {source}; create it with wake fences on both sides"
            ),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AttachError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Os(error) | Self::NoBarrier { source: error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Why a name was not removed.
#[derive(Debug)]
pub enum UnlinkError {
    /// The name cannot be one.
    Name(NameError),
    /// There is nothing of that name.
    NotFound {
        /// The segment's name.
        name: String,
    },
    /// Permission denied.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for UnlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(error) => error.fmt(f),
            Self::NotFound { name } => write!(f, "there is no segment {name:?}"),
            Self::Denied { name } => {
                write!(f, "permission to remove {name:?} denied; only its owner can")
            }
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UnlinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Os(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a segment gave no handle.
#[derive(Debug)]
pub enum JoinError {
    /// The role has an owner that is alive.
    RoleTaken {
        /// The role.
        role: Role,
        /// Who has it, as far as the segment tells.
        holder: Option<Participant>,
    },
    /// The ring was closed for good: it takes no producer any more.
    Closed,
    /// The ring is of a kind that has no such handle.
    WrongKind {
        /// What the ring is.
        kind: Kind,
        /// What would have such a handle.
        wanted: &'static str,
    },
    /// The ring holds something else.
    WrongType {
        /// What the ring holds; `None` is bytes.
        found: Option<ElementType>,
        /// What the handle is for; `None` is bytes.
        wanted: Option<ElementType>,
    },
    /// As many handles as the segment has room for are in use.
    TableFull {
        /// How many that is.
        handles: usize,
    },
    /// Nothing can be done with this attach any more.
    Failed(Fault),
}

impl JoinError {
    /// A handle for bytes was asked for, where only elements go.
    pub(crate) fn packed(kind: Kind) -> Self {
        Self::WrongKind { kind, wanted: "a record ring or a slot ring" }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RoleTaken { role, holder: Some(holder) } => {
                write!(f, "the ring has a {role} already: {holder}")
            }
            Self::RoleTaken { role, holder: None } => write!(f, "the ring has a {role} already"),
            Self::Closed => f.write_str("the ring was closed to producers; create it anew"),
            Self::WrongKind { kind, wanted } => {
                write!(f, "the ring is of kind {kind}, and this takes {wanted}")
            }
            Self::WrongType { found, wanted } => {
                let name = |element: &Option<ElementType>| {
                    element.map_or("bytes".to_owned(), |element| element.to_string())
                };
                write!(f, "the ring holds {}, not {}", name(found), name(wanted))
            }
            Self::TableFull { handles } => {
                write!(f, "all {handles} handles of the segment are in use")
            }
            Self::Failed(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {}
