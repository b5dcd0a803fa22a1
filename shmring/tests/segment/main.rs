//! Segments from outside: names, files, tables, looking on, replacing.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod files;
mod kinds;
mod names;
mod observe;
mod recreate;
mod system;
mod tables;
mod wrap;

use common::child;

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "other-user" => system::other_user(&args),
            "full" => system::full(),
            "describe" => kinds::describe(&args),
            _ => panic!("no part {part}"),
        },
    }
}
