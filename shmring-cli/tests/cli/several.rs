//! One receiver of several rings: what it writes, and what it refuses.

use crate::support::{Name, noise, run, run_with, seq, start, start_with};

/// The most that is written of one ring while others have messages, but for a last message.
const RUN_BYTES: usize = 256 << 10;

/// A ring of each kind that the command can carry.
fn rings() -> Vec<Name> {
    let slots = ["mpmc", "mpsc", "spmc"].map(|kind| Name::with_slots(kind, "2048", "64"));
    [Name::with_ring("64K")].into_iter().chain(slots).collect()
}

/// `verb NAMES options`
fn args<'a>(verb: &'a str, names: &'a [Name], options: &[&'a str]) -> Vec<&'a str> {
    let names = names.iter().map(|name| name.0.as_str());
    [verb].into_iter().chain(names).chain(options.iter().copied()).collect()
}

/// The lines of one ring, without the prefix.
fn lines_of(text: &str, name: &Name) -> Vec<u8> {
    let prefix = format!("{}: ", name.0);
    let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines.map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

// Catches messages that are lost, doubled, in another order or under another name, a receiver
// that ends with the first stream, and one that does not end with the last.
#[test]
fn every_ring_is_received_to_its_end() {
    let names = rings();
    let recv = start(&args("recv", &names, &["--prefix"]));
    for name in &names {
        name.await_role("consumers", recv.pid());
    }
    let sends: Vec<_> = (1..)
        .zip(&names)
        .map(|(first, name)| start_with(&["send", &name.0], seq(first, first + 20_000)))
        .collect();
    let ended = recv.end().expect_code(0);
    assert_eq!(ended.stderr, "");
    for send in sends {
        send.end().expect_code(0);
    }
    let text = ended.text();
    for (first, name) in (1..).zip(&names) {
        assert!(lines_of(&text, name) == seq(first, first + 20_000), "{}", name.0);
        name.expect_left();
    }
    assert_eq!(text.lines().count(), 4 * 20_001);
}

// Catches a ring that is not left when its stream ends, and one that is lost with it.
#[test]
fn a_ring_is_left_at_the_end_of_its_stream() {
    let names = rings();
    let (mut first, mut last) = (start(&["send", &names[0].0]), start(&["send", &names[1].0]));
    names[0].await_role("producers", first.pid());
    names[1].await_role("producers", last.pid());
    let mut recv = start(&args("recv", &names[..2], &[]));
    first.write(b"one\n");
    assert_eq!(recv.read(4), b"one\n");
    first.end().expect_code(0);
    names[0].await_holders("consumers", 0);
    // It is another one's by now.
    let next = start(&["recv", &names[0].0]);
    names[0].await_role("consumers", next.pid());
    last.write(b"two\n");
    assert_eq!(recv.read(4), b"two\n");
    run_with(&["send", &names[0].0], b"three\n").expect_code(0);
    assert_eq!(next.end().expect_code(0).text(), "three\n");
    last.end().expect_code(0);
    assert_eq!(recv.end().expect_code(0).text(), "");
}

// Catches an end that was before this receiver came taken for the end of its own stream.
#[test]
fn rings_without_senders_are_waited_for() {
    let names = rings();
    run(&["recv", &names[0].0, "--timeout", "20ms"]).expect_code(4);
    run_with(&["send", &names[1].0], b"").expect_code(0);
    assert_eq!(names[1].drain(), b"");
    let recv = start(&args("recv", &names[..2], &[]));
    for name in &names[..2] {
        name.await_role("consumers", recv.pid());
    }
    run_with(&["send", &names[0].0], b"one\n").expect_code(0);
    names[0].await_holders("consumers", 0);
    run_with(&["send", &names[1].0], b"two\n").expect_code(0);
    assert_eq!(recv.end().expect_code(0).text(), "one\ntwo\n");
}

// Catches a ring that has always more and keeps the others waiting.
#[test]
fn a_busy_ring_does_not_starve_the_others() {
    let busy = [Name::with_ring("4M"), Name::with_slots("mpmc", "64K", "64")];
    for busy in busy {
        let quiet = Name::with_ring("4K");
        let line = [&b"x".repeat(50)[..], b"\n"].concat();
        run_with(&["send", &busy.0], &line.repeat(40_000)).expect_code(0);
        run_with(&["send", &quiet.0], b"quiet\n").expect_code(0);
        let text = run(&["recv", &busy.0, &quiet.0]).expect_code(0).text();
        assert_eq!(text.len(), 40_000 * 51 + 6);
        let at = text.find("quiet\n").expect("the other ring's message");
        assert!(at <= RUN_BYTES + 51, "after {at} bytes");
    }
}

// Catches a message of no ring, or of the wrong one, where messages may be any bytes.
#[test]
fn binary_messages_name_their_ring() {
    let names = rings();
    let messages = |seed: usize| -> Vec<Vec<u8>> {
        [0, 1, 4, 50].iter().map(|len| noise(len + seed)[seed..].to_vec()).collect()
    };
    let framed = |bytes: &[u8]| [&(bytes.len() as u32).to_le_bytes(), bytes].concat();
    let mut expected = Vec::new();
    for (seed, name) in names.iter().enumerate() {
        let stream: Vec<u8> = messages(seed).iter().flat_map(|one| framed(one)).collect();
        run_with(&["send", &name.0, "--length-prefixed"], &stream).expect_code(0);
        let named = |one: &Vec<u8>| [framed(name.0.as_bytes()), framed(one)].concat();
        expected.extend(messages(seed).iter().flat_map(named));
    }
    let recv = run(&args("recv", &names, &["--length-prefixed", "--prefix"])).expect_code(0);
    assert!(recv.stdout == expected, "{:?}", recv.text());
}

// Catches a prefix that is missing where there is one ring, and one that breaks a message.
#[test]
fn a_prefix_is_for_a_message() {
    let names = [Name::with_ring("4K")];
    run_with(&["send", &names[0].0, "--length-prefixed"], b"\x03\0\0\0a\nb\0\0\0\0").expect_code(0);
    let text = run(&args("recv", &names, &["--prefix", "--stats"])).expect_code(0);
    assert_eq!(text.text(), format!("{0}: a\nb\n{0}: \n", names[0].0));
    text.expect_stderr("received 2 messages, 3 B, ");
}

// Catches a count for each ring, and messages that leave a ring beyond it.
#[test]
fn count_is_for_all_rings_together() {
    let names = rings();
    for name in &names {
        run_with(&["send", &name.0], &seq(1, 5)).expect_code(0);
    }
    let count = |count| run(&args("recv", &names, &["--count", count])).expect_code(0).stdout;
    assert_eq!(count("0"), b"");
    let one = count("1");
    assert_eq!(one, b"1\n");
    let lines = count("12").iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 12);
    let left: usize = names
        .iter()
        .map(|name| name.facts()["messages_received"].as_u64())
        .map(|received| 5 - received.expect("a number") as usize)
        .sum();
    assert_eq!(left, 4 * 5 - 13);
}

// Catches a timeout that a message on another ring does not restart, that an end of a stream
// restarts or takes for a timeout, and an error that does not say which rings are empty.
#[test]
fn a_timeout_is_for_all_rings_together() {
    let names = rings();
    let recv = args("recv", &names, &["--timeout", "50ms"]);
    let ended = run(&recv).expect_code(4).expect_stderr("timed out").expect_stderr("no sender: ");
    for name in &names {
        ended.stderr.rfind(&name.0).expect("the name of each ring");
    }
    let mut send = start(&["send", &names[2].0]);
    send.write(b"one\n");
    names[2].await_listed("a message", |segment| segment["used_slots"] == 1);
    let ended = run(&recv).expect_code(4);
    assert_eq!(ended.text(), "one\n");
    let (all, without_sender) = ended.stderr.split_once("no sender: ").expect("names of rings");
    assert!(all.contains(&names[2].0) && !without_sender.contains(&names[2].0), "{}", ended.stderr);
    // All streams end at once.
    send.end().expect_code(0);
    for name in &names {
        run_with(&["send", &name.0], b"two\n").expect_code(0);
    }
    let ended = run(&args("recv", &names, &["--timeout", "0s"])).expect_code(0);
    assert_eq!(ended.text(), "two\n".repeat(4));
}

// Catches totals of one ring only, or that count prefixes.
#[test]
fn totals_are_for_all_and_for_each() {
    let names = rings();
    for (count, name) in (1..).zip(&names) {
        run_with(&["send", &name.0], &seq(1, count)).expect_code(0);
    }
    for options in [&["--stats", "--prefix"][..], &["--stats", "--prefix", "--length-prefixed"]] {
        let ended = run(&args("recv", &names[..3], options)).expect_code(0);
        let lines: Vec<_> = ended.stderr.lines().collect();
        assert!(lines[0].starts_with("shmring: received 6 messages, 6 B, in "), "{lines:?}");
        let each = [(0, "1 message, 1 B"), (1, "2 messages, 2 B"), (2, "3 messages, 3 B")];
        let each = each.map(|(ring, totals)| format!("shmring: {:?}: {totals}", names[ring].0));
        assert_eq!(lines[1..], each);
        for (count, name) in (1..).zip(&names[..3]) {
            run_with(&["send", &name.0], &seq(1, count)).expect_code(0);
        }
    }
}

// Catches segments that are only found when they exist before the receiver starts, and messages
// that are taken although a ring is missing.
#[test]
fn all_rings_are_joined_or_none() {
    let names = [Name::with_ring("4K"), Name::new(), Name::with_slots("mpmc", "16", "64")];
    run_with(&["send", &names[0].0], b"one\n").expect_code(0);
    run(&args("recv", &names, &[])).expect_code(3).expect_stderr(&names[1].0);
    run(&args("recv", &names, &["--wait", "20ms"])).expect_code(4).expect_stderr(&names[1].0);
    let recv = start(&args("recv", &names, &["--wait", "60s"]));
    names[0].await_listed("an attachment", |segment| {
        segment["attached"].as_array().is_some_and(|all| all.len() == 1)
    });
    run(&["create", &names[1].0]).expect_code(0);
    for name in &names[1..] {
        run_with(&["send", &name.0], b"two\n").expect_code(0);
    }
    let text = recv.end().expect_code(0).text();
    assert_eq!(text, "one\ntwo\ntwo\n");
}

// Catches a refusal by one ring that breaks the pipe of another one's sender.
#[test]
fn a_taken_role_disturbs_nobody() {
    let names = [Name::with_ring("4K"), Name::with_slots("mpsc", "16", "64")];
    let holder = start(&["recv", &names[1].0]);
    names[1].await_role("consumers", holder.pid());
    let send = start_with(&["send", &names[0].0], seq(1000, 1999));
    names[0].await_listed("a full ring", |segment| segment["used_bytes"] == 255 * 16);
    run(&args("recv", &names, &[])).expect_code(7).expect_stderr(&holder.pid().to_string());
    assert_eq!(names[0].drain(), seq(1000, 1999));
    send.end().expect_code(0);
}

// Catches what cannot be meant, and is done all the same.
#[test]
fn what_makes_no_sense_is_refused() {
    let name = Name::with_ring("4K");
    let slash = format!("/{}", name.0);
    for (args, why) in [
        (&["recv"][..], "<NAME"),
        (&["recv", &name.0, &name.0], "given twice"),
        (&["recv", &name.0, "other", &slash], "given twice"),
        (&["recv", &name.0, "--socket", "x"], "--socket"),
        (&["recv", "--socket", "x", "--socket", "y"], "--socket"),
        (&["recv", &name.0, "--raw", "--prefix"], "--prefix"),
        (&["attach", &name.0, "other"], "other"),
        (&["attach", &name.0, "--recv", "--prefix"], "--prefix"),
    ] {
        run(args).expect_code(2).expect_stderr(why);
    }
}
