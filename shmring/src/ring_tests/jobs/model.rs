//! Random histories of the job ring, step by step against the oracle.

use proptest::prelude::*;

use super::bench::{Bench, SENDERS, Step, WORKERS};
use super::{SLOT_LEN, STARTS};

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![0..=SLOT_LEN, Just(SLOT_LEN), 0..=4 * SLOT_LEN];
    prop_oneof![
        8 => (0..SENDERS, len).prop_map(|(sender, len)| Step::Claim { sender, len }),
        9 => (0..SENDERS).prop_map(|sender| Step::Publish { sender }),
        1 => (0..SENDERS).prop_map(|sender| Step::Abandon { sender }),
        1 => (0..SENDERS).prop_map(|sender| Step::DieSending { sender }),
        3 => Just(Step::Resolve),
        10 => (0..WORKERS).prop_map(|worker| Step::Take { worker }),
        7 => (0..WORKERS, 0_usize..8)
            .prop_map(|(worker, which)| Step::Acknowledge { worker, which }),
        3 => (0..WORKERS, 0_usize..8).prop_map(|(worker, which)| Step::GiveBack { worker, which }),
        2 => (0..WORKERS, 1_usize..3).prop_map(|(worker, reapers)| Step::Die { worker, reapers }),
        1 => (0..WORKERS).prop_map(|worker| Step::Leave { worker }),
    ]
}

/// Any history of a ring of 1 to 16 slots that starts where numbers repeat.
fn history() -> impl Strategy<Value = (u64, u64, bool, Vec<Step>)> {
    let start = prop_oneof![
        (0_usize..STARTS.len(), 0_u64..20).prop_map(|(i, back)| STARTS[i].wrapping_sub(back)),
        any::<u64>(),
    ];
    let steps = proptest::collection::vec(step(), 1..120);
    (0_u32..5, start, any::<bool>(), steps)
        .prop_map(|(shift, start, aged, steps)| (1 << shift, start, aged, steps))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Catches a job that is lost, in two hands, out of order or with wrong attempts, whatever
    /// producers and workers do and however they die.
    #[test]
    fn jobs_keep_to_the_oracle((slots, start, aged, steps) in history()) {
        let mut bench = Bench::new(slots, start, aged);
        for step in steps {
            bench.step(step);
        }
    }
}

/// Catches a ring that goes wrong where sequences repeat.
#[test]
fn jobs_come_back_and_are_done_across_every_start() {
    for slots in [1, 2, 4] {
        for start in STARTS {
            let mut bench = Bench::new(slots, start.wrapping_sub(slots), false);
            for round in 0..4 * slots as usize {
                let (worker, which) = (round % 2, 0);
                assert!(bench.step(Step::Claim { sender: 0, len: round as u64 }));
                assert!(bench.step(Step::Publish { sender: 0 }));
                assert!(bench.step(Step::Take { worker }));
                assert!(bench.step(Step::GiveBack { worker, which }));
                assert!(bench.step(Step::Take { worker }));
                assert!(bench.step(Step::Die { worker, reapers: 2 }));
                assert!(bench.step(Step::Take { worker: 2 }));
                assert!(bench.step(Step::Acknowledge { worker: 2, which }));
            }
        }
    }
}
