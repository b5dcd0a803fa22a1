//! The slot ring: producers and consumers that neither sleep nor die.

use loom::thread;

use crate::fixture::slot::{MPMC, MPSC, Received, SPMC, SPSC, World};
use crate::frame::models;
use crate::ring::slot::Many;

/// Messages of the producers, a list each: the first digit is the producer's.
const ONE: [&[u64]; 1] = [&[10, 11, 12]];
const TWO: [&[u64]; 2] = [&[10, 11], &[20]];
const PAIR: [&[u64]; 2] = [&[10], &[20]];

/// Producers send `sent`, each the messages of one list as far as there is room, and
/// consumers try to receive as often as their number in `tries` says. Then one sends
/// the rest and another one receives it.
///
/// Accepted: every message is received, once, whole, at a position of its own, and
/// those of one producer in their order. Would catch a payload read before it is
/// written (I3) or overwritten before it is read (I4), two owners of one position
/// (I2), a full ring that is overrun (I1) or stays full, a message that two consumers
/// take, and one that none sees.
fn exchange(many: Many, slots: u64, start: u64, sent: &[&'static [u64]], tries: &[usize]) {
    let world = World::new(many, slots, start);
    let producers: Vec<_> = sent
        .iter()
        .zip(0..)
        .map(|(&ids, attach)| {
            let mut sender = world.sender(attach);
            thread::spawn(move || {
                let unsent = ids.iter().position(|&id| !sender.try_send(id));
                (sender, &ids[unsent.unwrap_or(ids.len())..])
            })
        })
        .collect();
    let mut consumers = tries.iter().map(|&tries| {
        let mut receiver = world.receiver(sent.len());
        move || {
            let received = (0..tries).filter_map(|_| receiver.try_recv().ok()).collect();
            (receiver, received)
        }
    });
    let own = consumers.next().expect("there is a consumer");
    let others: Vec<_> = consumers.map(thread::spawn).collect();
    let (mut receiver, received) = own();
    let mut lists: Vec<Vec<Received>> = vec![received];
    lists.extend(others.into_iter().map(|other| other.join().expect("the consumer ends").1));
    let mut rest = Vec::new();
    let mut drain = |rest: &mut Vec<Received>| {
        while let Ok(one) = receiver.try_recv() {
            rest.push(one)
        }
    };
    let producers: Vec<_> =
        producers.into_iter().map(|one| one.join().expect("the producer ends")).collect();
    for (mut sender, unsent) in producers {
        for &id in unsent {
            drain(&mut rest);
            assert!(sender.try_send(id), "there is room");
        }
    }
    drain(&mut rest);
    world.assert_all_taken();
    lists.push(rest);
    assert_delivered(&lists, start, sent);
}

/// What the consumers received, a list each, is what was sent from `start` on.
pub(super) fn assert_delivered(lists: &[Vec<Received>], start: u64, sent: &[&[u64]]) {
    assert!(lists.iter().all(|list| list.is_sorted_by_key(|one| one.position.wrapping_sub(start))));
    let mut all = lists.concat();
    all.sort_by_key(|one| one.position.wrapping_sub(start));
    let positions = all.iter().map(|one| one.position.wrapping_sub(start));
    assert!(positions.eq(0..all.len() as u64), "a position twice, or left out: {all:?}");
    assert_eq!(all.len(), sent.concat().len(), "{all:?}");
    for &ids in sent {
        let of_producer = all.iter().map(|one| one.id).filter(|id| ids.contains(id));
        assert!(of_producer.eq(ids.iter().copied()), "lost, twice or out of order: {all:?}");
    }
}

fn mpsc_one_slot() {
    exchange(MPSC, 1, 0, &TWO, &[2]);
}

fn mpsc_two_slots() {
    exchange(MPSC, 2, 0, &TWO, &[2]);
}

fn spmc_one_slot() {
    exchange(SPMC, 1, 0, &ONE, &[1, 1]);
}

fn spmc_two_slots() {
    exchange(SPMC, 2, 0, &ONE, &[1, 2]);
}

fn mpmc_one_producer() {
    exchange(MPMC, 2, 0, &[&[10, 11]], &[1, 1]);
}

fn mpmc_one_slot() {
    exchange(MPMC, 1, 0, &PAIR, &[1, 1]);
}

fn mpmc_two_slots() {
    exchange(MPMC, 2, 0, &PAIR, &[1, 1]);
}

/// The first position is one that the sequence in a slot that was never written, 0,
/// belongs to.
///
/// Would also catch that zero being taken for a stamp.
fn zero_stamps() {
    exchange(MPSC, 1, ZERO_STAMP, &PAIR, &[2]);
    exchange(SPMC, 2, ZERO_STAMP, &ONE, &[2]);
}

pub(super) const ZERO_STAMP: u64 = (1 << 40) - 1;

/// Positions pass 2^64.
fn last_position() {
    exchange(MPSC, 1, u64::MAX, &TWO, &[2]);
    exchange(SPMC, 2, u64::MAX - 1, &ONE, &[2]);
}

/// A second producer joins while the first one's message is received.
///
/// Accepted: it finds room or not. Would catch one that overwrites what is still being
/// read (I4), as its first look at head was none.
fn joins_beside_consumer() {
    let world = World::new(MPSC, 1, 0);
    let mut receiver = world.receiver(0);
    assert!(world.sender(1).try_send(10));
    let other = thread::spawn({
        let world = world.clone();
        move || world.sender(2).try_send(20)
    });
    assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
    let sent = other.join().expect("the producer ends");
    assert_eq!(receiver.try_recv().is_ok(), sent);
    world.assert_all_taken();
}

/// A sole producer leaves and is followed by another, while the first one's messages
/// are received.
///
/// Accepted: the second one gets the role or not, and finds room or not. Would catch a
/// successor that starts at the wrong tail, or overwrites what is still being read (I4).
fn next_sole_producer() {
    let world = World::new(SPSC, 2, 0);
    let mut receiver = world.receiver(0);
    let mut first = world.sender(1);
    assert!(first.try_send(10));
    let predecessor = thread::spawn(move || {
        assert!(first.try_send(11));
        first.go();
    });
    let successor = thread::spawn({
        let world = world.clone();
        move || {
            if let Some(mut second) = world.try_sender(2) {
                second.try_send(20);
            }
        }
    });
    assert_eq!(receiver.try_recv().map(|one| one.id), Ok(10));
    predecessor.join().expect("the predecessor ends");
    successor.join().expect("the successor ends");
    while receiver.try_recv().is_ok() {}
    world.assert_all_taken();
}

/// Two messages are in the ring. Someone else takes the first and sends a third into
/// its slot.
///
/// Accepted: the first message or the second. Would catch a consumer that takes the third
/// one's stamp for a sign that nothing is there.
fn never_empty(many: Many) {
    let world = World::new(many, 2, 0);
    let (mut first, mut second) = (world.receiver(0), world.receiver(1));
    let mut sender = world.sender(2);
    assert!(sender.try_send_all(&[10, 11]));
    let other = thread::spawn(move || {
        assert!(second.try_recv().is_ok());
        assert!(sender.try_send(12));
    });
    let received = first.try_recv().expect("a message is there all the time");
    assert!(matches!(received.id, 10 | 11));
    other.join().expect("the other ends");
    assert_eq!(first.drain().len(), 1);
    world.assert_all_taken();
}

fn never_empty_spmc() {
    never_empty(SPMC);
}

fn never_empty_mpmc() {
    never_empty(MPMC);
}

models! {
    NEVER_EMPTY_SPMC: never_empty_spmc_bound_3, bound 3, at least 730, runs never_empty_spmc;
    NEVER_EMPTY_MPMC: never_empty_mpmc_bound_3, bound 3, at least 730, runs never_empty_mpmc;
    MPSC_ONE_SLOT: mpsc_one_slot_bound_3, bound 3, at least 35000, runs mpsc_one_slot;
    MPSC_TWO_SLOTS: mpsc_two_slots_bound_2, bound 2, at least 7000, runs mpsc_two_slots;
    SPMC_ONE_SLOT: spmc_one_slot_bound_3, bound 3, at least 7900, runs spmc_one_slot;
    SPMC_TWO_SLOTS: spmc_two_slots_bound_2, bound 2, at least 3300, runs spmc_two_slots;
    MPMC_ONE_PRODUCER: mpmc_one_producer_bound_2, bound 2, at least 2700, runs mpmc_one_producer;
    MPMC_ONE_SLOT: mpmc_one_slot_bound_2, bound 2, at least 36000, runs mpmc_one_slot;
    MPMC_TWO_SLOTS: mpmc_two_slots_bound_2, bound 2, at least 25000, runs mpmc_two_slots;
    ZERO_STAMPS: zero_stamps_bound_2, bound 2, at least 11000, runs zero_stamps;
    LAST_POSITION: last_position_bound_2, bound 2, at least 12000, runs last_position;
    JOINS: joins_beside_consumer_bound_3, bound 3, at least 26, runs joins_beside_consumer;
    NEXT_SOLE: next_sole_producer_bound_2, bound 2, at least 1100, runs next_sole_producer;
}
