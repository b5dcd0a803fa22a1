//! Broadcast rings: every subscriber receives every message, or learns how many it missed.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod counts;
mod deaths;
mod every;
mod evictions;
mod gates;
mod joins;
mod messages;
mod subscribing;
mod values;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "receive-all" => every::receive_all(&args),
            "hold" => gates::hold(&args),
            "send-on" => deaths::send_on(&args),
            "receive-on" => deaths::receive_on(&args),
            _ => panic!("no part {part}"),
        },
    }
}
