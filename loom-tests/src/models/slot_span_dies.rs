//! The slot ring: a producer or a consumer dies in a message that spans two slots.

use loom::thread;

use crate::fixture::slot::{MPMC, MPSC, SPMC, SPSC, Sender, World};
use crate::frame::models;
use crate::ring::slot::Many;
use crate::sync::crash::killed_at;

const VICTIM: usize = 0;
const PRODUCER: usize = 1;
const CONSUMER: usize = 2;

/// The victim sends, another producer sends too, and the consumer receives and closes what it is
/// stuck behind.
///
/// Accepted: what was published arrives, the victim's tickets are closed or passed if they were
/// open, and the ring goes on. Would catch a part of a message without its first slot that holds
/// the ring up, that is received, or that a tombstone overwrites, a ticket of the dead that is not
/// closed, and slots that are counted twice.
fn producer(many: Many, kill_at: u64, send: fn(&mut Sender), slots: u64) {
    let world = World::spanning(many, 4, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut victim, mut sender) = (world.sender(VICTIM), world.sender(PRODUCER));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || send(&mut victim));
            world.mark_dead(VICTIM);
        }
    });
    let other = thread::spawn(move || {
        assert!(sender.try_send(20));
        sender
    });
    let mut received: Vec<_> = receiver.try_recv_or_resolve().into_iter().collect();
    dying.join().expect("the victim ends");
    let mut sender = other.join().expect("the producer ends");
    assert!(world.is_dead(VICTIM));
    received.extend(receiver.drain());
    world.assert_all_taken();
    let (tombstones, parts) = world.passed();
    let of_the_victim = received.iter().filter(|one| one.id != 20).count() as u64;
    let passed = of_the_victim + tombstones + parts;
    assert!([0, slots].contains(&passed), "{of_the_victim} + {tombstones} + {parts}");
    assert!(sender.try_send_mixed(&[(21, 2), (22, 2)]), "there is room");
    assert_eq!(receiver.drain().len(), 2);
    world.assert_all_taken();
}

fn long(sender: &mut Sender) {
    sender.try_send_parts(10, 2);
}

fn producer_mpsc(kill_at: u64) {
    producer(MPSC, kill_at, long, 2);
}

fn producer_mpmc(kill_at: u64) {
    producer(MPMC, kill_at, long, 2);
}

/// As [`producer`], where the victim sends a short message and a long one with one claim.
fn producer_of_a_batch(kill_at: u64) {
    producer(MPSC, kill_at, |sender| _ = sender.try_send_mixed(&[(10, 1), (11, 2)]), 3);
}

/// As [`producer`], where the victim's message ends up shorter than the space for it.
fn producer_of_a_shorter_one(kill_at: u64) {
    let shorter = |sender: &mut Sender| {
        if sender.claim(2).is_ok() {
            sender.write_parts(10, 1);
            sender.publish_parts(1, 2);
        }
    };
    producer(MPSC, kill_at, shorter, 2);
}

/// The victim is the only producer. Its successor sends a short message and a long one, into the
/// same slots.
///
/// Accepted: what was published arrives. Would catch a part without its first slot that counts
/// there, for the consumer or for the successor, and a slot of the next message that the consumer
/// passes.
fn sole_producer(many: Many, kill_at: u64) {
    let world = World::spanning(many, 4, 0);
    let mut receiver = world.receiver(CONSUMER);
    let mut victim = world.sender(VICTIM);
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || long(&mut victim));
            world.mark_dead(VICTIM);
        }
    });
    let successor = thread::spawn({
        let world = world.clone();
        move || {
            let dead = world.is_dead(VICTIM);
            if dead {
                succeed(&world);
            }
            dead
        }
    });
    let mut received: Vec<_> = receiver.try_recv().into_iter().collect();
    received.extend(receiver.try_recv());
    dying.join().expect("the victim ends");
    if !successor.join().expect("the successor ends") {
        assert!(world.is_dead(VICTIM));
        succeed(&world);
    }
    received.extend(receiver.drain());
    let ids: Vec<_> = received.iter().map(|one| one.id).filter(|&id| id != 10).collect();
    assert_eq!(ids, [20]);
    assert!(world.sender(PRODUCER).try_send_parts(21, 2), "there is room");
    assert_eq!(receiver.drain().len(), 1);
    world.assert_all_taken();
    assert_eq!(world.passed(), (0, received.len() as u64));
}

fn succeed(world: &std::rc::Rc<World>) {
    world.clean(VICTIM);
    let mut sender = world.sender(VICTIM);
    assert!(sender.try_send(20), "there is room");
    sender.go();
}

fn sole_spmc(kill_at: u64) {
    sole_producer(SPMC, kill_at);
}

fn sole_spsc(kill_at: u64) {
    sole_producer(SPSC, kill_at);
}

/// The victim receives a long message beside another consumer, and the producer sends a third
/// into a ring that was full.
///
/// Accepted: what the victim took, it took whole and alone. Would catch a consumer whose death
/// takes a slot of a message with it, or leaves one behind.
fn consumer(kill_at: u64) {
    let world = World::spanning(MPMC, 4, 0);
    let mut sender = world.sender(PRODUCER);
    let (mut victim, mut receiver) = (world.receiver(VICTIM), world.receiver(CONSUMER));
    assert!(sender.try_send_mixed(&[(10, 2), (11, 2)]));
    let dying = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || victim.try_recv());
            world.mark_dead(VICTIM);
        }
    });
    let producer = thread::spawn(move || (sender.try_send_parts(12, 2), sender));
    let _ = receiver.try_recv();
    dying.join().expect("the victim ends");
    let (sent, mut sender) = producer.join().expect("the producer ends");
    assert!(world.is_dead(VICTIM));
    receiver.drain();
    assert!(sent || sender.try_send_parts(12, 2), "there is room");
    receiver.drain();
    // Killed between taking a message and counting its part, the victim never knew.
    let missing = world.missing();
    assert!([0, 2].contains(&missing.len()), "lost: {missing:?}");
}

models! {
    PRODUCER_MPSC: producer_mpsc_bound_2, bound 2, at least 17000, kills producer_mpsc;
    PRODUCER_MPMC: producer_mpmc_bound_2, bound 2, at least 17000, kills producer_mpmc;
    BATCH: producer_of_a_batch_bound_2, bound 2, at least 23000, kills producer_of_a_batch;
    SHORTER: producer_of_a_shorter_one_bound_2, bound 2, at least 14000,
        kills producer_of_a_shorter_one;
    SOLE_SPMC: sole_spmc_bound_3, bound 3, at least 15000, kills sole_spmc;
    SOLE_SPSC: sole_spsc_bound_3, bound 3, at least 6300, kills sole_spsc;
    CONSUMER_DIES: consumer_bound_2, bound 2, at least 52000, kills consumer;
}
