//! Who uses a segment.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use crate::ring::membership::Role;

/// Where the pid of a participant counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum PidNamespace {
    /// In the pid namespace of this process.
    Ours,
    /// In another one: here, the number means another process or none.
    Other,
    /// The participant, or this process, could not tell: /proc was not there.
    Unknown,
}

/// Someone who is attached to a segment, or was when its process died.
///
/// All but [`alive`](Self::alive) is what the participant wrote of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Participant {
    /// The process, as numbered in its own pid namespace.
    pub pid: u32,
    /// Where that number counts.
    pub pid_namespace: PidNamespace,
    /// The effective user.
    pub uid: u32,
    /// Whether the kernel still holds the mapping's token. Neither the pid nor a clock has
    /// a say in it.
    pub alive: bool,
    /// Clock ticks after boot at which the process started; 0 where it could not tell.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) start_ticks: u64,
    /// Inode number of its pid namespace; 0 where it could not tell.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) namespace: u64,
}

impl fmt::Display for Participant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if self.pid_namespace == PidNamespace::Other {
            f.write_str(" of another pid namespace")?;
        }
        if self.alive { Ok(()) } else { f.write_str(" (dead)") }
    }
}

/// A producer or a consumer, of the living or the dead.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Holder {
    /// Its entry of the handle table.
    pub handle: usize,
    /// What it does.
    pub role: Role,
    /// Whose it is.
    pub participant: Participant,
    /// The position that head, for a producer, or tail, for a consumer, has to reach before
    /// the handle goes on, if it sleeps, or slept when its process died.
    pub sleeps_until: Option<u64>,
    /// The tickets that it was about to claim last, where producers compete. They may be
    /// published since, or somebody else's.
    pub announced: Option<Range<u64>>,
}

/// What /proc tells of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Process {
    /// Its pid here: in the pid namespace of the process that looks.
    pub pid: u32,
    /// The name of its command, as the kernel keeps it: at most 15 bytes, of the process's
    /// own choice.
    pub command: String,
    /// What its first thread does.
    pub state: ProcessState,
    /// The file of a control group that froze it, `cgroup.freeze` or, in the old hierarchy,
    /// `freezer.state`.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::serialize::lossy_path"))]
    pub frozen_by: Option<PathBuf>,
}

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProcessState {
    /// It runs, or waits for a CPU.
    Running,
    /// It waits for something.
    Sleeping,
    /// It waits in the kernel and handles no signals meanwhile.
    Blocked,
    /// It was stopped by a signal and goes on at `SIGCONT`.
    Stopped,
    /// A debugger stopped it.
    Traced,
    /// Its control group is frozen.
    Frozen,
    /// It crashed, and the kernel writes its memory to a core file. It counts as alive until
    /// that is done.
    DumpingCore,
    /// It has ended, and nobody has asked how.
    Zombie,
    /// Something else, in the kernel's letter.
    Other(char),
}

impl ProcessState {
    /// The state that a letter of `/proc/PID/stat` means.
    pub(crate) fn of_letter(letter: char) -> Self {
        match letter {
            'R' => Self::Running,
            'S' | 'I' => Self::Sleeping,
            'D' => Self::Blocked,
            'T' => Self::Stopped,
            't' => Self::Traced,
            'Z' | 'X' => Self::Zombie,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for ProcessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Sleeping => "sleeping",
            Self::Blocked => "blocked",
            Self::Stopped => "stopped",
            Self::Traced => "traced",
            Self::Frozen => "frozen",
            Self::DumpingCore => "dumping core",
            Self::Zombie => "zombie",
            Self::Other(_) => "unknown",
        })
    }
}
