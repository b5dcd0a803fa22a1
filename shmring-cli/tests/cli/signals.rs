//! SIGINT, SIGTERM, SIGHUP and SIGQUIT at any moment: nothing committed is lost, nothing is left.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{
    Name, Running, eventually, in_shell, run_with, seq, signal_to, start, start_with,
};

pub(crate) const SIGNALS: [Signal; 4] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

// Catches a sender that sleeps through signals in a read, or takes what it has
// sent back.
#[test]
fn a_sender_that_waits_for_input() {
    for signal in SIGNALS {
        let name = Name::with_ring("64K");
        let mut send = start(&["send", &name.0]);
        send.write(b"one\ntwo\nunfinished");
        name.await_listed("both lines", |segment| segment["used_bytes"] == 32);
        send.signal(signal);
        // Its stdin is still open.
        let stdin = send.child.stdin.take();
        send.end().expect_signal(signal);
        drop(stdin);
        name.expect_left();
        assert_eq!(name.drain(), b"one\ntwo\n");
    }
}

// Catches a sender that cannot be ended while the ring is full.
#[test]
fn a_sender_that_waits_for_room() {
    for signal in SIGNALS {
        let name = Name::with_ring("4K");
        let send = start_with(&["send", &name.0], seq(1000, 9999));
        name.await_listed("a full ring", |segment| segment["used_bytes"] == 255 * 16);
        send.signal(signal);
        send.end().expect_signal(signal);
        name.expect_left();
        assert_eq!(name.drain(), seq(1000, 1254));
    }
}

// Catches a receiver that cannot be ended while nothing comes.
#[test]
fn a_receiver_that_waits_for_messages() {
    for signal in SIGNALS {
        let name = Name::with_ring("4K");
        let recv = start(&["recv", &name.0]);
        name.await_role("consumers", recv.pid());
        recv.signal(signal);
        recv.end().expect_signal(signal);
        name.expect_left();
    }
}

// Catches a receiver that is stuck in a write, and messages that are neither
// written nor in the ring any more.
#[test]
fn a_receiver_whose_reader_stands_still() {
    for signal in SIGNALS {
        let name = Name::with_ring("1M");
        let all = seq(1, 40_000);
        run_with(&["send", &name.0], &all).expect_code(0);
        let mut recv = start(&["recv", &name.0]);
        let first = recv.read(2);
        recv.signal(signal);
        recv.child.wait().expect("wait");
        let ended = recv.end().expect_signal(signal);
        name.expect_left();

        let written = [first, ended.stdout].concat();
        assert!(all.starts_with(&written));
        let whole = written.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        assert!(name.drain() == all[whole..], "the rest is not what was not written");
    }
}

// Catches a wait for a name that signals do not end.
#[test]
fn a_wait_for_a_name() {
    for signal in SIGNALS {
        let name = Name::new();
        let mut attach = start(&["attach", &name.0, "--wait", "1h"]);
        // Before its handlers stand, the signal ends it by default, which is the same to us,
        // or is lost where whoever runs the tests ignores it.
        eventually("the end by a signal", || {
            attach.signal(signal);
            attach.child.try_wait().expect("wait").is_some()
        });
        attach.end().expect_signal(signal);
    }
}

// Catches a receiver that ends with its terminal although `nohup` started it.
#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let name = Name::with_ring("4K");
    let mut recv = Running::spawn(&mut in_shell("trap '' HUP", &["recv", &name.0], ""));
    name.await_role("consumers", recv.pid());
    recv.signal(Signal::SIGHUP);
    // It would end at its next look.
    thread::sleep(Duration::from_millis(300));
    assert!(recv.child.try_wait().expect("wait").is_none(), "it ended");
    recv.signal(Signal::SIGTERM);
    recv.end().expect_signal(Signal::SIGTERM);
}

/// A command that the kernel treats as the first process of a container, if that is permitted.
fn container() -> Option<Command> {
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
        command
    };
    let mut works = unshare();
    works.arg("true").stderr(Stdio::null());
    works.status().is_ok_and(|status| status.success()).then(unshare)
}

// Catches a process that cannot die of a signal and crashes instead.
#[test]
fn the_first_process_of_a_container_ends_with_the_code_of_the_signal() {
    let name = Name::with_ring("4K");
    let missing = Name::new();
    for args in
        [&["recv", &name.0][..], &["send", &name.0], &["attach", &missing.0, "--wait", "1h"]]
    {
        let Some(mut command) = container() else {
            println!("skipped: no namespaces are permitted here");
            return;
        };
        command.arg(env!("CARGO_BIN_EXE_shmring")).args(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::spawn(&mut command);
        let children = format!("/proc/{0}/task/{0}/children", running.pid());
        // Before its handlers are installed the kernel drops the signal.
        eventually("the end by a signal", || {
            let first = std::fs::read_to_string(&children).unwrap_or_default();
            if let Ok(pid) = first.trim().parse() {
                signal_to(pid, Signal::SIGTERM);
            }
            running.child.try_wait().expect("wait").is_some()
        });
        running.end().expect_code(128 + Signal::SIGTERM as i32);
    }
}
