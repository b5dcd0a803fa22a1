//! Shared roles: a bit for each holder, and a count of all there ever were. The bits of
//! handles 0 and 64 lie in different words, which nobody reads at once.

use loom::thread;

use crate::fixture::slot::{MPMC, World};
use crate::frame::models;
use crate::ring::membership::{Ownership, Role};
use crate::ring::tables;

const NEAR: usize = 0;
const FAR: usize = 64;

/// Two producers send and leave.
///
/// Accepted: the end comes after both messages. Would catch an end that overtakes a
/// message of either of them.
fn last_leaves() {
    let world = World::new(MPMC, 2, 0);
    let mut receiver = world.receiver(0);
    let mut received = 0;
    let producers = [1, 2].map(|attach| {
        let mut sender = world.sender(attach);
        thread::spawn(move || {
            assert!(sender.try_send(attach as u64));
            sender.go();
        })
    });
    match receiver.try_recv_to_end() {
        Ok(Some(_)) => received += 1,
        Ok(None) => panic!("the end overtook a message"),
        Err(_) => {}
    }
    for producer in producers {
        producer.join().expect("the producer ends");
    }
    while receiver.try_recv_to_end().expect("nothing is open").is_some() {
        received += 1;
    }
    assert_eq!(received, 2);
}

/// A producer sends and leaves while the consumer looks for the end only.
///
/// Accepted: if the end is seen, so is the message. Would catch an end that comes
/// before what was sent.
fn sends_and_leaves() {
    let world = World::new(MPMC, 1, 0);
    let mut receiver = world.receiver(0);
    let mut sender = world.sender(1);
    let producer = thread::spawn(move || {
        assert!(sender.try_send(10));
        sender.go();
    });
    if receiver.ended().is_some() {
        assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
    }
    producer.join().expect("the producer ends");
}

/// One holder joins, then another leaves, while someone else looks who is there.
///
/// Accepted: the role is held all the time. Would catch an observer that reads the
/// newcomer's bit too early, the leaver's too late, and takes the role for vacant.
fn changing(role: Role, comes: usize, goes: usize) {
    let world = World::new(MPMC, 1, 0);
    world.roles().join(role, goes);
    let change = thread::spawn({
        let world = world.clone();
        move || {
            world.roles().join(role, comes);
            world.roles().vacate(role, goes);
        }
    });
    match role {
        Role::Producer => assert_eq!(world.roles().ended(0), None),
        Role::Consumer => assert!(!world.roles().consumer_gone(0)),
    }
    change.join().expect("the change ends");
}

/// The bit of the newcomer is read first.
fn near_before_far() {
    changing(Role::Producer, NEAR, FAR);
}

/// The bit of the newcomer is read last.
fn far_before_near() {
    changing(Role::Producer, FAR, NEAR);
}

fn near_before_far_consumer() {
    changing(Role::Consumer, NEAR, FAR);
}

/// The first holder has gone, another comes.
///
/// Accepted: the role is vacant after one, or held. Would catch an observer that counts
/// the second one and takes it for gone.
fn counted_is_seen() {
    let world = World::new(MPMC, 1, 0);
    world.roles().join(Role::Producer, FAR);
    world.roles().vacate(Role::Producer, FAR);
    let next = thread::spawn({
        let world = world.clone();
        move || world.roles().join(Role::Producer, NEAR)
    });
    let ended = world.roles().ended(0);
    assert!(matches!(ended, None | Some(1)), "{ended:?}");
    assert_eq!(world.roles().ended(1), None);
    next.join().expect("the next one ends");
    assert_eq!(world.roles().ended(0), None);
}

/// A holder joins.
///
/// Accepted: who sees it in the role finds its handle held. Would catch a holder that
/// cannot be named.
fn holder_has_a_handle() {
    let world = World::new(MPMC, 1, 0);
    let joining = thread::spawn({
        let world = world.clone();
        move || {
            let handle = tables::claim_handle(&world.handles, 1, 0).expect("a handle is free");
            world.roles().join(Role::Producer, handle);
        }
    });
    if let Ownership::Held { handle, claims: 1 } = world.roles().ownership(Role::Producer) {
        assert_eq!(world.handles[handle].attach(), Some(1));
    }
    joining.join().expect("the holder has joined");
}

/// Two consumers are told of different ends at the same time, the older one perhaps
/// last.
///
/// Accepted: the next consumer ignores both. Would catch one that ends on what was told.
fn told_twice() {
    let world = World::new(MPMC, 1, 0);
    let line = || &world.control.consumer;
    let other = thread::spawn({
        let world = world.clone();
        move || world.control.consumer.advance_eof_epoch(2)
    });
    line().advance_eof_epoch(1);
    other.join().expect("the other was told");
    assert_eq!(line().eof_epoch(), 2);
}

/// A holder that died is cleaned up twice, the second time beside a newcomer with
/// another handle.
///
/// Accepted: the newcomer keeps the role. Would catch a clean-up that takes more than
/// the dead one's, or counts it down twice.
fn cleaned_twice(kill_at: u64) {
    let world = World::new(MPMC, 1, 0);
    let dead = world.sender(1);
    let dead = dead.handle;
    crate::sync::crash::killed_at(kill_at, || world.clean(1));
    let newcomer = thread::spawn({
        let world = world.clone();
        move || world.sender(2).handle
    });
    world.clean(1);
    let handle = newcomer.join().expect("the newcomer has joined");
    assert_eq!(world.roles().ownership(Role::Producer), Ownership::Held { handle, claims: 2 });
    assert_eq!(world.handles[handle].attach(), Some(2));
    assert!(handle == dead || world.handles[dead].attach().is_none());
}

models! {
    LAST_LEAVES: last_leaves_bound_2, bound 2, at least 16000, runs last_leaves;
    LEAVES: sends_and_leaves_unbounded, bound none, at least 100, runs sends_and_leaves;
    NEAR_BEFORE_FAR: near_before_far_bound_3, bound 3, at least 190, runs near_before_far;
    FAR_BEFORE_NEAR: far_before_near_bound_3, bound 3, at least 93, runs far_before_near;
    CONSUMER: near_before_far_consumer_bound_3, bound 3, at least 430, runs near_before_far_consumer;
    COUNTED: counted_is_seen_bound_3, bound 3, at least 860, runs counted_is_seen;
    HOLDER: holder_has_a_handle_unbounded, bound none, at least 110, runs holder_has_a_handle;
    TOLD: told_twice_unbounded, bound none, at least 13, runs told_twice;
    CLEANED: cleaned_twice_bound_2, bound 2, at least 2100, kills cleaned_twice;
}
