//! Random histories of the record ring, step by step against the oracle.

use proptest::prelude::*;

use super::oracle::{Answer, Oracle};
use super::{Memory, RELAXED, assert_inside, before_wrap, header};
use crate::ring::record::{Consumer, Producer};
use crate::ring::{Place, Refused};

#[derive(Clone, Debug)]
enum Step {
    /// Reserve, and commit the part of it that `keep` 256ths are.
    Send {
        len: u64,
        keep: u64,
    },
    /// Send in one go, if that is possible.
    SendPlainly(u64),
    Batch(Vec<u64>),
    /// Reserve; perhaps write and stage; then abort.
    Abort {
        len: u64,
        staged: bool,
    },
    /// Look at so many messages and release none.
    Peek(usize),
    /// Receive so many, one by one.
    Receive(usize),
    /// Receive so many at once.
    ReceiveBatch(usize),
    NewProducer,
    NewConsumer,
}

struct Bench {
    memory: Memory,
    producer: Producer,
    consumer: Consumer,
    oracle: Oracle,
}

impl Bench {
    fn new(capacity: u64, start: u64, align: u64) -> Self {
        let memory = Memory::aligned(capacity, start, align);
        let producer = Producer::take_over(memory.ring()).unwrap();
        let consumer = Consumer::take_over(memory.ring()).unwrap();
        Self { memory, producer, consumer, oracle: Oracle::new(capacity, start, align) }
    }

    /// Bytes that are a valid header for the lap after, wherever they lie: if rule Z
    /// breaks, they are received as messages.
    fn payload(&self, place: Place, len: u64) -> Vec<u8> {
        let first = place
            .end
            .wrapping_sub(super::oracle::size_of(place.len(), self.memory.align))
            .wrapping_add(8);
        let words = (0..len.div_ceil(8)).map(|i| {
            let next_lap = first.wrapping_add(8 * i).wrapping_add(self.memory.capacity());
            header(next_lap, 1, 0)
        });
        words.flat_map(u64::to_ne_bytes).take(len as usize).collect()
    }

    /// Reserves as the oracle says; the place if it was granted.
    fn reserve(&mut self, len: u64) -> Option<(Place, u64)> {
        let result = self.producer.reserve(self.memory.ring(), len);
        match (result, self.oracle.reserve(len)) {
            (Ok(place), Answer::Header(position)) => {
                assert_inside(place, self.memory.capacity());
                assert_eq!(place.offset(), position % self.memory.capacity() + 8);
                assert_eq!(place.len(), len);
                return Some((place, position));
            }
            (Err(Refused::Full { need }), Answer::Full { need: expected }) => {
                assert_eq!(need, expected);
            }
            (Err(Refused::TooLong), Answer::TooLong) => {}
            (found, expected) => panic!("reserve({len}): {found:?}, expected {expected:?}"),
        }
        None
    }

    fn stage(&mut self, place: Place, position: u64, len: u64) {
        let payload = self.payload(place, len);
        self.memory.write(place, &payload);
        self.producer.stage(self.memory.ring(), place, len);
        self.oracle.stage(position, payload);
    }

    fn publish(&mut self) {
        self.producer.publish(self.memory.ring());
        self.oracle.publish();
    }

    fn abort(&mut self) {
        self.producer.abort();
        self.oracle.abort();
    }

    /// Looks at up to `count` messages behind head, and compares them; where the last ends.
    fn peek(&mut self, count: usize) -> (u64, usize) {
        let mut from = self.consumer.head();
        for (i, expected) in self.oracle.queue.iter().take(count).enumerate() {
            let place = self.consumer.peek(self.memory.ring(), from).unwrap();
            let place = place.unwrap_or_else(|| panic!("message {i} is missing"));
            assert_eq!(self.memory.read(place), expected.bytes);
            assert_eq!(place.end, expected.end);
            let plain = self.consumer.peek_fast(self.memory.ring(), from);
            let after_pad = place.start != from;
            assert_eq!(plain, (!after_pad).then_some(place));
            from = place.end;
        }
        if count > self.oracle.queue.len() {
            assert_eq!(self.consumer.peek(self.memory.ring(), from), Ok(None));
            assert_eq!(self.consumer.peek_fast(self.memory.ring(), from), None);
        }
        (from, count.min(self.oracle.queue.len()))
    }

    fn receive(&mut self, count: usize) {
        let (end, count) = self.peek(count);
        if count > 0 {
            self.consumer.release(self.memory.ring(), end, count as u64);
            self.oracle.release(count);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Send { len, keep } => {
                if let Some((place, position)) = self.reserve(*len) {
                    self.stage(place, position, len * keep / 255);
                    self.publish();
                }
            }
            Step::SendPlainly(len) => {
                if let Some(place) = self.producer.begin(self.memory.ring(), *len) {
                    let Answer::Header(position) = self.oracle.reserve(*len) else {
                        panic!("granted {len} bytes without room");
                    };
                    assert_inside(place, self.memory.capacity());
                    assert_eq!((place.start, place.len()), (position, *len));
                    let payload = self.payload(place, *len);
                    self.memory.write(place, &payload);
                    self.producer.finish(self.memory.ring(), place);
                    self.oracle.stage(position, payload);
                    self.oracle.publish();
                }
            }
            Step::Batch(lens) => {
                let ring = self.memory.ring();
                let fits = ring.batch_len(lens.iter().copied()) <= ring.max_len();
                let granted = lens.iter().all(|&len| match self.reserve(len) {
                    Some((place, position)) => {
                        self.stage(place, position, len);
                        true
                    }
                    None => false,
                });
                assert!(granted || !fits || self.oracle.used() > 0, "no room in an empty ring");
                if granted { self.publish() } else { self.abort() }
            }
            Step::Abort { len, staged } => {
                if let Some((place, position)) = self.reserve(*len)
                    && *staged
                {
                    self.stage(place, position, *len);
                }
                self.abort();
            }
            Step::Peek(count) => {
                self.peek(*count);
            }
            Step::Receive(count) => (0..*count).for_each(|_| self.receive(1)),
            Step::ReceiveBatch(count) => self.receive(*count),
            Step::NewProducer => {
                self.producer = Producer::take_over(self.memory.ring()).unwrap();
            }
            Step::NewConsumer => {
                self.consumer = Consumer::take_over(self.memory.ring()).unwrap();
            }
        }
        self.check();
    }

    /// I1, rule Z, and what an observer sees.
    fn check(&self) {
        let (ring, oracle) = (self.memory.ring(), &self.oracle);
        assert_eq!(self.producer.tail(), oracle.tail);
        assert_eq!(self.consumer.head(), oracle.head);
        assert_eq!(self.memory.head(), oracle.head);
        assert!(oracle.used() <= self.memory.capacity(), "I1");
        assert_eq!(self.memory.at(oracle.tail).load(RELAXED), 0, "rule Z");
        assert_eq!(self.memory.committed(), Ok((oracle.tail, oracle.queue.len() as u64)));
        assert_eq!(ring.observe(), (oracle.used(), oracle.messages));
        assert_eq!(self.consumer.has_message(ring), !oracle.queue.is_empty());
        assert!(ring.has_room(oracle.head) && !ring.has_room(oracle.head.wrapping_add(8)));
    }
}

fn steps(longest: u64) -> impl Strategy<Value = Vec<Step>> {
    let len = move || prop_oneof![0..=longest, Just(longest), Just(0), longest..longest + 9];
    let step = prop_oneof![
        6 => (len(), prop_oneof![Just(255_u64), 0_u64..256])
            .prop_map(|(len, keep)| Step::Send { len, keep }),
        6 => prop_oneof![len(), Just(longest / 3)].prop_map(Step::SendPlainly),
        2 => proptest::collection::vec(0..=longest / 2, 0..5).prop_map(Step::Batch),
        1 => (len(), any::<bool>()).prop_map(|(len, staged)| Step::Abort { len, staged }),
        1 => (0_usize..5).prop_map(Step::Peek),
        5 => (0_usize..4).prop_map(Step::Receive),
        2 => (0_usize..6).prop_map(Step::ReceiveBatch),
        1 => Just(Step::NewProducer),
        1 => Just(Step::NewConsumer),
    ];
    proptest::collection::vec(step, 1..120)
}

fn run(capacity: u64, start: u64, steps: &[Step]) {
    run_aligned(capacity, start, 8, steps);
}

/// The same in a ring whose records are at multiples of `align` bytes, and so the start.
fn run_aligned(capacity: u64, start: u64, align: u64, steps: &[Step]) {
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
    #![proptest_config(config(200))]

    /// Catches whatever goes wrong where every other message wraps, pads or fills.
    #[test]
    fn a_ring_of_64_bytes_keeps_to_the_oracle(start in start(), steps in steps(16)) {
        run(64, start, &steps);
    }

    /// As above, with room for several messages at once.
    #[test]
    fn a_ring_of_128_bytes_keeps_to_the_oracle(start in start(), steps in steps(48)) {
        run(128, start, &steps);
    }

    /// Catches a record that is not aligned, or longer than its alignment makes it.
    #[test]
    fn an_aligned_ring_keeps_to_the_oracle(
        start in start(),
        shift in 4_u32..7,
        steps in steps(440),
    ) {
        run_aligned(1024, start, 1 << shift, &steps);
    }

    /// As above, with messages of every residue.
    #[test]
    fn a_ring_of_512_bytes_keeps_to_the_oracle(start in start(), steps in steps(240)) {
        run(512, start, &steps);
    }
}

proptest! {
    #![proptest_config(config(100))]

    /// Catches what depends on the smallest real capacity, the hint interval among it.
    #[test]
    fn a_ring_of_4096_bytes_keeps_to_the_oracle(start in start(), steps in steps(2032)) {
        run(4096, start, &steps);
    }

    /// As above, with many small messages.
    #[test]
    fn a_ring_of_4096_bytes_takes_small_messages(start in start(), steps in steps(60)) {
        run(4096, start, &steps);
    }
}
