//! Every history of a few operations, in rings so small that all of it happens: full,
//! taken over, died in, resolved.

use super::bench::{Bench, MAX_LEN, Step};
use super::{ALL, MPMC, MPSC, Many, SOLE, SPMC};

/// Does every sequence of `depth` of the steps, but those in which a step makes no
/// sense; how many there were.
fn walk(many: Many, slots: u64, start: u64, steps: &[Step], depth: usize) -> u64 {
    let mut path = vec![0; depth];
    let mut walks = 0;
    loop {
        let mut bench = Bench::new(many, slots, start, false);
        let failed = path.iter().position(|&index| !bench.step(steps[index]));
        walks += u64::from(failed.is_none());
        // On to the next path, without those that fail in the same way.
        let mut digit = failed.unwrap_or(depth - 1);
        path[digit + 1..].fill(0);
        while path[digit] + 1 == steps.len() {
            path[digit] = 0;
            if digit == 0 {
                return walks;
            }
            digit -= 1;
        }
        path[digit] += 1;
    }
}

/// A position from which the stamps repeat on the way.
const START: u64 = (1 << 40) - 2;

/// Catches a producer that takes another's ticket, and a message that two consumers
/// take, or none.
#[test]
fn every_history_of_two_producers_and_two_consumers() {
    let steps = [
        Step::Claim { sender: 0, count: 1 },
        Step::Publish { sender: 0, len: 1 },
        Step::Claim { sender: 1, count: 1 },
        Step::Publish { sender: 1, len: MAX_LEN },
        Step::Look { receiver: 0, count: 2 },
        Step::Look { receiver: 1, count: 1 },
        Step::Take { receiver: 0, count: 2 },
        Step::Take { receiver: 1, count: 1 },
    ];
    for many in [MPMC, MPSC] {
        for slots in [1, 2] {
            let walks = walk(many, slots, START, &steps, 6);
            assert!(walks > 4_000, "{walks} walks");
        }
    }
}

/// Catches a ticket of the dead that stays, and one of the living that is closed, or a
/// tombstone that is received, counted twice, or holds its slot.
#[test]
fn every_history_of_deaths_and_tombstones() {
    let steps = [
        Step::Claim { sender: 0, count: 2 },
        Step::Claim { sender: 1, count: 1 },
        Step::Publish { sender: 0, len: 3 },
        Step::Publish { sender: 1, len: 4 },
        Step::Die { sender: 0 },
        Step::Replace { sender: 0 },
        Step::Abandon { sender: 1 },
        Step::Resolve { ahead: 1 },
        Step::Resolve { ahead: 2 },
        Step::Look { receiver: 0, count: 1 },
        Step::Take { receiver: 0, count: 1 },
    ];
    for (many, depth, least) in [(MPMC, 6, 10_000), (MPSC, 5, 1_000)] {
        let walks = walk(many, 2, START, &steps, depth);
        assert!(walks > least, "{walks} walks");
    }
}

/// Catches a part of a message without its first slot that holds the ring up, that is received or
/// counted twice; a message of which a slot is taken, or one that a successor damages.
#[test]
fn every_history_of_messages_in_several_slots() {
    let steps = [
        Step::Claim { sender: 0, count: 2 },
        Step::Claim { sender: 1, count: 1 },
        Step::Publish { sender: 0, len: MAX_LEN + 1 },
        Step::Publish { sender: 1, len: 4 },
        Step::PublishShorter { sender: 0, len: 1 },
        Step::DieInside { sender: 0, stores: 1 },
        Step::Replace { sender: 0 },
        Step::Resolve { ahead: 1 },
        Step::Look { receiver: 0, count: 2 },
        Step::Take { receiver: 0, count: 1 },
    ];
    for many in ALL {
        let walks = walk(many, 4, START, &steps, 6);
        assert!(walks > 1_000, "{walks} walks");
    }
}

/// Catches a sole producer whose successor starts too early, too late, or in the middle
/// of what was given up.
#[test]
fn every_history_of_a_sole_producer_and_its_successors() {
    let steps = [
        Step::Claim { sender: 0, count: 1 },
        Step::Claim { sender: 0, count: 2 },
        Step::Publish { sender: 0, len: 5 },
        Step::Abandon { sender: 0 },
        Step::Die { sender: 0 },
        Step::Replace { sender: 0 },
        Step::Look { receiver: 0, count: 2 },
        Step::Take { receiver: 0, count: 1 },
        Step::NewReceiver { receiver: 0 },
    ];
    for many in [SPMC, SOLE] {
        for slots in [1, 2] {
            let walks = walk(many, slots, START, &steps, 6);
            assert!(walks > 4_000, "{walks} walks");
        }
    }
}

/// Catches a slot that its own next lap is taken for: with one slot, each message lies
/// where the one before it was.
#[test]
fn a_ring_of_one_slot_holds_one_message_at_a_time() {
    for many in ALL {
        let mut bench = Bench::new(many, 1, START, false);
        for _ in 0..4 {
            for (step, done) in [
                (Step::Claim { sender: 0, count: 1 }, true),
                (Step::Look { receiver: 0, count: 2 }, true),
                (Step::Take { receiver: 0, count: 1 }, false),
                (Step::Publish { sender: 0, len: 2 }, true),
                (Step::Publish { sender: 0, len: 2 }, false),
                (Step::Claim { sender: 0, count: 1 }, true),
                (Step::Publish { sender: 0, len: 2 }, false),
                (Step::Look { receiver: 0, count: 2 }, true),
                (Step::Take { receiver: 0, count: 1 }, true),
                (Step::Take { receiver: 0, count: 1 }, false),
            ] {
                assert_eq!(bench.step(step), done, "{step:?}");
            }
        }
    }
}
