//! The status of a ring, and the reasons of stalls.

use std::thread;

use shmring::info::Front;
use shmring::{Config, Kind, Observer, PidNamespace, Role, Segment, Stall, Status, values};

use crate::common::{LONG, Name, SLOT_KINDS, broadcast, eventually, payload, slots, watchdog};

/// Where the words lie in the file, with the default tables.
const TAIL: u64 = 28_416;
const HEAD: u64 = 28_544;
const DATA: u64 = 32_768;

fn look(name: &Name) -> Status {
    Observer::open(name).unwrap().status().unwrap()
}

/// Why nothing moves, seen from outside and from within.
fn stall(name: &Name, segment: &Segment) -> Stall {
    let from_outside = look(name).ring().stall_since(look(name).ring()).expect("a stall");
    let earlier = segment.status().unwrap();
    let from_within = segment.status().unwrap().ring().stall_since(earlier.ring());
    assert_eq!(from_within.as_ref(), Some(&from_outside));
    from_outside
}

/// Catches positions that do not add up, counters that count something else, and holders
/// that are not those that joined.
#[test]
fn positions_counters_and_roles() {
    let configs = SLOT_KINDS.map(|kind| slots(kind, 16, 64));
    for config in configs.into_iter().chain([Config::spsc().capacity_bytes(4096), broadcast()]) {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&config);
        let unit = if segment.info().ring().slots.is_some() { 1 } else { 32 };
        for number in 0..5 {
            tx.send(&payload(number, 20)).unwrap();
        }
        for _ in 0..2 {
            rx.recv().unwrap();
        }
        drop(segment.consumer());
        let status = look(&name);
        assert_eq!((status.ring().head, status.ring().tail), (2 * unit, 5 * unit));
        assert_eq!((status.ring().messages_received, status.ring().front), (2, Front::Message));
        assert!(!status.ring().full);
        let shares = segment.info().ring().kind.shares(Role::Consumer);
        let consumers = if shares { 2 } else { 1 };
        assert_eq!(
            (status.ring().producers_so_far, status.ring().consumers_so_far),
            (1, consumers)
        );
        assert_eq!(status.ring().holders.len(), 2);
        for (role, all) in
            [(Role::Producer, &status.ring().producers), (Role::Consumer, &status.ring().consumers)]
        {
            let holders: Vec<_> = status.ring().holders_of(role).collect();
            assert_eq!(holders.len(), 1);
            assert_eq!(holders[0].participant, all[0]);
            assert_eq!(
                (all[0].pid, all[0].pid_namespace),
                (std::process::id(), PidNamespace::Ours)
            );
            assert_eq!(holders[0].sleeps_until, None);
        }
        let process = status.ring().producers[0].process().expect("this process");
        let own = std::fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(process.command, own.trim_end());
        drop((tx, rx));
        let status = look(&name);
        assert!(status.ring().holders.is_empty());
        assert_eq!(status.ring().producers_so_far, 1);
    }
}

/// Catches messages that wait being taken for an empty ring, a full ring for one with room,
/// and the other way round.
#[test]
fn stalls_name_the_missing_role() {
    let _watchdog = watchdog("stalls_name_the_missing_role");
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 4, 64));
        assert_eq!(stall(&name, &segment), Stall::Empty);
        tx.send(b"one").unwrap();
        assert_eq!(stall(&name, &segment), Stall::NotTaken);
        let before = look(&name);
        while tx.try_send(b"more").is_ok() {}
        assert_eq!(stall(&name, &segment), Stall::Full);
        assert_eq!(look(&name).ring().stall_since(before.ring()), Some(Stall::Full));
        rx.recv().unwrap();
        assert_eq!(look(&name).ring().stall_since(before.ring()), None, "something was received");
        while rx.try_recv().is_ok() {}
        assert_eq!(stall(&name, &segment), Stall::Empty);
    }
    let name = Name::new();
    let segment = name.create(&Config::packed::<u32>().slots(4));
    let mut tx: values::Producer<u32> = segment.value_producer().unwrap();
    assert_eq!(stall(&name, &segment), Stall::Empty);
    tx.send_slice(&[1, 2]).unwrap();
    assert_eq!(stall(&name, &segment), Stall::NotTaken);
    tx.send_slice(&[3, 4]).unwrap();
    assert_eq!(stall(&name, &segment), Stall::Full);
}

/// Catches a record ring that counts as full while there is room, or not while its producer
/// waits for some.
#[test]
fn a_record_ring_is_full_while_a_sender_waits() {
    let _watchdog = watchdog("a_record_ring_is_full_while_a_sender_waits");
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    tx.send(&[1; 2000]).unwrap();
    tx.send(&[2; 1000]).unwrap();
    assert_eq!(stall(&name, &segment), Stall::NotTaken);
    thread::scope(|scope| {
        let sender = scope.spawn(|| tx.send_timeout(&[3; 1500], LONG));
        eventually("the sender sleeps", || (look(&name).ring().sleepers == 1).then_some(()));
        // It wakes now and then to check for dead peers.
        eventually("it is full", || {
            let asleep = look(&name);
            (look(&name).ring().stall_since(asleep.ring()) == Some(Stall::Full)).then_some(())
        });
        rx.recv().unwrap();
        sender.join().unwrap().unwrap();
    });
    assert_eq!(stall(&name, &segment), Stall::NotTaken);
    // Full to the last byte, without a sleeper.
    let (segment, mut tx, _rx) = {
        drop((segment, tx, rx));
        Segment::unlink(&name).unwrap();
        name.pair(4096)
    };
    for len in [2000, 1000, 1064] {
        tx.send(&vec![0; len]).unwrap();
    }
    assert!(tx.try_send(b"").is_err());
    assert_eq!(stall(&name, &segment), Stall::Full);
}

/// Catches a ticket that is held open and not found, or whose owner is not named; a batch's
/// that counts only in part; and tombstones before it that hide it. The numbers of tickets
/// wrap at 2^39.
#[test]
fn a_claimed_position_names_its_announcers() {
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        for start in [0, 1000, (1 << 39) - 2, u64::MAX - 1] {
            let name = Name::new();
            let segment = name.create(&slots(kind, 16, 64));
            name.poke(HEAD, start);
            name.poke(TAIL, start);
            let (mut other, mut tx) = (segment.producer().unwrap(), segment.producer().unwrap());
            drop(other.reserve(8).unwrap());
            let reservation = tx.reserve(8).unwrap();
            other.send(b"behind it").unwrap();

            let Stall::InFlight { position, tickets } = stall(&name, &segment) else {
                panic!("{kind} {start}: not in flight");
            };
            assert_eq!(position, start.wrapping_add(1), "{kind} {start}");
            let [ticket] = &tickets[..] else {
                panic!("{kind} {start}: {tickets:?}");
            };
            assert_eq!(ticket.announced, Some(position..position.wrapping_add(1)));
            assert_eq!((ticket.handle, ticket.role), (1, Role::Producer));
            assert_eq!(ticket.participant.pid, std::process::id());
            assert!(ticket.participant.alive);

            let before = look(&name);
            // No consumer has passed the tombstone at head yet.
            assert_eq!(
                (before.ring().used_slots, before.ring().messages_received),
                (Some(3), start)
            );
            reservation.commit();
            let after = look(&name);
            assert_eq!(after.ring().stall_since(before.ring()), None);
            assert_eq!(after.ring().stall_since(after.ring()), Some(Stall::NotTaken));
        }
    }
}

/// A message of a batch that looks at the ring when it is about to be copied.
struct Looking<'a>(&'a dyn Fn());

impl AsRef<[u8]> for Looking<'_> {
    fn as_ref(&self) -> &[u8] {
        (self.0)();
        b"message"
    }
}

/// Catches a batch of which only the first ticket is found, and one that is found when it
/// was published.
#[test]
fn a_batch_is_announced_as_a_whole() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair_of(&slots(Kind::Mpmc, 16, 64));
    tx.send(b"before").unwrap();
    rx.recv().unwrap();
    let seen = std::cell::RefCell::new(Vec::new());
    let look = || {
        let now = segment.status().unwrap();
        if let Some(Stall::InFlight { position, tickets }) = now.ring().stall_since(now.ring()) {
            seen.borrow_mut().push((position, tickets[0].announced.clone()));
        }
    };
    tx.send_batch(&[Looking(&look), Looking(&look), Looking(&look)]).unwrap();
    // Each is published before the next is copied, and the first is the one at head.
    assert_eq!(seen.into_inner(), [(1, Some(1..4))]);
    assert_eq!(stall(&name, &segment), Stall::NotTaken);
    for _ in 0..3 {
        rx.recv().unwrap();
    }
    assert_eq!(stall(&name, &segment), Stall::Empty);
}

/// Catches damage that looks like a ring at rest, and damage that a later lap had before.
#[test]
fn damage_at_head_is_reported() {
    for (config, what) in [
        (Config::spsc().capacity_bytes(4096), "a record header"),
        (broadcast(), "a record header"),
        (slots(Kind::Mpmc, 16, 64), "a stamp"),
        (slots(Kind::Spmc, 16, 64), "a stamp"),
    ] {
        let name = Name::new();
        let (segment, mut tx, _rx) = name.pair_of(&config);
        tx.send(b"good").unwrap();
        name.poke(DATA, 0xDEAD_BEEF_DEAD_BEEF);
        let Stall::Corrupt(corrupt) = stall(&name, &segment) else {
            panic!("{what}");
        };
        assert_eq!((corrupt.what, corrupt.position), (what, 0));
        assert_eq!(corrupt.found, 0xDEAD_BEEF_DEAD_BEEF);
    }
    let name = Name::new();
    let segment = name.create(&Config::packed::<u64>().slots(16));
    name.poke(TAIL, 17);
    assert!(matches!(stall(&name, &segment), Stall::Corrupt(c) if c.what == "tail"));
}
