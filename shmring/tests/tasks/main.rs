//! Handles of tasks, with the feature `tokio`.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod driven;
mod dropped;
mod fair;
mod hand_off;
mod interleaved;
mod processes;
mod sinks;
mod stage;
mod verbs;
mod wakers;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "hold" => processes::hold(&args),
            "fork-driven" => driven::fork(),
            "fork" => processes::fork(),
            _ => panic!("no part {part}"),
        },
    }
}
