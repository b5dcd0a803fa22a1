//! `doctor`: what it says of this machine, and what codes a script gets.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{Name, Running, run, run_with, start, start_with};

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
    for check in ["shm-access", "unnamed-files", "ofd-locks", "proc", "trial", "kernel"] {
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

/// What `doctor` says in a mount namespace that a script spoils first; `None` where that takes
/// rights that this test does not have.
fn on_a_machine(script: &str) -> Option<(Option<i32>, String)> {
    let mut command = Command::new("unshare");
    let script = format!("{{ {script}; }} || exit 99; exec \"$0\" doctor");
    command.args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_shmring")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = Running::spawn(&mut command).end();
    if ended.stderr.contains("not permitted") || ended.status.code() == Some(99) {
        eprintln!("not tested: {script}: {}", ended.stderr);
        return None;
    }
    Some((ended.status.code(), ended.text()))
}

// Catches a machine on which no ring works and that has no problems.
#[test]
fn machines_that_do_not_work() {
    for (script, words) in [
        ("mount -t ramfs x /dev/shm", ["is a ramfs", "a segment cannot be made"]),
        ("umount -l /proc", ["there is no /proc", "a segment cannot be made"]),
        ("mount -t tmpfs -o ro x /dev/shm", ["reading only", "a segment cannot be made"]),
    ] {
        let Some((code, text)) = on_a_machine(script) else { continue };
        assert_eq!(code, Some(1), "{script}: {text}");
        for word in words {
            assert!(text.contains(word), "{script}: {text}");
        }
    }
}

// Catches a file system on which the death of a process is not seen and that passes for one
// that rings work on.
#[test]
fn shared_memory_on_a_disk() {
    let directory = tempfile::tempdir().expect("a directory");
    let script = format!("mount --bind {} /dev/shm", directory.path().display());
    let Some((code, text)) = on_a_machine(&script) else { return };
    let works = text.contains("its killed sender was noticed");
    let fails = text.contains("the death of a process is not seen");
    assert_eq!((works, fails), (code == Some(0), code == Some(1)), "{code:?} {text}");
    assert_eq!(fs::read_dir(directory.path()).expect("it").count(), 0, "it leaves something");
}

// Catches a full ring whose only receiver is stopped and that has no problems.
#[test]
fn a_ring_that_stands_still() {
    let name = Name::with_ring("4K");
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    recv.stop();
    let send = start_with(&["send", &name.0], b"a line of some length\n".repeat(1000));
    name.await_listed("a full ring", |segment| segment["full"] == true);
    let facts = run(&["doctor", &name.0, "--json"]).expect_code(1).json();
    let finding = said(&facts, "progress");
    assert_eq!(finding["level"], "problem");
    assert!(finding["found"].as_str().is_some_and(|found| found.contains("is stopped")));
    let remedy = format!("`kill -CONT {}`", recv.pid());
    assert!(finding["remedy"].as_str().is_some_and(|said| said.contains(&remedy)), "{finding}");
    recv.signal(Signal::SIGCONT);
    send.end().expect_code(0);
    recv.end().expect_code(0);
    let facts = run(&["doctor", &name.0, "--json"]).expect_code(0).json();
    assert_eq!(said(&facts, "progress")["level"], "ok");
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
