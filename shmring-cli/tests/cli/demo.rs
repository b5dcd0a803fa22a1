//! The demo works without set-up and leaves nothing behind.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{eventually, run, start};

/// What a demo that ran as this process has in shared memory.
fn segments_of(pid: u32) -> Vec<String> {
    let prefix = format!("shmring-demo-{pid}-");
    let entries = fs::read_dir("/dev/shm").expect("/dev/shm");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    names.filter_map(Result::ok).filter(|name| name.starts_with(&prefix)).collect()
}

// Catches a table without one of the contenders, a progress bar in a log file,
// and litter.
#[test]
fn it_compares_a_ring_with_a_pipe() {
    let demo = start(&["demo", "--bytes", "4M", "--capacity", "256K", "--rounds", "1"]);
    let pid = demo.pid();
    let ended = demo.end().expect_code(0);
    assert!(ended.text().contains("record ring") && ended.text().contains("pipe"));
    assert_eq!(ended.stderr, "");
    assert_eq!(segments_of(pid), [""; 0]);
}

// Catches JSON that is none, or figures of transfers that were not verified.
#[test]
fn it_speaks_json() {
    let facts = run(&["demo", "--bytes", "4M", "--rounds", "1", "--json"]).expect_code(0).json();
    let contenders = facts["contenders"].as_array().expect("a list");
    assert_eq!(contenders.len(), 2);
    for contender in contenders {
        let transfer = &contender["runs"][0]["transfer"];
        assert_eq!(transfer["verified"], true);
        assert!(transfer["bytes"].as_u64() >= Some(4 << 20));
    }
}

// Catches segments and workers that outlive an interrupted demo.
#[test]
fn interrupted_it_leaves_nothing() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // More than it can move before the signal.
        let demo = start(&["demo", "--bytes", "1TiB"]);
        let pid = demo.pid();
        eventually("a segment", || !segments_of(pid).is_empty());
        demo.signal(signal);
        demo.end().expect_signal(signal);
        assert_eq!(segments_of(pid), [""; 0]);
    }
}

// Catches nonsense that is found out only after a long run.
#[test]
fn nonsense_is_a_usage_error() {
    run(&["demo", "--rounds", "0"]).expect_code(2);
    run(&["demo", "--capacity", "1"]).expect_code(2);
    run(&["demo", "--bytes", "lots"]).expect_code(2);
}
