//! SIGKILL of one of several, in the middle of it: the others go on.

use nix::sys::signal::Signal;

use crate::party::{BATCH, Party, first, ledger, lines_of, whole_lines};
use crate::support::{Name, start};

/// Where in the stream the victim dies.
const MOMENTS: [u64; 3] = [1_000, 10_000, 30_000];
/// What a sender sends that is not to end by itself.
const ENDLESS: u32 = 1_000_000;

fn await_moment(name: &Name, moment: u64) {
    let passed = |received: Option<u64>| received >= Some(moment);
    name.await_listed("the middle", |segment| passed(segment["messages_received"].as_u64()));
}

/// Kills one of three senders; the others have so many lines.
#[track_caller]
fn kill_a_sender(ring: [&str; 3], receivers: usize, lines: u32) {
    let [kind, slots, slot_bytes] = ring;
    for moment in MOMENTS {
        let name = Name::with_slots(kind, slots, slot_bytes);
        let mut party = Party::join(&name, 3, receivers);
        let mut victim = party.senders.pop().expect("a sender");
        victim.feed(lines_of(2, ENDLESS));
        party.feed(lines);
        await_moment(&name, moment);
        victim.signal(Signal::SIGKILL);
        victim.end().expect_signal(Signal::SIGKILL);
        let mut numbers = ledger(3, &party.expect_done());
        let victims = numbers.pop().expect("the victim's");
        assert_eq!(victims, first(victims.len()), "a gap in what the victim sent");
        assert!(numbers.iter().all(|one| *one == first(lines as usize)), "{ring:?}: loss");
    }
}

// Catches receivers that hang behind what the dead one did not finish, deliver a part
// of it, or end early; and lines of others that are lost with it.
#[test]
fn a_sender_among_senders() {
    kill_a_sender(["mpmc", "1024", "64"], 3, 100_000);
    kill_a_sender(["mpsc", "1024", "64"], 1, 100_000);
}

// Catches the same where the dead one's slot is half of the ring.
#[test]
fn a_sender_among_senders_of_two_slots() {
    kill_a_sender(["mpmc", "2", "64"], 3, 5_000);
}

// Catches senders that wait for the dead one, or take its end for that of all, and
// lines that are lost beyond those it had in its hands.
#[test]
fn a_receiver_among_receivers() {
    for (kind, senders) in [("mpmc", 3), ("spmc", 1)] {
        for moment in MOMENTS {
            let name = Name::with_slots(kind, "1024", "64");
            let mut party = Party::join(&name, senders, 3);
            let victim = party.receivers.pop().expect("a receiver");
            party.feed(200_000);
            await_moment(&name, moment);
            victim.running.signal(Signal::SIGKILL);
            let victims = victim.end().expect_signal(Signal::SIGKILL).stdout;
            let mut outputs = party.expect_done();
            outputs.push(whole_lines(victims));
            let received: usize = ledger(senders, &outputs).iter().map(Vec::len).sum();
            let lost = senders * 200_000 - received;
            assert!(lost <= BATCH, "{kind}: {lost} lines are lost");
        }
    }
}

// Catches a sole role that a death leaves taken.
#[test]
fn a_sole_one_is_followed() {
    for (kind, verb, role) in [("mpsc", "recv", "consumers"), ("spmc", "send", "producers")] {
        let name = Name::with_slots(kind, "16", "64");
        let victim = start(&[verb, &name.0]);
        name.await_role(role, victim.pid());
        victim.signal(Signal::SIGKILL);
        victim.end().expect_signal(Signal::SIGKILL);
        let next = start(&[verb, &name.0]);
        name.await_role(role, next.pid());
        name.await_holders(role, 1);
    }
}
