//! Random histories, step by step against the list of all messages.

use proptest::prelude::*;

use super::bench::Bench;
use super::{HANDLES, Mode, Start, before_wrap};
use crate::ring::broadcast::max_len;

#[derive(Clone, Debug)]
enum Step {
    /// Reserve, and commit the part of it that `keep` 256ths are.
    Send {
        len: u64,
        keep: u64,
    },
    SendAtOnce(u64),
    Batch(Vec<u64>),
    /// Reserve, stage, and abort.
    Abort(u64),
    /// Join at next, oldest, or so many bytes from tail.
    Join {
        handle: usize,
        mode: Mode,
        start: u64,
    },
    Leave(usize),
    Evict(usize),
    Receive(usize),
    ReceiveBatch(usize, usize),
    /// Send until a gate is closed, or for about three laps.
    Fill(u64),
    NewProducer,
}

impl Bench {
    fn send(&mut self, len: u64, keep: u64) -> bool {
        let place = self.reserve(len);
        if let Some(place) = place {
            self.stage(place, len * keep / 255);
            self.publish();
        }
        place.is_some()
    }

    fn batch(&mut self, lens: &[u64]) {
        let ring = self.memory.ring();
        let fits = ring.batch_len(lens.iter().copied()) <= ring.max_len();
        let granted = lens.iter().all(|&len| {
            let place = self.reserve(len);
            if let Some(place) = place {
                self.stage(place, len);
            }
            place.is_some()
        });
        assert!(granted || !fits || self.is_gated(), "no room although nobody gates");
        if granted { self.publish() } else { self.abort() }
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Send { len, keep } => {
                self.send(len, keep);
            }
            Step::SendAtOnce(len) => {
                self.send_at_once(len);
            }
            Step::Batch(ref lens) => self.batch(lens),
            Step::Abort(len) => {
                if let Some(place) = self.reserve(len) {
                    self.stage(place, len);
                }
                self.abort();
            }
            Step::Join { handle, mode, start } => {
                if self.subscribers[handle].is_none() {
                    let start = match start {
                        0 => Start::Next,
                        1 => Start::Oldest,
                        back => Start::Position(self.tail().wrapping_sub(8 * (back - 2))),
                    };
                    self.join(handle, mode, start);
                }
            }
            Step::Leave(handle) => self.leave(handle),
            Step::Evict(handle) => self.evict(handle),
            Step::Receive(handle) => {
                self.receive(handle);
            }
            Step::ReceiveBatch(handle, count) => self.receive_batch(handle, count),
            Step::Fill(len) => {
                let laps = 3 * self.memory.capacity() / (len + 8);
                for _ in 0..laps {
                    if !self.send_at_once(len) && !self.send(len, 255) {
                        break;
                    }
                    self.check();
                }
            }
            Step::NewProducer => self.succeed(),
        }
        self.check();
    }
}

fn steps(longest: u64) -> impl Strategy<Value = Vec<Step>> {
    let len = move || prop_oneof![0..=longest, Just(longest), Just(0), longest..longest + 9];
    let handle = || 0..HANDLES;
    let mode = prop_oneof![Just(Mode::Gating), Just(Mode::Lossy), Just(Mode::Latest)];
    let start = prop_oneof![Just(0), Just(1), 2_u64..2 + longest / 2];
    let step = prop_oneof![
        8 => (len(), prop_oneof![Just(255_u64), 0_u64..256])
            .prop_map(|(len, keep)| Step::Send { len, keep }),
        8 => prop_oneof![len(), Just(longest / 5)].prop_map(Step::SendAtOnce),
        2 => proptest::collection::vec(0..=longest / 2, 0..5).prop_map(Step::Batch),
        1 => len().prop_map(Step::Abort),
        3 => (handle(), mode, start)
            .prop_map(|(handle, mode, start)| Step::Join { handle, mode, start }),
        1 => handle().prop_map(Step::Leave),
        2 => handle().prop_map(Step::Evict),
        12 => handle().prop_map(Step::Receive),
        3 => (handle(), 0_usize..6).prop_map(|(handle, count)| Step::ReceiveBatch(handle, count)),
        1 => (0..=longest).prop_map(Step::Fill),
        1 => Just(Step::NewProducer),
    ];
    proptest::collection::vec(step, 1..150)
}

fn run(capacity: u64, start: u64, align: u64, steps: &[Step]) {
    let mut bench = Bench::new(capacity, start & !(align - 1), align);
    bench.check();
    for step in steps {
        bench.step(step);
    }
}

/// Where a history starts: at 0, or where it crosses 2^64.
fn start() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), (0_u64..300).prop_map(before_wrap), any::<u64>().prop_map(|p| p & !7)]
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(config(400))]

    /// Catches whatever goes wrong where almost every message is longer than a chunk: a gating
    /// subscriber that is overrun, a count that is wrong by one, a mark that is none.
    #[test]
    fn a_ring_of_128_bytes_keeps_to_the_list(
        start in start(),
        steps in steps(max_len(128, 8)),
    ) {
        run(128, start, 8, &steps);
    }

    /// As above, with several messages in a chunk.
    #[test]
    fn a_ring_of_1024_bytes_keeps_to_the_list(start in start(), steps in steps(100)) {
        run(1024, start, 8, &steps);
    }

    /// Catches a position that is not aligned.
    #[test]
    fn an_aligned_ring_keeps_to_the_list(
        start in start(),
        steps in steps(max_len(1024, 64)),
    ) {
        run(1024, start, 64, &steps);
    }
}
