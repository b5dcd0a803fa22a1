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
//! | [`contender`], [`contenders`], [`limits`] | the trait, and one file for each mechanism |
//! | [`scenario`], [`presets`], [`goals`] | what is asked of them, as data |
//! | [`session`] | everybody in every scenario, in alternating rounds between probes |
//! | [`measure`] | one run: the loops of its ends, and what they found |
//! | [`costs`] | what single steps cost on one CPU |
//! | [`mod@probe`] | what the machine itself can do right now: a cache line's way between two CPUs |
//! | [`results`], [`report`] | what a session gives, as data, text, page, and held against another |
//! | [`cli`] | the command line of sessions |
//! | [`message`], [`mod@transfer`], [`mod@compare`] | mixed messages with checksums, for a demonstration |
//! | [`many`] | one thread that serves many channels |
//! | [`fanout`] | one producer and several subscribers, each of which receives each message |
//! | [`queue`] | many producers: lines of a log, jobs, and what killed workers had |
//! | [`operations`], [`instructions`] | single verbs in one process: what is timed and counted |
//! | [`worker`], `task`, `intercept` | child processes: how they start, which tasks they get, report and end |
//! | [`name`], [`random`] | segments for one run; a generator that is the same everywhere |
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
mod error;
pub mod fanout;
pub mod goals;
pub mod instructions;
mod intercept;
pub mod limits;
mod machine;
pub mod many;
pub mod measure;
pub mod message;
pub mod name;
pub mod operations;
mod options;
pub mod presets;
pub mod probe;
pub mod queue;
pub mod random;
pub mod report;
pub mod results;
pub mod scenario;
pub mod session;
pub mod stats;
mod task;
pub mod transfer;
pub mod worker;

pub use compare::{Comparison, compare};
pub use contestant::Contestant;
pub use cpu::now_ns;
pub use error::{Error, WorkerFailure};
pub use intercept::{intercept, intercept_with};
pub use machine::{CpuModel, Machine};
pub use options::{Options, Progress, Watch};
pub use probe::{Placement, Probe, probe};
pub use transfer::{Transfer, transfer};
