//! Sessions of measurements as a verb: what they print, write and exit with.

use std::fs;
use std::io::Read;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{run, start};

/// One contender in one scenario, once.
const SHORT: [&str; 5] = ["bench", "quick", "--only", "bare futex", "--rounds"];

fn short<'a>(rounds: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&SHORT[..], &[rounds], more].concat()
}

// Catches a verb that is another than the harness's own, files that are not written, and JSON that
// does not come back.
#[test]
fn a_session_prints_tables_and_writes_files_that_can_be_compared_and_drawn() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).to_str().expect("text").to_owned();
    let (json, page, drawn) = (path("session.json"), path("page.html"), path("drawn.html"));
    let ended = run(&short("2", &["--json", &json, "--html", &page])).expect_code(0);
    assert!(ended.text().contains("ping-pong, 8 B, blocking"), "{}", ended.text());
    // It says before how long it will take, and draws no bar where nobody looks.
    assert!(ended.stderr.contains("1 contender in 1 scenario, 2 rounds: about"));
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    run(&["bench", "draw", &json, &drawn]).expect_code(0);
    assert_eq!(fs::read(&page).expect("a page"), fs::read(&drawn).expect("a page"));
    let compared = run(&["bench", "compare", &json, &json]).expect_code(0);
    assert!(compared.text().contains("too few runs to tell"), "{}", compared.text());
}

// Catches JSON beside a table on stdout, and costs that nobody measures.
#[test]
fn json_on_stdout_stands_alone() {
    let ended = run(&["bench", "quick", "--only", "memcpy, L1", "--rounds", "1", "--json", "-"]);
    let ended = ended.expect_code(0);
    let report: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    let costs = &report["costs"];
    let said =
        [&costs["rows"], &costs["absent"]].map(|list| list.as_array().expect("a list").len());
    assert_eq!(said.iter().sum::<usize>(), 1, "{costs}");
}

// Catches nonsense that is found out after minutes, and codes that are not the contract's.
#[test]
fn nonsense_is_a_usage_error_and_what_cannot_be_read_or_written_a_failure() {
    run(&["bench", "slow"]).expect_code(2).expect_stderr("quick");
    run(&["bench", "quick", "--rounds", "0"]).expect_code(2);
    run(&["bench", "quick", "--only", "no such thing"])
        .expect_code(2)
        .expect_stderr("no such thing");
    run(&["bench", "quick", "--html", "/no/such/place"]).expect_code(1).expect_stderr("/no/such");
    run(&["bench", "draw", "/no/such/file", "page.html"]).expect_code(1).expect_stderr("/no/such");
    let other = tempfile::NamedTempFile::new().expect("a file");
    fs::write(other.path(), "{\"schema\": 1}").expect("a file");
    let path = other.path().to_str().expect("text");
    run(&["bench", "compare", path, path]).expect_code(1).expect_stderr("does not name its schema");
}

// Catches an interrupt that loses what is complete, and one that a shell's loop does not hear of.
#[test]
fn interrupted_it_prints_what_is_complete_and_dies_of_the_signal() {
    let mut session = start(&short("1000000", &[]));
    // What it says first comes after its signals are handled.
    let mut said = session.child.stderr.take().expect("stderr");
    said.read_exact(&mut [0]).expect("a word");
    session.child.stderr = Some(said);
    session.signal(Signal::SIGINT);
    let ended = session.end().expect_signal(Signal::SIGINT);
    assert!(ended.text().contains("of 1000000 rounds, as it was interrupted"), "{}", ended.text());
}

// Catches a panic or a failure where somebody has read enough.
#[test]
fn a_closed_stdout_is_no_failure() {
    let mut session = start(&short("1", &[]));
    drop(session.child.stdout.take());
    session.end().expect_code(0);
}
