//! What happens when the other side does not read, write or live.

use std::fs::File;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::support::{
    Ended, Name, Running, in_shell, run, run_with, seq, shmring, start, start_with,
};

// Catches a sender that goes on, or ends as if all were well, when its receiver
// has gone.
#[test]
fn a_receiver_that_leaves_breaks_the_pipe() {
    let name = Name::with_ring("4K");
    let send = start_with(&["send", &name.0], seq(1, 1_000_000));
    run(&["recv", &name.0, "--count", "1"]).expect_code(0);
    send.end().expect_code(5).expect_stderr("broken pipe");
}

// Catches a timeout that loses what there was room for, or sends it partly.
#[test]
fn a_full_ring_times_out() {
    let name = Name::with_ring("4K");
    let ended = run_with(&["send", &name.0, "--timeout", "50ms"], &seq(1000, 2000)).expect_code(4);
    // Each message takes 16 bytes and one word must stay free.
    ended.expect_stderr("255 messages were sent").expect_stderr("it has no receiver");
    assert_eq!(name.drain(), seq(1000, 1254));
}

// Catches a sender that drops what it has read without a word, however it ends.
#[test]
fn what_is_read_and_not_sent_is_counted() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), seq(1000, 1999)).expect("write");
    let input = || File::open(file.path()).expect("open");
    // Of 5000 bytes there is room for 255 messages, from 5 bytes each.
    let loss = "3725 bytes of stdin were read and not sent";

    let name = Name::with_ring("4K");
    let args = ["send", &name.0, "--timeout", "50ms"];
    let send = Running::spawn(shmring(&args).stdin(input()));
    send.end().expect_code(4).expect_stderr(loss);

    let name = Name::with_ring("4K");
    let send = Running::spawn(shmring(&["send", &name.0]).stdin(input()));
    name.await_listed("a full ring", |segment| segment["used_bytes"] == 255 * 16);
    send.signal(Signal::SIGTERM);
    send.end().expect_signal(Signal::SIGTERM).expect_stderr(loss);
    assert_eq!(name.drain(), seq(1000, 1254));
}

// Catches a receive timeout that is ignored before the first message, or after it.
#[test]
fn an_empty_ring_times_out() {
    let name = Name::with_ring("4K");
    let recv = ["recv", &name.0, "--timeout", "50ms"];
    run(&recv).expect_code(4).expect_stderr("timed out").expect_stderr("it has no sender");
    let mut send = start(&["send", &name.0]);
    send.write(b"one\n");
    name.await_listed("a message", |segment| segment["used_bytes"] != 0);
    assert_eq!(run(&recv).expect_code(4).text(), "one\n");
}

// Catches a name that never appears being waited for without end, or told apart
// from one that is not waited for.
#[test]
fn waiting_for_a_name_times_out() {
    let name = Name::new();
    for verb in ["attach", "send", "recv"] {
        run(&[verb, &name.0, "--wait", "20ms"]).expect_code(4);
        run(&[verb, &name.0]).expect_code(3);
    }
}

// Catches a second owner of a role that is taken, and an error that does not say
// by whom.
#[test]
fn a_taken_role_names_its_holder() {
    let name = Name::with_ring("4K");
    let (send, recv) = (start(&["send", &name.0]), start(&["recv", &name.0]));
    name.await_role("producers", send.pid());
    name.await_role("consumers", recv.pid());
    run(&["send", &name.0]).expect_code(7).expect_stderr(&send.pid().to_string());
    run(&["recv", &name.0]).expect_code(7).expect_stderr(&recv.pid().to_string());
}

// Catches a reader that stops early turning into a failure, and messages that
// leave the ring though nobody was given them.
#[test]
fn a_reader_that_stops_early_leaves_the_rest() {
    let name = Name::with_ring("1M");
    run_with(&["send", &name.0], &seq(1, 40_000)).expect_code(0);
    let mut recv = start(&["recv", &name.0]);
    assert_eq!(recv.read(2), b"1\n");
    drop(recv.child.stdout.take());
    recv.end().expect_code(0);

    let all = seq(1, 40_000);
    let rest = name.drain();
    assert!(all.ends_with(&rest), "not what comes after the messages that were written");
    // A pipe holds 64 KiB unless told otherwise; all else must still be there.
    let gone = all.len() - rest.len();
    assert!(gone <= 2 + (64 << 10), "{gone} bytes are gone");
}

// Catches a receiver that notices only at the next message that nobody reads.
#[test]
fn a_reader_that_leaves_while_nothing_comes_ends_the_receiver() {
    let name = Name::with_ring("4K");
    let mut send = start(&["send", &name.0]);
    let mut recv = start(&["recv", &name.0]);
    send.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    drop(recv.child.stdout.take());
    recv.end().expect_code(0);
}

// Catches messages that are dropped when the disk is full.
#[test]
fn a_failing_stdout_releases_nothing() {
    let name = Name::with_ring("4K");
    run_with(&["send", &name.0], &seq(1, 5)).expect_code(0);
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let recv = Running::spawn(shmring(&["recv", &name.0]).stdout(full));
    recv.end().expect_code(1).expect_stderr("writing stdout");
    assert_eq!(name.drain(), seq(1, 5));
}

/// Runs with redirections of a shell.
fn redirected(args: &[&str], redirections: &str) -> Ended {
    Running::spawn(&mut in_shell(":", args, redirections)).end()
}

// Catches messages that go to the /dev/null which the runtime opens in place of a closed
// stdout, and a stdout that drops what it cannot write.
#[test]
fn a_closed_stdout_takes_nothing() {
    for name in [Name::with_ring("4K"), Name::with_slots("mpmc", "16", "64")] {
        run_with(&["send", &name.0], &seq(1, 5)).expect_code(0);
        for verb in [&["recv", &name.0][..], &["attach", "--recv", &name.0]] {
            redirected(verb, ">&-").expect_code(1).expect_stderr("stdout is closed");
            redirected(verb, "1< /dev/null").expect_code(1).expect_stderr("stdout is not open");
        }
        assert_eq!(name.drain(), seq(1, 5));
        // It is meant to be lost.
        run_with(&["send", &name.0], b"one\n").expect_code(0);
        redirected(&["recv", &name.0], "> /dev/null").expect_code(0);
    }
}

// Catches output of any verb that is lost without a word.
#[test]
fn a_closed_stdout_is_no_success() {
    let (name, new) = (Name::with_ring("4K"), Name::new());
    for args in [
        &["create", &new.0][..],
        &["attach", &name.0],
        &["ls"],
        &["ls", "--json"],
        &["stat", &name.0],
        &["peek", &name.0],
        &["gc", "--dry-run"],
        &["completions", "bash"],
        &["--help"],
        &["recv", "--help"],
        &["--version"],
    ] {
        for (redirection, why) in
            [(">&-", "stdout is closed"), ("1< /dev/null", "stdout is not open for writing")]
        {
            redirected(args, redirection).expect_code(1).expect_stderr(why);
        }
    }
    assert!(!new.path().exists(), "a segment was made whose facts nobody sees");
    redirected(&["--help"], "> /dev/full").expect_code(1).expect_stderr("writing stdout");
    // Those that print nothing need no stdout, and nobody else needs stdin.
    redirected(&["send", &name.0], ">&- < /dev/null").expect_code(0);
    redirected(&["ls"], "<&-").expect_code(0);
    redirected(&["unlink", &name.0], ">&-").expect_code(0);
}

// Catches /dev/null in place of a closed stdout being told from /dev/null by how it is open:
// launchers in other languages open it for reading and writing.
#[test]
fn a_null_device_is_a_stdout() {
    for redirection in ["1<> /dev/null", "1>> /dev/null", "> /dev/null"] {
        redirected(&["ls"], redirection).expect_code(0);
    }
}

// Catches a sender that takes a closed stdin for the end of one, and so ends the stream.
#[test]
fn a_closed_stdin_is_not_the_end_of_a_stream() {
    let name = Name::with_ring("4K");
    for verb in [&["send", &name.0][..], &["attach", "--send", &name.0]] {
        redirected(verb, "<&-").expect_code(1).expect_stderr("stdin is closed");
        redirected(verb, "0> /dev/null").expect_code(1).expect_stderr("stdin is not open");
        // Nobody became a producer.
        assert_eq!(run(&["stat", &name.0, "--json"]).json()["producers_so_far"], 0);
        redirected(verb, "0<> /dev/null").expect_code(0);
        run(&["unlink", &name.0]).expect_code(0);
        run(&["create", &name.0, "--capacity", "4K"]).expect_code(0);
    }
}

// Catches a panic where others would print: nobody listens to either stream.
#[test]
fn closed_stdout_and_stderr_are_no_reason_to_panic() {
    let name = Name::with_ring("4K");
    let missing = Name::new();
    for (args, code) in [
        (&["ls"][..], 0),
        (&["ls", "--json"], 0),
        (&["attach", &name.0], 0),
        (&["--help"], 0),
        (&["attach", &missing.0], 3),
        (&["unlink", &missing.0], 3),
        (&["nonsense"], 2),
    ] {
        let (read_end, write_end) = std::io::pipe().expect("pipe");
        drop(read_end);
        let stderr = write_end.try_clone().expect("dup");
        let mut command = shmring(args);
        command.stdout(Stdio::from(write_end)).stderr(Stdio::from(stderr));
        let mut running = Running::spawn(&mut command);
        assert_eq!(running.child.wait().expect("wait").code(), Some(code), "{args:?}");
    }
}

// Catches a stream that ends although its sender was killed in the middle of it,
// and messages of a killed sender that are lost.
#[test]
fn a_killed_sender_ends_the_stream() {
    let name = Name::with_ring("64K");
    let mut send = start(&["send", &name.0]);
    send.write(&seq(1, 1000));
    let mut recv = start(&["recv", &name.0]);
    let all = seq(1, 1000);
    assert_eq!(recv.read(all.len()), all);
    send.child.kill().expect("kill");
    assert_eq!(recv.end().expect_code(0).text(), "");
    // Its role is free again.
    run_with(&["send", &name.0], b"next\n").expect_code(0);
}
