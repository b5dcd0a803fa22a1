//! How a transfer's wait on its ring ends: at once, and with nothing left behind.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Ended, Name, Running, run, run_with, seq, shmring, start, start_with};

/// A ring that producers and consumers have for themselves, and one that they share.
fn rings() -> [Name; 2] {
    [Name::with_ring("4K"), Name::with_slots("mpmc", "64", "64")]
}

/// Checks that no process is attached, and that none died in the segment.
#[track_caller]
fn expect_idle(name: &Name) {
    name.expect_left();
    let listed = name.listed().expect("a segment");
    assert_eq!(listed["state"], "idle", "{listed}");
}

// Catches an end that looks like a death to others: a thread that still has the segment.
#[test]
fn every_end_leaves_the_segment() {
    for name in rings() {
        let recv = ["recv", &name.0];
        run(&[&recv[..], &["--timeout", "20ms"]].concat()).expect_code(4);
        expect_idle(&name);

        let all = start(&recv);
        name.await_role("consumers", all.pid());
        run_with(&["send", &name.0], b"one\n").expect_code(0);
        assert_eq!(all.end().expect_code(0).text(), "one\n");
        expect_idle(&name);

        // This one has more to send than the ring has room for.
        let send = start_with(&["send", &name.0], seq(1000, 9999));
        run(&[&recv[..], &["--count", "1"]].concat()).expect_code(0);
        send.end().expect_code(5).expect_stderr("broken pipe");
        expect_idle(&name);

        run_with(&["send", &name.0, "--timeout", "20ms"], &seq(1000, 9999)).expect_code(4);
        expect_idle(&name);
    }
}

// Catches a signal that is lost between two waits, or that ends a transfer with a loss.
#[test]
fn a_signal_at_any_moment_of_a_slow_stream() {
    for delay_us in (0..40).map(|step| step * 531) {
        let name = Name::with_ring("4K");
        let mut send = start(&["send", &name.0]);
        let mut recv = start(&["recv", &name.0]);
        name.await_role("consumers", recv.pid());
        let mut stdin = send.child.stdin.take().expect("stdin");
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let writer = thread::spawn(move || {
            let mut lines = 0_u32;
            while stopped.try_recv() != Err(std::sync::mpsc::TryRecvError::Disconnected) {
                lines += 1;
                if std::io::Write::write_all(&mut stdin, &seq(lines, lines)).is_err() {
                    break;
                }
                thread::sleep(Duration::from_micros(700));
            }
        });
        assert_eq!(recv.read(2), b"1\n");
        thread::sleep(Duration::from_micros(delay_us));
        recv.signal(Signal::SIGTERM);
        recv.end().expect_signal(Signal::SIGTERM);
        drop(stop);
        writer.join().expect("a writer");
        // With its input at its end, or a broken pipe before that.
        let code = send.end().status.code();
        assert!(matches!(code, Some(0 | 5)), "{code:?}");
        expect_idle(&name);
    }
}

// Catches a receiver that learns only from its next message that its output has no reader,
// where it competes for messages, and where stdout is a socket.
#[test]
fn a_reader_that_leaves() {
    for name in rings() {
        let mut send = start(&["send", &name.0]);
        let mut recv = start(&["recv", &name.0]);
        send.write(b"one\n");
        assert_eq!(recv.read(4), b"one\n");
        drop(recv.child.stdout.take());
        recv.end().expect_code(0);
        drop(send);
    }
    for name in rings() {
        let (reader, stdout) = UnixStream::pair().expect("a pair of sockets");
        let mut command = shmring(&["recv", &name.0]);
        let recv = Running::spawn(command.stdout(Stdio::from(OwnedFd::from(stdout))));
        // Its own copy would keep the socket open.
        drop(command);
        name.await_role("consumers", recv.pid());
        drop(reader);
        recv.end().expect_code(0);
        expect_idle(&name);
    }
}

/// The seconds of `... in 1.23 s: ...`.
#[track_caller]
fn seconds(ended: &Ended) -> f64 {
    let (_, after) = ended.stderr.split_once(", in ").expect("totals");
    let (seconds, _) = after.split_once(" s: ").expect("a time");
    seconds.parse().expect("seconds")
}

// Catches a clock that runs during the wait for the first message.
#[test]
fn the_clock_starts_with_the_first_message() {
    const IDLE: Duration = Duration::from_secs(2);
    let names = rings();
    let pairs = names.each_ref().map(|name| {
        let recv = start(&["recv", &name.0, "--stats"]);
        (start(&["send", &name.0, "--stats"]), recv)
    });
    for (name, (send, recv)) in names.iter().zip(&pairs) {
        name.await_role("producers", send.pid());
        name.await_role("consumers", recv.pid());
    }
    thread::sleep(IDLE);
    for (mut send, recv) in pairs {
        send.write(b"one\n");
        for ended in [send.end(), recv.end()] {
            assert!(seconds(&ended) < IDLE.as_secs_f64(), "{}", ended.stderr);
        }
    }
    let name = Name::with_ring("4K");
    let ended = run(&["recv", &name.0, "--stats", "--timeout", "50ms"]).expect_code(4);
    ended.expect_stderr("received 0 messages, 0 B, in 0.00 s: 0 messages/s");
}
