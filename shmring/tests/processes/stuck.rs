//! Why a ring stands still, when a process is stopped or killed at the worst place.

use shmring::{Config, Kind, Observer, ProcessState, Role, Segment, Stall, Status};

use crate::common::child::{self, Part};
use crate::common::{Name, eventually, slots, watchdog};

fn look(name: &Name) -> Status {
    Observer::open(name).unwrap().status().unwrap()
}

fn stall(name: &Name) -> Option<Stall> {
    let earlier = look(name);
    look(name).ring().stall_since(earlier.ring())
}

/// A child that plays `part` and reports when it holds its place.
fn holding(part: &str, name: &Name, what: &str) -> Part {
    let mut child = child::start(part, &[name, what]);
    assert_eq!(child.hear(), "holds");
    child
}

/// Catches a stall that is attributed to another process, or to none; a stopped process
/// that passes for dead, or whose state is not reported; and a stall that is reported of a ring
/// that goes on.
#[test]
fn a_producer_that_is_stopped_in_its_window_is_named() {
    let _watchdog = watchdog("a_producer_that_is_stopped_in_its_window_is_named");
    for kind in [Kind::Mpmc, Kind::Mpsc] {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 16, 64));
        let mut child = holding("ring-hold", &name, "reservation");
        child.signal(libc::SIGSTOP);
        tx.send(b"behind").unwrap();
        assert_eq!(rx.recv().unwrap(), b"sent");

        eventually("it is stopped", || {
            let Some(Stall::InFlight { position: 1, tickets }) = stall(&name) else {
                panic!("{kind}: {:?}", stall(&name));
            };
            let [ticket] = &tickets[..] else {
                panic!("{tickets:?}");
            };
            assert_eq!(ticket.participant.pid as i32, child.pid());
            assert!(ticket.participant.alive && ticket.role == Role::Producer);
            assert_eq!(ticket.announced, Some(1..2));
            let process = ticket.participant.process().expect("a process of this namespace");
            (process.state == ProcessState::Stopped).then_some(())
        });

        let before = look(&name);
        child.signal(libc::SIGCONT);
        child.go();
        assert_eq!(rx.recv().unwrap(), [0xFF; 40]);
        assert_eq!(look(&name).ring().stall_since(before.ring()), None);
        assert_eq!(rx.recv().unwrap(), b"behind");
        child.finish();
        assert_eq!(stall(&name), Some(Stall::Empty));
    }
}

/// Catches a dead owner that passes for alive, and one that is named when it was cleaned up
/// behind and the name may be another process's.
#[test]
fn a_dead_owner_is_named_until_it_is_reaped() {
    let _watchdog = watchdog("a_dead_owner_is_named_until_it_is_reaped");
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair_of(&slots(Kind::Mpmc, 16, 64));
    let mut child = holding("ring-hold", &name, "reservation");
    assert_eq!(rx.recv().unwrap(), b"sent");
    tx.send(b"behind").unwrap();
    let pid = child.pid();
    child.kill();
    let dead = eventually("it is dead", || match stall(&name) {
        Some(Stall::InFlight { position: 1, tickets }) => {
            let [ticket] = &tickets[..] else {
                panic!("{tickets:?}");
            };
            let participant = ticket.participant.clone();
            (!participant.alive).then_some(participant)
        }
        other => panic!("{other:?}"),
    });
    assert_eq!((dead.pid as i32, dead.process()), (pid, None));
    // An attach reaps the dead, and leaves the ticket to consumers.
    drop(Segment::attach(&name).unwrap());
    let in_flight = Stall::InFlight { position: 1, tickets: Vec::new() };
    assert_eq!(stall(&name), Some(in_flight));
    assert_eq!(rx.recv().unwrap(), b"behind");
    assert_eq!(stall(&name), Some(Stall::Empty));
    assert_eq!(segment.status().unwrap().ring().resolved, 1);
}

/// Catches a sole producer that is stopped and not found, where nothing shows in the ring.
#[test]
fn a_stopped_sole_producer_is_reported() {
    let _watchdog = watchdog("a_stopped_sole_producer_is_reported");
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let mut rx = segment.consumer().unwrap();
    let child = holding("hold", &name, "producer");
    child.signal(libc::SIGSTOP);
    while rx.try_recv().is_ok() {}
    assert_eq!(stall(&name), Some(Stall::Empty));
    eventually("it is stopped", || {
        let status = look(&name);
        let [producer] = &status.ring().producers[..] else {
            panic!("{status:?}");
        };
        assert_eq!(producer.pid as i32, child.pid());
        let state = producer.process().expect("a process").state;
        (state == ProcessState::Stopped).then_some(())
    });
}
