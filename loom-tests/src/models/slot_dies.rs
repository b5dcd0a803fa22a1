//! The slot ring: a producer or a consumer dies at any operation, and the others go on.

use std::collections::BTreeSet;

use loom::thread;

use crate::fixture::slot::{MPMC, MPSC, SPMC, World};
use crate::frame::models;
use crate::sync::crash::killed_at;

const VICTIM: usize = 0;
const PRODUCER: usize = 1;
const CONSUMER: usize = 2;

/// The victim sends, another producer sends too, and the consumer receives and closes
/// what it is stuck behind.
///
/// Accepted: what was published arrives, the victim's ticket is closed if it was open,
/// and the ring goes on. Would catch a ticket of the dead that holds the ring up, a
/// message that a tombstone hides, and a handle or role that stays with the dead.
fn producer(kill_at: u64) {
    let world = World::new(MPSC, 2, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut victim, mut sender) = (world.sender(VICTIM), world.sender(PRODUCER));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || victim.try_send(10));
            world.mark_dead(VICTIM);
        }
    });
    let other = thread::spawn(move || {
        assert!(sender.try_send(20));
        sender
    });
    receiver.try_recv_or_resolve();
    dying.join().expect("the victim ends");
    let mut sender = other.join().expect("the producer ends");
    assert!(world.is_dead(VICTIM));
    receiver.drain();
    assert!(sender.try_send_all(&[21, 22]), "there is room");
    assert_eq!(receiver.drain().len(), 2);
    world.assert_all_taken();
}

/// The victim sends a batch and is cleaned up, while the consumer receives.
///
/// Accepted: the first messages of the batch arrive, or none or all of them; the
/// rest is closed. Would catch a rest that is not, or that is closed too early; a
/// cleaner that takes away what a resolver needs to know.
fn producer_of_a_batch(kill_at: u64) {
    let world = World::new(MPSC, 2, 0);
    let mut receiver = world.receiver(CONSUMER);
    let mut victim = world.sender(VICTIM);
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || victim.try_send_all(&[10, 11]));
            world.mark_dead(VICTIM);
        }
    });
    let cleaner = thread::spawn({
        let world = world.clone();
        move || {
            let dead = world.is_dead(VICTIM);
            if dead {
                world.clean(VICTIM);
            }
            dead
        }
    });
    receiver.try_recv_or_resolve();
    dying.join().expect("the victim ends");
    if !cleaner.join().expect("the cleaner ends") {
        assert!(world.is_dead(VICTIM));
        world.clean(VICTIM);
    }
    receiver.drain();
    world.assert_all_taken();
    assert!(world.sender(PRODUCER).try_send_all(&[21, 22]), "there is room");
    assert_eq!(receiver.drain().len(), 2);
}

/// The victim gives a ticket up, and its handle.
///
/// Accepted: the ticket has a tombstone, by the victim or after its death. Would catch
/// an abandoned ticket that nobody closes, and one that is passed twice.
fn quitter(kill_at: u64) {
    let world = World::new(MPMC, 1, 0);
    let (mut receiver, mut sender) = (world.receiver(CONSUMER), world.sender(PRODUCER));
    let mut victim = world.sender(VICTIM);
    victim.claim(1).expect("there is room");
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || victim.go());
            world.mark_dead(VICTIM);
        }
    });
    assert_eq!(receiver.try_recv_or_resolve(), None);
    dying.join().expect("the victim ends");
    assert!(world.is_dead(VICTIM));
    world.clean(VICTIM);
    assert!(receiver.drain().is_empty());
    assert_eq!(world.roles().tombstones(), 1);
    assert!(sender.try_send(20));
    assert_eq!(receiver.drain().len(), 1);
}

/// The victim receives beside another consumer, and a producer waits for a slot.
///
/// Accepted: what the victim took it took alone, and nothing else is missing. Would
/// catch a consumer whose death takes a message with it that it had not taken, or
/// leaves something that holds the others up.
fn consumer(kill_at: u64) {
    let world = World::new(SPMC, 1, 0);
    let mut sender = world.sender(PRODUCER);
    let (mut victim, mut receiver) = (world.receiver(VICTIM), world.receiver(CONSUMER));
    assert!(sender.try_send(10));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || {
                let _ = victim.try_recv();
                victim.go();
            });
            world.mark_dead(VICTIM);
        }
    });
    let producer = thread::spawn(move || {
        sender.try_send(11);
        sender
    });
    let _ = receiver.try_recv();
    dying.join().expect("the victim ends");
    let mut sender = producer.join().expect("the producer ends");
    assert!(world.is_dead(VICTIM));
    world.clean(VICTIM);
    receiver.drain();
    assert!(sender.try_send(12), "there is room");
    assert_eq!(receiver.drain().len(), 1);
    world.assert_all_taken();
}

/// The victim takes two messages at once, beside another consumer that takes one, and
/// a tombstone lies between them.
///
/// Accepted: both or none of them went with the victim, known to it or not, and the other
/// gets the rest. Would catch a batch that is taken in part.
fn consumer_of_a_batch(kill_at: u64) {
    let world = World::new(MPMC, 4, 0);
    let (mut sender, mut quitter) = (world.sender(PRODUCER), world.sender(PRODUCER));
    let (mut victim, mut receiver) = (world.receiver(VICTIM), world.receiver(CONSUMER));
    assert!(sender.try_send(10));
    quitter.claim(1).expect("there is room");
    quitter.abandon();
    assert!(sender.try_send(11));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || victim.try_recv_some(2));
            world.mark_dead(VICTIM);
        }
    });
    let _ = receiver.try_recv();
    dying.join().expect("the victim ends");
    assert!(world.is_dead(VICTIM));
    receiver.drain();
    // Killed between taking them and counting the tombstone, the victim never knew.
    let missing = world.missing();
    assert!(missing.is_empty() || missing == BTreeSet::from([0, 2]), "lost: {missing:?}");
}

models! {
    PRODUCER_DIES: producer_bound_2, bound 2, at least 12000, kills producer;
    BATCH_DIES: producer_of_a_batch_bound_3, bound 3, at least 22000, kills producer_of_a_batch;
    QUITTER_DIES: quitter_bound_3, bound 3, at least 1900, kills quitter;
    CONSUMER_DIES: consumer_bound_2, bound 2, at least 24000, kills consumer;
    TAKER_DIES: consumer_of_a_batch_bound_3, bound 3, at least 2200, kills consumer_of_a_batch;
}
