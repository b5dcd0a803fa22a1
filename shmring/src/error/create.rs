//! Errors of verbs that create and replace segments.

use std::fmt;
use std::path::PathBuf;

use super::{AttachError, ConfigError, NameError, OsError};
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
