//! SIGKILL of one of several, in the middle of it: the others go on. SIGKILL of the last one on
//! a side: the other side ends.

use nix::sys::signal::Signal;

use crate::party::{BATCH, Party, Receiver, first, ledger, lines_of, whole_lines};
use crate::support::{Name, Running, seq, start};

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

/// A ring of each kind that the command can carry.
fn rings() -> [Name; 4] {
    let slots = |kind| Name::with_slots(kind, "16", "64");
    [Name::with_ring("4K"), slots("mpmc"), slots("mpsc"), slots("spmc")]
}

/// A sender that waits for input, and a receiver.
fn pair(name: &Name) -> (Running, Receiver) {
    let mut party = Party::join(name, 1, 1);
    party.senders.pop().zip(party.receivers.pop()).expect("one of each")
}

// Catches a receiver that waits on for ever, or fails, when the last sender could not
// say goodbye; and lines that were sent and die with their sender.
#[test]
fn the_last_sender_while_the_receiver_sleeps() {
    for name in rings() {
        let mut send = start(&["send", &name.0]);
        let mut recv = start(&["recv", &name.0]);
        name.await_role("consumers", recv.pid());
        send.write(&seq(1, 500));
        let all = seq(1, 500);
        assert_eq!(recv.read(all.len()), all);
        send.signal(Signal::SIGKILL);
        send.end().expect_signal(Signal::SIGKILL);
        assert_eq!(recv.end().expect_code(0).text(), "", "{}", name.0);
    }
}

// Catches the same in the middle of a stream, and half a line that was sent.
#[test]
fn the_last_sender_while_it_sends() {
    for name in rings() {
        let (mut send, recv) = pair(&name);
        send.feed(lines_of(0, ENDLESS));
        await_moment(&name, MOMENTS[0]);
        send.signal(Signal::SIGKILL);
        send.end().expect_signal(Signal::SIGKILL);
        let numbers = ledger(1, &[recv.end().expect_code(0).stdout]).remove(0);
        assert_eq!(numbers, first(numbers.len()), "{}: a gap in what was sent", name.0);
        assert!(numbers.len() as u64 >= MOMENTS[0]);
        assert_eq!(name.listed().expect("a segment")["used_bytes"], 0, "left in the ring");
    }
}

// Catches a sender that waits for ever for the room of a dead receiver, or takes its end
// for a success.
#[test]
fn the_last_receiver_while_the_sender_waits_for_room() {
    for name in rings() {
        let recv = start(&["recv", &name.0]);
        name.await_role("consumers", recv.pid());
        recv.stop();
        let mut send = start(&["send", &name.0]);
        send.feed(lines_of(0, ENDLESS));
        name.await_role("producers", send.pid());
        name.await_listed("a full ring", |segment| match segment["used_slots"].as_u64() {
            Some(slots) => slots == 16,
            // Less than a line and its header is left.
            None => segment["used_bytes"].as_u64() > Some((4 << 10) - 64),
        });
        recv.signal(Signal::SIGKILL);
        recv.end().expect_signal(Signal::SIGKILL);
        send.end().expect_code(5).expect_stderr("broken pipe");
    }
}

// Catches the same in the middle of a stream.
#[test]
fn the_last_receiver_while_it_receives() {
    for name in rings() {
        let (mut send, recv) = pair(&name);
        send.feed(lines_of(0, ENDLESS));
        await_moment(&name, MOMENTS[0]);
        recv.running.signal(Signal::SIGKILL);
        let received = whole_lines(recv.end().expect_signal(Signal::SIGKILL).stdout);
        send.end().expect_code(5).expect_stderr("broken pipe");
        let numbers = ledger(1, &[received]).remove(0);
        assert_eq!(numbers, first(numbers.len()), "{}: a gap in what was received", name.0);
    }
}
