//! A producer that died in a message in several slots, after each of its stores.

use super::{
    ALL, Look, MPMC, MPSC, Many, Memory, RELAXED, Resolved, SOLE, SPMC, STARTS, message, part,
    payload, published, resolve,
};
use crate::ring::membership::release_handle;
use crate::ring::tables::claim_handle;

const SLOTS: u64 = 8;
/// Bytes in a slot, and slots of the message.
const SLOT_LEN: u64 = 8;
const PARTS: u64 = 4;
const LEN: u64 = PARTS * SLOT_LEN;
const DEAD: usize = 10;

/// A ring in which a producer died after so many stores of stamps: those of parts from the last to
/// the second, then that of the first. `others` messages came after it where producers compete.
fn after(many: Many, start: u64, stores: u64, others: u64) -> Memory {
    let memory = Memory::new(many, SLOTS, 1, start).spanning().aged();
    assert_eq!(claim_handle(&memory.handles, DEAD, 0), Some(0));
    let mut victim = memory.producer();
    victim.claim(memory.ring(), memory.intent(0), PARTS).unwrap();
    memory.write_parts(memory.ring().spanning(start, LEN));
    for stored in 1..=stores.min(PARTS - 1) {
        let position = start.wrapping_add(PARTS - stored);
        memory.stamp(position).store(part(position), RELAXED);
    }
    if stores == PARTS {
        memory.stamp(start).store(published(start, LEN), RELAXED);
    }
    if many.producers {
        let mut other = memory.producer();
        for _ in 0..others {
            other.claim(memory.ring(), memory.intent(1), 1).unwrap();
            memory.fill(&mut other, 5);
        }
    }
    memory
}

/// What the consumer takes, closing what is stuck.
fn drain(memory: &Memory) -> Vec<Vec<u8>> {
    let (ring, mut consumer) = (memory.ring(), memory.consumer());
    let mut received = Vec::new();
    // Each round takes a message, closes a ticket, or is the last.
    for _ in 0..=3 * SLOTS {
        match consumer.look(ring).unwrap() {
            Look::Empty => return received,
            Look::InFlight { position } => {
                let resolved = resolve(ring, 0, &memory.handles, position, |_| false).unwrap();
                assert_eq!(resolved, Resolved::Closed);
            }
            look => {
                let found = message(look).unwrap();
                received.push(memory.read_extent(found));
                assert!(consumer.take(ring, found.end(), 1));
            }
        }
    }
    panic!("no end: {memory:?}");
}

/// Catches a part that is received, that stops the ring, that gets a tombstone, or that counts as a
/// message; and a message that is committed before its last stamp.
#[test]
fn others_pass_what_a_dead_producer_left_after_each_store() {
    for many in [MPMC, MPSC] {
        for start in STARTS {
            for stores in 0..=PARTS {
                for others in [0, 1, SLOTS - PARTS] {
                    let memory = after(many, start, stores, others);
                    let (ring, parts) = (memory.ring(), stores.min(PARTS - 1));
                    let claimed = PARTS - parts + others;
                    assert_eq!((ring.observe().0, ring.messages()), (PARTS + others, claimed));
                    let received = drain(&memory);
                    let whole = u64::from(stores == PARTS);
                    let first = (stores == PARTS).then(|| payload(start, LEN));
                    let rest = (0..others).map(|i| payload(start.wrapping_add(PARTS + i), 5));
                    assert!(first.into_iter().chain(rest).eq(received));
                    let closed = (PARTS - parts) * (1 - whole);
                    assert_eq!(memory.passed(), (closed, parts));
                    assert_eq!(memory.control.roles.resolved(), closed);
                    assert_eq!(memory.head(), memory.tail());
                    let messages = start.wrapping_add(whole + others);
                    assert_eq!((ring.observe(), ring.messages()), ((0, messages), 0));
                    let mut next = memory.producer();
                    memory.send_parts(&mut next, LEN).unwrap();
                    assert_eq!(drain(&memory).len(), 1);
                }
            }
        }
    }
}

/// Catches a consumer that passes a part of a sole producer's that died: the successor's next
/// message comes there. And a successor that starts behind it.
#[test]
fn a_successor_writes_the_same_slots_after_each_store() {
    for many in [SPMC, SOLE] {
        for start in STARTS {
            for stores in 0..=PARTS {
                for lens in [[5, LEN], [LEN, 5], [9, 17], [0, 0], [17, 9], [LEN, LEN]] {
                    successor(many, start, stores, lens);
                }
            }
        }
    }
}

fn successor(many: Many, start: u64, stores: u64, lens: [u64; 2]) {
    let memory = after(many, start, stores, 0);
    let ring = memory.ring();
    release_handle(&*memory.control, &memory.handles, 0);
    let whole = u64::from(stores == PARTS);
    let mut consumer = memory.consumer();
    assert_eq!(consumer.has_message(ring).0, whole > 0);
    assert_eq!((ring.observe(), ring.messages()), ((whole * PARTS, start), whole));
    let mut next = memory.producer();
    let from = start.wrapping_add(whole * PARTS);
    assert_eq!(next.published(), from);
    let mut expected: Vec<_> = (0..whole).map(|_| payload(start, LEN)).collect();
    let mut passed = whole * (PARTS - 1);
    for len in lens {
        if whole > 0 {
            expected.iter().for_each(|bytes| assert_eq!(&take(&memory, &mut consumer), bytes));
            expected.clear();
        }
        let sent = memory.send_parts(&mut next, len).unwrap();
        expected.push(payload(sent.start(), len));
        passed += memory.slots_of(len) - 1;
        // Whoever comes now finds as much, and no more.
        assert_eq!(memory.producer().published(), next.published());
        assert_eq!(ring.messages(), expected.len() as u64);
    }
    expected.iter().for_each(|bytes| assert_eq!(&take(&memory, &mut consumer), bytes));
    assert_eq!(consumer.look(ring), Ok(Look::Empty));
    assert!(!consumer.has_message(ring).0);
    assert_eq!(memory.passed(), (0, passed));
    assert_eq!(ring.observe(), (0, start.wrapping_add(whole + 2)));
}

fn take(memory: &Memory, consumer: &mut crate::ring::slot::Consumer) -> Vec<u8> {
    let found = message(consumer.look(memory.ring()).unwrap()).unwrap();
    let bytes = memory.read_extent(found);
    assert!(consumer.take(memory.ring(), found.end(), 1));
    bytes
}

/// Catches a part of a dead sole producer that a waiter, an observer or a look ahead takes for
/// something, at every place behind a message.
#[test]
fn nobody_takes_a_part_of_a_dead_sole_producer_for_a_message() {
    for many in [SPMC, SOLE] {
        for start in STARTS {
            let memory = after(many, start, PARTS - 1, 0);
            let (ring, mut consumer) = (memory.ring(), memory.consumer());
            release_handle(&*memory.control, &memory.handles, 0);
            let mut next = memory.producer();
            for sent in 1..=PARTS {
                memory.send(&mut next, 3).unwrap();
                assert_eq!(ring.observe().0, sent);
                let (mut end, mut found) = (memory.head(), 0);
                while let Some(message) = consumer.look_ahead(ring, end).unwrap() {
                    (end, found) = (message.end(), found + 1);
                }
                assert_eq!(found, sent);
            }
            for left in (0..PARTS).rev() {
                assert_eq!(take(&memory, &mut consumer).len(), 3);
                assert_eq!(ring.front(), (left > 0, None));
            }
            assert_eq!(memory.passed(), (0, 0));
        }
    }
}

/// Catches an observer of a ring in which nothing but parts is left that counts them as messages,
/// and a consumer that is not woken for them although it is to pass them.
#[test]
fn parts_at_head_are_there_only_where_producers_compete() {
    for many in ALL {
        let memory = after(many, 0, PARTS - 1, 0);
        memory.set_head(1);
        let ring = memory.ring();
        assert_eq!(ring.front().0, many.producers);
        assert_eq!(memory.consumer().has_message(ring), (many.producers, 2));
        assert_eq!(ring.messages(), 0);
        let mut consumer = memory.consumer();
        assert_eq!(consumer.look(ring), Ok(Look::Empty));
        assert_eq!(consumer.take_skipped(), many.producers);
        let passed = if many.producers { PARTS - 1 } else { 0 };
        assert_eq!(memory.passed(), (0, passed));
    }
}
