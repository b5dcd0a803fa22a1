//! Rings of which each receiver gets every message: what is sent, received and missed.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::party::whole_lines;
use crate::support::{
    Ended, Name, Running, end_all, in_shell, in_time, run, run_with, seq, shmring, start,
    start_with,
};

/// A broadcast ring that `seq(1, MANY)` laps many times.
pub(crate) fn ring() -> Name {
    let name = Name::new();
    run(&["create", &name.0, "--kind", "broadcast", "--capacity", "4K"]).expect_code(0);
    name
}

pub(crate) const MANY: u32 = 9_999;

/// A receiver that has joined.
pub(crate) fn receiver(name: &Name, verb: &[&str]) -> Running {
    let running = start(&[verb, &[&name.0]].concat());
    name.await_role("consumers", running.pid());
    running
}

/// The numbers in lines.
fn numbers(ended: &Ended) -> Vec<u32> {
    ended.text().lines().map(|line| line.parse().expect("a number")).collect()
}

/// The numbers of messages that it says it missed.
fn losses(ended: &Ended, name: &Name) -> Vec<u32> {
    let prefix = format!("shmring: {:?}: missed ", name.0);
    let lines = ended.stderr.lines().filter_map(|line| line.strip_prefix(&prefix));
    let number = |line: &str| line.split_once(" message").expect("messages").0.parse();
    lines.map(|line| number(line).expect("a number")).collect()
}

/// Checks that it wrote the numbers up to `last` but for those that it says it missed.
#[track_caller]
pub(crate) fn expect_all_but_losses(ended: &Ended, name: &Name, last: u32) {
    let (numbers, losses) = (numbers(ended), losses(ended, name));
    let gaps: Vec<_> =
        [0].iter().chain(&numbers).zip(&numbers).map(|(one, next)| next - one - 1).collect();
    let gaps: Vec<_> = gaps.into_iter().filter(|gap| *gap > 0).collect();
    // Two losses may follow each other.
    assert_eq!(gaps.iter().sum::<u32>(), losses.iter().sum::<u32>(), "{}", ended.stderr);
    assert!(gaps.len() <= losses.len(), "{gaps:?} {losses:?}");
    assert_eq!(numbers.last(), Some(&last));
}

// Catches a message that only one of several receivers gets, and one that a sender overwrites
// before all have it.
#[test]
fn each_receiver_gets_every_message() {
    let name = ring();
    let receivers: Vec<_> =
        [&["recv"][..], &["recv"], &["attach", "--recv"], &["recv", "--from", "oldest"]]
            .map(|verb| receiver(&name, verb))
            .into();
    run_with(&["send", &name.0], &seq(1, MANY)).expect_code(0);
    for ended in end_all(receivers) {
        assert_eq!(ended.expect_code(0).stdout, seq(1, MANY));
    }
    name.expect_left();
}

// Catches a sender that waits where nobody receives, or fails when the last receiver leaves.
#[test]
fn a_sender_goes_on_without_receivers() {
    let name = ring();
    assert_eq!(run_with(&["send", &name.0], &seq(1, MANY)).expect_code(0).stderr, "");
    let mut send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    let mut recv = receiver(&name, &["recv"]);
    send.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    recv.signal(Signal::SIGTERM);
    recv.end().expect_signal(Signal::SIGTERM);
    send.feed(seq(1, MANY));
    assert_eq!(send.end().expect_code(0).stderr, "");
}

// Catches a receiver that begins elsewhere than it says, and an end that it waits for in vain.
#[test]
fn where_a_receiver_begins() {
    let name = ring();
    run_with(&["send", &name.0], &seq(1, MANY)).expect_code(0);
    let next = run(&["recv", &name.0, "--timeout", "20ms"]).expect_code(4);
    assert_eq!(next.expect_stderr("it has no sender").text(), "");
    let kept = run(&["recv", &name.0, "--from", "oldest"]).expect_code(0);
    let oldest = numbers(&kept)[0];
    assert!((2..MANY).contains(&oldest), "{oldest}");
    assert_eq!(kept.stdout, seq(oldest, MANY));

    // A receiver says where the next one goes on.
    let first =
        run(&["recv", &name.0, "--from", "oldest", "--count", "3", "--stats"]).expect_code(0);
    assert_eq!(first.stdout, seq(oldest, oldest + 2));
    let (_, position) = first.stderr.trim_end().rsplit_once(" at position ").expect("a position");
    for mode in [&[][..], &["--lossy"]] {
        let args = [&["recv", &name.0, "--from", position], mode].concat();
        assert_eq!(run(&args).expect_code(0).stdout, seq(oldest + 3, MANY));
    }
    let peeked = run(&["peek", &name.0, "-n", "1000", "--json"]).expect_code(0).json();
    let peeked = peeked["messages"].as_array().expect("messages");
    let number: u64 = position.parse().expect("a number");
    let next = peeked.iter().find(|message| message["start"] == number);
    assert_eq!(next.expect("the message")["text"], (oldest + 3).to_string());

    let inside = (number + 1).to_string();
    for gone in ["0", &inside, "18446744073709551615"] {
        let ended = run(&["recv", &name.0, "--from", gone]).expect_code(1);
        assert_eq!(ended.expect_stderr("no message that is kept").text(), "");
    }
}

// Catches a lossy receiver for which the sender waits, a loss that is not reported, or in other
// numbers, and messages that are torn or out of order.
#[test]
fn a_lossy_receiver_reports_what_it_missed() {
    for verb in [&["recv", "--lossy"][..], &["tap"]] {
        let name = ring();
        let mut recv = receiver(&name, verb);
        recv.stop();
        run_with(&["send", &name.0], &seq(1, MANY)).expect_code(0);
        recv.signal(Signal::SIGCONT);
        let ended = if verb == ["tap"] {
            let stdout = recv.child.stdout.take().expect("stdout");
            let (stdout, _reader) = in_time("the last message", move || read_through(stdout));
            recv.signal(Signal::SIGINT);
            Ended { stdout, ..recv.end().expect_signal(Signal::SIGINT) }
        } else {
            recv.end().expect_code(0)
        };
        assert!(!losses(&ended, &name).is_empty(), "{}", ended.stderr);
        expect_all_but_losses(&ended, &name, MANY);
    }
}

/// Reads until the last line of `seq(1, MANY)`.
fn read_through<R: Read>(mut stdout: R) -> (Vec<u8>, R) {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\n9999\n") {
        let mut buffer = [0; 4096];
        let count = stdout.read(&mut buffer).expect("output");
        assert_ne!(count, 0, "the end");
        bytes.extend(&buffer[..count]);
    }
    (bytes, stdout)
}

// Catches one that gets what is not the newest, and skipped messages reported as lost.
#[test]
fn a_latest_receiver_skips() {
    let name = ring();
    let recv = start(&["recv", &name.0, "--latest", "--stats"]);
    name.await_role("consumers", recv.pid());
    recv.stop();
    run_with(&["send", &name.0], &seq(1, MANY)).expect_code(0);
    recv.signal(Signal::SIGCONT);
    let ended = recv.end().expect_code(0);
    assert_eq!(ended.stdout, format!("{MANY}\n").into_bytes());
    assert_eq!(losses(&ended, &name), [MANY - 1], "only the totals: {}", ended.stderr);
    ended.expect_stderr("the next one is at position");
}

// Catches a tap that ends with a sender, or one that takes messages from others.
#[test]
fn a_tap_outlives_senders() {
    let name = ring();
    let recv = receiver(&name, &["recv"]);
    let mut tap = receiver(&name, &["tap", "--prefix"]);
    let line = |text: &str| format!("{}: {text}\n", name.0).into_bytes();
    run_with(&["send", &name.0], b"one\n").expect_code(0);
    assert_eq!(recv.end().expect_code(0).text(), "one\n");
    assert_eq!(tap.read(line("one").len()), line("one"));
    run_with(&["send", &name.0], b"two\n").expect_code(0);
    assert_eq!(tap.read(line("two").len()), line("two"));
    tap.signal(Signal::SIGINT);
    assert_eq!(tap.end().expect_signal(Signal::SIGINT).stderr, "");
    let all = run(&["tap", &name.0, "--from", "oldest", "--count", "2"]).expect_code(0);
    assert_eq!(all.text(), "one\ntwo\n");
    run(&["tap", &name.0, "--timeout", "20ms"]).expect_code(4);
    name.expect_left();
}

// Catches options for broadcast rings that another ring ignores, and a refusal that says nothing.
#[test]
fn rings_of_other_kinds() {
    let (other, name) = (Name::with_slots("mpmc", "16", "64"), ring());
    run_with(&["send", &other.0], b"kept\n").expect_code(0);
    for option in [&["--lossy"][..], &["--latest"], &["--from", "oldest"]] {
        for names in [&[&*other.0][..], &[&name.0, &other.0]] {
            let args = [&["recv"], names, option].concat();
            let ended =
                run(&args).expect_code(6).expect_stderr("kind mpmc").expect_stderr("--latest");
            assert_eq!(ended.text(), "");
        }
    }
    run(&["tap", &other.0]).expect_code(6).expect_stderr(&format!("shmring peek {}", other.0));
    for args in [
        &["recv", &name.0, "--lossy", "--latest"][..],
        &["recv", &name.0, "--from", "newest"],
        &["recv", &name.0, &other.0, "--from", "5"],
        &["tap", &name.0, "--lossy"],
        &["tap"],
    ] {
        run(args).expect_code(2);
    }
    assert_eq!(other.drain(), b"kept\n");
}

// Catches a loss in one of several rings that is reported of another one, or not.
#[test]
fn several_rings() {
    let (one, two, queue) = (ring(), ring(), Name::with_ring("4K"));
    let recv = start(&["recv", &one.0, &two.0, "--lossy", "--prefix", "--stats"]);
    one.await_role("consumers", recv.pid());
    two.await_role("consumers", recv.pid());
    recv.stop();
    run_with(&["send", &one.0], &seq(1, MANY)).expect_code(0);
    run_with(&["send", &two.0], b"1\n2\n").expect_code(0);
    recv.signal(Signal::SIGCONT);
    let ended = recv.end().expect_code(0);
    let of = |name: &Name| {
        let prefix = format!("{}: ", name.0);
        let text = ended.text();
        let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
        let stdout = lines.map(|line| format!("{line}\n")).collect::<String>().into_bytes();
        Ended { stdout, stderr: ended.stderr.clone(), status: ended.status }
    };
    expect_all_but_losses(&of(&one), &one, MANY);
    expect_all_but_losses(&of(&two), &two, 2);

    // Beside a ring of another kind, as a gating one.
    let recv = start(&["recv", &one.0, &queue.0]);
    one.await_role("consumers", recv.pid());
    queue.await_role("consumers", recv.pid());
    run_with(&["send", &queue.0], b"queue\n").expect_code(0);
    queue.await_holders("consumers", 0);
    run_with(&["send", &one.0], &seq(1, MANY)).expect_code(0);
    assert_eq!(recv.end().expect_code(0).stdout, [b"queue\n".to_vec(), seq(1, MANY)].concat());
}

// Catches a receiver that is no more needed and complains, and one that cannot write and does not
// say where to go on.
#[test]
fn output_that_ends_or_fails() {
    let name = ring();
    run_with(&["send", &name.0], &seq(1, MANY)).expect_code(0);
    let all = run(&["recv", &name.0, "--from", "oldest"]).expect_code(0).stdout;
    let mut command = shmring(&["recv", &name.0, "--from", "oldest"]);
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let ended = Running::spawn(command.stdout(Stdio::from(full))).end().expect_code(1);
    let (_, rest) = ended.stderr.split_once("not written; `--from ").expect("a position");
    let (position, _) = rest.split_once('`').expect("a position");
    assert_eq!(run(&["recv", &name.0, "--from", position]).expect_code(0).stdout, all);

    let mut send = start(&["send", &name.0]);
    name.await_role("producers", send.pid());
    let mut recv = receiver(&name, &["recv"]);
    send.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    drop(recv.child.stdout.take());
    assert_eq!(recv.end().expect_code(0).stderr, "");
    send.end().expect_code(0);
    let recv = ["recv", &name.0, "--from", "oldest"];
    let first = Running::spawn(&mut in_shell(":", &recv, "| head -n 1")).end();
    assert_eq!(first.expect_code(0).stderr, "");
}

/// Ends a receiver whose reader stands still. Returns `false` if it had nothing unwritten.
fn goes_on_after_a_signal() -> bool {
    const LINES: u32 = 60_000;
    let name = Name::new();
    run(&["create", &name.0, "--kind", "broadcast"]).expect_code(0);
    let mut recv = receiver(&name, &["recv"]);
    // Far more than a pipe holds.
    run_with(&["send", &name.0], &seq(1, LINES)).expect_code(0);
    let start = recv.read(2);
    recv.signal(Signal::SIGTERM);
    recv.child.wait().expect("wait");
    let ended = recv.end().expect_signal(Signal::SIGTERM);
    let Some((_, rest)) = ended.stderr.split_once("not written; `--from ") else {
        return false;
    };
    let (position, _) = rest.split_once('`').expect("a position");
    let written = whole_lines([start, ended.stdout].concat());
    let rest = run(&["recv", &name.0, "--from", position]).expect_code(0).stdout;
    assert!([written, rest].concat() == seq(1, LINES), "{}", ended.stderr);
    true
}

// Catches a position that is not where the written part of the output ends.
#[test]
fn a_signal_while_the_reader_stands_still() {
    assert!((0..20).any(|_| goes_on_after_a_signal()), "nothing was unwritten");
}

// Catches a ring without the kind in what describes it, and sizes that it does not have.
#[test]
fn it_is_described() {
    let name = Name::new();
    let create = ["create", &name.0, "--kind", "broadcast", "--capacity", "60K"];
    let text = run(&create).expect_code(0).text();
    let first = format!("created {}: broadcast ring, capacity 64 KiB (65536 bytes), ", name.0);
    assert!(text.starts_with(&first), "{text}");
    assert!(text.contains("rounded up from 61440"), "{text}");
    run(&["create", &name.0, "--kind", "broadcast", "--exist-ok"]).expect_code(0);
    run(&["create", &name.0, "--exist-ok"]).expect_code(7).expect_stderr("broadcast ring");
    run(&["create", "x", "--kind", "broadcast", "--slots", "4"])
        .expect_code(2)
        .expect_stderr("broadcast");
    run(&["create", "x", "--kind", "cast"]).expect_code(2).expect_stderr("broadcast");
    run_with(&["send", &name.0], b"one\ntwo\n").expect_code(0);
    for facts in [name.facts(), name.listed().expect("the segment")] {
        assert_eq!((&facts["kind"], &facts["used_bytes"]), (&"broadcast".into(), &0.into()));
        assert!(facts["slots"].is_null() && facts["used_slots"].is_null());
    }
    let text = run(&["peek", &name.0]).expect_code(0).text();
    assert!(text.contains("one") && text.contains("two"), "{text}");
    let row = |args: &[&str]| {
        let text = run(args).expect_code(0).text();
        text.lines().find(|row| row.starts_with(&name.0)).expect("a row").to_owned()
    };
    assert!(row(&["ls"]).contains("broadcast"));
    assert!(row(&["top", "--once", "-d", "20ms"]).contains("broadcast"));
    assert!(run(&["doctor", &name.0]).text().contains("is a sound broadcast ring"));
    // Its messages were for the receivers of their time.
    let gone = run(&["gc", "--unattached", &name.0]).expect_code(0).text();
    assert!(gone.starts_with("removed"), "{gone}");
}

// Catches a message that does not fit reported as sent, or a limit that is not the ring's.
#[test]
fn messages_that_do_not_fit() {
    let name = ring();
    let max = name.facts()["max_message_bytes"].as_u64().expect("a size");
    let line =
        |len: u64| [vec![b'x'; usize::try_from(len).expect("a length")], vec![b'\n']].concat();
    let send = start_with(&["send", &name.0], line(max + 1));
    send.end().expect_code(1).expect_stderr(&format!("at most {max}"));
    let recv = receiver(&name, &["recv"]);
    let most = line(max).repeat(9);
    run_with(&["send", &name.0], &most).expect_code(0);
    assert!(recv.end().expect_code(0).stdout == most, "the output differs from the input");
}
