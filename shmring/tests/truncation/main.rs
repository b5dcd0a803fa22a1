//! A segment's file truncated under those that use it: with a guard they get an error, without
//! one they are killed, and the program's own faults stay its own.

#![allow(unsafe_code)]

#[path = "../common/mod.rs"]
mod common;

mod handlers;
mod peers;

use std::fs::{self, OpenOptions};

use common::{Name, child};
use shmring::{AttachOptions, Segment};

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    match child::part() {
        None => {}
        Some((part, args)) => match part.as_str() {
            "send" => peers::send(&args),
            "receive" => peers::receive(&args),
            "handlers" => handlers::handlers(&args),
            "fork" => handlers::in_a_fork_child(&args),
            "plugin" => handlers::plugin(&args),
            "many" => handlers::many(&args),
            "default" => handlers::default(&args),
            _ => panic!("no part {part}"),
        },
    }
}

fn guarded(name: &str) -> Segment {
    AttachOptions::new().guard(true).attach(name).unwrap()
}

fn cut(name: &Name, len: u64) {
    OpenOptions::new().write(true).open(name.path()).unwrap().set_len(len).unwrap();
}

/// The address of the largest mapping of a segment in this process.
fn address_of(name: &str) -> usize {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let ranges = maps.lines().filter(|line| line.contains(name)).map(|line| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| usize::from_str_radix(at, 16).unwrap());
        (to - from, from)
    });
    ranges.max().unwrap().1
}
