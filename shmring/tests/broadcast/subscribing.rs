//! Ways to subscribe, and what each receives.

use std::thread;

use shmring::{Config, JoinError, RecvError, Role, Start, Subscribe, TryRecvError, TrySendError};

use crate::common::{LONG, MODES, Name, watchdog};

/// Catches a message that a gating subscriber misses or receives twice, in whichever way it waits.
#[test]
fn every_gating_subscriber_receives_every_message() {
    let _watchdog = watchdog("every_gating_subscriber_receives_every_message");
    for mode in MODES {
        for subscribers in [1, 2, 8] {
            let name = Name::new();
            let segment = name.create(&Config::broadcast().capacity_bytes(4096));
            let mut tx = segment.producer().unwrap();
            tx.set_wait_mode(mode);
            let rxs: Vec<_> =
                (0..subscribers).map(|_| segment.subscribe(Subscribe::gating()).unwrap()).collect();
            thread::scope(|scope| {
                for mut rx in rxs {
                    scope.spawn(move || {
                        rx.set_wait_mode(mode);
                        for number in 0..2000_u64 {
                            assert_eq!(rx.recv().unwrap(), number.to_ne_bytes());
                        }
                        assert_eq!(rx.recv(), Err(RecvError::Eof));
                    });
                }
                for number in 0..2000_u64 {
                    tx.send(&number.to_ne_bytes()).unwrap();
                }
                drop(tx);
            });
        }
    }
}

/// Catches a subscriber that starts elsewhere, and a position that is not refused.
#[test]
fn a_subscriber_starts_where_it_wants_to() {
    let name = Name::new();
    let segment = name.create(&Config::broadcast().capacity_bytes(4096));
    let mut tx = segment.producer().unwrap();
    let mut positions = Vec::new();
    let mut first = segment.subscribe(Subscribe::gating()).unwrap();
    for number in 0..20_u64 {
        tx.send(&number.to_ne_bytes()).unwrap();
        first.recv().unwrap();
        positions.push(first.position());
    }
    for how in [Subscribe::gating(), Subscribe::lossy()] {
        let mut next = segment.subscribe(how).unwrap();
        assert_eq!(next.try_recv(), Err(TryRecvError::Empty));
        let mut oldest = segment.subscribe(how.from(Start::Oldest)).unwrap();
        assert_eq!(oldest.recv().unwrap(), 0_u64.to_ne_bytes());
        let mut seen = segment.subscribe(how.from(Start::Position(positions[6]))).unwrap();
        assert_eq!(seen.recv().unwrap(), 7_u64.to_ne_bytes());
        let none = segment.subscribe(how.from(Start::Position(positions[6] + 8)));
        assert!(matches!(none, Err(JoinError::Gone)));
    }
    first.recv_timeout(std::time::Duration::ZERO).unwrap_err();
    drop(first);
    for _ in 0..1000 {
        tx.send(b"many").unwrap();
    }
    let gone = segment.subscribe(Subscribe::lossy().from(Start::Position(positions[6])));
    assert!(matches!(gone, Err(JoinError::Gone)));
}

/// Catches a lossy subscriber that holds the producer up, that miscounts, or that stops at a loss;
/// and a latest one that is behind.
#[test]
fn lossy_subscribers_are_told_what_they_missed() {
    let name = Name::new();
    let segment = name.create(&Config::broadcast().capacity_bytes(4096));
    let mut tx = segment.producer().unwrap();
    let mut lossy = segment.subscribe(Subscribe::lossy()).unwrap();
    let mut latest = segment.subscribe(Subscribe::latest()).unwrap();
    for number in 0..1000_u64 {
        tx.try_send(&number.to_ne_bytes()).unwrap();
    }
    assert_eq!(latest.recv().unwrap(), 999_u64.to_ne_bytes());
    assert_eq!(latest.missed(), 999);
    let Err(RecvError::Lagged { missed }) = lossy.recv() else { panic!("not told") };
    for number in missed..1000 {
        assert_eq!(lossy.recv().unwrap(), number.to_ne_bytes());
    }
    assert_eq!(lossy.missed(), missed);
    assert_eq!(lossy.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(latest.try_recv(), Err(TryRecvError::Empty));
}

/// Catches a producer that overruns a gating subscriber, that is not told who holds it up, and an
/// eviction that is not told once.
#[test]
fn a_gating_subscriber_holds_the_producer_up_until_it_is_evicted() {
    let _watchdog = watchdog("a_gating_subscriber_holds_the_producer_up_until_it_is_evicted");
    let name = Name::new();
    let segment = name.create(&Config::broadcast().capacity_bytes(4096));
    let mut tx = segment.producer().unwrap();
    let mut rx = segment.subscribe(Subscribe::gating()).unwrap();
    assert!(tx.held_up_by().unwrap().is_none());
    let mut sent = 0_u64;
    while tx.try_send(&sent.to_ne_bytes()).is_ok() {
        sent += 1;
    }
    assert_eq!(tx.try_send(b"no"), Err(TrySendError::Full));
    let held = tx.held_up_by().unwrap().unwrap();
    assert_eq!(
        (held.holder.role, held.holder.participant.pid),
        (Role::Consumer, std::process::id())
    );
    assert_eq!(held.holder.subscription.unwrap().lag_messages, sent);
    thread::scope(|scope| {
        let sending = scope.spawn(|| tx.send(b"goes on"));
        segment.evict(&held.holder).unwrap();
        sending.join().unwrap().unwrap();
    });
    assert!(segment.evict(&held.holder).is_err());
    assert_eq!(rx.recv_timeout(LONG), Err(shmring::RecvTimeoutError::Evicted));
    let mut next = 0;
    while next < sent {
        match rx.recv() {
            Ok(message) => {
                assert_eq!(message, next.to_ne_bytes());
                next += 1;
            }
            Err(RecvError::Lagged { missed }) => next += missed,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(rx.recv().unwrap(), b"goes on");
}
