//! Who is woken, and by what.

use super::{
    RecvEndpoint, SendEndpoint, Taken, receiver, segment, send, sender, slots, value_handles,
};
use crate::error::{Role, TryRecvError, TrySendError};
use crate::info::Kind;
use crate::ring::tables;
use crate::sync::Ordering;
use crate::{Config, Segment};

/// Catches a message that wakes nobody: one sent the shortest way or another, or a batch.
#[test]
fn messages_wake_a_receiver() {
    let verbs: [fn(&mut SendEndpoint); 3] = [
        |tx| {
            // The first one finds out how much room there is.
            send(tx, b"x");
            assert!(tx.send_fast(b"x"));
        },
        |tx| send(tx, b"x"),
        |tx| {
            let batch = [b"x".as_slice(); 2];
            let reserve_place =
                |endpoint: &mut SendEndpoint, len, count| Ok(endpoint.reserve_place(len, count)?);
            tx.send_all::<TrySendError>(batch.into_iter(), reserve_place).unwrap();
        },
    ];
    for config in [Config::spsc(), Config::spmc().slots(4), Config::mpmc().slots(4)] {
        for (index, verb) in verbs.into_iter().enumerate() {
            let segment = segment(&config);
            let (mut tx, rx) = (sender(&segment), receiver(&segment));
            // Only the last message is far enough for it.
            rx.registration.arm(if index == 1 { 1 } else { 2 });
            verb(&mut tx);
            assert!(!rx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches room that wakes nobody: of a message taken the shortest way or another.
#[test]
fn room_wakes_a_sender() {
    let verbs: [fn(&mut RecvEndpoint); 2] =
        [|rx| assert!(rx.take_fast(Taken)), |rx| assert_eq!(rx.try_take(1, |_, _| Ok(())), Ok(1))];
    for config in [Config::spsc(), Config::spmc().slots(4), Config::mpmc().slots(4)] {
        for (index, verb) in verbs.into_iter().enumerate() {
            let segment = segment(&config);
            let (mut tx, mut rx) = (sender(&segment), receiver(&segment));
            send(&mut tx, b"x");
            tx.registration.arm(1);
            verb(&mut rx);
            assert!(!tx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// A ring of four values of eight bytes, of each kind that holds values.
fn values() -> impl Iterator<Item = (Config, Segment)> {
    let kinds = [Config::mpmc(), Config::mpsc(), Config::spmc(), Config::new(Kind::Packed)];
    kinds.into_iter().map(|config| {
        let config = config.slots(4).values::<u64>();
        (config.clone(), segment(&config))
    })
}

/// Catches elements that wake nobody: each verb that sends them, in each kind of ring.
#[test]
fn elements_wake_a_receiver() {
    let verbs: [fn(&mut SendEndpoint); 4] = [
        |tx| assert!(tx.send_element_fast(&[1; 8])),
        |tx| tx.try_send_elements(&[1; 8], 8).unwrap(),
        |tx| assert_eq!(tx.send_some_elements(&[1; 8], 8), Ok(1)),
        |tx| {
            let run = tx.reserve_elements(1, 1, 8).ok().unwrap();
            tx.commit_elements(run, 8);
        },
    ];
    for (config, segment) in values() {
        let (mut tx, rx) = value_handles(&segment);
        for (index, verb) in verbs.into_iter().enumerate() {
            rx.registration.arm(index as u64 + 1);
            verb(&mut tx);
            assert!(!rx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches room that wakes nobody: of an element taken by each verb, in each kind of ring.
#[test]
fn elements_that_are_taken_wake_a_sender() {
    let verbs: [fn(&mut RecvEndpoint); 2] = [
        |rx| assert!(rx.take_element_fast(8, Taken)),
        |rx| {
            let run = rx.next_elements(1, 8).unwrap();
            rx.take_elements(run, 1);
        },
    ];
    for (config, segment) in values() {
        let (mut tx, mut rx) = value_handles(&segment);
        tx.try_send_elements(&[1; 32], 8).unwrap();
        // A consumer that has not looked yet does not take the fast path.
        assert!(rx.next_elements(4, 8).is_ok());
        for (index, verb) in verbs.into_iter().enumerate() {
            tx.registration.arm(index as u64 + 1);
            verb(&mut rx);
            assert!(!tx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches a role that is given up, by its owner or behind a dead one, and wakes nobody; and
/// one that was not given up and wakes everybody.
#[test]
fn a_role_that_is_given_up_wakes_everyone() {
    for (config, sole) in [(Config::spsc(), true), (Config::mpmc(), false)] {
        let segment = segment(&config);
        let (tx, rx) = (sender(&segment), receiver(&segment));
        let mapped = segment.view().unwrap();
        rx.registration.arm(1 << 40);
        // Refused, or dropped at once.
        assert_eq!(SendEndpoint::join(segment.view().unwrap()).is_err(), sole);
        assert_eq!(rx.registration.is_armed(), sole);
        rx.registration.arm(1 << 40);
        drop(tx);
        assert!(!rx.registration.is_armed(), "left without a word");

        // An entry whose token nobody has is a dead one's.
        let dead = mapped.attach().mapping().attachments().len() - 1;
        mapped.attach().mapping().attachments()[dead].activate();
        let handle = tables::claim_handle(mapped.handles(), dead, 0).unwrap();
        let roles = &mapped.control().roles;
        assert!(roles.claim(Role::Producer, handle));
        rx.registration.arm(1 << 40);
        mapped.attach().reap().unwrap();
        assert!(!roles.holders(Role::Producer).any(|holder| holder == handle));
        assert!(!rx.registration.is_armed(), "cleaned up without a word");
    }
}

/// Catches a ticket that is closed for its dead owner, or given up, and wakes nobody who is
/// stuck there.
#[test]
fn who_is_stuck_is_woken() {
    let segment = slots();
    let (mut rx, other) = (receiver(&segment), receiver(&segment));
    let tail = &rx.registration.mapped.control().producer.tail;
    // A ticket that nobody announces is a dead one's.
    tail.store(1, Ordering::Relaxed);
    other.registration.arm(1);
    let resolved = || segment.view().unwrap().control().roles.resolved();
    while resolved() == 0 {
        assert_eq!(rx.next().unwrap_err(), TryRecvError::WouldBlock);
    }
    assert!(!other.registration.is_armed(), "closed without a word");
    assert_eq!(rx.next().unwrap_err(), TryRecvError::Empty);

    let mut tx = sender(&segment);
    assert!(tx.reserve_place(1, 1).is_ok());
    other.registration.arm(2);
    tx.abandon();
    assert!(!other.registration.is_armed(), "given up without a word");
}

/// Catches a consumer that passes tombstones and tells no sender of the room.
#[test]
fn passed_tombstones_wake_senders() {
    let segment = slots();
    let (mut tx, other, mut rx) = (sender(&segment), sender(&segment), receiver(&segment));
    assert!(tx.reserve_place(1, 4).is_ok());
    tx.abandon();
    other.registration.arm(1);
    assert_eq!(rx.next().unwrap_err(), TryRecvError::Empty);
    assert!(!other.registration.is_armed(), "passed without a word");
}
