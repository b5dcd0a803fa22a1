//! Messages between the standard streams and a ring.

pub(crate) mod attaching;
pub(crate) mod framing;
pub(crate) mod input;
pub(crate) mod job_runs;
pub(crate) mod losses;
pub(crate) mod message_runs;
pub(crate) mod meter;
pub(crate) mod output;
pub(crate) mod peers;
pub(crate) mod source;
pub(crate) mod watcher;
