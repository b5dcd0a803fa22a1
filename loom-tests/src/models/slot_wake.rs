//! The slot ring: sleeping and waking among many (I5). A wait in a model never times
//! out, so a lost wake is a deadlock.

use loom::thread;

use crate::fixture::Traffic;
use crate::fixture::slot::{MPMC, MPSC, Received, World};
use crate::frame::{Body, Model, models};
use crate::models::fences::one_gives_up;

/// A producer sends, a consumer sleeps.
///
/// Accepted: both messages arrive. Would catch a publisher that looks for sleepers too
/// early, and a sleeper that misses what is published while it arms.
fn one_and_one() {
    let world = World::new(MPSC, 2, 0);
    let mut receiver = world.receiver(0);
    let mut sender = world.sender(1);
    let producer = thread::spawn(move || {
        sender.send_all_or_sleep(&[10], true);
        sender.send_all_or_sleep(&[11], true);
    });
    assert_eq!(receiver.recv_or_sleep(true).id, 10);
    assert_eq!(receiver.recv_or_sleep(true).id, 11);
    producer.join().expect("the producer ends");
}

/// The ring is full: the producer sleeps until there is room.
fn space() {
    let world = World::new(MPSC, 1, 0);
    let mut receiver = world.receiver(0);
    let mut sender = world.sender(1);
    assert!(sender.try_send(10));
    let producer = thread::spawn(move || sender.send_all_or_sleep(&[11], true));
    assert_eq!(receiver.recv_or_sleep(true).id, 10);
    assert_eq!(receiver.recv_or_sleep(true).id, 11);
    producer.join().expect("the producer ends");
}

/// Two consumers sleep, a producer sends a batch of two and wakes one of them.
///
/// Accepted: each gets one. Would catch a wake that was meant for two and ends with
/// one.
fn batch_for_two(passes_on: bool) {
    let world = World::new(MPMC, 2, 0);
    let (mut first, mut second) = (world.receiver(0), world.receiver(1));
    let mut sender = world.sender(2);
    let other = thread::spawn(move || second.recv_or_sleep(passes_on));
    let producer = thread::spawn(move || sender.send_all_or_sleep(&[10, 11], true));
    let own = first.recv_or_sleep(passes_on);
    producer.join().expect("the producer ends");
    assert_different(own, other.join().expect("the consumer ends"));
}

/// Two producers send a message each, two consumers sleep. A message may be published
/// before the one in front of it.
///
/// Accepted: each consumer gets one. Would catch a consumer that was woken for a message
/// behind an open ticket, and sleeps again with the wake of another.
fn two_and_two(passes_on: bool) {
    let world = World::new(MPMC, 2, 0);
    let (mut first, mut second) = (world.receiver(0), world.receiver(1));
    let (mut one, mut two) = (world.sender(2), world.sender(3));
    let other = thread::spawn(move || second.recv_or_sleep(passes_on));
    let producers = [
        thread::spawn(move || one.send_all_or_sleep(&[10], true)),
        thread::spawn(move || two.send_all_or_sleep(&[20], true)),
    ];
    let own = first.recv_or_sleep(passes_on);
    for producer in producers {
        producer.join().expect("the producer ends");
    }
    assert_different(own, other.join().expect("the consumer ends"));
}

fn assert_different(one: Received, other: Received) {
    assert!(one.position != other.position && one.id != other.id);
}

/// The ring is full and two producers sleep. A consumer takes two messages at once and
/// wakes one of them.
///
/// Accepted: both send. Would catch a wake that was meant for two and ends with one.
fn space_for_two(passes_on: bool) {
    let world = World::new(MPSC, 2, 0);
    let mut receiver = world.receiver(0);
    let (mut one, mut two) = (world.sender(2), world.sender(3));
    assert!(one.try_send_all(&[10, 11]));
    let producers = [
        thread::spawn(move || one.send_all_or_sleep(&[12], passes_on)),
        thread::spawn(move || two.send_all_or_sleep(&[20], passes_on)),
    ];
    assert_eq!(receiver.try_recv_some(2).map(|received| received.len()), Ok(2));
    receiver.notify();
    for producer in producers {
        producer.join().expect("the producer ends");
    }
    assert_eq!(receiver.drain().len(), 2);
}

/// A producer sleeps on a full ring; the ticket in front of it is given up, and the
/// consumer sleeps.
///
/// Accepted: the message is sent and received. Would catch a given-up ticket that wakes
/// no consumer, and a consumer that passes it and wakes no producer.
fn given_up() {
    let world = World::new(MPSC, 1, 0);
    let mut receiver = world.receiver(0);
    let (mut quitter, mut sender) = (world.sender(1), world.sender(2));
    quitter.claim(1).expect("there is room");
    let producer = thread::spawn(move || sender.send_all_or_sleep(&[20], true));
    let quitting = thread::spawn(move || {
        assert!(quitter.abandon());
        quitter.notify();
    });
    assert_eq!(receiver.recv_or_sleep(true).id, 20);
    quitting.join().expect("the quitter ends");
    producer.join().expect("the producer ends");
}

/// The last producer leaves, two consumers sleep.
///
/// Accepted: both are told the end. Would catch one that sleeps through it.
fn end() {
    let world = World::new(MPMC, 1, 0);
    let (mut first, mut second) = (world.receiver(0), world.receiver(1));
    let sender = world.sender(2);
    let other = thread::spawn(move || assert_eq!(second.recv_or_sleep_to_end(), None));
    let producer = thread::spawn(move || sender.leave());
    assert_eq!(first.recv_or_sleep_to_end(), None);
    producer.join().expect("the producer ends");
    other.join().expect("the consumer ends");
}

fn with_baton_batch() {
    batch_for_two(true);
}

fn with_baton_two() {
    two_and_two(true);
}

fn with_baton_space() {
    space_for_two(true);
}

models! {
    DATA: one_and_one_bound_3, bound 3, at least 140000, runs one_and_one;
    SPACE: space_bound_3, bound 3, at least 23000, runs space;
    BATCH: batch_for_two_bound_2, bound 2, at least 77000, runs with_baton_batch;
    TWO: two_and_two_bound_1, bound 1, at least 160000, runs with_baton_two;
    SPACE_FOR_TWO: space_for_two_bound_2, bound 2, at least 20000, runs with_baton_space;
    GIVEN_UP: given_up_bound_2, bound 2, at least 38000, runs given_up;
    END: end_bound_2, bound 2, at least 17000, runs end;
}

/// The same without the baton, in which somebody sleeps for ever.
pub(super) const WITHOUT_BATON: [Model; 4] = [
    without("batch_for_two", || batch_for_two(false)),
    without("two_and_two", || two_and_two(false)),
    without("space_for_two", || space_for_two(false)),
    without("one_gives_up", || one_gives_up(false, Traffic::Heavy)),
];

const fn without(name: &'static str, body: fn()) -> Model {
    Model { name, bound: Some(2), at_least: 1, body: Body::Plain(body) }
}
