//! Random histories of the slot ring, step by step against the oracle.

use proptest::prelude::*;

use super::bench::{Bench, MAX_LEN, Step};
use super::{ALL, MPMC, MPSC, Many, SOLE, SPMC, STARTS};

fn step(slots: u64) -> impl Strategy<Value = Step> {
    let (sender, receiver) = (0_usize..3, 0_usize..2);
    let len = prop_oneof![0..=MAX_LEN, Just(0), Just(MAX_LEN), 0..=5 * MAX_LEN];
    let count = prop_oneof![4 => Just(1), 2 => 1..=slots, 1 => slots..slots + 2];
    prop_oneof![
        6 => (sender.clone(), count).prop_map(|(sender, count)| Step::Claim { sender, count }),
        9 => (sender.clone(), len.clone()).prop_map(|(sender, len)| Step::Publish { sender, len }),
        2 => (sender.clone(), len)
            .prop_map(|(sender, len)| Step::PublishShorter { sender, len }),
        1 => sender.clone().prop_map(|sender| Step::Abandon { sender }),
        1 => sender.clone().prop_map(|sender| Step::Die { sender }),
        1 => (sender.clone(), 0..slots)
            .prop_map(|(sender, stores)| Step::DieInside { sender, stores }),
        3 => sender.prop_map(|sender| Step::Replace { sender }),
        6 => (receiver.clone(), 1_usize..5)
            .prop_map(|(receiver, count)| Step::Look { receiver, count }),
        5 => (receiver.clone(), 1_usize..5)
            .prop_map(|(receiver, count)| Step::Take { receiver, count }),
        4 => prop_oneof![3 => Just(1), 1 => 0..slots + 2]
            .prop_map(|ahead| Step::Resolve { ahead }),
        1 => receiver.prop_map(|receiver| Step::NewReceiver { receiver }),
    ]
}

/// Any history of a ring of 1, 2, 4 or 8 slots that starts where numbers repeat.
fn history() -> impl Strategy<Value = (u64, u64, bool, Vec<Step>)> {
    let start = prop_oneof![
        proptest::sample::select(STARTS.to_vec()),
        (0_usize..STARTS.len(), 0_u64..20).prop_map(|(i, back)| STARTS[i].wrapping_sub(back)),
        any::<u64>(),
    ];
    (0_u32..4, start, any::<bool>()).prop_flat_map(|(shift, start, aged)| {
        let slots = 1 << shift;
        let steps = proptest::collection::vec(step(slots), 1..80);
        (Just(slots), Just(start), Just(aged), steps)
    })
}

fn run(many: Many, (slots, start, aged, steps): (u64, u64, bool, Vec<Step>)) {
    let mut bench = Bench::new(many, slots, start, aged);
    for step in steps {
        bench.step(step);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..Default::default() })]

    /// Catches whatever goes wrong where tickets of several producers, living and dead,
    /// lie beside each other, and consumers take each other's messages.
    #[test]
    fn many_producers_and_many_consumers_keep_to_the_oracle(history in history()) {
        run(MPMC, history);
    }

    /// As above, where one consumer keeps head to itself.
    #[test]
    fn many_producers_and_one_consumer_keep_to_the_oracle(history in history()) {
        run(MPSC, history);
    }

    /// Catches a successor of a sole producer that finds the wrong tail.
    #[test]
    fn one_producer_and_many_consumers_keep_to_the_oracle(history in history()) {
        run(SPMC, history);
    }

    /// As above, where one consumer keeps head to itself.
    #[test]
    fn one_producer_and_one_consumer_keep_to_the_oracle(history in history()) {
        run(SOLE, history);
    }
}

/// Catches a ring that goes wrong after so many laps that numbers repeat: stamps after
/// 2^40 positions, announcements after 2^39.
#[test]
fn messages_come_out_as_they_went_in_across_every_start() {
    for many in ALL {
        for slots in [1, 2, 4, 8] {
            for start in STARTS {
                let mut bench = Bench::new(many, slots, start.wrapping_sub(slots), false);
                for round in 0..4 * slots {
                    let count = 1 + round % slots;
                    assert!(bench.step(Step::Claim { sender: 1, count }));
                    for len in 0..count {
                        assert!(bench.step(Step::Publish { sender: 1, len }));
                    }
                    let count = count as usize;
                    assert!(bench.step(Step::Look { receiver: 1, count }));
                    assert!(bench.step(Step::Take { receiver: 1, count }));
                }
            }
        }
    }
}
