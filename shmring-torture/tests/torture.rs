//! A short run of the torture. The verifier has its own tests.

use std::fs;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use shmring_bench::{Error as Harness, Options};
use shmring_torture::Error;
use shmring_torture::torture::{Rounds, Torture, torture};

const SEED: u64 = 1;
const TIME: Duration = Duration::from_secs(5);

fn executable() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_shmring-torture"))
}

fn options(test: &str) -> Options {
    let segment_prefix = format!("torture-random-{test}");
    Options { executable: executable(), segment_prefix, ..Options::default() }
}

fn rounds(only: &str, time: Duration) -> Rounds {
    Rounds { seed: SEED, first: 1, time, only: only.to_owned() }
}

fn left_in_shared_memory(prefix: &str) -> Vec<String> {
    let entries = fs::read_dir("/dev/shm").expect("/dev/shm");
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(prefix)).collect()
}

// Catches a ring that loses or duplicates a message when its users are killed, hangs, or leaks
// their entries; and a run in which no process is killed or no message is sent.
#[test]
fn a_few_rounds_are_survived() {
    let options = options("few");
    let done = torture(&rounds("", TIME), &options, &mut || ControlFlow::Continue(()));
    let Torture { rounds, tally, .. } = done.unwrap_or_else(|error| panic!("{error}"));
    assert!(rounds > 0 && tally.kills > 0 && tally.received > 0, "{rounds} rounds, {tally:?}");
    assert_eq!(tally.sent, tally.received + tally.in_hand);
    assert_eq!((tally.lost, tally.duplicated), (0, 0));
    assert_eq!(left_in_shared_memory(&options.segment_prefix), [] as [&str; 0]);
}

// Catches an eviction that a subscriber is not told of, and a run in which there is none.
#[test]
fn evictions_are_survived() {
    let options = options("evict");
    let done = torture(&rounds("broadcast", TIME), &options, &mut || ControlFlow::Continue(()));
    let Torture { tally, .. } = done.unwrap_or_else(|error| panic!("{error}"));
    assert!(tally.broadcast > 0 && tally.evictions_told > 0, "{tally:?}");
    assert!(tally.evictions_told <= tally.evictions, "{tally:?}");
    assert_eq!(left_in_shared_memory(&options.segment_prefix), [] as [&str; 0]);
}

// Catches a run that cannot be stopped, or then leaves its segment behind.
#[test]
fn it_can_be_stopped_in_the_middle() {
    let options = options("stop");
    let mut asked = 0;
    let stopped = torture(&rounds("", TIME), &options, &mut || {
        asked += 1;
        if asked > 50 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert!(matches!(stopped, Err(Error::Harness(Harness::Stopped))), "{stopped:?}");
    assert_eq!(left_in_shared_memory(&options.segment_prefix), [] as [&str; 0]);
}

// Catches a run of no rounds that succeeds.
#[test]
fn no_rounds_are_refused() {
    let refused = torture(&rounds("a ring of salt", TIME), &options("none"), &mut || {
        ControlFlow::Continue(())
    });
    assert!(matches!(refused, Err(Error::Harness(Harness::Options { .. }))), "{refused:?}");
}

// Catches options without effect, and JSON that is not the result.
#[test]
fn the_command_does_what_it_is_asked_for() {
    let mut command = Command::new(executable());
    command.args(["torture", "--seconds", "0", "--seed", "7", "--only", "packed", "--json"]);
    let output = command.output().expect("the command");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let done: Torture = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((done.seed, done.rounds, done.configurations), (7, 1, 1));
    assert!(done.tally.spawned > 0);
}
