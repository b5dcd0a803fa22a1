//! `stat`: what goes on, and why nothing does.

use std::fs::File;
use std::os::unix::fs::FileExt;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::holder::hold;
use crate::support::{Ended, Name, eventually, run, run_with, start, start_with};

fn stat(name: &Name) -> Ended {
    run(&["stat", &name.0, "--interval", "20ms"])
}

fn facts(name: &Name) -> Value {
    run(&["stat", &name.0, "--interval", "20ms", "--json"]).expect_code(0).json()
}

#[track_caller]
fn expect_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

// Catches figures that belong to something else, or are left out.
#[test]
fn a_ring_at_rest() {
    for name in [Name::with_ring("4K"), Name::with_slots("mpmc", "16", "64")] {
        run_with(&["send", &name.0], b"one\ntwo\nthree\n").expect_code(0);
        run(&["recv", &name.0, "--count", "1"]).expect_code(0);
        let stat = facts(&name);
        let is_slots = stat["kind"] == "mpmc";
        let unit = if is_slots { 1 } else { 16 };
        assert_eq!((stat["head"].as_u64(), stat["tail"].as_u64()), (Some(unit), Some(3 * unit)));
        assert_eq!(stat["messages_received"], 1);
        assert_eq!(stat["waiting"]["messages"], 2);
        assert_eq!(stat["waiting"]["or_more"], false);
        assert_eq!(stat["fill_percent"], if is_slots { 12 } else { 0 });
        assert_eq!((&stat["producers_so_far"], &stat["consumers_so_far"]), (&1.into(), &1.into()));
        assert_eq!(stat["holders"].as_array().map(Vec::len), Some(0));
        assert_eq!(stat["rates"]["sent_per_s"], 0);
        assert_eq!(stat["stall"]["kind"], "not_taken");
        let text = run(&["stat", &name.0, "--interval", "20ms"]).expect_code(0).text();
        let fill = if is_slots { "2 of 16 slots, 12%" } else { "32 B of 4 KiB, 0%" };
        expect_parts(&text, &[&name.0, fill, "2 messages to be received", "idle", "0600"]);
        expect_parts(
            &text,
            &["no process receives", "1 consumer was here and is gone", "shmring recv"],
        );
    }
}

// Catches a stall that is told of a ring that moves, and rates of nothing.
#[test]
fn a_ring_that_moves() {
    for name in [Name::with_ring("64K"), Name::with_slots("mpmc", "1024", "64")] {
        let recv = start(&["recv", &name.0, "--count", "4000000000"]);
        name.await_role("consumers", recv.pid());
        let mut recv = recv;
        let mut stdout = recv.child.stdout.take().expect("stdout");
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        let mut send = start(&["send", &name.0]);
        let mut stdin = send.child.stdin.take().expect("stdin");
        std::thread::spawn(move || {
            let lines = b"some line\n".repeat(1000);
            while std::io::Write::write_all(&mut stdin, &lines).is_ok() {}
        });
        eventually("a ring that moves", || {
            let stat = facts(&name);
            let rates = &stat["rates"];
            ["sent_per_s", "received_per_s", "messages_received_per_s"]
                .iter()
                .all(|rate| rates[rate].as_u64().is_some_and(|rate| rate > 100))
                && stat["stall"].is_null()
        });
        let text = stat(&name).expect_code(0).text();
        expect_parts(&text, &["producer", "consumer", "shmring", "alive", "message"]);
        expect_parts(&text, &[&send.pid().to_string(), &recv.pid().to_string()]);
    }
}

// Catches a stopped process that is not named, named as dead, or named without what lets it
// go on; and one that is still blamed when the ring moved on.
#[test]
fn a_producer_that_is_stopped_in_its_window() {
    for kind in ["mpmc", "mpsc"] {
        let name = Name::with_slots(kind, "16", "64");
        run_with(&["send", &name.0], b"first\n").expect_code(0);
        let holder = hold_behind(&name);
        holder.stop();
        run_with(&["send", &name.0], b"behind\nlast\n").expect_code(0);
        let pid = holder.pid();
        let text = stat(&name).expect_code(0).text();
        expect_parts(
            &text,
            &[
                "position 1 is claimed and not published, and 2 slots behind it wait",
                &format!("process {pid} ("),
                "has the ticket and is stopped",
                &format!("`kill -CONT {pid}`"),
                "for at least 2",
                "the time observed",
            ],
        );
        let stat = facts(&name);
        let stall = &stat["stall"];
        assert_eq!((&stall["kind"], &stall["position"]), (&"in_flight".into(), &1.into()));
        let [ticket] = &stall["tickets"].as_array().expect("tickets")[..] else {
            panic!("{stall}");
        };
        assert_eq!((&ticket["pid"], &ticket["alive"]), (&pid.into(), &true.into()));
        assert_eq!(ticket["process_state"], "stopped");
        assert_eq!(ticket["announced"]["first"], 1);
        assert_eq!(stat["waiting"]["messages"], 0);

        holder.signal(Signal::SIGCONT);
        holder.end().expect_code(0);
        assert_eq!(facts(&name)["stall"]["kind"], "not_taken");
        assert_eq!(name.drain(), b"reserved\nbehind\nlast\n");
    }
}

/// A process that holds the position behind the only message, which is received then.
fn hold_behind(name: &Name) -> crate::support::Running {
    run(&["recv", &name.0, "--count", "1"]).expect_code(0);
    hold(name)
}

// Catches a dead owner that somebody is told to continue, and a remedy that is none.
#[test]
fn a_producer_that_died_in_its_window() {
    let name = Name::with_slots("mpmc", "16", "64");
    let holder = hold(&name);
    let pid = holder.pid();
    drop(holder);
    let text = stat(&name).expect_code(0).text();
    expect_parts(&text, &[&format!("process {pid} has the ticket and is dead"), "shmring recv"]);
    assert!(!text.contains("kill"), "{text}");
    // Whoever attaches cleans up.
    run_with(&["send", &name.0], b"behind\n").expect_code(0);
    let stat = facts(&name);
    assert_eq!(stat["stall"]["tickets"], Value::Array(Vec::new()));
    assert_eq!(stat["stall"]["kind"], "in_flight");
    expect_parts(&self::stat(&name).expect_code(0).text(), &["its owner died"]);
    assert_eq!(name.drain(), b"behind\n");
    assert_eq!(facts(&name)["resolved"], 1);
}

// Catches a full ring that is blamed on its sender.
#[test]
fn a_consumer_that_is_stopped() {
    for name in [Name::with_ring("4K"), Name::with_slots("spmc", "16", "64")] {
        let recv = start(&["recv", &name.0]);
        name.await_role("consumers", recv.pid());
        recv.stop();
        let send = start_with(&["send", &name.0], b"a line of some length\n".repeat(1000));
        let mut text = String::new();
        eventually("a full ring", || {
            text = stat(&name).expect_code(0).text();
            text.contains("the ring is full")
        });
        let pid = recv.pid();
        expect_parts(&text, &[&format!("process {pid} (shmring) has a consumer and is stopped")]);
        expect_parts(&text, &[&format!("`kill -CONT {pid}`"), "Stuck", ", full"]);
        expect_parts(&text, &[&send.pid().to_string(), "sleeps until head is at"]);
        assert_eq!(facts(&name)["stall"]["kind"], "full");
        recv.signal(Signal::SIGCONT);
        send.end().expect_code(0);
        recv.end().expect_code(0);
    }
}

// Catches a stream that did not begin being taken for one that ended, and a sender that is
// stopped where nothing in the ring shows it.
#[test]
fn nobody_sends() {
    let name = Name::with_ring("4K");
    expect_parts(&stat(&name).expect_code(0).text(), &["no producer has come yet", "At rest"]);
    let send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    let pid = send.pid();
    let text = stat(&name).expect_code(0).text();
    expect_parts(&text, &[&format!("process {pid} (shmring) has a producer, is sleeping")]);
    send.stop();
    expect_parts(&stat(&name).expect_code(0).text(), &[&format!("`kill -CONT {pid}`")]);
    send.signal(Signal::SIGKILL);
    send.end().expect_signal(Signal::SIGKILL);
    let text = stat(&name).expect_code(0).text();
    expect_parts(&text, &["is dead", "shmring gc", "abandoned"]);
    run(&["attach", &name.0]).expect_code(0);
    expect_parts(
        &stat(&name).expect_code(0).text(),
        &["1 producer was here and is gone; 1 process died in this ring so far"],
    );
}

// Catches a corrupt ring that ends with code 0, or without telling where and what.
#[test]
fn a_corrupt_ring() {
    let name = Name::with_ring("4K");
    run_with(&["send", &name.0], b"good\n").expect_code(0);
    let file = File::options().write(true).open(name.path()).expect("open");
    // The header of the first record; see the layout.
    file.write_all_at(&[0xAB; 8], 32_768).expect("write");
    let ended = stat(&name).expect_code(6);
    let text = ended.text();
    expect_parts(&text, &["position 0", "0xabababababababab", "shmring unlink"]);
    let json = run(&["stat", &name.0, "--interval", "0s", "--json"]).expect_code(6).json();
    assert_eq!(json["stall"]["kind"], "corrupt");
}

// Catches metadata that are shown by some commands only, or obeyed by the terminal, and
// `--exist-ok` that takes a segment with other metadata.
#[test]
fn metadata_are_shown() {
    let name = Name::new();
    run(&["create", &name.0, "--metadata", "quote/v1\u{1b}"]).expect_code(0);
    for verb in ["stat", "attach"] {
        let text = run(&[verb, &name.0]).expect_code(0).text();
        expect_parts(&text, &["metadata", "quote/v1\\u{1b}"]);
        let facts = run(&[verb, &name.0, "--json"]).expect_code(0).json();
        assert_eq!(facts["metadata"], "quote/v1\u{1b}");
        assert_eq!(facts["metadata_hex"], Value::Null);
    }
    run(&["create", &name.0, "--exist-ok"]).expect_code(0);
    run(&["create", &name.0, "--exist-ok", "--metadata", "v2"]).expect_code(7);
    run(&["create", &name.0, "--recreate", "--metadata", &"x".repeat(1025)])
        .expect_code(2)
        .expect_stderr("at most 1024");
}
