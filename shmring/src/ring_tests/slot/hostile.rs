//! Rings that no correct peer can have written: an error or anything else that is said
//! within the ring, never a panic, a loop, or a place outside its slot.

use proptest::prelude::*;

use super::{
    ALL, Consumer, Extent, Memory, Producer, RELAXED, Refused, STARTS, announcement, message, part,
    published, resolve, tombstone,
};
use crate::ring::membership::{free_handles, reap_attachment};

/// Catches a look ahead without the bound of a lap: a peer that forges one stamp after the
/// other would keep it going for ever.
#[test]
fn nobody_looks_a_lap_ahead() {
    for many in ALL {
        for slots in [1, 4] {
            let memory = Memory::new(many, slots, 1, 0);
            memory.set_tail(slots);
            let consumer = memory.consumer();
            memory.stamp(slots).store(published(slots, 1), RELAXED);
            assert_eq!(consumer.look_ahead_fast(memory.ring(), slots), None);
            assert_eq!(consumer.look_ahead(memory.ring(), slots), Ok(None));
        }
    }
}

/// A position where a ring is likely to be, or anything.
fn position(near: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        6 => (0_u64..24).prop_map(move |ahead| near.wrapping_sub(8).wrapping_add(ahead)),
        1 => proptest::sample::select(STARTS.to_vec()),
        1 => (0_u32..64).prop_map(move |bit| near ^ 1 << bit),
        1 => any::<u64>(),
    ]
}

/// A stamp that is nothing, right, nearly right, or anything.
fn stamp(near: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        4 => (position(near), 0_u64..20).prop_map(|(at, len)| published(at, len)),
        3 => position(near).prop_map(tombstone),
        3 => position(near).prop_map(part),
        2 => (position(near), 0_u64..80).prop_map(|(at, len)| published(at, len)),
        2 => (position(near), 0_u32..64).prop_map(|(at, bit)| published(at, 3) ^ 1 << bit),
        2 => any::<u64>(),
    ]
}

fn intent(near: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        1 => Just(0),
        2 => (position(near), 0_u64..9).prop_map(|(first, count)| announcement(first, count)),
        1 => any::<u64>(),
    ]
}

/// A ring with anything in it.
fn hostile() -> impl Strategy<Value = Memory> {
    let head = prop_oneof![proptest::sample::select(STARTS.to_vec()), any::<u64>()];
    let shape = (0_usize..4, 0_u32..4, 1_u64..3, any::<bool>());
    (shape, head).prop_flat_map(|((many, shift, payload_words, spans), head)| {
        let slots = 1 << shift;
        let handle = (intent(head), prop_oneof![0_u64..1024, any::<u64>()]);
        let stamps: Vec<_> = (0..slots).map(|i| stamp(head.wrapping_add(i))).collect();
        (stamps, position(head), proptest::collection::vec(handle, 4)).prop_map(
            move |(stamps, tail, handles)| {
                let memory = Memory::new(ALL[many], slots, payload_words, head);
                let memory = if spans { memory.spanning() } else { memory };
                memory.set_tail(tail);
                for (i, stamp) in (0..slots).zip(stamps) {
                    memory.stamp(head.wrapping_add(i)).store(stamp, RELAXED);
                }
                for (handle, (intent, state)) in memory.handles.iter().zip(handles) {
                    handle.own.intent.store(intent, RELAXED);
                    handle.state.store(state, RELAXED);
                }
                memory
            },
        )
    })
}

/// What a peer does to the ring between two operations.
#[derive(Clone, Debug)]
enum Harm {
    None,
    Head(u64),
    Tail(u64),
    Stamp(u64, u64),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        3 => Just(Harm::None),
        1 => any::<u64>().prop_map(Harm::Head),
        1 => (0_u64..20).prop_map(Harm::Head),
        1 => any::<u64>().prop_map(Harm::Tail),
        1 => (0_u64..20).prop_map(Harm::Tail),
        2 => (any::<u64>(), stamp(0)).prop_map(|(at, stamp)| Harm::Stamp(at, stamp)),
    ]
}

impl Harm {
    /// Small numbers are meant as distances, so that they come near.
    fn apply(&self, memory: &Memory) {
        let near = |word: u64, to: u64| {
            if to < 20 { word.wrapping_sub(8).wrapping_add(to) } else { to }
        };
        match *self {
            Self::None => {}
            Self::Head(to) => memory.set_head(near(memory.head(), to)),
            Self::Tail(to) => memory.set_tail(near(memory.tail(), to)),
            Self::Stamp(at, stamp) => memory.stamp(at).store(stamp, RELAXED),
        }
    }
}

/// What I6 demands of everything that a consumer finds.
fn assert_in_ring(memory: &Memory, found: Extent) {
    let bytes = memory.read_extent(found);
    assert!(bytes.len() as u64 <= memory.ring().max_len());
    assert!(found.end().wrapping_sub(found.start()) <= (memory.slots / 2).max(1));
    assert!(memory.spans || matches!(found, Extent::Whole(_)));
}

/// Looks at what an observer and a waiting handle would look at.
fn observe(memory: &Memory) {
    let (used, _) = memory.ring().observe();
    assert!(used <= memory.slots);
    assert!(memory.ring().messages() <= memory.slots);
    memory.ring().front();
    memory.ring().room();
    memory.ring().has_room(memory.tail());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..Default::default() })]

    /// Catches a read that leaves its slot, a panic, or a look that does not end.
    #[test]
    fn a_consumer_survives_any_ring(
        memory in hostile(),
        work in proptest::collection::vec((harm(), any::<u64>(), 0_u64..12), 1..20),
    ) {
        let ring = memory.ring();
        let mut consumer = Consumer::take_over(ring);
        for (harm, far, near) in work {
            harm.apply(&memory);
            consumer.has_message(ring);
            consumer.take_skipped();
            if let Some(found) = consumer.look(ring).ok().and_then(message) {
                assert_in_ring(&memory, found);
                prop_assert_eq!(found.start(), consumer.head());
                harm.apply(&memory);
                consumer.take(ring, found.end(), 1);
            }
            for from in [far, consumer.head().wrapping_add(near)] {
                if let Ok(Some(found)) = consumer.look_ahead(ring, from) {
                    assert_in_ring(&memory, found);
                    let ahead = found.end().wrapping_sub(consumer.head());
                    prop_assert!((1..=memory.slots).contains(&ahead), "around the ring");
                    consumer.take(ring, found.end(), far);
                }
            }
            consumer.is_current(ring);
            observe(&memory);
        }
    }

    /// Catches a grant outside its slot, arithmetic that overflows, or a claim that tries
    /// for ever.
    #[test]
    fn a_producer_survives_any_ring(
        memory in hostile(),
        work in proptest::collection::vec((harm(), 1_u64..12, 0_u64..70), 1..20),
    ) {
        let ring = memory.ring();
        let Ok(mut producer) = Producer::take_over(ring) else {
            prop_assert!(!memory.many.producers);
            return Ok(());
        };
        for (harm, count, len) in work {
            harm.apply(&memory);
            match producer.claim(ring, memory.intent(0), count) {
                Ok(()) => prop_assert!(count <= memory.slots && producer.has_open()),
                Err(Refused::TooLong) => prop_assert!(count > memory.slots),
                Err(Refused::Outrun) => prop_assert!(memory.many.producers),
                Err(Refused::Full { .. } | Refused::Corrupt(_)) => {}
            }
            harm.apply(&memory);
            let (mut published, open) = (0, count.min(memory.slots));
            while producer.has_open() && published < count.div_ceil(2) {
                if len % 2 == 0 {
                    memory.fill(&mut producer, len.min(memory.max_len()));
                } else {
                    let space = producer.publishing(ring).spanning(len);
                    prop_assert!(space.end.wrapping_sub(space.start) <= open);
                    memory.write_parts(space);
                    harm.apply(&memory);
                    producer.publish_parts(ring, space, space.len.saturating_sub(published));
                }
                published += 1;
            }
            producer.abandon(ring);
            prop_assert!(!producer.has_open());
            observe(&memory);
        }
    }

    /// Catches a ticket that is closed outside the ring, or by a handle table that nobody
    /// wrote.
    #[test]
    fn resolving_and_cleaning_survive_any_ring(
        memory in hostile(),
        positions in proptest::collection::vec((any::<u64>(), 0_u64..16, any::<u64>()), 1..12),
    ) {
        for (far, near, alive) in positions {
            for position in [far, memory.head().wrapping_sub(4).wrapping_add(near)] {
                let before: Vec<u64> =
                    memory.words.iter().map(|word| word.load(RELAXED)).collect();
                let alive = |attach: usize| alive >> (attach % 64) & 1 != 0;
                let found = resolve(memory.ring(), 0, &memory.handles, position, alive);
                let changed = memory.words.iter().zip(&before);
                let changed = changed.filter(|(word, before)| word.load(RELAXED) != **before);
                let closed = found == Ok(super::Resolved::Closed);
                prop_assert_eq!(changed.count(), usize::from(closed));
                prop_assert!(!closed || position == memory.head(), "nobody is stuck there");
                let lost = matches!(found, Ok(super::Resolved::Lost { .. }));
                prop_assert!(!lost, "there is nobody else");
            }
            reap_attachment(|_| Some(&*memory.control), &memory.handles, far as usize);
            free_handles(&memory.control, &memory.handles, far as usize);
            observe(&memory);
        }
    }
}
