//! The verbs of producers and consumers, within one process.

#[path = "../common/mod.rs"]
mod common;

mod batches;
mod ends;
mod grants;
mod slot_batches;
mod slot_ends;
mod slot_grants;
mod slot_waits;
mod slots;
mod streams;
mod verbs;
mod waits;
mod ways;
