//! Limits that are reached and system calls that are refused: each a typed error that names
//! the call, or less speed that is reported; nothing is left behind and nothing hangs.
//!
//! The limits are those of child processes. Full tables are in `segment::tables`, a full
//! /dev/shm in `segment::system`, guards in `truncation::handlers`.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod groups;
mod limits;
mod polling;
mod probes;
mod refusals;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "descriptors" => limits::few_descriptors(&args),
            "addresses" => limits::few_addresses(&args),
            "unlocked" => limits::no_locked_memory(&args),
            "threads" => limits::no_more_threads(&args),
            "group" => groups::limited(&args),
            "file-size" => limits::small_files(&args),
            "second-way" => refusals::second_way(&args),
            "no-wipe" => refusals::no_wipe(&args),
            "no-sleep" => refusals::no_sleep(&args),
            "no-probe" => probes::no_probe(&args),
            "no-calls" => refusals::no_calls(&args),
            "no-uring" => polling::no_uring(&args),
            "no-waitv" => polling::no_waitv(&args),
            "one-call" => refusals::one_call(&args),
            "no-call" => refusals::no_call(&args),
            _ => panic!("no part {part}"),
        },
    }
}
