//! Kills processes that use rings, and checks that the others go on and lose no message.
//!
//! | module | what it does |
//! |---|---|
//! | [`mod@deaths`] | kills at chosen places; measures how soon the survivors go on |
//! | [`mod@torture`] | kills, stops and replaces at random; accounts for every message |
//!
//! The processes are workers of [`shmring_bench::worker`]. A binary that uses this crate calls
//! [`intercept()`] first in `main`.

pub mod deaths;
mod error;
mod intercept;
pub mod torture;

pub use error::Error;
pub use intercept::intercept;
