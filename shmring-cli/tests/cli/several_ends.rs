//! How a receiver of several rings ends, and what of it a ring can end.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::lost_name::next_line;
use crate::party::{BATCH, first, ledger, lines_of, whole_lines};
use crate::signals::SIGNALS;
use crate::support::{Name, Running, run, run_with, seq, shmring, start, start_with};

/// A ring that consumers have for themselves, and one that they share.
fn rings() -> [Name; 2] {
    [Name::with_ring("1M"), Name::with_slots("mpmc", "64K", "64")]
}

/// A receiver of both, which has joined them.
fn receiver(names: &[Name; 2]) -> Running {
    let recv = start(&["recv", &names[0].0, &names[1].0]);
    for name in names {
        name.await_role("consumers", recv.pid());
    }
    recv
}

/// Checks that no process is attached, and that none died in a segment.
#[track_caller]
fn expect_idle(names: &[Name; 2]) {
    for name in names {
        name.expect_left();
        assert_eq!(name.listed().expect("a segment")["state"], "idle");
    }
}

// Catches a wait for several rings that a signal does not end, or not cleanly.
#[test]
fn a_signal_while_nothing_comes() {
    for signal in SIGNALS {
        let names = rings();
        let recv = receiver(&names);
        recv.signal(signal);
        recv.end().expect_signal(signal);
        expect_idle(&names);
    }
}

// Catches messages of any of the rings that are neither written nor left, nor reported.
#[test]
fn a_signal_while_the_reader_stands_still() {
    const LINES: u32 = 20_000;
    for signal in SIGNALS {
        let names = rings();
        for (sender, name) in names.iter().enumerate() {
            run_with(&["send", &name.0], &lines_of(sender, LINES)).expect_code(0);
        }
        let mut recv = start(&["recv", &names[0].0, &names[1].0]);
        let start = recv.read(2);
        recv.signal(signal);
        recv.child.wait().expect("wait");
        let ended = recv.end().expect_signal(signal);
        let written = [start, ended.stdout].concat();
        // A message that was cut off is still in the ring of an exclusive consumer.
        let whole = whole_lines(written);
        let left = names.each_ref().map(Name::drain);
        let [exclusive, shared] =
            <[_; 2]>::try_from(ledger(2, &[[whole, left.concat()].concat()])).expect("two senders");
        assert_eq!(exclusive, first(LINES as usize));
        let lost = LINES as usize - shared.len();
        assert!(lost <= BATCH, "{lost} lines are lost");
        let report = format!("{:?}: {lost} message", names[1].0);
        assert_eq!(lost > 0, ended.stderr.contains(&report), "{lost}: {}", ended.stderr);
    }
}

// Catches a receiver that learns only from its next message that its output has no reader.
#[test]
fn a_reader_that_leaves() {
    let names = rings();
    let mut recv = receiver(&names);
    drop(recv.child.stdout.take());
    recv.end().expect_code(0);
    expect_idle(&names);

    let (reader, stdout) = UnixStream::pair().expect("a pair of sockets");
    let mut command = shmring(&["recv", &names[0].0, &names[1].0]);
    let recv = Running::spawn(command.stdout(Stdio::from(OwnedFd::from(stdout))));
    // Its own copy would keep the socket open.
    drop(command);
    names[1].await_role("consumers", recv.pid());
    drop(reader);
    recv.end().expect_code(0);
    expect_idle(&names);
}

// Catches a full disk that loses more than a batch, or loses it without a word.
#[test]
fn a_failing_stdout() {
    let names = rings();
    for name in &names {
        run_with(&["send", &name.0], &seq(1, 1000)).expect_code(0);
    }
    for (order, lost) in [([0, 1], 0), ([1, 0], BATCH)] {
        let [one, other] = order.map(|ring: usize| names[ring].0.as_str());
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let recv = Running::spawn(shmring(&["recv", one, other]).stdout(full));
        let ended = recv.end().expect_code(1).expect_stderr("writing stdout");
        let report = format!("{:?}: {BATCH} messages were taken", names[1].0);
        assert_eq!(ended.stderr.contains(&report), lost > 0, "{}", ended.stderr);
    }
    assert_eq!(names[0].drain(), seq(1, 1000));
    assert_eq!(names[1].drain(), seq(1 + BATCH as u32, 1000));
}

// Catches a ring that takes the others with it, one that is reported late or by no code, and a
// receiver that dies of it.
#[test]
fn a_ring_that_is_cut_short() {
    for victim in [0, 1] {
        let names = rings();
        let mut sends = names.each_ref().map(|name| start(&["send", &name.0]));
        let mut recv = receiver(&names);
        for send in &mut sends {
            send.write(b"one\n");
            assert_eq!(recv.read(4), b"one\n");
        }
        let file = File::options().write(true).open(names[victim].path()).expect("open");
        file.set_len(0).expect("cut");
        // While the other ring goes on.
        let report = next_line(&mut recv);
        assert!(report.contains("cut the segment's file short"), "{report}");
        assert!(report.contains(&names[victim].0), "{report}");
        let other = 1 - victim;
        sends[other].write(b"two\n");
        assert_eq!(recv.read(4), b"two\n");
        drop(sends);
        assert_eq!(recv.end().expect_code(6).text(), "");
    }
}

// Catches damage of one ring that is not reported, or ends the others.
#[test]
fn a_ring_that_is_corrupt() {
    let names = rings();
    for name in &names {
        run_with(&["send", &name.0], b"one\n").expect_code(0);
    }
    let file = File::options().read(true).write(true).open(names[0].path()).expect("open");
    let mut image = vec![0; file.metadata().expect("metadata").len() as usize];
    file.read_exact_at(&mut image, 0).expect("read");
    // The word in front of the only message is its header.
    let message = image.windows(3).position(|bytes| bytes == b"one").expect("the message");
    file.write_all_at(&[0xff; 8], message as u64 - 8).expect("write");
    let ended = run(&["recv", &names[0].0, &names[1].0]).expect_code(6);
    assert_eq!(ended.text(), "one\n");
    assert!(ended.stderr.contains(&names[0].0), "{}", ended.stderr);
    assert!(!ended.stderr.contains(&names[1].0), "{}", ended.stderr);
    // The code of a later failure does not replace it.
    run_with(&["send", &names[1].0], b"two\n").expect_code(0);
    let silent = start(&["send", &names[1].0]);
    names[1].await_role("producers", silent.pid());
    let timeout = ["recv", &names[0].0, &names[1].0, "--timeout", "50ms"];
    let ended = run(&timeout).expect_code(6).expect_stderr("timed out");
    assert_eq!(ended.text(), "two\n");
}

// Catches a stream that does not end by the death of its sender while another ring goes on.
#[test]
fn the_death_of_a_sender_ends_its_ring() {
    let names = rings();
    let mut recv = receiver(&names);
    let mut victim = start(&["send", &names[0].0]);
    let mut other = start(&["send", &names[1].0]);
    victim.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    victim.signal(Signal::SIGKILL);
    victim.end().expect_signal(Signal::SIGKILL);
    names[0].await_holders("consumers", 0);
    other.write(b"two\n");
    assert_eq!(recv.read(4), b"two\n");
    other.end().expect_code(0);
    recv.end().expect_code(0);
}

// Catches a role that a killed receiver of several rings keeps, and messages that it had not
// written.
#[test]
fn the_death_of_the_receiver_frees_all_rings() {
    let names = rings();
    let recv = receiver(&names);
    recv.stop();
    let sends = names.each_ref().map(|name| start_with(&["send", &name.0], seq(1, 100)));
    for send in sends {
        send.end().expect_code(0);
    }
    recv.signal(Signal::SIGKILL);
    recv.end().expect_signal(Signal::SIGKILL);
    let next = run(&["recv", &names[0].0, &names[1].0]).expect_code(0);
    assert_eq!(next.stdout, [seq(1, 100), seq(1, 100)].concat());
}

// Catches a name that is lost without a word because other names are still there.
#[test]
fn a_name_that_is_removed() {
    let names = rings();
    let mut recv = receiver(&names);
    run(&["unlink", &names[1].0]).expect_code(0);
    let line = next_line(&mut recv);
    assert!(line.contains(&names[1].0) && line.contains("the name was removed"), "{line}");
    // The other one is checked as well, again and again.
    run(&["unlink", &names[0].0]).expect_code(0);
    let line = next_line(&mut recv);
    assert!(line.contains(&names[0].0) && line.contains("the name was removed"), "{line}");
    recv.signal(Signal::SIGTERM);
    assert_eq!(recv.end().expect_signal(Signal::SIGTERM).stderr, "");
}
