//! A cleaner dies at any operation, and another one finishes its work, beside it or after.

use loom::thread;

use crate::fixture::record::{Message, World};
use crate::frame::models;
use crate::ring::membership::{Ownership, Role};
use crate::sync::Ordering;
use crate::sync::crash::killed_at;

const DEAD: usize = 0;
const CONSUMER: usize = 1;
const SUCCESSOR: usize = 2;

/// A producer died asleep. Its first cleaner is killed, the second one begins
/// once the first is dead. The consumer sleeps, and if the first cleaner took its
/// bit without waking it, its slice ends.
///
/// Accepted: the consumer learns of the end of the stream; role, handle and
/// sleeper bit are free and a successor gets them. Would catch a
/// clean-up that cannot be repeated, and an order of its steps that leaves
/// something nobody cleans.
fn cleaning(kill_at: u64) {
    let world = World::new(0);
    let mut sender = world.sender(DEAD);
    let mut receiver = world.receiver(CONSUMER);
    sender.send(Message::new(1, 1));
    assert_eq!(receiver.try_recv(), Some(Message::new(1, 1)));
    let (dead, consumer) = (sender.handle, receiver.handle);
    let (word, bit) = world.control.senders.bit(dead);
    word.fetch_or(bit, Ordering::Relaxed);

    let cleaner = thread::spawn({
        let world = world.clone();
        move || {
            let killed = killed_at(kill_at, || world.clean(DEAD)).is_none();
            if killed && !world.control.receivers.is_armed(consumer) {
                world.handles[consumer].park.end_slices();
            }
        }
    });
    let second = thread::spawn({
        let world = world.clone();
        move || {
            // Stands for the token that only one cleaner has.
            cleaner.join().expect("the cleaner ends");
            world.clean(DEAD);
        }
    });
    assert_eq!(receiver.recv_or_sleep(), None);
    second.join().expect("the second cleaner ends");

    assert!(!world.control.senders.is_armed(dead));
    assert_eq!(world.handles[dead].attach(), None);
    assert_eq!(world.roles().ownership(Role::Producer), Ownership::Vacant { claims: 1 });
    let mut successor = world.sender(SUCCESSOR);
    successor.send(Message::new(2, 1));
    assert_eq!(receiver.try_recv(), Some(Message::new(2, 1)));
}

/// The first cleaner has given the role up and is killed, a successor takes the
/// role while the second cleaner works.
///
/// Accepted: the successor keeps its role. Would catch a cleaner that vacates a
/// role which is no longer the dead one's.
fn beside_a_successor(kill_at: u64) {
    let world = World::new(0);
    world.sender(DEAD);
    let cleaner = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || world.clean(DEAD));
            world.clean(DEAD);
        }
    });
    let successor = world.try_sender(SUCCESSOR).map(|successor| successor.handle);
    cleaner.join().expect("the cleaners end");
    if let Some(handle) = successor {
        assert_eq!(world.roles().ownership(Role::Producer), Ownership::Held { handle, claims: 2 });
        assert_eq!(world.handles[handle].attach(), Some(SUCCESSOR));
    }
}

/// A producer died asleep. Two clean up behind it at once, one of whom is killed. The
/// consumer sleeps, and if the dead cleaner took its bit without waking it, its slice
/// ends. Whoever is alone then frees what is left.
///
/// Accepted: as for one cleaner after another. Would catch a step of the clean-up that
/// counts on being the only one.
fn together(kill_at: u64) {
    let world = World::new(0);
    let dead = world.sender(DEAD).handle;
    let mut receiver = world.receiver(CONSUMER);
    let consumer = receiver.handle;
    let (word, bit) = world.control.senders.bit(dead);
    word.fetch_or(bit, Ordering::Relaxed);

    let killed = thread::spawn({
        let world = world.clone();
        move || {
            let killed = killed_at(kill_at, || world.clean_beside_others(DEAD)).is_none();
            if killed && !world.control.receivers.is_armed(consumer) {
                world.handles[consumer].park.end_slices();
            }
        }
    });
    let survivor = thread::spawn({
        let world = world.clone();
        move || world.clean_beside_others(DEAD)
    });
    assert_eq!(receiver.recv_or_sleep(), None);
    killed.join().expect("the cleaner that is killed ends");
    survivor.join().expect("the other cleaner ends");

    assert!(!world.control.senders.is_armed(dead));
    assert_eq!(world.roles().ownership(Role::Producer), Ownership::Vacant { claims: 1 });
    assert_eq!(world.handles[dead].attach(), Some(DEAD));
    world.clean(DEAD);
    assert_eq!(world.handles[dead].attach(), None);
    let mut successor = world.sender(SUCCESSOR);
    successor.send(Message::new(2, 1));
    assert_eq!(receiver.try_recv(), Some(Message::new(2, 1)));
}

models! {
    CLEANING: cleaning_bound_2, bound 2, at least 34000, kills cleaning;
    BESIDE_A_SUCCESSOR: beside_a_successor_bound_2, bound 2, at least 160000,
        kills beside_a_successor;
    TOGETHER: together_bound_2, bound 2, at least 180000, kills together;
}
