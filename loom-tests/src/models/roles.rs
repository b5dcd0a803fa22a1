//! Handles and roles: one owner each, and a successor that follows on its
//! predecessor (I7).

use loom::thread;

use crate::fixture::record::{Message, World};
use crate::frame::models;
use crate::ring::membership::{Ownership, Role};
use crate::ring::tables;
use crate::sync::Ordering;

/// Messages of which the third needs the space of the first two.
const LONG: [Message; 3] = [Message::new(1, 2), Message::new(2, 2), Message::new(3, 2)];

/// Two attaches claim one role.
///
/// Accepted: one gets it; the other, asking who has it, finds a handle that is
/// held by the winner. Would catch two owners, and a holder that cannot be named.
fn two_claimants() {
    let world = World::new(0);
    let claim = |attach: usize| {
        let world = world.clone();
        move || {
            let handle = tables::claim_handle(&world.handles, attach, 0).expect("a handle is free");
            let won = world.roles().claim(Role::Producer, handle);
            if !won {
                let Ownership::Held { handle, claims: 1 } = world.roles().ownership(Role::Producer)
                else {
                    panic!("the winner keeps the role")
                };
                assert_eq!(world.handles[handle].attach(), Some(1 - attach));
            }
            won
        }
    };
    let other = thread::spawn(claim(1));
    let won = claim(0)();
    assert_ne!(won, other.join().expect("the claimant ends"), "one of them has the role");
}

/// Two attaches claim the only handle that is free.
///
/// Accepted: one gets it. Would catch a handle with two owners.
fn two_claim_one_handle() {
    let world = World::new(0);
    let claim = |attach: usize| {
        let world = world.clone();
        move || tables::claim_handle(&world.handles[..1], attach, 0).is_some()
    };
    let other = thread::spawn(claim(1));
    let won = claim(0)();
    assert_ne!(won, other.join().expect("the claimant ends"), "one of them has the handle");
    assert!(world.handles[0].attach() == Some(usize::from(!won)));
}

/// One attach frees a handle, another claims it.
///
/// Accepted: the new owner finds what the old one left, and what it writes
/// stays. Would catch a store of the old owner that comes after the new one's.
fn free_then_claim() {
    let world = World::new(0);
    let old = tables::claim_handle(&world.handles[..1], 0, 0).expect("the handle is free");
    let leaver = thread::spawn({
        let world = world.clone();
        move || {
            world.handles[old].own.cursor.store(1, Ordering::Relaxed);
            world.leave(old);
        }
    });
    let new = loop {
        match tables::claim_handle(&world.handles[..1], 1, 0) {
            Some(new) => break new,
            None => thread::yield_now(),
        }
    };
    let cursor = &world.handles[new].own.cursor;
    assert_eq!(cursor.load(Ordering::Relaxed), 1);
    cursor.store(2, Ordering::Relaxed);
    leaver.join().expect("the leaver ends");
    assert_eq!(cursor.load(Ordering::Relaxed), 2);
}

/// A producer sends and leaves, a second one may find its role vacant, and then
/// overwrites space that was released in its predecessor's time.
///
/// Accepted: the messages of the first, then that of the second if it got the
/// role and found room. Would catch a successor that starts at the wrong tail,
/// or overwrites what is still being read (I4).
fn next_producer() {
    let world = World::new(0);
    let mut first = world.sender(0);
    let mut receiver = world.receiver(1);
    let predecessor = thread::spawn(move || {
        first.send(LONG[0]);
        first.send(LONG[1]);
        first.leave();
    });
    let successor = thread::spawn({
        let world = world.clone();
        move || world.try_sender(2).is_some_and(|mut second| second.try_send(LONG[2]).is_ok())
    });
    assert_eq!(receiver.recv(), LONG[0]);
    assert_eq!(receiver.recv(), LONG[1]);
    predecessor.join().expect("the predecessor ends");
    let sent = successor.join().expect("the successor ends");
    assert_eq!(receiver.try_recv(), sent.then_some(LONG[2]));
}

/// A consumer receives and leaves, a second one may find its role vacant, and
/// the producer may find room where the first one read.
///
/// Accepted: each message once and in order, as far as there was a consumer, and
/// room. Would catch a successor that starts at an old head, and one whose
/// releases do not cover what its predecessor read (I4).
fn next_consumer() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut first = world.receiver(1);
    sender.send(LONG[0]);
    sender.send(LONG[1]);
    let predecessor = thread::spawn(move || {
        assert_eq!(first.try_recv(), Some(LONG[0]));
        first.leave();
    });
    let successor = thread::spawn({
        let world = world.clone();
        move || {
            if let Some(mut second) = world.try_receiver(2) {
                assert_eq!(second.try_recv(), Some(LONG[1]));
            }
        }
    });
    let _ = sender.try_send(LONG[2]);
    predecessor.join().expect("the predecessor ends");
    successor.join().expect("the successor ends");
}

models! {
    TWO_CLAIMANTS: two_claimants_unbounded, bound none, at least 4300, runs two_claimants;
    ONE_HANDLE: two_claim_one_handle_unbounded, bound none, at least 76, runs two_claim_one_handle;
    FREE_THEN_CLAIM: free_then_claim_unbounded, bound none, at least 100, runs free_then_claim;
    NEXT_PRODUCER: next_producer_bound_2, bound 2, at least 25000, runs next_producer;
    NEXT_CONSUMER: next_consumer_bound_3, bound 3, at least 16000, runs next_consumer;
}
