//! What is asked of every mechanism, as data.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ways::Entry;
use crate::contender::{Room, Setting, Wait};

/// What the ends do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// Three processes send lines of a log to one, as many as go through.
    Log,
    /// Two processes send jobs, two take and acknowledge them, as many as go through.
    Jobs,
    /// A worker that has a job is killed while another waits for one.
    Killed,
}

/// One table of a report: what all its mechanisms do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// What the ends do.
    pub flow: Flow,
    /// How the ends wait.
    pub wait: Wait,
    /// Duration of a run, in milliseconds.
    pub run_ms: u64,
}

const RUN_MS: u64 = 200;
/// Bytes between the ends of a log, of all that have a size: 1024 slots of 256 bytes.
pub(super) const LOG_ROOM_BYTES: u64 = 1 << 18;

/// All of them, in the order of reports.
pub(super) fn all() -> Vec<Scenario> {
    let scenario = |flow, wait| Scenario { flow, wait, run_ms: RUN_MS };
    vec![
        scenario(Flow::Log, Wait::Block),
        scenario(Flow::Jobs, Wait::Spin),
        scenario(Flow::Jobs, Wait::Block),
        scenario(Flow::Killed, Wait::Spin),
        scenario(Flow::Killed, Wait::Block),
    ]
}

impl Scenario {
    /// The mechanism to whose figures the others' are put in relation.
    pub(super) fn reference(&self) -> &'static str {
        match self.flow {
            Flow::Log => "chunks",
            Flow::Jobs => "mpmc",
            Flow::Killed => "jobs",
        }
    }

    /// Processes that send, but for the parent.
    pub(super) fn producers(&self) -> u32 {
        match self.flow {
            Flow::Log => 3,
            Flow::Jobs => 2,
            Flow::Killed => 0,
        }
    }

    /// Processes that receive, but for the one that is killed.
    pub(super) fn consumers(&self) -> u32 {
        match self.flow {
            Flow::Log | Flow::Killed => 1,
            Flow::Jobs => 2,
        }
    }

    pub(super) fn setting(&self, entry: &Entry, name_prefix: &str) -> Setting {
        Setting {
            name_prefix: name_prefix.to_owned(),
            room: Room::Bytes(LOG_ROOM_BYTES),
            message_bytes: (entry.longest)(),
            wait: self.wait,
            batch: 1,
            producers: self.producers(),
            consumers: self.consumers(),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.flow {
            Flow::Log => write!(f, "log, 3 to 1, {}", self.wait),
            Flow::Jobs => write!(f, "jobs, 2 to 2, {}", self.wait),
            Flow::Killed => write!(f, "killed, {}", self.wait),
        }
    }
}
