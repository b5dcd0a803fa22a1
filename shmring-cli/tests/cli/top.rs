//! `top --once`: the table for scripts.

use std::fs::File;
use std::thread;
use std::time::Duration;

use crate::support::{Name, run, seq, start};

fn row<'a>(text: &'a str, name: &Name) -> &'a str {
    let row = text.lines().find(|line| line.starts_with(&name.0));
    row.unwrap_or_else(|| panic!("{} is not in {text}", name.0))
}

// Catches a column without a value, a segment that is left out, and what is damaged told
// without what is wrong.
#[test]
fn a_table_of_all() {
    let (full, cut) = (Name::with_slots("mpmc", "8", "64"), Name::with_ring("64K"));
    let mut send = start(&["send", &full.0]);
    send.write(&seq(1, 20));
    full.await_listed("a full ring", |segment| segment["full"] == true);
    File::options().write(true).open(cut.path()).and_then(|f| f.set_len(8192)).expect("cut");
    let text = run(&["top", "--once", "-d", "50ms"]).expect_code(0).text();
    let header: Vec<_> = text.lines().next().expect("a header").split_whitespace().collect();
    assert_eq!(
        header.join(" "),
        "NAME KIND CAPACITY USED FILL MSGS/S IN B/S OUT B/S ALIVE DEAD STATE"
    );
    let cells: Vec<_> = row(&text, &full).split_whitespace().skip(1).collect();
    assert_eq!(cells.join(" "), "mpmc 8 x 64 B 512 B 100% 0 0 0 1 0 full");
    let broken = row(&text, &cut);
    assert!(broken.contains("broken: ") && broken.contains("file length"), "{broken}");
}

// Catches rates of a segment on which something else happened, or a stall where messages
// move.
#[test]
fn what_moves() {
    let name = Name::with_ring("64K");
    let mut send = start(&["send", &name.0]);
    let recv = start(&["recv", &name.0]);
    send.write(b"first\n");
    name.await_listed("a message", |segment| segment["messages_received"] == 1);
    let top = thread::spawn(|| run(&["top", "--once", "--json"]).expect_code(0).json());
    let mut sent = 1;
    while !top.is_finished() {
        send.write(b"another\n");
        sent += 1;
        thread::sleep(Duration::from_millis(1));
    }
    let listing = top.join().expect("a listing");
    let segments = listing["segments"].as_array().expect("segments");
    let ours = segments.iter().find(|one| one["name"] == name.0.as_str()).expect("the segment");
    let rate = ours["rates"]["messages_received_per_s"].as_u64().expect("a rate");
    assert!(rate > 0 && rate <= 2 * sent, "{rate} of {sent}");
    assert!(ours["stall"].is_null(), "{ours}");
    send.end().expect_code(0);
    recv.end().expect_code(0);
}

// Catches options that mean nothing together, and times that nobody would wait.
#[test]
fn usage() {
    run(&["top", "--json"]).expect_code(2).expect_stderr("--once");
    run(&["top", "-d", "1ms"]).expect_code(2).expect_stderr("10ms");
    run(&["top", "-d", "2h"]).expect_code(2).expect_stderr("1h");
}
