//! Any words at all: a party finds them corrupt or goes on, and never leaves the slots.

use proptest::prelude::*;

use super::{Memory, RELAXED, claim, published};
use crate::ring::jobs::{Take, Worker};
use crate::ring::membership::reap_attachment;
use crate::ring::tables::claim_handle;

/// A word that somebody else stores.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Head(u64),
    Tail(u64),
    Next(u64),
    Stamp(u64, u64),
    Claim(u64, u64),
    Noted(usize, u64),
}

#[derive(Clone, Copy, Debug)]
enum Verb {
    Send(u64),
    Take(usize),
    Acknowledge(usize),
    GiveBack(usize),
    Reap(usize),
    Look,
}

/// Near enough to what is there to be believed, or anything.
fn position() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..12,
        any::<u64>(),
        (0_u32..64, 0_u64..4).prop_map(|(bit, by)| (1_u64 << bit).wrapping_sub(by))
    ]
}

fn stamp() -> impl Strategy<Value = u64> {
    let flags = proptest::sample::select(vec![0_u64, 1, 2, 4, 3, 5, 7, 8]);
    let len = prop_oneof![0_u64..80, 0_u64..(1 << 20)];
    prop_oneof![
        4 => (position(), flags, len).prop_map(|(position, flags, len)| {
            published(position, 0) & !(0xFF << 20) | flags << 20 | len
        }),
        1 => any::<u64>(),
    ]
}

fn claim_word() -> impl Strategy<Value = u64> {
    let fields = (position(), 0_u64..1 << 16, 0_u64..256, 0_u64..4);
    prop_oneof![
        4 => fields.prop_map(|(position, attempts, handle, state)| {
            claim(position, attempts, handle % 4, state)
        }),
        1 => any::<u64>(),
    ]
}

fn harm() -> impl Strategy<Value = Harm> {
    let near = || prop_oneof![0_u64..12, Just(u64::MAX)];
    prop_oneof![
        position().prop_map(Harm::Head),
        position().prop_map(Harm::Tail),
        prop_oneof![position(), any::<u64>()].prop_map(Harm::Next),
        (near(), stamp()).prop_map(|(at, word)| Harm::Stamp(at, word)),
        (near(), claim_word()).prop_map(|(at, word)| Harm::Claim(at, word)),
        (0_usize..2, position()).prop_map(|(worker, at)| Harm::Noted(worker, at)),
    ]
}

fn verb() -> impl Strategy<Value = Verb> {
    prop_oneof![
        (0_u64..40).prop_map(Verb::Send),
        (0_usize..2).prop_map(Verb::Take),
        (0_usize..2).prop_map(Verb::Acknowledge),
        (0_usize..2).prop_map(Verb::GiveBack),
        (0_usize..2).prop_map(Verb::Reap),
        Just(Verb::Look),
    ]
}

fn step() -> impl Strategy<Value = (Option<Harm>, Verb)> {
    (proptest::option::weighted(0.3, harm()), verb())
}

fn do_harm(memory: &Memory, harm: Harm) {
    match harm {
        Harm::Head(at) => memory.control.consumer.head.store(at, RELAXED),
        Harm::Tail(at) => memory.control.producer.tail.store(at, RELAXED),
        Harm::Next(word) => memory.control.consumer.next.store(word, RELAXED),
        Harm::Stamp(at, word) => memory.stamp(at).store(word, RELAXED),
        Harm::Claim(at, word) => memory.claim(at).store(word, RELAXED),
        Harm::Noted(worker, at) => memory.handles[worker].own.jobs[0].store(at, RELAXED),
    }
}

fn act(memory: &Memory, workers: &mut [Worker], verb: Verb) {
    let ring = memory.ring();
    match verb {
        Verb::Send(len) => {
            let slots = memory.slot_ring();
            let Ok(mut producer) = crate::ring::slot::Producer::take_over(slots) else { return };
            ring.advance();
            let len = len.min(slots.max_len());
            let intent = &memory.handles[7].own.intent;
            if producer.claim(slots, intent, slots.slots_of(len)).is_ok() {
                memory.publish(&mut producer, len);
            }
        }
        Verb::Take(index) => {
            let own = &memory.handles[index].own;
            let fast = workers[index].take_fast(ring, own);
            fast.inspect(|&place| memory.assert_in_slot(place));
            if fast.is_none()
                && let Ok(Take::Job(extent)) = workers[index].take(ring, own)
            {
                assert!(memory.read(extent).len() as u64 == extent.len());
            }
        }
        Verb::Acknowledge(index) if workers[index].in_hand() > 0 => {
            let job = workers[index].taken();
            workers[index].acknowledge(ring, job);
        }
        Verb::GiveBack(index) if workers[index].in_hand() > 0 => {
            let job = workers[index].taken();
            workers[index].give_back(ring, job);
        }
        Verb::Acknowledge(_) | Verb::GiveBack(_) => {}
        Verb::Reap(index) => {
            reap_attachment(|_| Some(memory.held()), &memory.handles, 10 + index);
        }
        Verb::Look => {
            ring.front();
            ring.pending();
            ring.is_finished();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    /// Catches a verb that panics, never ends, or returns a place outside the slots.
    #[test]
    fn any_words_between_steps_do_no_more_than_stop_the_ring(
        shift in 0_u32..4,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let memory = Memory::new(1 << shift, 0);
        let mut workers: Vec<_> = (0..2).map(|index| {
            assert_eq!(claim_handle(&memory.handles, 10 + index, 0), Some(index));
            memory.worker(index)
        }).collect();
        for (harm, verb) in steps {
            if let Some(harm) = harm {
                do_harm(&memory, harm);
            }
            act(&memory, &mut workers, verb);
        }
    }
}

/// Catches a worker that reports jobs in other hands for ever where a claim is none.
#[test]
fn a_claim_at_head_that_is_none_is_reported() {
    for word in [claim(0, 1, 2, 0), claim(1, 1, 2, 1), claim(u64::MAX - 3, 1, 0, 1)] {
        let memory = Memory::new(4, 0);
        let (mut producer, mut worker) = (memory.producer(), memory.worker(0));
        memory.send(&mut producer, 1);
        memory.control.consumer.next.store(1, RELAXED);
        memory.claim(0).store(word, RELAXED);
        let corrupt = worker.take(memory.ring(), &memory.handles[0].own).unwrap_err();
        assert_eq!((corrupt.what, corrupt.position, corrupt.found), ("a claim", 0, word));
    }
}
