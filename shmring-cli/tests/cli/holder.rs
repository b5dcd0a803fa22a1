//! A process that stands between its claim and its commit, which no verb can be made to do.

use std::io::Read;
use std::process::{Command, Stdio};

use shmring::Segment;

use crate::support::{Name, Running, eventually, run};

const NAME: &str = "SHMRING_CLI_TEST_HOLDS";

/// The part of the child: this very test program, started for it; nothing in the test run.
#[test]
fn child_entry() {
    let Ok(name) = std::env::var(NAME) else {
        return;
    };
    let segment = Segment::attach(&name).expect("attach");
    let mut producer = segment.producer().expect("a producer");
    let mut reservation = producer.reserve(8).expect("room");
    reservation.write_at(0, b"reserved");
    // Until stdin ends.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    reservation.commit();
}

/// A process that has claimed the next position of a ring, and commits when its stdin ends.
pub(crate) fn hold(name: &Name) -> Running {
    let mut command = Command::new(std::env::current_exe().expect("a program"));
    command.args(["--exact", "holder::child_entry", "--nocapture", "--test-threads=1"]);
    command.env(NAME, &name.0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let holder = Running::spawn(&mut command);
    eventually("a claimed position", || {
        let stat = run(&["stat", &name.0, "--json", "--interval", "0s"]).expect_code(0).json();
        let tickets = stat["stall"]["tickets"].as_array().cloned().unwrap_or_default();
        tickets.iter().any(|ticket| ticket["pid"] == holder.pid())
    });
    holder
}
