//! The verbs of producers and consumers, within one process.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod alignment;
mod batches;
mod derived;
mod elements;
mod ends;
mod errors;
mod event_loops;
mod grants;
mod invalid;
mod jobs;
mod jobs_status;
mod leftovers;
mod next_producer;
mod packed;
mod packed_grants;
mod packed_waits;
mod parts;
mod readiness;
mod slot_batches;
mod slot_ends;
mod slot_grants;
mod slot_waits;
mod slots;
mod spans;
mod streams;
mod typed;
mod values;
mod verbs;
mod wait_sets;
mod waits;
mod wakes;
mod ways;
