//! Receivers for which the sender of a broadcast ring waits: who they are, and what ends it.

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::broadcast::{MANY, expect_all_but_losses, receiver, ring};
use crate::support::{Ended, Name, Running, eventually, run, run_with, seq, start, start_with};

fn stat(name: &Name) -> Ended {
    run(&["stat", &name.0, "--interval", "20ms"]).expect_code(0)
}

fn facts(name: &Name) -> Value {
    run(&["stat", &name.0, "--interval", "20ms", "--json"]).expect_code(0).json()
}

/// The holder that has that pid.
fn holder(facts: &Value, pid: u32) -> Value {
    let holders = facts["holders"].as_array().expect("holders");
    holders.iter().find(|holder| holder["pid"] == pid).cloned().unwrap_or_default()
}

#[track_caller]
fn expect_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

/// A ring whose sender waits for a receiver that is stopped, and the facts about that.
fn held_up() -> (Name, Running, Running, Value) {
    let name = ring();
    let recv = receiver(&name, &["recv"]);
    recv.stop();
    let send = start_with(&["send", &name.0], seq(1, MANY));
    let mut found = Value::Null;
    eventually("a sender that waits", || {
        found = facts(&name);
        !found["held_up_by"].is_null() && found["stall"]["kind"] == "full"
    });
    (name, recv, send, found)
}

// Catches a receiver that is not named, named with another handle or without what ends the wait,
// and one that still holds the sender up when it was evicted.
#[test]
fn a_stopped_receiver_is_named_and_evicted() {
    let (name, recv, send, facts) = held_up();
    let held_up_by = &facts["held_up_by"];
    let holder = &held_up_by["holder"];
    assert_eq!((&holder["pid"], &holder["role"]), (&recv.pid().into(), &"consumer".into()));
    assert_eq!(
        (&holder["process_state"], &held_up_by["why"]),
        (&"stopped".into(), &"stopped".into())
    );
    let subscription = &holder["subscription"];
    assert_eq!((&subscription["mode"], &subscription["missed"]), (&"gating".into(), &0.into()));
    assert_eq!(subscription["position"], facts["head"]);
    let lag_bytes =
        facts["tail"].as_u64().zip(facts["head"].as_u64()).map(|(tail, head)| tail - head);
    assert_eq!(subscription["lag_bytes"].as_u64(), lag_bytes);
    assert!(subscription["lag_messages"].as_u64() > Some(100), "{subscription}");

    let handle = holder["handle"].to_string();
    let evict = format!("shmring evict {} {handle}", name.0);
    let text = stat(&name).text();
    let who =
        format!("process {} (shmring), handle {handle}, has held the sender up for", recv.pid());
    expect_parts(&text, &[&who, "and is stopped", &format!("`kill -CONT {}`", recv.pid()), &evict]);
    expect_parts(&text, &["HANDLE", "LAG BYTES", "gating", "Stuck", "the ring is full"]);
    assert_eq!(text.matches("held the sender up").count(), 1, "{text}");
    let top = run(&["top", "--once", "-d", "20ms"]).expect_code(0).text();
    let row = top.lines().find(|row| row.starts_with(&name.0)).expect("a row");
    assert!(row.ends_with("full"), "{row}");

    let text = run(&["evict", &name.0, &handle]).expect_code(0).text();
    let who = format!("evicted process {} (shmring) from {}, handle {handle}", recv.pid(), name.0);
    assert!(text.starts_with(&who) && text.contains("messages ("), "{text}");
    send.end().expect_code(0);
    let after = self::facts(&name);
    assert_eq!((&after["evictions"], &after["held_up_by"]), (&1.into(), &Value::Null));
    assert_eq!(self::holder(&after, recv.pid())["subscription"]["mode"], "evicted");
    expect_parts(&stat(&name).text(), &["1 evicted", "9999 messages sent"]);

    recv.signal(Signal::SIGCONT);
    let ended = recv.end().expect_code(0).expect_stderr("evicted: no sender waits");
    assert!(ended.stderr.contains("missed"), "{}", ended.stderr);
    expect_all_but_losses(&ended, &name, MANY);
}

// Catches a sender that waits for the dead, and the dead being shown as slow.
#[test]
fn a_killed_receiver_is_released() {
    let (name, recv, send, _) = held_up();
    recv.signal(Signal::SIGKILL);
    recv.end().expect_signal(Signal::SIGKILL);
    assert_eq!(send.end().expect_code(0).stderr, "");
    assert_eq!(facts(&name)["consumers"].as_array().map(Vec::len), Some(0));
    name.expect_left();
}

// Catches a receiver that goes on elsewhere than where it stopped, or a wait that is not the end
// of the sender's patience.
#[test]
fn a_sender_out_of_patience_names_the_receiver() {
    let name = ring();
    let recv = receiver(&name, &["recv"]);
    recv.stop();
    let ended = run_with(&["send", &name.0, "--timeout", "50ms"], &seq(1, MANY)).expect_code(4);
    let who = format!("process {} (shmring), handle", recv.pid());
    let ended = ended.expect_stderr(&who).expect_stderr("is stopped");
    let (_, sent) = ended
        .stderr
        .split_once(" messages were sent")
        .map(|(before, _)| before.rsplit_once(' ').expect("a number"))
        .expect("a number");
    let sent: u32 = sent.parse().expect("a number");
    recv.signal(Signal::SIGCONT);
    assert_eq!(recv.end().expect_code(0).stdout, seq(1, sent));
}

// Catches modes that are mixed up, and receivers that do not gate being waited for.
#[test]
fn a_row_for_each_receiver() {
    let name = ring();
    let modes = [
        (&["recv"][..], "gating"),
        (&["recv", "--lossy"], "lossy"),
        (&["recv", "--latest"], "latest"),
        (&["tap"], "lossy"),
    ];
    let receivers = modes.map(|(verb, mode)| (receiver(&name, verb), mode));
    let send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    let facts = facts(&name);
    let text = stat(&name).text();
    for (recv, mode) in &receivers {
        let holder = holder(&facts, recv.pid());
        assert_eq!(holder["subscription"]["mode"], *mode, "{holder}");
        let row =
            text.lines().find(|row| row.contains(&format!(" {} ", recv.pid()))).expect("a row");
        expect_parts(row, &["consumer", mode, &holder["handle"].to_string(), "alive, sleeping"]);
    }
    let sender = holder(&facts, send.pid());
    assert!(sender["subscription"].is_null() && facts["held_up_by"].is_null());
    expect_parts(
        &text,
        &["no gating receiver has messages to receive", "0 messages, for `--from`"],
    );

    // Only for the first one does it wait.
    receivers.iter().for_each(|(recv, _)| recv.stop());
    send.end().expect_code(0);
    let evict = |pid: u32| {
        let handle = holder(&facts, pid)["handle"].to_string();
        run(&["evict", &name.0, &handle, "--json"])
    };
    for (recv, _) in &receivers[1..] {
        evict(recv.pid()).expect_code(1).expect_stderr("gating");
    }
    let evicted = evict(receivers[0].0.pid()).expect_code(0).json();
    assert_eq!(
        (&evicted["name"], &evicted["evicted"]["pid"]),
        (&(&*name.0).into(), &receivers[0].0.pid().into())
    );
    run_with(&["send", &name.0], &seq(1, MANY)).expect_code(0);
}

// Catches an eviction of nobody, of a sender, or from a ring of another kind that passes.
#[test]
fn what_cannot_be_evicted() {
    let (name, other, missing) = (ring(), Name::with_slots("mpmc", "16", "64"), Name::new());
    let send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    let handle = holder(&facts(&name), send.pid())["handle"].to_string();
    for (args, code, why) in [
        (&["evict", &name.0, &handle][..], 1, "the sender's"),
        (&["evict", &name.0, "62"], 1, "no process has handle 62"),
        (&["evict", &name.0, "18446744073709551615"], 1, "no process has handle"),
        (&["evict", &other.0, "0"], 6, "kind mpmc"),
        (&["evict", &name.0], 2, "<HANDLE>"),
        (&["evict", &name.0, "first"], 2, "'first'"),
        (&["evict", &name.0, "-1"], 2, "-1"),
        (&["evict", &missing.0, "0"], 3, &missing.0),
    ] {
        assert_eq!(run(args).expect_code(code).expect_stderr(why).text(), "", "{args:?}");
    }
}

// Catches a ring that was offered at a socket and cannot be repaired through it.
#[test]
fn a_ring_without_a_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("ring.socket");
    let socket = socket.to_str().expect("text");
    let serve = ["serve", "ticks", "--socket", socket, "--kind", "broadcast", "--capacity", "4K"];
    let server = start(&serve);
    let at = ["--socket", socket, "--wait", "30s"];
    run(&[&["attach"], &at[..]].concat()).expect_code(0);
    let recv = start(&[&["recv"], &at[..]].concat());
    let stat =
        || run(&["stat", "--socket", socket, "--interval", "20ms", "--json"]).expect_code(0).json();
    let mut found = Value::Null;
    eventually("a receiver", || {
        found = holder(&stat(), recv.pid());
        !found.is_null()
    });
    recv.stop();
    let send = start_with(&["send", "--socket", socket], seq(1, MANY));
    eventually("a sender that waits", || !stat()["held_up_by"].is_null());
    let remedy = stat()["held_up_by"]["remedy"].to_string();
    let handle = found["handle"].to_string();
    expect_parts(&remedy, &[&format!("`shmring evict --socket {socket} {handle}`")]);
    run(&["evict", "--socket", socket, &handle]).expect_code(0);
    send.end().expect_code(0);
    recv.signal(Signal::SIGCONT);
    recv.end().expect_code(0).expect_stderr("evicted");
    server.signal(Signal::SIGTERM);
    server.end().expect_code(0);
}
