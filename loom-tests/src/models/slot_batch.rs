//! The slot ring: several tickets claimed at once, several messages taken at once, and
//! tickets that are given up.

use loom::thread;

use super::slot::assert_delivered;
use crate::fixture::slot::{MPMC, MPSC, SPMC, World};
use crate::frame::models;
use crate::ring::Look;

/// A batch of two beside another producer's message.
///
/// Accepted: all arrive, the batch in order, and with nothing between its messages.
/// Would catch a claim that covers only its first ticket, and one that overruns the
/// ring.
fn claimed_at_once() {
    let world = World::new(MPSC, 2, 0);
    let mut receiver = world.receiver(0);
    let (mut first, mut second) = (world.sender(1), world.sender(2));
    let batch = thread::spawn(move || (first.try_send_all(&[10, 11]), first));
    let single = thread::spawn(move || (second.try_send(20), second));
    let mut received: Vec<_> = receiver.try_recv().into_iter().collect();
    let (batch_sent, mut first) = batch.join().expect("the producer ends");
    let (single_sent, mut second) = single.join().expect("the producer ends");
    received.extend(receiver.drain());
    assert!(batch_sent || first.try_send_all(&[10, 11]), "there is room");
    received.extend(receiver.drain());
    assert!(single_sent || second.try_send(20), "there is room");
    received.extend(receiver.drain());
    let at = received.iter().position(|one| one.id == 10).expect("it was sent");
    assert_eq!(received[at + 1].id, 11);
    assert_delivered(&[received], 0, &[&[10, 11], &[20]]);
    world.assert_all_taken();
}

/// A batch is longer than the ring, or does not fit beside what is there.
///
/// Accepted: it is refused, and what is there stays. Would catch a claim of some of
/// the tickets.
fn no_room_for_all() {
    let world = World::new(MPMC, 2, 0);
    let (mut sender, mut receiver) = (world.sender(0), world.receiver(1));
    assert!(sender.claim(3).is_err());
    assert!(sender.try_send(10));
    assert!(!sender.try_send_all(&[11, 12]));
    assert_eq!(receiver.drain().len(), 1);
    assert!(sender.try_send_all(&[11, 12]));
    assert_eq!(receiver.drain().len(), 2);
}

/// Two consumers take up to two messages each, while the producer sends a batch of two
/// and one more.
///
/// Accepted: each message is received once and whole, as many at once as were seen.
/// Would catch a take that covers messages which someone else took, and one that was
/// overwritten while it was copied.
fn taken_at_once() {
    let world = World::new(MPMC, 2, 0);
    let mut sender = world.sender(0);
    let (mut first, mut second) = (world.receiver(1), world.receiver(2));
    assert!(sender.try_send_all(&[10, 11]));
    let producer = thread::spawn(move || (sender.try_send(12), sender));
    let other = thread::spawn(move || second.try_recv_some(2).unwrap_or_default());
    let mut lists = vec![first.try_recv_some(2).unwrap_or_default()];
    lists.push(other.join().expect("the consumer ends"));
    let (sent, mut sender) = producer.join().expect("the producer ends");
    let mut rest = first.drain();
    assert!(sent || sender.try_send(12), "there is room");
    rest.extend(first.drain());
    lists.push(rest);
    assert_delivered(&lists, 0, &[&[10, 11, 12]]);
    world.assert_all_taken();
}

/// A producer claims two tickets, publishes under the first and gives the second up.
/// Another one sends.
///
/// Accepted: the published ones arrive, one tombstone is passed, and the consumer knows
/// that senders may have to be told. Would catch a given-up ticket that holds the ring
/// up, one that shows something, and a consumer that thinks tail is behind head.
fn given_up() {
    let world = World::new(MPSC, 2, 0);
    let mut receiver = world.receiver(0);
    let (mut first, mut second) = (world.sender(1), world.sender(2));
    let quitter = thread::spawn(move || {
        if first.claim(2).is_ok() {
            first.fill(&[10]);
            first.write(11);
            assert!(first.abandon());
            assert!(!first.abandon(), "nothing is open any more");
        }
    });
    let other = thread::spawn(move || (second.try_send(20), second));
    let mut received: Vec<_> = receiver.try_recv().into_iter().collect();
    quitter.join().expect("the producer ends");
    let (sent, mut second) = other.join().expect("the producer ends");
    received.extend(receiver.drain());
    assert!(sent || second.try_send(20), "there is room");
    received.extend(receiver.drain());
    let ids: Vec<_> = received.iter().map(|one| one.id).collect();
    assert!(ids.contains(&20) && !ids.contains(&11));
    assert_eq!(world.roles().tombstones(), u64::from(ids.contains(&10)));
    world.assert_all_taken();
}

/// A tombstone is passed by one of two consumers, the other looks behind it.
///
/// Accepted: both find the ring empty in the end, and one tombstone was passed. Would
/// catch a consumer that sees head past a tail it does not see, and a tombstone that is
/// counted twice.
fn tombstone_beside_two() {
    let world = World::new(MPMC, 1, 0);
    let mut sender = world.sender(0);
    let (mut first, mut second) = (world.receiver(1), world.receiver(2));
    let quitter = thread::spawn(move || {
        sender.claim(1).expect("there is room");
        sender.abandon();
    });
    let looks = |look: Look| assert!(matches!(look, Look::Empty | Look::InFlight { position: 0 }));
    let other = thread::spawn(move || looks(second.look()));
    looks(first.look());
    quitter.join().expect("the producer ends");
    other.join().expect("the consumer ends");
    assert_eq!(first.look(), Look::Empty);
    assert_eq!(world.roles().tombstones(), 1);
}

/// A sole producer gives up what nobody could see.
///
/// Accepted: nothing of it is seen, and the next message comes in its place. Would
/// catch a sole producer's ticket that leaves something behind.
fn sole_gives_up() {
    let world = World::new(SPMC, 2, 0);
    let mut sender = world.sender(0);
    let (mut first, mut second) = (world.receiver(1), world.receiver(2));
    let producer = thread::spawn(move || {
        sender.claim(2).expect("there is room");
        sender.write(7);
        assert!(!sender.abandon());
        assert!(sender.try_send(10));
    });
    let other = thread::spawn(move || second.try_recv().ok());
    let mut received: Vec<_> = first.try_recv().into_iter().collect();
    producer.join().expect("the producer ends");
    received.extend(other.join().expect("the consumer ends"));
    received.extend(first.drain());
    assert_delivered(&[received], 0, &[&[10]]);
    assert_eq!(world.roles().tombstones(), 0);
}

models! {
    CLAIMED: claimed_at_once_bound_3, bound 3, at least 3300, runs claimed_at_once;
    NO_ROOM: no_room_for_all_unbounded, bound none, at least 1, runs no_room_for_all;
    TAKEN: taken_at_once_bound_2, bound 2, at least 4100, runs taken_at_once;
    GIVEN_UP: given_up_bound_3, bound 3, at least 3300, runs given_up;
    TOMBSTONE: tombstone_beside_two_bound_3, bound 3, at least 10000, runs tombstone_beside_two;
    SOLE: sole_gives_up_bound_3, bound 3, at least 2500, runs sole_gives_up;
}
