//! `doctor`: what it says of this machine, and what codes a script gets.

use std::fs::{self, File};

use serde_json::Value;

use crate::support::{Name, run, run_with, start};

/// What one check says in the JSON.
fn said(facts: &Value, check: &str) -> Value {
    let groups = facts["groups"].as_array().expect("groups");
    let all = groups.iter().flat_map(|group| group["findings"].as_array().expect("findings"));
    let mut found = all.filter(|finding| finding["check"] == check);
    found.next().unwrap_or_else(|| panic!("{check} is missing: {facts}")).clone()
}

// Catches a problem on a machine on which everything else here works, facts that are
// missing, and counts that do not add up.
#[test]
fn a_machine_that_works() {
    let facts = run(&["doctor", "--json"]).expect_code(0).json();
    assert_eq!(facts["problems"], 0);
    let level = |check| said(&facts, check)["level"].as_str().expect("a level").to_owned();
    for check in ["shm-access", "unnamed-files", "ofd-locks", "kernel"] {
        assert_eq!(level(check), "ok", "{check}");
    }
    for check in ["shm-space", "memlock", "message-queues", "membarrier", "futex-waitv", "ptrace"] {
        assert_ne!(level(check), "problem", "{check}");
    }
    for check in ["huge-pages-sealed", "remove-ipc", "clock", "cpus", "container", "pid-namespace"]
    {
        assert_ne!(level(check), "problem", "{check}");
    }
    let text = run(&["doctor"]).expect_code(0).text();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert!(text.ends_with("notes\n") || text.ends_with("note\n"), "{text}");
    assert!(!text.contains('\x1b'), "{text:?}");
}

// Catches a code that does not tell what a segment's is.
#[test]
fn a_segments_condition_makes_the_code() {
    let name = Name::with_ring("4K");
    let doctor = ["doctor", &name.0, "--json"];
    let facts = run(&doctor).expect_code(0).json();
    assert_eq!(facts["name"], name.0.as_str());
    assert_eq!(said(&facts, "header")["level"], "ok");
    assert_eq!(said(&facts, "state")["level"], "note");
    File::options().write(true).open(name.path()).and_then(|f| f.set_len(8192)).expect("cut");
    let facts = run(&doctor).expect_code(6).json();
    assert_eq!(said(&facts, "header")["level"], "problem");
    fs::remove_file(name.path()).expect("remove");
    let facts = run(&doctor).expect_code(3).json();
    assert_eq!(said(&facts, "header")["command"], "shmring ls");
    fs::write(name.path(), "foreign").expect("write");
    run(&["doctor", &name.0]).expect_code(6);
    run(&["doctor", "a/b"]).expect_code(2);
}

// Catches the dead being passed over, and a look that changes something.
#[test]
fn the_dead_are_named() {
    let name = Name::with_ring("4K");
    let mut send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    send.child.kill().expect("kill");
    send.child.wait().expect("wait");
    for _ in 0..2 {
        let facts = run(&["doctor", &name.0, "--json"]).expect_code(0).json();
        let found = said(&facts, "participants")["found"].as_str().expect("text").to_owned();
        assert!(found.contains(&format!("pid {}", send.pid())), "{found}");
    }
}

// Catches processes that go on in a segment that lost its name, while everybody else meets
// in another one.
#[test]
fn those_left_behind_are_named() {
    let name = Name::with_ring("4K");
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    run(&["unlink", &name.0]).expect_code(0);
    let found = |code| {
        let facts = run(&["doctor", &name.0, "--json"]).expect_code(code).json();
        said(&facts, "name")["found"].as_str().expect("text").to_owned()
    };
    let pid = format!("pid {} (shmring)", recv.pid());
    assert!(found(3).contains(&pid));
    run(&["create", &name.0]).expect_code(0);
    assert!(found(0).contains(&pid));
    drop(recv);
    assert!(!found(0).contains(&pid));
    run_with(&["send", &name.0], b"").expect_code(0);
}
