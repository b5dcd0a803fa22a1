//! The verbs of producers and consumers, within one process.

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod ends;
mod grants;
mod slots;
mod streams;
mod verbs;
mod waits;
mod ways;
