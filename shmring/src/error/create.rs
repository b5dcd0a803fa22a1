//! Errors of verbs that create and replace segments.

use std::fmt;
use std::path::PathBuf;

use super::{AttachError, ConfigError, NameError, OsError};
use crate::info::Participant;

/// Why no segment was created. The failed call leaves no file behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError {
    /// The name is not valid.
    Name(NameError),
    /// The configuration is not valid.
    Config(ConfigError),
    /// A file of that name exists.
    Exists {
        /// The segment's name.
        name: String,
    },
    /// A segment of that name exists and differs from the configuration.
    Differs {
        /// The segment's name.
        name: String,
        /// What differs.
        what: &'static str,
        /// The segment's value, as text.
        found: String,
        /// The configured value, as text.
        wanted: String,
    },
    /// Processes are attached to the segment that was to be replaced.
    InUse {
        /// The segment's name.
        name: String,
        /// The attached processes.
        by: Vec<Participant>,
    },
    /// Only its owner may remove the segment that was to be replaced.
    Denied {
        /// The segment's name.
        name: String,
    },
    /// Shared memory is full.
    NoSpace {
        /// The segment's name.
        name: String,
        /// Size of the segment in bytes.
        needed_bytes: u64,
        /// Free shared memory in bytes.
        free_bytes: u64,
    },
    /// Shared memory has no inode left for another file.
    NoInodes {
        /// The segment's name.
        name: String,
    },
    /// The machine, or the control group of this process, has too little memory left: the kernel
    /// would kill this process or another one to provide it.
    NoMemory {
        /// The segment's name.
        name: String,
        /// Size of the segment in bytes.
        needed_bytes: u64,
        /// Free memory and swap in bytes.
        free_bytes: u64,
        /// The directory of the control group with the limit; `None` for the machine.
        group: Option<PathBuf>,
    },
    /// The file would exceed this process's limit (`RLIMIT_FSIZE`, `ulimit -f`).
    FileSizeLimit {
        /// The segment's name.
        name: String,
        /// Size of the segment in bytes.
        needed_bytes: u64,
        /// The limit, in bytes.
        max_bytes: u64,
    },
    /// Attaching to the new segment, or examining the existing one, failed.
    Attach(AttachError),
    /// A system call failed.
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
