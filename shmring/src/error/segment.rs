//! Errors of the verbs that make, find and remove segments.

use std::fmt;
use std::path::PathBuf;

use super::{ConfigError, NameError, OsError};
use crate::info::Participant;

/// Why no segment was created. Nothing of it is left behind.
#[derive(Debug)]
#[non_exhaustive]
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
    /// There is a segment of that name, and something that the configuration sets is different
    /// in it.
    Differs {
        /// The segment's name.
        name: String,
        /// What differs.
        what: &'static str,
        /// What the segment has, in words.
        found: String,
        /// What the configuration sets, in words.
        wanted: String,
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
    /// Shared memory has no room for another file, however short.
    NoInodes {
        /// The segment's name.
        name: String,
    },
    /// The machine, or the control group of this process, has too little memory left: to take
    /// so much would end this process or another one.
    NoMemory {
        /// The segment's name.
        name: String,
        /// Bytes that the segment takes.
        needed_bytes: u64,
        /// Bytes of memory that are left, and of swap.
        free_bytes: u64,
        /// The directory of the control group with that limit; `None` is the machine.
        group: Option<PathBuf>,
    },
    /// This process may not make so large a file (`RLIMIT_FSIZE`, `ulimit -f`).
    FileSizeLimit {
        /// The segment's name.
        name: String,
        /// Bytes that the segment takes.
        needed_bytes: u64,
        /// The limit, in bytes.
        max_bytes: u64,
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
            Self::Differs { name, what, found, wanted } => write!(
                f,
                "{name:?} exists, but its {what} is {found}, not {wanted}; attach to it as it is, \
                 recreate it, or choose another name"
            ),
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
            Self::NoInodes { name } => write!(
                f,
                "no inode is left in /dev/shm for {name:?}; remove files there, or remount it \
                 with a larger nr_inodes"
            ),
            Self::NoMemory { name, needed_bytes, free_bytes, group: None } => write!(
                f,
                "{name:?} needs {needed_bytes} bytes but the machine has {free_bytes} of memory \
                 and swap left; choose a smaller capacity"
            ),
            Self::NoMemory { name, needed_bytes, free_bytes, group: Some(group) } => write!(
                f,
                "{name:?} needs {needed_bytes} bytes but the memory limit of the control group \
                 {} leaves {free_bytes}; choose a smaller capacity or raise the limit",
                group.display()
            ),
            Self::FileSizeLimit { name, needed_bytes, max_bytes } => write!(
                f,
                "{name:?} needs {needed_bytes} bytes but this process may make files of \
                 {max_bytes} at most; choose a smaller capacity or raise the limit (ulimit -f)"
            ),
            Self::Attach(error) => error.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CreateError {}

impl From<AttachError> for CreateError {
    fn from(error: AttachError) -> Self {
        Self::Attach(error)
    }
}

/// The most bytes of metadata that a message shows.
const MAX_SHOWN_BYTES: usize = 64;

/// Bytes for a message, as a string literal has them.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    match bytes.get(..MAX_SHOWN_BYTES) {
        Some(start) if start.len() < bytes.len() => {
            format!("\"{}...\" ({} bytes)", start.escape_ascii(), bytes.len())
        }
        _ => format!("\"{}\"", bytes.escape_ascii()),
    }
}

/// Why a segment was not attached. Nothing of it was changed.
#[derive(Debug)]
#[non_exhaustive]
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
    /// The file system of the segment releases a lock while a mapping still has the file, as
    /// overlayfs does: the living would be taken for dead.
    NoTokens {
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
    /// The segment carries other metadata than the ones asked for.
    WrongMetadata {
        /// The segment's name.
        name: String,
        /// The metadata asked for.
        expected: Vec<u8>,
        /// What the segment carries.
        found: Vec<u8>,
    },
    /// Everybody may write to the segment, and that was not accepted.
    WorldWritable {
        /// The segment's name.
        name: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The file that was passed lacks a seal, so that a peer could cut it short, or keep
    /// others from attaching.
    NotSealed {
        /// The segment's name.
        name: String,
        /// The seal, as the system calls it.
        missing: &'static str,
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
    /// Another process holds a lease on the segment's file, which keeps others from opening it.
    Leased {
        /// The segment's name.
        name: String,
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
        attachments: usize,
    },
    /// A call failed.
    Os(OsError),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTokens { name } => write!(
                f,
                "the file system of {name:?} does not keep locks for what is mapped, so nobody \
                 could tell who is alive; mount a tmpfs at /dev/shm"
            ),
            Self::Name(error) => error.fmt(f),
            Self::NotFound { name } => write!(f, "there is no segment {name:?}; create it first"),
            Self::TimedOut { name } => {
                write!(f, "no segment {name:?} appeared in time; see that its creator runs")
            }
            Self::Denied { name } => {
                write!(f, "permission to use {name:?} denied; ask its owner for read and write")
            }
            Self::WrongOwner { name, expected, found } => write!(
                f,
                "{name:?} belongs to uid {found}, not to uid {expected}; somebody else made it"
            ),
            Self::WrongMetadata { name, expected, found } => write!(
                f,
                "the metadata of {name:?} are {}, not {}; use the program that fits the segment, \
                 or create the segment anew",
                quoted(found),
                quoted(expected)
            ),
            Self::WorldWritable { name, mode } => write!(
                f,
                "{name:?} can be written to by everybody (mode {mode:#o}); accept that, or let \
                 its owner narrow the mode"
            ),
            Self::NotSealed { name, missing } => write!(
                f,
                "{name:?} is not sealed: it lacks {missing}; pass the descriptor of a segment \
                 that was created sealed"
            ),
            Self::NotASegment { name, why } => write!(f, "{name:?} is no shmring segment: {why}"),
            Self::Incompatible { name, what: "version", found, expected } => write!(
                f,
                "{name:?} has version {found} of the format, and this program reads version \
                 {expected}; drain it with the shmring that made it, then unlink it and create it \
                 anew"
            ),
            Self::Incompatible { name, what, found, expected } => write!(
                f,
                "{name:?} is incompatible: its {what} is {found:#x}, this program's is \
                 {expected:#x}; use one build of shmring on both sides"
            ),
            Self::CorruptHeader { name, what, found } => write!(
                f,
                "{name:?} is corrupt: its {what} is {found:#x}; unlink it and create it anew"
            ),
            Self::Leased { name } => write!(
                f,
                "another process holds a lease on the file of {name:?} (fcntl F_SETLEASE); \
                 let it release the lease, or end it"
            ),
            Self::Busy { name } => {
                write!(f, "{name:?} is being created or replaced by a process that does not finish")
            }
            Self::TableFull { name, attachments } => write!(
                f,
                "all {attachments} attachments of {name:?} are in use; create it with more \
                 (`max_attachments`, `create --max-attachments`)"
            ),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AttachError {}

/// Why a name was not removed.
#[derive(Debug)]
#[non_exhaustive]
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
    /// The name is that of another file.
    NotASegment {
        /// The name.
        name: String,
        /// What shows it.
        why: &'static str,
    },
    /// What has the name could not be examined.
    Attach(AttachError),
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
            Self::NotASegment { name, why } => {
                write!(f, "{name:?} is no shmring segment: {why}; only a forced unlink removes it")
            }
            Self::Attach(error) => error.fmt(f),
            Self::Os(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for UnlinkError {}
