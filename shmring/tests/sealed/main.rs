//! Sealed segments: what peers cannot do to them, and how they are passed on.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod clients;
mod descriptors;
mod offers;
mod seals;
mod servers;
mod support;
mod users;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "exhausted" => clients::exhausted(&args),
            "offer" => offers::offer(&args),
            "offer-and-change" => offers::offer_and_change(&args),
            "guest" => users::guest(&args),
            "observe" => users::observe(&args),
            "no-proc" => users::no_proc(&args),
            "inherit" => descriptors::inherit(&args),
            _ => panic!("no part {part}"),
        },
    }
}
