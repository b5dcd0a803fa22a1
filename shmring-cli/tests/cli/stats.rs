//! What is said about a transfer at its end.

use std::fs::File;

use crate::support::{Name, Running, run, run_with, seq, shmring};

// Catches totals that count framing or not all messages, a figure in the data, and a word
// from who was not asked.
#[test]
fn totals_go_to_stderr() {
    for name in [Name::with_ring("1M"), Name::with_slots("mpmc", "1024", "64")] {
        run_with(&["send", &name.0, "--stats"], b"one\nthree\n\nlast")
            .expect_code(0)
            .expect_stderr("shmring: sent 4 messages, 12 B, in ");
        let ended = run(&["recv", &name.0, "--stats"]).expect_code(0);
        assert_eq!(ended.text(), "one\nthree\n\nlast\n");
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        ended.expect_stderr("received 4 messages, 12 B, in ").expect_stderr(" messages/s, ");
        assert_eq!(run_with(&["send", &name.0], b"x\n").expect_code(0).stderr, "");
        assert_eq!(run(&["recv", &name.0]).expect_code(0).stderr, "");
    }
}

// Catches lengths in front that are counted as content.
#[test]
fn every_framing_counts_messages_only() {
    let name = Name::with_ring("1M");
    let prefixed = b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0\n";
    run_with(&["send", &name.0, "--length-prefixed", "--stats"], prefixed)
        .expect_code(0)
        .expect_stderr("sent 3 messages, 3 B, ");
    run(&["recv", &name.0, "--length-prefixed", "--stats"])
        .expect_code(0)
        .expect_stderr("received 3 messages, 3 B, ");
    run_with(&["send", &name.0, "--bytes", "3", "--stats"], b"abcdefgh")
        .expect_code(0)
        .expect_stderr("sent 3 messages, 8 B, ");
    run(&["recv", &name.0, "--raw", "--stats"])
        .expect_code(0)
        .expect_stderr("received 3 messages, 8 B, ");
}

// Catches totals that are missing, or count what was not moved, where a transfer fails.
#[test]
fn totals_of_what_failed() {
    let name = Name::with_ring("4K");
    let send = ["send", &name.0, "--timeout", "50ms", "--stats"];
    let ended = run_with(&send, &seq(1000, 2000)).expect_code(4);
    ended.expect_stderr("sent 255 messages, 1020 B, ");
    // A pipe that nobody reads takes in all of it, so nothing is left in the ring.
    let recv = run(&["recv", &name.0, "--stats", "--timeout", "50ms"]);
    recv.expect_stderr("received 255 messages, 1020 B, ");
    run_with(&["send", &name.0], &seq(1, 5)).expect_code(0);
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let recv = Running::spawn(shmring(&["recv", &name.0, "--stats"]).stdout(full));
    recv.end().expect_code(1).expect_stderr("received 0 messages, 0 B, ");
    assert_eq!(name.drain(), seq(1, 5));
}
