//! The packed ring over ordinary memory: positions here, elements in a plain vector.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{RELAXED, control};
use crate::ring::packed::{Consumer, Producer, Ring, Span};
use crate::ring::{Control, Corrupt, Refused};

const STARTS: [u64; 6] = [0, 3, 1 << 32, 1 << 63, u64::MAX - 1, u64::MAX];

/// A ring of numbers in ordinary memory.
struct Memory {
    control: Box<Control>,
    elements: Vec<u64>,
}

impl Memory {
    fn new(slots: u64, start: u64) -> Self {
        let memory = Self { control: control(), elements: vec![0; slots as usize] };
        memory.set_head(start);
        memory.set_tail(start);
        memory
    }

    fn ring(&self) -> Ring<'_> {
        Ring::new(&self.control, self.elements.len() as u64)
    }

    fn head(&self) -> u64 {
        self.control.consumer.head.load(RELAXED)
    }

    fn set_head(&self, head: u64) {
        self.control.consumer.head.store(head, RELAXED);
    }

    fn tail(&self) -> u64 {
        self.control.producer.tail.load(RELAXED)
    }

    fn set_tail(&self, tail: u64) {
        self.control.producer.tail.store(tail, RELAXED);
    }

    /// The indices of a span's elements, in order.
    fn indices(&self, span: Span) -> Vec<usize> {
        let (first, before_end, after) = self.ring().split(span);
        let slots = self.elements.len();
        assert_eq!((before_end + after) as u64, span.count, "{span:?}");
        assert!(first < slots && first + before_end <= slots && after <= first, "{span:?}");
        assert!(after == 0 || first + before_end == slots, "a gap at the end: {span:?}");
        (first..first + before_end).chain(0..after).collect()
    }

    fn write(&mut self, span: Span) {
        for (i, index) in self.indices(span).into_iter().enumerate() {
            self.elements[index] = span.start.wrapping_add(i as u64) ^ 0xABCD;
        }
    }

    fn read(&self, span: Span) -> Vec<u64> {
        self.indices(span).into_iter().map(|index| self.elements[index]).collect()
    }
}

fn element(position: u64) -> u64 {
    position ^ 0xABCD
}

/// Catches elements that are placed twice, or beyond the end, where a span goes around.
#[test]
fn every_span_lies_in_the_ring_in_order() {
    for slots in [1, 2, 8] {
        for start in (0..2 * slots).chain((1..2 * slots).map(u64::wrapping_neg)) {
            for count in 0..=slots {
                let memory = Memory::new(slots, start);
                let indices = memory.indices(Span { start, count });
                let expected = (0..count).map(|i| (start.wrapping_add(i) % slots) as usize);
                assert_eq!(indices, expected.collect::<Vec<_>>(), "{count} from {start:#x}");
            }
        }
    }
}

/// Catches parts of a span that leave the ring, or overlap, where a fault made it longer than the
/// ring.
#[test]
fn no_span_is_split_into_parts_outside_the_ring() {
    for slots in [1, 2, 8] {
        for start in 0..2 * slots {
            for count in [slots + 1, 2 * slots, 3 * slots + 1, u64::MAX] {
                let memory = Memory::new(slots, start);
                let (first, before_end, after) = memory.ring().split(Span { start, count });
                assert!(first + before_end <= slots as usize && after <= first);
            }
        }
    }
}

/// Catches a room that is too large or too small, a need that is not exact, and a batch
/// that is seen before it is published: at every fill of every ring.
#[test]
fn every_count_is_granted_or_refused_at_every_fill() {
    for slots in [1, 2, 8] {
        for start in STARTS {
            for used in 0..=slots {
                for count in 0..=slots + 2 {
                    reserve(slots, start, used, count);
                }
            }
        }
    }
}

fn reserve(slots: u64, start: u64, used: u64, count: u64) {
    let mut memory = Memory::new(slots, start);
    let mut producer = Producer::take_over(memory.ring()).unwrap();
    let mut consumer = Consumer::take_over(memory.ring());
    let span = producer.reserve(memory.ring(), used).unwrap();
    memory.write(span);
    assert_eq!(memory.tail(), start, "seen before the commit");
    producer.publish(memory.ring(), used);
    assert_eq!((memory.tail(), producer.tail()), (span.start.wrapping_add(used), memory.tail()));
    let (tail, room) = (memory.tail(), slots - used);
    for wanted in [0, 1, count, slots, u64::MAX] {
        let expected = Span { start: tail, count: room };
        assert_eq!(producer.room(memory.ring(), wanted), Ok(expected));
    }
    let found = producer.reserve(memory.ring(), count);
    if count > slots {
        assert_eq!(found, Err(Refused::TooLong));
    } else if count <= room {
        assert_eq!(found, Ok(Span { start: tail, count }));
        producer.publish(memory.ring(), count);
        let all = Span { start, count: used + count };
        assert_eq!(consumer.filled(memory.ring(), 1), Ok(all));
    } else {
        // Full until head reaches just the need.
        let need = start.wrapping_add(count - room);
        assert_eq!(found, Err(Refused::Full { need }));
        for taken in 0..count - room {
            memory.set_head(start.wrapping_add(taken));
            assert!(!memory.ring().has_room(need));
            assert_eq!(producer.reserve(memory.ring(), count), Err(Refused::Full { need }));
            let mut fresh = Producer::take_over(memory.ring()).unwrap();
            assert_eq!(fresh.reserve(memory.ring(), count), Err(Refused::Full { need }));
        }
        memory.set_head(need);
        assert!(memory.ring().has_room(need));
        assert_eq!(producer.reserve(memory.ring(), count), Ok(Span { start: tail, count }));
    }
}

/// Catches a copy of the other side's position that is not refreshed when it says too
/// little, and one that is loaded though it says enough.
#[test]
fn a_side_looks_again_only_when_it_has_to() {
    for start in STARTS {
        let memory = Memory::new(8, start);
        let mut producer = Producer::take_over(memory.ring()).unwrap();
        let mut consumer = Consumer::take_over(memory.ring());
        let span = |from: u64, count| Ok(Span { start: start.wrapping_add(from), count });
        assert_eq!(consumer.filled(memory.ring(), 1), span(0, 0));
        producer.publish(memory.ring(), 3);
        assert_eq!(consumer.filled(memory.ring(), 0), span(0, 0), "asked for none");
        assert_eq!(consumer.filled(memory.ring(), 1), span(0, 3));
        producer.publish(memory.ring(), 5);
        assert_eq!(consumer.filled(memory.ring(), 3), span(0, 3), "three were known");
        assert_eq!(consumer.filled(memory.ring(), 4), span(0, 8));
        assert_eq!(producer.room(memory.ring(), 0), span(8, 0));
        consumer.release(memory.ring(), 2);
        assert_eq!(producer.room(memory.ring(), 0), span(8, 0), "asked for none");
        assert_eq!(producer.room(memory.ring(), 1), span(8, 2));
        consumer.release(memory.ring(), 6);
        assert_eq!(producer.room(memory.ring(), 2), span(8, 2), "two were known");
        assert_eq!(producer.room(memory.ring(), 3), span(8, 8));
        assert!(!consumer.has_elements(memory.ring()));
    }
}

/// A position some way off a sound one: near it, and at each power of two.
fn around(position: u64) -> impl Iterator<Item = u64> {
    let near = (0..40).flat_map(move |d| [position.wrapping_sub(d), position.wrapping_add(d)]);
    near.chain((0..64).map(move |bit| position ^ 1 << bit))
}

/// Catches a position outside the window that is believed: by each side, whether it
/// goes on or takes over.
#[test]
fn a_position_outside_the_window_is_corrupt() {
    for slots in [1, 2, 8] {
        for start in STARTS {
            for used in 0..=slots {
                let tail = start.wrapping_add(used);
                for found in around(start).chain(around(tail)) {
                    corrupt_head(slots, start, tail, found);
                    corrupt_tail(slots, start, used, found);
                }
            }
        }
    }
}

/// A producer that has seen head at `start`, and finds it elsewhere.
fn corrupt_head(slots: u64, start: u64, tail: u64, found: u64) {
    let memory = Memory::new(slots, start);
    memory.set_tail(tail);
    let mut producer = Producer::take_over(memory.ring()).unwrap();
    memory.set_head(found);
    let sound = found.wrapping_sub(start) <= tail.wrapping_sub(start);
    let expected = if sound {
        Ok(Span { start: tail, count: slots - tail.wrapping_sub(found) })
    } else {
        Err(Corrupt { what: "head", position: tail, found })
    };
    assert_eq!(producer.room(memory.ring(), slots + 1), expected);
    // A successor knows no earlier head, only the window.
    let sound = tail.wrapping_sub(found) <= slots;
    let expected = if sound { Ok(tail) } else { Err(("tail", found, tail)) };
    let successor = Producer::take_over(memory.ring()).map(|producer| producer.tail());
    assert_eq!(successor.map_err(|e| (e.what, e.position, e.found)), expected);
    let (used, _) = memory.ring().observe();
    assert!(used <= slots);
}

/// A consumer at `start` that finds tail there.
fn corrupt_tail(slots: u64, start: u64, used: u64, found: u64) {
    let memory = Memory::new(slots, start);
    memory.set_tail(start.wrapping_add(used));
    let mut consumer = Consumer::take_over(memory.ring());
    memory.set_tail(found);
    let count = found.wrapping_sub(start);
    let expected = if count <= slots {
        Ok(Span { start, count })
    } else {
        Err(Corrupt { what: "tail", position: start, found })
    };
    assert_eq!(consumer.filled(memory.ring(), 1), expected);
    assert_eq!(consumer.has_elements(memory.ring()), count != 0, "nobody finds the fault");
    let (used, head) = memory.ring().observe();
    assert!(used <= slots && head == start);
}

/// Catches a tail that goes back behind elements that the consumer has seen: callers that looked
/// for one more would have fewer than they were shown, or none.
#[test]
fn a_tail_behind_what_was_seen_is_corrupt() {
    for start in STARTS {
        let at = |ahead| start.wrapping_add(ahead);
        for found in 2..=10 {
            let memory = Memory::new(8, start);
            memory.set_tail(at(5));
            let mut consumer = Consumer::take_over(memory.ring());
            assert_eq!(consumer.filled(memory.ring(), 1), Ok(Span { start, count: 5 }));
            consumer.release(memory.ring(), 2);
            memory.set_tail(at(found));
            let expected = if (5..=10).contains(&found) {
                Ok(Span { start: at(2), count: found - 2 })
            } else {
                Err(Corrupt { what: "tail", position: at(5), found: at(found) })
            };
            assert_eq!(consumer.filled(memory.ring(), 4), expected);
            assert_eq!(consumer.filled_fast(3), Some(Span { start: at(2), count: 3 }));
        }
        let memory = Memory::new(8, start);
        memory.set_tail(at(5));
        let mut consumer = Consumer::take_over(memory.ring());
        consumer.filled(memory.ring(), 1).unwrap();
        consumer.release(memory.ring(), 2);
        memory.set_tail(at(11));
        assert!(consumer.filled(memory.ring(), 4).is_err(), "more than the ring holds");
    }
}

/// Catches an observer that loads tail before head passes it, and takes the ring for full.
#[test]
fn an_observer_sees_no_more_than_there_is() {
    for start in STARTS {
        let memory = Memory::new(8, start);
        for (ahead, used) in [(0, 0), (1, 1), (8, 8), (9, 8), (1 << 62, 8)] {
            memory.set_tail(start.wrapping_add(ahead));
            assert_eq!(memory.ring().observe(), (used, start));
        }
        for behind in [1, 8, 1 << 62] {
            memory.set_tail(start.wrapping_sub(behind));
            assert_eq!(memory.ring().observe(), (0, start), "{behind} behind");
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Send { count: u64, commit: u64 },
    Receive { wanted: u64, release: u64 },
    NewProducer,
    NewConsumer,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u64..10, 0_u64..10).prop_map(|(count, commit)| Step::Send { count, commit }),
        4 => (0_u64..10, 0_u64..10).prop_map(|(wanted, release)| Step::Receive { wanted, release }),
        1 => Just(Step::NewProducer),
        1 => Just(Step::NewConsumer),
    ];
    proptest::collection::vec(step, 1..100)
}

fn run(slots: u64, start: u64, steps: &[Step]) {
    let mut memory = Memory::new(slots, start);
    let mut producer = Producer::take_over(memory.ring()).unwrap();
    let mut consumer = Consumer::take_over(memory.ring());
    let (mut queue, mut sent) = (VecDeque::new(), start);
    for step in steps {
        let free = slots - queue.len() as u64;
        match *step {
            Step::Send { count, commit } => match producer.reserve(memory.ring(), count) {
                Ok(span) => {
                    assert!(count <= free && span == Span { start: sent, count });
                    memory.write(span);
                    let commit = commit.min(count);
                    producer.publish(memory.ring(), commit);
                    queue.extend((0..commit).map(|i| element(sent.wrapping_add(i))));
                    sent = sent.wrapping_add(commit);
                }
                Err(Refused::TooLong) => assert!(count > slots),
                Err(Refused::Full { need }) => {
                    assert!(count > free);
                    assert_eq!(need, consumer.head().wrapping_add(count - free));
                }
                Err(other) => panic!("{other:?}"),
            },
            Step::Receive { wanted, release } => {
                let span = consumer.filled(memory.ring(), wanted).unwrap();
                assert!(span.count >= wanted.min(queue.len() as u64));
                let expected: Vec<u64> = queue.range(..span.count as usize).copied().collect();
                assert_eq!(memory.read(span), expected);
                let release = release.min(span.count);
                consumer.release(memory.ring(), release);
                queue.drain(..release as usize);
            }
            Step::NewProducer => producer = Producer::take_over(memory.ring()).unwrap(),
            Step::NewConsumer => consumer = Consumer::take_over(memory.ring()),
        }
        let head = sent.wrapping_sub(queue.len() as u64);
        assert_eq!((memory.head(), memory.tail()), (head, sent));
        assert_eq!((consumer.head(), producer.tail()), (head, sent));
        assert_eq!(memory.ring().observe(), (queue.len() as u64, head));
        assert_eq!(consumer.has_elements(memory.ring()), !queue.is_empty());
        assert_eq!(memory.ring().slots(), slots);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// Catches whatever goes wrong in some history, 2^64 positions and all.
    #[test]
    fn the_packed_ring_keeps_to_a_queue(
        shift in 0_u32..4,
        start in prop_oneof![Just(0), (0_u64..60).prop_map(u64::wrapping_neg), any::<u64>()],
        steps in steps(),
    ) {
        run(1 << shift, start, &steps);
    }

    /// Catches arithmetic that overflows, or a span outside the ring, while a peer moves
    /// both positions.
    #[test]
    fn the_packed_ring_survives_any_position(
        shift in 0_u32..4,
        start in any::<u64>(),
        work in proptest::collection::vec((any::<u64>(), 0_u64..20, any::<bool>(), 0_u64..20), 1..30),
    ) {
        let memory = Memory::new(1 << shift, start);
        let mut producer = Producer::take_over(memory.ring()).unwrap();
        let mut consumer = Consumer::take_over(memory.ring());
        for (far, near, is_head, count) in work {
            let to = if far % 3 == 0 { far } else { memory.head().wrapping_sub(4).wrapping_add(near) };
            if is_head { memory.set_head(to) } else { memory.set_tail(to) }
            if let Ok(span) = producer.room(memory.ring(), count) {
                memory.indices(span);
                let reserved = producer.reserve(memory.ring(), count.min(span.count));
                prop_assert!(reserved.is_ok());
                producer.publish(memory.ring(), count.min(span.count));
            }
            if let Ok(span) = consumer.filled(memory.ring(), count) {
                memory.indices(span);
                consumer.release(memory.ring(), count.min(span.count));
            }
            let (used, _) = memory.ring().observe();
            prop_assert!(used <= memory.ring().slots());
            if let Ok(successor) = Producer::take_over(memory.ring()) {
                producer = successor;
            }
            if far % 5 == 0 {
                consumer = Consumer::take_over(memory.ring());
            }
        }
    }
}
