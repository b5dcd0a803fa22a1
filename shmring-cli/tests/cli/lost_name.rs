//! A name that is removed, or made anew, while somebody waits in the segment that it meant.

use std::fs;
use std::io::{BufRead, BufReader};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Name, Running, in_time, run, seq, start, start_with};

/// Waits for a line of stderr.
pub(crate) fn next_line(running: &mut Running) -> String {
    let stderr = running.child.stderr.take().expect("stderr");
    let (line, stderr) = in_time("a line", move || {
        let (mut line, mut stderr) = (String::new(), BufReader::new(stderr));
        stderr.read_line(&mut line).expect("a line");
        (line, stderr.into_inner())
    });
    running.child.stderr = Some(stderr);
    line
}

/// Checks that one who waits in a ring reports once what became of its name.
fn expect_reported(waiter: impl Fn(&Name) -> Running, role: &str, peer: &str) {
    for is_replaced in [false, true] {
        let name = Name::with_ring("4K");
        let mut waiter = waiter(&name);
        name.await_role(role, waiter.pid());
        let wanted = if is_replaced {
            let new = Name::with_ring("4K");
            fs::rename(new.path(), name.path()).expect("rename");
            format!("the name now means another segment; a new {peer} attaches to that one")
        } else {
            run(&["unlink", &name.0]).expect_code(0);
            format!("the name was removed; no new {peer} can attach to this ring")
        };
        let line = next_line(&mut waiter);
        assert!(line.contains(&name.0) && line.contains(&wanted), "{line}");
        // It checks again and again, and has nothing to add.
        thread::sleep(Duration::from_millis(1200));
        waiter.signal(Signal::SIGTERM);
        let rest = waiter.end().expect_signal(Signal::SIGTERM).stderr;
        assert!(!rest.contains("the name"), "{rest}");
    }
}

// Catches a receiver that waits beside the ring which everybody else uses, without a word.
#[test]
fn a_receiver_that_waits() {
    expect_reported(|name| start(&["recv", &name.0]), "consumers", "sender");
}

// Catches a sender that waits for a receiver which cannot come.
#[test]
fn a_sender_that_waits() {
    let waiter = |name: &Name| start_with(&["send", &name.0], seq(1, 10_000));
    expect_reported(waiter, "producers", "receiver");
}

// Catches a segment without a name being taken for one that lost it.
#[test]
fn a_name_that_stays() {
    let name = Name::with_ring("4K");
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    thread::sleep(Duration::from_millis(700));
    recv.signal(Signal::SIGTERM);
    assert_eq!(recv.end().expect_signal(Signal::SIGTERM).stderr, "");
}
