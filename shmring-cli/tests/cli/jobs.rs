//! Job rings: what is taken is acknowledged, or comes back.

use std::fs;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::party::{first, ledger, lines_of};
use crate::support::{
    Name, Running, end_all, eventually, run, run_with, seq, shmring, start, start_with,
};

fn ring() -> Name {
    Name::with_slots("jobs", "16", "64")
}

/// Sends these lines, and leaves.
fn send(name: &Name, lines: &[u8]) {
    run_with(&["send", &name.0], lines).expect_code(0);
}

fn stat(name: &Name) -> Value {
    run(&["stat", &name.0, "--interval", "20ms", "--json"]).expect_code(0).json()
}

/// Starts `work` with a command of the shell.
fn work(name: &Name, options: &[&str], script: &str) -> Running {
    start(&[&["work", &name.0], options, &["--", "sh", "-c", script]].concat())
}

#[track_caller]
fn expect_parts(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
}

// Catches jobs that are lost, doubled or torn by several workers, and a stream that never ends.
#[test]
fn every_job_goes_to_one_receiver() {
    let name = Name::with_slots("jobs", "1024", "64");
    let receivers = [(); 3].map(|()| start(&["recv", &name.0]));
    name.await_holders("consumers", 3);
    let senders = [0, 1].map(|sender| start_with(&["send", &name.0], lines_of(sender, 20_000)));
    let ended = end_all(receivers.into_iter().chain(senders).collect());
    let outputs: Vec<_> = ended.into_iter().map(|one| one.expect_code(0).stdout).collect();
    // Those that come back do so out of order.
    let mut numbers = ledger(2, &outputs);
    numbers.iter_mut().for_each(|one| one.sort_unstable());
    assert!(numbers.iter().all(|one| *one == first(20_000)), "a job is lost or doubled");
}

// Catches jobs that die with a receiver that has them, or that are lost where stdout fails.
#[test]
fn what_was_not_written_comes_back() {
    let name = Name::with_slots("jobs", "1K", "1K");
    // A pipe does not hold two of them.
    let lines: Vec<u8> = ["1", "2", "3"].map(|one| one.repeat(40_000) + "\n").concat().into();
    send(&name, &lines);
    let victim = start(&["recv", &name.0]);
    eventually("jobs in hand", || stat(&name)["jobs"]["in_hand"] == 3);
    victim.signal(Signal::SIGKILL);
    victim.end().expect_signal(Signal::SIGKILL);
    eventually("jobs that came back", || {
        run(&["attach", &name.0]).expect_code(0);
        stat(&name)["jobs"]["returned"] == 3
    });
    let full = fs::File::options().write(true).open("/dev/full").expect("a device");
    let ended = Running::spawn(shmring(&["recv", &name.0]).stdout(full)).end().expect_code(1);
    ended.expect_stderr("writing stdout");
    assert_eq!(run(&["recv", &name.0, "--count", "1"]).expect_code(0).stdout, lines[..40_001]);
    assert!(name.drain() == lines[40_001..], "the output differs from the input");
}

// Catches messages in several slots that are cut or refused.
#[test]
fn jobs_longer_than_a_slot() {
    let name = ring();
    let line = [vec![b'x'; 16 * 48 / 2], vec![b'\n']].concat();
    send(&name, &line);
    let peeked = run(&["peek", &name.0, "--json"]).expect_code(0).json();
    assert_eq!(peeked["messages"][0]["bytes"], 16 * 48 / 2);
    assert_eq!(run(&["work", &name.0, "--", "cat"]).expect_code(0).stdout, line[..line.len() - 1]);
    let refused = run_with(&["send", &name.0], &[b"y", &line[..]].concat()).expect_code(1);
    refused.expect_stderr("384").expect_stderr("more or larger slots");
}

// Catches a job that is acknowledged though its command failed, and one that never is.
#[test]
fn a_job_comes_back_until_its_command_succeeds() {
    let name = ring();
    send(&name, &seq(1, 4));
    let script = "read job; [ $SHMRING_ATTEMPTS -ge $job ] || exit 3
        echo $SHMRING_POSITION $job $SHMRING_ATTEMPTS";
    let ended = work(&name, &["--parallel", "2"], script).end().expect_code(0);
    let mut lines: Vec<_> = ended.text().lines().map(str::to_owned).collect();
    lines.sort_unstable();
    assert_eq!(lines, ["0 1 1", "1 2 2", "2 3 3", "3 4 4"]);
    let ended = ended.expect_stderr("the job at position 3 failed at attempt 1 (exit status: 3)");
    ended.expect_stderr("it goes back in 400ms");
    assert_eq!(stat(&name)["used_slots"], 0);
}

// Catches a job that is given up without a word, dropped, or tried for ever.
#[test]
fn a_job_that_fails_too_often_ends_the_work() {
    let name = ring();
    send(&name, &seq(1, 2));
    let ended = work(&name, &["--max-attempts", "2"], "exit 1").end().expect_code(1);
    ended.expect_stderr("the job at position 0 failed 2 times; it stays in the ring");
    // Not even once more.
    let ended = work(&name, &["--max-attempts", "1"], "echo no").end().expect_code(1);
    assert_eq!(ended.expect_stderr("failed 2 times").text(), "");
    assert_eq!(name.drain(), seq(1, 2));
}

// Catches a command that does not exist taken for one that fails, and a job that dies with it.
#[test]
fn a_command_that_cannot_be_started() {
    let name = ring();
    send(&name, &seq(1, 2));
    let ended = run(&["work", &name.0, "--", "/nonexistent/command"]).expect_code(1);
    ended.expect_stderr("starting /nonexistent/command").expect_stderr("went back");
    assert_eq!(name.drain(), seq(1, 2));
}

// Catches arguments that mean something else, and other rings.
#[test]
fn what_work_refuses() {
    let name = ring();
    run(&["work", &name.0]).expect_code(2).expect_stderr("CMD");
    run(&["work", &name.0, "cat"]).expect_code(2);
    run(&["work", &name.0, "--parallel", "0", "--", "cat"]).expect_code(2);
    run(&["work", &name.0, "--max-attempts", "0", "--", "cat"]).expect_code(2);
    run(&["work", &name.0, "--parallel", "64", "--", "cat"]).expect_code(1).expect_stderr("63");
    run(&["work", "shmring-cli-test-missing", "--", "cat"]).expect_code(3);
    for other in [Name::with_ring("4K"), Name::with_slots("mpmc", "16", "64")] {
        run(&["work", &other.0, "--", "cat"]).expect_code(6).expect_stderr("a job ring");
    }
    run(&["recv", &name.0, "--from", "next"]).expect_code(6).expect_stderr("broadcast");
}

// Catches a signal that ends commands, loses jobs, or lets it go on.
#[test]
fn a_signal_waits_for_the_commands() {
    let (name, directory) = (ring(), tempfile::tempdir().expect("a directory"));
    send(&name, &seq(1, 3));
    let (began, go) = (directory.path().join("began"), directory.path().join("go"));
    let script = format!(
        "touch {}; until [ -e {} ]; do sleep 0.01; done; cat",
        began.display(),
        go.display()
    );
    let work = work(&name, &[], &script);
    eventually("a command", || began.exists());
    work.signal(Signal::SIGTERM);
    // The signal came before its command ends.
    eventually("a signal", || {
        let status = fs::read_to_string(format!("/proc/{}/status", work.pid())).expect("a status");
        let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:\t"));
        pending.is_some_and(|pending| pending.trim_matches('0').is_empty())
    });
    fs::write(&go, "").expect("a file");
    let ended = work.end().expect_signal(Signal::SIGTERM);
    assert!(["1\n", "1"].contains(&&*ended.text()), "{}", ended.text());
    assert_eq!(name.drain(), seq(2, 3));
}

// Catches jobs of a worker that is killed which do not come back.
#[test]
fn jobs_of_a_worker_that_is_killed_come_back() {
    let name = ring();
    send(&name, &seq(1, 3));
    let victim = work(&name, &["--parallel", "2"], "exec sleep 0.5");
    eventually("jobs in hand", || stat(&name)["jobs"]["in_hand"] == 2);
    victim.signal(Signal::SIGKILL);
    let ended = run(&["work", &name.0, "--", "sh", "-c", "echo $(cat) $SHMRING_ATTEMPTS"]);
    let text = ended.expect_code(0).text();
    let mut lines: Vec<_> = text.lines().collect();
    // The third may come before the death is noticed.
    lines.sort_unstable();
    assert_eq!(lines, ["1 2", "2 2", "3 1"]);
}

// Catches jobs that are in the wrong hands, or in none, and a stopped worker that is not named.
#[test]
fn who_has_what_and_since_when() {
    let name = Name::with_slots("jobs", "4", "64");
    send(&name, &seq(1, 4));
    let work = work(&name, &["--parallel", "2"], "exec sleep 600");
    let pid = work.pid();
    eventually("jobs in hand", || stat(&name)["jobs"]["in_hand"] == 2);
    work.stop();
    eventually("some time", || stat(&name)["holders"][0]["in_hand_for_ms"].as_u64() > Some(50));
    let facts = stat(&name);
    assert_eq!(facts["jobs"]["waiting"], 2);
    assert_eq!(facts["waiting"]["messages"], 2);
    let jobs = facts["holders"].as_array().expect("holders").iter().map(|one| &one["in_hand"]);
    let mut jobs: Vec<_> = jobs.map(|jobs| jobs[0]["position"].as_u64()).collect();
    jobs.sort_unstable();
    assert_eq!(jobs, [Some(0), Some(1)]);
    assert_eq!(facts["held_up_by"]["why"], "stopped");
    assert_eq!(facts["held_up_by"]["holder"]["in_hand"][0]["position"], 0);
    assert_eq!(facts["stall"]["kind"], "full");
    let text = run(&["stat", &name.0, "--interval", "20ms"]).expect_code(0).text();
    let named = format!("process {pid} (shmring)");
    let remedies = [format!("`kill -CONT {pid}`"), format!("`kill -KILL {pid}`")];
    expect_parts(&text, &["2 waiting, 2 in hand", &named, "has the first job (position 0"]);
    expect_parts(&text, &[&remedies[0], &remedies[1]]);
    let ended = run_with(&["send", &name.0, "--timeout", "50ms"], b"5\n").expect_code(4);
    ended.expect_stderr("has the first job (position 0");
    let top = run(&["top", "--once", "-d", "20ms", "--json"]).expect_code(0).json();
    let segments = top["segments"].as_array().expect("segments").clone();
    let ours = segments.iter().find(|segment| segment["name"] == name.0.as_str());
    assert_eq!(ours.expect("the ring")["jobs"]["in_hand"], 2);

    // One that is not full.
    let other = ring();
    send(&other, &seq(1, 2));
    let _work = self::work(&other, &[], "exec sleep 600");
    eventually("a job in hand", || stat(&other)["stall"]["kind"] == "in_hand");
    let text = run(&["stat", &other.0, "--interval", "20ms"]).expect_code(0).text();
    expect_parts(&text, &["1 waiting, 1 in hand, and no worker takes or acknowledges one"]);
}
