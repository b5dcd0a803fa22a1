//! Sealed segments: what nobody can do to them, and how they are passed on.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod descriptors;
mod seals;
mod support;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "inherit" => descriptors::inherit(&args),
            _ => panic!("no part {part}"),
        },
    }
}
