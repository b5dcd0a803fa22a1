//! The caller's options, and the progress reports while workers run.

use std::ops::ControlFlow;
use std::path::PathBuf;

use crate::Error;
use crate::message::{HEADER_BYTES, MAX_MESSAGE_BYTES, Plan};

/// What is moved, and through how large a buffer.
#[derive(Clone, Debug)]
pub struct Options {
    /// Bytes to move in each run; the last message may exceed it.
    pub total_bytes: u64,
    /// Buffer between the two processes: a ring's capacity, a pipe's size where allowed.
    pub capacity_bytes: u64,
    /// Where the generated messages start from: the same seed, the same messages.
    pub seed: u64,
    /// The executable that workers run. Its `main` must call [`crate::intercept()`] first.
    pub executable: PathBuf,
    /// Begins the names of segments, before the process id and a random part.
    pub segment_prefix: String,
}

impl Default for Options {
    /// 1 GiB through 1 MiB, with this very executable (even if its file was replaced meanwhile).
    fn default() -> Self {
        Options {
            total_bytes: 1 << 30,
            capacity_bytes: 1 << 20,
            seed: 1,
            executable: PathBuf::from("/proc/self/exe"),
            segment_prefix: String::from("shmring-bench"),
        }
    }
}

impl Options {
    /// The messages of a run. A quarter of the capacity is the most that one of them may take, so
    /// that every contender is sent the same ones and none has to wait for an empty buffer.
    pub(crate) fn plan(&self) -> Result<Plan, Error> {
        let most =
            MAX_MESSAGE_BYTES.min(usize::try_from(self.capacity_bytes / 4).unwrap_or(usize::MAX));
        if most < 4 * HEADER_BYTES {
            let what = format!("a capacity of {} bytes is too small", self.capacity_bytes);
            return Err(Error::Options { what });
        }
        if self.total_bytes == 0 {
            return Err(Error::Options { what: String::from("there are no bytes to move") });
        }
        Ok(Plan { seed: self.seed, total_bytes: self.total_bytes, max_message_bytes: most })
    }
}

/// How far a run has come.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The contender that runs, or is about to.
    pub contender: &'static str,
    /// The round, from 1.
    pub round: u32,
    /// How many rounds there will be.
    pub rounds: u32,
    /// Bytes that the consumer has received and verified.
    pub bytes_received: u64,
    /// Bytes that it will receive in this run.
    pub bytes_total: u64,
}

/// Called ten to twenty times a second while workers run. It can draw, and it can stop: on
/// [`ControlFlow::Break`] the workers are killed and reaped, the resources removed, and the call
/// returns [`Error::Stopped`]. A signal that the caller handles leads to a call at once.
pub type Watch<'a> = dyn FnMut(&Progress) -> ControlFlow<()> + 'a;
