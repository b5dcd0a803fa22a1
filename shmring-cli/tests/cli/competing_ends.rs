//! How a receiver ends that competes with others: what it took is in the ring no more.

use std::fs::File;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::party::{BATCH, first, ledger, lines_of, whole_lines};
use crate::signals::SIGNALS;
use crate::support::{Ended, Name, Running, in_shell, run, run_with, shmring, start};

/// More than a pipe takes in.
const LINES: u32 = 40_000;

/// A ring that holds lines of a sender that has ended.
fn full(kind: &str) -> Name {
    let name = Name::with_slots(kind, "64K", "32");
    run_with(&["send", &name.0], &lines_of(0, LINES)).expect_code(0);
    name
}

/// Checks that all lines are written or still in the ring, but for `max` at most and as many
/// as `ended` reports.
#[track_caller]
fn expect_lost(name: &Name, written: Vec<u8>, max: usize, ended: &Ended) {
    let numbers = ledger(1, &[whole_lines(written), name.drain()]).remove(0);
    let lost = LINES as usize - numbers.len();
    assert!(lost <= max, "{lost} lines are lost");
    assert_eq!(reported(ended), lost, "{}", ended.stderr);
    if max == 0 {
        assert_eq!(numbers, first(LINES as usize));
    }
}

/// How many messages are lost by what a receiver says.
fn reported(ended: &Ended) -> usize {
    let Some((before, _)) = ended.stderr.split_once(" taken from the ring and not written") else {
        return 0;
    };
    let mut words = before.rsplit(' ');
    // `... 7 messages were`
    words.nth(2).expect("a number").parse().expect("a number")
}

// Catches a timeout that is ignored before the first message, or after it.
#[test]
fn an_empty_ring_times_out() {
    let name = Name::with_slots("mpmc", "16", "64");
    let recv = ["recv", &name.0, "--timeout", "50ms"];
    run(&recv).expect_code(4).expect_stderr("timed out");
    let mut send = start(&["send", &name.0]);
    send.write(b"one\n");
    name.await_listed("a message", |segment| segment["used_slots"] == 1);
    assert_eq!(run(&recv).expect_code(4).text(), "one\n");
}

// Catches a receiver that waits on for ever, or that a signal does not end cleanly.
#[test]
fn a_signal_while_nothing_comes() {
    let name = Name::with_slots("spmc", "16", "64");
    let recv = start(&["recv", &name.0]);
    name.await_role("consumers", recv.pid());
    recv.signal(Signal::SIGTERM);
    recv.end().expect_signal(Signal::SIGTERM);
    name.expect_left();
}

// Catches messages that a signal drops although their reader is there.
#[test]
fn a_signal_while_the_reader_is_slow() {
    for signal in SIGNALS {
        let name = full("mpmc");
        let mut recv = start(&["recv", &name.0]);
        let start = recv.read(2);
        // By now it may wait for room in the pipe, with messages in its hands.
        thread::sleep(Duration::from_millis(20));
        recv.signal(signal);
        let ended = recv.end().expect_signal(signal);
        name.expect_left();
        let written = [&start, &*ended.stdout].concat();
        expect_lost(&name, written, 0, &ended);
    }
}

// Catches a receiver that is stuck in a write, and one that takes more than a batch
// while its reader stands still.
#[test]
fn a_signal_while_the_reader_stands_still() {
    for signal in SIGNALS {
        let name = full("mpmc");
        let mut recv = start(&["recv", &name.0]);
        let start = recv.read(2);
        recv.signal(signal);
        recv.child.wait().expect("wait");
        let ended = recv.end().expect_signal(signal);
        name.expect_left();
        let written = [&start, &*ended.stdout].concat();
        expect_lost(&name, written, BATCH, &ended);
    }
}

// Catches a receiver that goes on taking messages that nobody reads.
#[test]
fn a_reader_that_stops_early() {
    let name = full("spmc");
    let mut recv = start(&["recv", &name.0]);
    assert_eq!(recv.read(2), b"0-");
    drop(recv.child.stdout.take());
    recv.end().expect_code(0);
    let rest = ledger(1, &[name.drain()]).remove(0);
    // A pipe holds 64 KiB unless told otherwise, at least 6 bytes to a line.
    let gone = LINES as usize - rest.len();
    assert!(gone <= (64 << 10) / 6 + BATCH, "{gone} lines are gone");
}

// Catches a receiver that notices only by the messages it loses.
#[test]
fn a_reader_that_leaves_while_nothing_comes() {
    let name = Name::with_slots("mpmc", "16", "64");
    let mut send = start(&["send", &name.0]);
    let mut recv = start(&["recv", &name.0]);
    send.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    drop(recv.child.stdout.take());
    recv.end().expect_code(0);
    send.end().expect_code(0);
}

// Catches a receiver that empties the ring onto a full disk, or loses a batch without a word.
#[test]
fn a_failing_stdout_loses_a_batch_at_most() {
    let name = full("mpmc");
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let recv = Running::spawn(shmring(&["recv", &name.0]).stdout(full));
    let ended = recv.end().expect_code(1).expect_stderr("writing stdout");
    expect_lost(&name, Vec::new(), BATCH, &ended);
}

// Catches a receiver that the limit on the size of files kills with a batch in its hands.
#[test]
fn a_file_that_may_not_grow() {
    let name = full("mpmc");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("a path");
    let mut recv = in_shell("ulimit -f 1", &["recv", &name.0], &format!("> {path}"));
    let ended = Running::spawn(&mut recv).end().expect_code(1).expect_stderr("writing stdout");
    expect_lost(&name, std::fs::read(path).expect("read"), BATCH, &ended);
}

// Catches a receiver that sits on messages which others could have.
#[test]
fn a_reader_that_stands_still_keeps_nothing_from_others() {
    let name = full("mpmc");
    let mut stuck = start(&["recv", &name.0]);
    let start = stuck.read(2);
    // All that the stuck one does not have, and then the end of the stream.
    let rest = run(&["recv", &name.0]).expect_code(0).stdout;
    let written = [start, stuck.end().expect_code(0).stdout].concat();
    assert_eq!(ledger(1, &[written, rest]), [first(LINES as usize)]);
}
