//! Errors of verbs that find segments and attach to them.

use std::fmt;

use super::{NameError, OsError};

/// Bytes of metadata that an error message shows at most.
const MAX_SHOWN_BYTES: usize = 64;

/// Returns bytes as a string literal, shortened for an error message.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    match bytes.get(..MAX_SHOWN_BYTES) {
        Some(start) if start.len() < bytes.len() => {
            format!("\"{}...\" ({} bytes)", start.escape_ascii(), bytes.len())
        }
        _ => format!("\"{}\"", bytes.escape_ascii()),
    }
}

/// Why an attach failed. The segment is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum AttachError {
    /// The name is not valid.
    Name(NameError),
    /// No file of that name exists.
    NotFound {
        /// The segment's name.
        name: String,
    },
    /// No segment of that name appeared before the timeout.
    TimedOut {
        /// The segment's name.
        name: String,
    },
    /// This process may not read and write the segment.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// The file system of the segment, such as overlayfs, releases a lock while a mapping still
    /// uses the file, so living processes would count as dead.
    NoTokens {
        /// The segment's name.
        name: String,
    },
    /// The segment belongs to another user than the options require.
    WrongOwner {
        /// The segment's name.
        name: String,
        /// The required uid.
        expected: u32,
        /// The owner's uid.
        found: u32,
    },
    /// The segment has other metadata than the options require.
    WrongMetadata {
        /// The segment's name.
        name: String,
        /// The required metadata.
        expected: Vec<u8>,
        /// The segment's metadata.
        found: Vec<u8>,
    },
    /// Every user may write to the segment, and the options do not accept that.
    WorldWritable {
        /// The segment's name.
        name: String,
        /// Its permission bits.
        mode: u32,
    },
    /// The passed file lacks a seal, so a peer could truncate it, or keep others from attaching.
    NotSealed {
        /// The segment's name.
        name: String,
        /// The missing seal, by its name in the kernel's interface.
        missing: &'static str,
    },
    /// The name belongs to another kind of file.
    NotASegment {
        /// The segment's name.
        name: String,
        /// What is wrong with the file.
        why: &'static str,
    },
    /// This build does not support the segment's version or kind.
    Incompatible {
        /// The segment's name.
        name: String,
        /// What differs.
        what: &'static str,
        /// The value in the segment.
        found: u64,
        /// The value that this build expects.
        expected: u64,
    },
    /// The segment's header is damaged.
    CorruptHeader {
        /// The segment's name.
        name: String,
        /// The damaged field.
        what: &'static str,
        /// The value in the segment.
        found: u64,
    },
    /// Another process holds a lease on the segment's file, so it cannot be opened without waiting.
    Leased {
        /// The segment's name.
        name: String,
    },
    /// Another process creates, attaches to or replaces the segment and does not finish.
    Busy {
        /// The segment's name.
        name: String,
    },
    /// The attachment table has no free entry.
    TableFull {
        /// The segment's name.
        name: String,
        /// Entries of the attachment table.
        attachments: usize,
    },
    /// A system call failed.
    Os(OsError),
}

impl fmt::Display for AttachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTokens { name } => write!(
                f,
                "the file system of {name:?} releases locks while a file is mapped, so living \
                 processes would count as dead; mount a tmpfs at /dev/shm"
            ),
            Self::Name(error) => error.fmt(f),
            Self::NotFound { name } => write!(f, "there is no segment {name:?}; create it first"),
            Self::TimedOut { name } => {
                write!(f, "no segment {name:?} appeared in time; check that its creator runs")
            }
            Self::Denied { name } => {
                write!(f, "permission to use {name:?} denied; ask its owner for read and write")
            }
            Self::WrongOwner { name, expected, found } => write!(
                f,
                "{name:?} belongs to uid {found}, not to uid {expected}; another user created it"
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
                "{name:?} is writable by everybody (mode {mode:#o}); accept that \
                 (`accept_world_writable`, `--accept-world-writable`), or restrict the mode"
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
