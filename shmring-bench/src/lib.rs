//! Measures mechanisms that move messages from one process to another.
//!
//! A *contender* is such a mechanism: a shmring segment, a pipe. The parent makes its resources
//! ([`contender::Contender::prepare`]), then starts two *workers*, which are new processes of the
//! same executable: a producer and a consumer. Both open their end, wait at a start line, and move
//! generated messages ([`message`]) of which the consumer verifies every one. The parent holds no
//! end of the mechanism and sleeps meanwhile.
//!
//! | module | what it does |
//! |---|---|
//! | [`contender`], [`contenders`] | the trait, and one file for each mechanism |
//! | [`message`] | what is sent, and the check of what arrives |
//! | `worker` | child processes: how they start, report, fail and end |
//! | `task` | what a worker can be asked to do |
//! | [`mod@transfer`] | one contender, one run |
//! | [`mod@probe`] | what the machine itself can do right now: a cache line's way between two CPUs |
//! | `intercept` | which code does which of a worker's tasks |
//! | [`mod@compare`] | several contenders in alternating rounds, with a probe around each run |
//! | [`mod@deaths`] | how soon survivors go on when a process is killed |
//! | [`mod@torture`] | processes that are killed at random, and an account of every message |
//! | [`report`] | results as text; their data serialise as they are |
//!
//! A binary that uses this crate calls [`intercept()`] first in `main`.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use shmring_bench::{Options, compare, contenders, intercept, report};
//!
//! intercept();
//! let comparison =
//!     compare(&contenders::MIXED, &Options::default(), 5, &mut |_| ControlFlow::Continue(()))?;
//! print!("{}", report::text(&comparison));
//! # Ok::<(), shmring_bench::Error>(())
//! ```

pub mod cli;
pub mod compare;
pub mod contender;
pub mod contenders;
mod contestant;
pub mod costs;
mod cpu;
pub mod deaths;
mod error;
pub mod goals;
pub mod instructions;
mod intercept;
pub mod limits;
mod machine;
pub mod measure;
pub mod message;
mod name;
pub mod operations;
mod options;
pub mod presets;
pub mod probe;
mod random;
pub mod report;
pub mod results;
pub mod scenario;
pub mod session;
pub mod stats;
mod task;
pub mod torture;
pub mod transfer;
mod worker;

pub use compare::{Comparison, compare};
pub use contestant::Contestant;
pub use error::{Error, WorkerFailure};
pub use intercept::{intercept, intercept_with};
pub use machine::Machine;
pub use options::{Options, Progress, Watch};
pub use probe::{Placement, Probe, probe};
pub use transfer::{Transfer, transfer};
