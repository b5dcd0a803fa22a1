//! Processes that use a segment, and their handles.

use std::fmt;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use crate::ring::membership::Role;

/// The pid namespace of a participant, relative to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum PidNamespace {
    /// The pid namespace of this process.
    Ours,
    /// Another pid namespace: in this process's namespace the pid belongs to another process, or to
    /// none.
    Other,
    /// Unknown, because the participant or this process has no `/proc`.
    Unknown,
}

/// A process that is attached to a segment, or died attached and has not been reaped yet.
///
/// The participant stored all fields itself, except [`alive`](Self::alive).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Participant {
    /// The pid, in the participant's own pid namespace.
    pub pid: u32,
    /// The namespace of the pid.
    pub pid_namespace: PidNamespace,
    /// The effective uid.
    pub uid: u32,
    /// Whether the kernel still holds the attachment's token; independent of the pid and of clocks.
    pub alive: bool,
    /// Clock ticks from boot to the start of the process; 0 if unknown.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) start_ticks: u64,
    /// Inode number of its pid namespace; 0 if unknown.
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

/// A producer or a consumer of a living process, or of a dead one that has not been reaped yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Holder {
    /// Its index in the handle table.
    pub handle: usize,
    /// Its role.
    pub role: Role,
    /// The process that owns it.
    pub participant: Participant,
    /// If it sleeps, or slept when its process died: the position that head (for a producer) or
    /// tail (for a consumer) must reach to wake it.
    pub sleeps_until: Option<u64>,
    /// The tickets that it announced last, where producers compete. It may have published them
    /// since, or lost the claim to another producer.
    pub announced: Option<Range<u64>>,
    /// Of a subscriber of a broadcast ring: how it subscribed, and how far it has come.
    pub subscription: Option<Subscription>,
    /// The jobs that a worker of a job ring has, in the order of their positions.
    pub in_hand: Vec<InHand>,
    /// For how long the worker has had jobs without a break, of which the first may be done since;
    /// `None` if it has none.
    pub in_hand_for: Option<Duration>,
    /// The state of the entry in the handle table, which no other use of the entry has.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) state: u64,
}

/// A job in the hands of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct InHand {
    /// The position of the job, as [`Job::position`](crate::Job::position) returns it.
    pub position: u64,
    /// How often the job was taken, this time included.
    pub attempts: u64,
}

/// A subscriber of a broadcast ring, as its handle shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Subscription {
    /// What happens when the producer is faster.
    pub mode: SubscriptionMode,
    /// The position of its next message.
    pub position: u64,
    /// Messages from there to tail, overwritten ones included.
    pub lag_messages: u64,
    /// Bytes from there to tail.
    pub lag_bytes: u64,
    /// Messages that it did not receive since it joined: overwritten, or skipped.
    pub missed: u64,
}

/// What happens to a subscriber when the producer is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum SubscriptionMode {
    /// The producer waits for it.
    Gating,
    /// It misses messages.
    Lossy,
    /// It receives the newest message each time.
    Latest,
    /// It was gating, and was [evicted](crate::Segment::evict): it misses messages.
    Evicted,
}

impl fmt::Display for SubscriptionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Gating => "gating",
            Self::Lossy => "lossy",
            Self::Latest => "latest",
            Self::Evicted => "evicted",
        })
    }
}

/// A process as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Process {
    /// The pid, in this process's pid namespace.
    pub pid: u32,
    /// The command name that the kernel keeps: at most 15 bytes, which the process can choose.
    pub command: String,
    /// The state of its first thread.
    pub state: ProcessState,
    /// The file of the control group that froze it: `cgroup.freeze`, or `freezer.state` in version
    /// 1.
    #[cfg_attr(feature = "serde", serde(serialize_with = "super::serialize::lossy_path"))]
    pub frozen_by: Option<PathBuf>,
}

/// The state of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum ProcessState {
    /// Running, or waiting for a CPU.
    Running,
    /// Sleeping until an event or a signal.
    Sleeping,
    /// Sleeping in the kernel, uninterruptible by signals.
    Blocked,
    /// Stopped by a signal; `SIGCONT` resumes it.
    Stopped,
    /// Stopped by a debugger.
    Traced,
    /// Frozen by its control group.
    Frozen,
    /// Crashed; the kernel is writing its core file. The process counts as alive until the file is
    /// complete.
    DumpingCore,
    /// Ended; the parent has not collected its exit status.
    Zombie,
    /// Another state, as the kernel's letter.
    Other(char),
}

impl ProcessState {
    /// Returns the state for a letter of `/proc/PID/stat`.
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
