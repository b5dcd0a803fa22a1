//! Segments from outside: names, files, tables, looking on, replacing.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod deleted;
mod files;
mod kinds;
mod names;
mod observe;
mod opening;
mod peeking;
mod permissions;
mod recreate;
mod standing;
mod system;
mod tables;
mod unlink;
mod uses;
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
            "inodes" => system::no_inodes(),
            "umask" => permissions::umask(&args),
            "leave" => permissions::leave(&args),
            "replace" => permissions::replace(&args),
            "describe" => kinds::describe(&args),
            _ => panic!("no part {part}"),
        },
    }
}
