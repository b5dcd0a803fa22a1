//! Rings with anything in them.

use proptest::prelude::*;

use super::{
    HANDLES, Memory, Mode, Producer, RELAXED, Refused, Start, assert_inside, before_wrap, header,
};
use crate::ring::{Corrupt, Look};

const CAPACITY: u64 = 256;

/// Catches a producer that trusts a cursor past its tail, or between words.
#[test]
fn a_cursor_that_no_subscriber_can_have_is_corrupt() {
    for start in [0, 512, before_wrap(20)] {
        let fill = || {
            let memory = Memory::new(CAPACITY, start, 8);
            let mut producer = Producer::take_over(memory.ring()).unwrap();
            memory.join(2, Mode::Gating, Start::Next).unwrap();
            while memory.send(&mut producer, 8, 1).is_ok() {}
            (memory, producer)
        };
        let tail = fill().1.tail();
        let mut cursors: Vec<u64> = (0..4 * CAPACITY).map(|d| start.wrapping_add(d)).collect();
        cursors.extend((1..4 * CAPACITY).map(|d| start.wrapping_sub(d)));
        cursors.extend((0..64).map(|bit| start ^ 1 << bit));
        for cursor in cursors {
            let (memory, mut producer) = fill();
            memory.handles[2].own.cursor.store(cursor, RELAXED);
            let sound = cursor % 8 == 0 && tail.wrapping_sub(cursor) < 1 << 63;
            match memory.send(&mut producer, 8, 1) {
                Ok(place) => {
                    assert!(sound, "{cursor:#x}");
                    assert_inside(place, CAPACITY);
                }
                Err(Refused::Full { .. }) => assert!(sound, "{cursor:#x}"),
                Err(Refused::Corrupt(corrupt)) => {
                    assert!(!sound, "{cursor:#x}");
                    assert_eq!((corrupt.what, corrupt.found), ("a cursor", cursor));
                }
                Err(other) => panic!("{other:?} at {cursor:#x}"),
            }
        }
    }
}

/// Catches a bit beyond the table of handles that is looked up there.
#[test]
fn gates_of_no_handle_hold_nobody_up() {
    let memory = Memory::new(CAPACITY, 0, 8);
    for word in &memory.control.consumer.gates.bits {
        word.store(!0 << HANDLES, RELAXED);
    }
    let mut producer = Producer::take_over(memory.ring()).unwrap();
    for _ in 0..100 {
        let sent = memory.send(&mut producer, 8, 1);
        assert!(sent.is_ok(), "{sent:?}");
    }
}

/// Catches a successor that starts between words, at a mark that is none, or outside the window.
#[test]
fn a_hint_or_floor_that_no_producer_leaves_is_corrupt() {
    let sound = || {
        let memory = Memory::new(CAPACITY, 0, 8);
        let mut producer = Producer::take_over(memory.ring()).unwrap();
        for _ in 0..20 {
            memory.send(&mut producer, 8, 1).unwrap();
        }
        memory
    };
    let (hint, join_from) = (sound().hint(), sound().join_from());
    for bit in 0..64 {
        let memory = sound();
        memory.set_hint(hint ^ 1 << bit);
        // The marks of other chunks are good ones.
        let is_mark = memory.marks().contains(&(hint ^ 1 << bit, (hint ^ 1 << bit) / 16));
        let found = Producer::take_over(memory.ring());
        assert_eq!(found.is_ok(), is_mark && hint ^ 1 << bit >= join_from, "hint, bit {bit}");
        let memory = sound();
        memory.set_join_from(join_from ^ 1 << bit);
        if let Ok(producer) = Producer::take_over(memory.ring()) {
            assert!((join_from ^ 1 << bit) <= hint && bit >= 3, "floor, bit {bit}");
            assert_eq!(producer.tail(), 320);
        }
    }
}

/// Catches a lossy subscriber that takes damage for a loss, or a loss for damage.
#[test]
fn a_word_that_is_kept_and_no_header_is_corrupt() {
    for mode in [Mode::Gating, Mode::Lossy, Mode::Latest] {
        for bit in 0..64 {
            let memory = Memory::new(CAPACITY, 0, 8);
            let mut producer = Producer::take_over(memory.ring()).unwrap();
            let mut subscriber = memory.join(0, mode, Start::Next).unwrap();
            memory.send(&mut producer, 8, 1).unwrap();
            let found = header(0, 1, 8) ^ 1 << bit;
            memory.at(0).store(found, RELAXED);
            let own = &memory.handles[0].own;
            let len = 8 ^ 1 << bit;
            match subscriber.look(memory.ring(), own) {
                Ok(look) => {
                    assert!(bit < 32 && len <= CAPACITY / 2, "bit {bit}");
                    assert!(matches!(look, Look::Message(place) if place.len() == len));
                }
                Err(Corrupt { what, position, .. }) => {
                    assert_eq!(what, "a record header", "bit {bit}");
                    // The newest message is looked for after the wrong length.
                    assert!(position == 0 || mode == Mode::Latest && bit < 32, "bit {bit}");
                }
            }
            memory.set_join_from(producer.tail().wrapping_add(CAPACITY / 16));
            if mode == Mode::Lossy && bit >= 32 {
                memory.set_mark(16, 16, 1);
                let look = subscriber.look(memory.ring(), own);
                assert_eq!(look, Ok(Look::Lagged { missed: 1 }), "bit {bit}");
            }
        }
    }
}

/// A position near `from`, or anywhere.
fn position(from: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0_u64..64).prop_map(move |words| from.wrapping_add(8 * words)),
        2 => (0_u64..64).prop_map(move |words| from.wrapping_sub(8 * words)),
        1 => (0..2 * CAPACITY).prop_map(move |bytes| from.wrapping_add(bytes)),
        1 => any::<u64>(),
    ]
}

/// A word that is zero, a header that is nearly right, or anything.
fn word(position: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        6 => (1_u64..4, 0_u64..60).prop_map(move |(kind, len)| header(position, kind, len)),
        2 => (0_u32..64).prop_map(move |bit| header(position, 1, 8) ^ 1 << bit),
        1 => any::<u64>(),
    ]
}

/// A ring with anything in it, near some position.
fn hostile() -> impl Strategy<Value = (Memory, u64)> {
    let from = prop_oneof![Just(0), 0_u64..4096, (1_u64..600).prop_map(before_wrap), any::<u64>()];
    from.prop_map(|from| from & !7).prop_flat_map(|from| {
        let words: Vec<_> = (0..CAPACITY / 8).map(|i| word(from.wrapping_add(8 * i))).collect();
        let marks = proptest::collection::vec((position(from), 0_u64..100), 16);
        let ends = (position(from), position(from));
        (words, marks, ends).prop_map(move |(words, marks, (hint, join_from))| {
            let memory = Memory::new(CAPACITY, from, 8);
            for (i, word) in (0..).zip(words) {
                memory.at(from.wrapping_add(8 * i)).store(word, RELAXED);
            }
            for (i, (position, messages)) in (0..).zip(marks) {
                memory.set_mark(position, position, messages);
                memory.set_mark(16 * i, position.wrapping_mul(i % 2), messages);
            }
            memory.set_hint(hint);
            memory.set_join_from(join_from);
            (memory, from)
        })
    })
}

/// What observers compute.
fn observe(memory: &Memory) {
    let (used, _) = memory.ring().observe();
    assert!(used <= CAPACITY);
    let tail = memory.ring().tail_point();
    for handle in [0, 1, HANDLES, usize::MAX] {
        if let Some(found) = memory.ring().subscription(&memory.handles, handle) {
            let (bytes, messages) = found.lag(tail);
            assert!(bytes < 1 << 63 && messages < 1 << 63);
        }
    }
    let _ = memory.ring().gate(&memory.handles);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// Catches a read that leaves the ring, a panic, or a walk that does not end; also where
    /// everything changes meanwhile.
    #[test]
    fn a_subscriber_survives_any_ring(
        (memory, from) in hostile(),
        start in 0_u64..40,
        changes in proptest::collection::vec(any::<(u64, u64, u8)>(), 0..30),
    ) {
        let start = match start {
            0 => Start::Next,
            1 => Start::Oldest,
            words => Start::Position(from.wrapping_add(8 * words)),
        };
        for mode in [Mode::Gating, Mode::Lossy, Mode::Latest] {
            observe(&memory);
            let Ok(mut subscriber) = memory.join(1, mode, start) else {
                continue;
            };
            let own = &memory.handles[1].own;
            let mut evictions = 0;
            for &(at, value, what) in &changes {
                let near = from.wrapping_add(8 * (value % 64));
                match what % 8 {
                    0 => memory.at(at).store(value, RELAXED),
                    1 => memory.set_join_from(near),
                    2 => memory.set_hint(near),
                    3 => memory.set_mark(near, near, value),
                    4 => memory.control.consumer.gates.bits[0].store(value, RELAXED),
                    5 => own.cursor.store(at, RELAXED),
                    6 => own.subscription.store(value % 8, RELAXED),
                    _ => memory.at(near).store(header(near, 1, value % 40), RELAXED),
                }
                observe(&memory);
                match subscriber.look(memory.ring(), own) {
                    Ok(Look::Message(place)) => {
                        assert_inside(place, CAPACITY);
                        if let Ok(Some(next)) = subscriber.look_ahead(memory.ring(), place.end) {
                            assert_inside(next, CAPACITY);
                        }
                        let _ = subscriber.take(memory.ring(), own, place.end, 1);
                    }
                    Ok(Look::Evicted) => evictions += 1,
                    Ok(_) => {}
                    Err(_) => break,
                }
            }
            assert!(evictions <= u64::from(mode == Mode::Gating));
            memory.leave(1);
            assert_eq!(memory.ring().subscription(&memory.handles, 1), None);
        }
    }

    /// Catches a grant outside the ring, a panic, or a loop that does not end, also where cursors,
    /// gates, the floor and the hint jump while the producer is at work.
    #[test]
    fn a_producer_survives_any_ring(
        (memory, from) in hostile(),
        work in proptest::collection::vec((0_u64..150, any::<u64>(), any::<u8>()), 0..30),
    ) {
        let ring = memory.ring();
        let Ok(mut producer) = Producer::take_over(ring) else {
            return Ok(());
        };
        let own = &memory.handles[3].own;
        let _ = memory.join(3, Mode::Gating, Start::Next);
        for (len, jump, what) in work {
            match producer.reserve(ring, &memory.handles, len) {
                Ok(place) => {
                    assert_inside(place, CAPACITY);
                    prop_assert_eq!(place.len(), len);
                    producer.stage(ring, place, len / 2);
                    producer.publish(ring);
                }
                Err(Refused::TooLong) => prop_assert!(len > ring.max_len()),
                Err(Refused::Outrun) => prop_assert!(false, "there is nobody else"),
                Err(Refused::Full { .. } | Refused::Corrupt(_)) => {}
            }
            match what % 8 {
                0 => own.cursor.store(jump, RELAXED),
                1 => memory.control.consumer.gates.bits[0].store(jump, RELAXED),
                2 => memory.set_join_from(from.wrapping_add((jump & !7) % CAPACITY)),
                3 => memory.set_hint(from.wrapping_add((jump & !7) % CAPACITY)),
                4 => {
                    ring.evict(jump as usize % 8);
                }
                _ => own.cursor.store(from.wrapping_add((jump & !7) % CAPACITY), RELAXED),
            }
            observe(&memory);
        }
    }
}
