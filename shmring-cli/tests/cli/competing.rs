//! Rings that several share: what all put in comes out once.

use std::io::BufRead;

use crate::party::{Party, first, ledger, lines_of};
use crate::support::{Name, end_all, run, run_with, seq, start, start_with};

/// Moves so many lines of each sender and checks that each comes out once, in order.
#[track_caller]
fn move_lines(ring: [&str; 3], senders: usize, receivers: usize, lines: u32) {
    let [kind, slots, slot_bytes] = ring;
    let name = Name::with_slots(kind, slots, slot_bytes);
    let mut party = Party::join(&name, senders, receivers);
    party.feed(lines);
    let outputs = party.expect_done();
    let all = first(lines as usize);
    assert!(ledger(senders, &outputs).iter().all(|numbers| *numbers == all), "{ring:?}: loss");
    let facts = name.facts();
    assert_eq!(facts["messages_received"], u64::from(lines) * senders as u64);
    assert_eq!(facts["tombstones"], 0, "nobody died or gave up");
}

// Catches lost, doubled, torn or reordered lines where everyone competes.
#[test]
fn three_senders_and_three_receivers() {
    move_lines(["mpmc", "1024", "256"], 3, 3, 200_000);
}

// Catches a sender that claims more than there is, and a wake-up that reaches the
// wrong one of several sleepers, where the ring is always full or empty.
#[test]
fn rings_of_one_and_two_slots() {
    move_lines(["mpmc", "1", "32"], 3, 3, 2_000);
    move_lines(["mpmc", "2", "32"], 3, 3, 2_000);
    move_lines(["mpsc", "1", "32"], 3, 1, 2_000);
    move_lines(["spmc", "1", "32"], 1, 3, 2_000);
}

// Catches a sole receiver that mixes up the order of its senders' lines.
#[test]
fn several_senders_and_one_receiver() {
    move_lines(["mpsc", "1024", "256"], 2, 1, 200_000);
}

// Catches a sole sender that overtakes itself.
#[test]
fn one_sender_and_several_receivers() {
    move_lines(["spmc", "1024", "256"], 1, 3, 200_000);
}

// Catches a role that is shared though it is a sole one, and the reverse.
#[test]
fn sole_roles_are_taken_once() {
    for (kind, verb, role) in [("mpsc", "recv", "consumers"), ("spmc", "send", "producers")] {
        let name = Name::with_slots(kind, "16", "64");
        let holder = start(&[verb, &name.0]);
        name.await_role(role, holder.pid());
        run(&[verb, &name.0]).expect_code(7).expect_stderr(&holder.pid().to_string());
    }
}

// Catches framings that work only where messages are looked at in place.
#[test]
fn every_framing() {
    for kind in ["mpmc", "mpsc", "spmc"] {
        let name = Name::with_slots(kind, "64", "64");
        let recv = |options: &[&str]| {
            let ended = run(&[&["recv", &name.0], options].concat()).expect_code(0);
            assert_eq!(ended.stderr, "");
            ended.stdout
        };
        // `--count` lets them end before they were told of an end.
        run_with(&["send", &name.0], b"one\n\n\nlast").expect_code(0);
        assert_eq!(recv(&["--count", "4"]), b"one\n\n\nlast\n");
        run_with(&["send", &name.0, "--bytes", "3"], b"abcdefgh").expect_code(0);
        assert_eq!(recv(&["--raw", "--count", "3"]), b"abcdefgh");
        let prefixed = b"\x02\0\0\0ab\0\0\0\0\x01\0\0\0\n";
        run_with(&["send", &name.0, "--length-prefixed"], prefixed).expect_code(0);
        assert_eq!(recv(&["--length-prefixed"]), prefixed);
    }
}

// Catches `attach --send` and `attach --recv` that differ from `send` and `recv`.
#[test]
fn attach_moves_lines_as_well() {
    let name = Name::with_slots("mpmc", "64", "64");
    let recv = start(&["attach", &name.0, "--recv"]);
    name.await_role("consumers", recv.pid());
    let input = seq(1, 20_000);
    let send = start_with(&["attach", &name.0, "--send"], input.clone());
    assert!(recv.end().expect_code(0).stdout == input, "the output differs from the input");
    send.end().expect_code(0);
}

// Catches complete lines that are held back until more input comes.
#[test]
fn an_interactive_line_goes_at_once() {
    let name = Name::with_slots("mpmc", "64", "64");
    let (mut send, mut recv) = (start(&["send", &name.0]), start(&["recv", &name.0]));
    send.write(b"first\nsec");
    assert_eq!(recv.read(6), b"first\n");
    send.write(b"ond\n");
    assert_eq!(recv.read(7), b"second\n");
    send.end().expect_code(0);
    assert_eq!(recv.end().expect_code(0).text(), "");
}

// Catches an off-by-one at the limit of half a ring, an error that names the wrong remedy, and
// anything of a message that was refused.
#[test]
fn a_message_longer_than_half_a_ring() {
    for kind in ["mpmc", "mpsc", "spmc"] {
        let name = Name::with_slots(kind, "16", "256");
        let longest = [vec![b'x'; 8 * 248], vec![b'\n']].concat();
        let input = [&longest[..], b"x", &longest, b"after\n"].concat();
        let refused = run_with(&["send", &name.0], &input).expect_code(1);
        let refused = refused.expect_stderr("line 2 ").expect_stderr("1985").expect_stderr("1984");
        refused.expect_stderr("create it with more or larger slots");
        assert_eq!(name.drain(), longest);
    }
}

// Catches a batch that needs more slots than the ring has left.
#[test]
fn a_full_ring_times_out() {
    let name = Name::with_slots("mpmc", "64", "64");
    let ended = run_with(&["send", &name.0, "--timeout", "50ms"], &seq(1, 100)).expect_code(4);
    ended.expect_stderr("64 messages were sent");
    assert_eq!(name.drain(), seq(1, 64));
}

// Catches messages taken beyond the count, which nobody would get.
#[test]
fn counts_are_kept_beside_other_receivers() {
    for kind in ["mpmc", "spmc"] {
        let name = Name::with_slots(kind, "1024", "64");
        run(&["recv", &name.0, "--count", "0"]).expect_code(0);
        let receivers =
            ["1", "100", "5000"].map(|count| start(&["recv", &name.0, "--count", count]));
        name.await_holders("consumers", 3);
        // More than is taken and the ring holds.
        let send = start_with(&["send", &name.0], lines_of(0, 100_000));
        let mut outputs: Vec<_> =
            end_all(receivers.into()).into_iter().map(|one| one.expect_code(0).stdout).collect();
        send.end().expect_code(5).expect_stderr("broken pipe");
        let counts: Vec<_> = outputs.iter().map(|output| output.lines().count()).collect();
        assert_eq!(counts, [1, 100, 5000]);
        assert_eq!(name.facts()["messages_received"], 5101);
        outputs.push(name.drain());
        let all = outputs.iter().map(|output| output.lines().count()).sum();
        assert_eq!(ledger(1, &outputs), [first(all)]);
    }
}
