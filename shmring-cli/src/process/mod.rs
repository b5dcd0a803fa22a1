//! This process: its exit status, its signals, its standard streams.

pub(crate) mod signals;
pub(crate) mod stdio;
pub(crate) mod stop;
