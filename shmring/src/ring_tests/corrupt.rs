//! Rings that no correct peer can have written: an error, never a panic, a loop or
//! a place outside the ring.

use proptest::prelude::*;

use super::oracle::size_of;
use super::{Memory, RELAXED, assert_inside, before_wrap, header};
use crate::ring::record::{Consumer, Producer, max_len};
use crate::ring::{Corrupt, Refused};

const CAPACITY: u64 = 128;

fn peek_at_head(memory: &Memory) -> Result<Option<(u64, u64)>, Corrupt> {
    let consumer = Consumer::take_over(memory.ring()).unwrap();
    let place = consumer.peek(memory.ring(), consumer.head())?;
    Ok(place.map(|place| (place.offset(), place.len())))
}

/// Catches a header bit that is not checked. Accepted are exactly the flips in the
/// length that leave a record which a producer could have written there: such a
/// message is shorter or longer than it was, and still inside the ring.
#[test]
fn every_flipped_bit_of_a_header_is_noticed_or_harmless() {
    for word in 0..CAPACITY / 8 {
        for start in [8 * word, before_wrap(word + 1)] {
            for len in 0..=max_len(CAPACITY, 8) {
                let (offset, room) = (start % CAPACITY, CAPACITY - start % CAPACITY);
                if size_of(len, 8) > room {
                    continue;
                }
                let sound = header(start, 1, len);
                for bit in 0..64 {
                    let memory = Memory::new(CAPACITY, start);
                    let found = sound ^ 1 << bit;
                    memory.at(start).store(found, RELAXED);
                    let flipped = len ^ 1 << (bit % 32);
                    let harmless = bit < 32 && flipped <= 48 && size_of(flipped, 8) <= room;
                    let expected = if harmless {
                        Ok(Some((offset + 8, flipped)))
                    } else if found == 0 {
                        // Position 0, no bytes: what is left reads as not committed.
                        Ok(None)
                    } else {
                        Err(Corrupt { what: "a record header", position: start, found })
                    };
                    assert_eq!(peek_at_head(&memory), expected, "bit {bit} of {sound:#x}");
                    let scan = memory.ring().scan(start);
                    assert_eq!(scan.is_ok(), harmless || found == 0);
                }
            }
        }
    }
}

/// Catches a pad that is believed though it does not reach exactly to the end of the
/// ring, and a record behind a pad that is not checked like any other.
#[test]
fn every_flipped_bit_of_a_pad_and_of_the_record_behind_it_is_noticed() {
    for start in [104, 112, 120, before_wrap(1), before_wrap(3)] {
        let room = CAPACITY - start % CAPACITY;
        let second = start.wrapping_add(room);
        for bit in 0..64 {
            let memory = Memory::new(CAPACITY, start);
            memory.at(second).store(header(second, 1, 40), RELAXED);
            let pad = header(start, 2, room - 8);
            memory.at(start).store(pad, RELAXED);
            assert_eq!(peek_at_head(&memory), Ok(Some((8, 40))));

            let found = pad ^ 1 << bit;
            memory.at(start).store(found, RELAXED);
            let expected = Corrupt { what: "a record header", position: start, found };
            assert_eq!(peek_at_head(&memory), Err(expected), "pad, bit {bit}");

            memory.at(start).store(pad, RELAXED);
            let found = header(second, 1, 40) ^ 1 << bit;
            memory.at(second).store(found, RELAXED);
            let flipped = 40 ^ 1 << (bit % 32);
            // The record must also leave the window's last word free.
            let window = room + size_of(flipped, 8) <= CAPACITY - 8;
            match peek_at_head(&memory) {
                Ok(place) => {
                    assert!(bit < 32 && flipped <= 48 && window, "bit {bit}");
                    assert_eq!(place, Some((8, flipped)));
                }
                Err(corrupt) => {
                    assert!(bit >= 32 || flipped > 48 || !window, "bit {bit}");
                    assert_eq!(corrupt.what, "the record after a pad");
                    assert_eq!((corrupt.position, corrupt.found), (second, found));
                }
            }
        }
    }
}

/// Catches two pads in a row, which would let a consumer run in circles, and a pad
/// that nothing follows.
#[test]
fn a_pad_is_followed_by_a_message() {
    let memory = Memory::new(CAPACITY, 120);
    memory.at(120).store(header(120, 2, 0), RELAXED);
    for found in [0, header(128, 2, 120)] {
        memory.at(128).store(found, RELAXED);
        let expected = Corrupt { what: "the record after a pad", position: 128, found };
        assert_eq!(peek_at_head(&memory), Err(expected));
    }
}

/// Catches a header of another lap, or of another place, that is taken for this one's.
#[test]
fn a_header_counts_only_at_its_own_position() {
    for position in (0..16 * CAPACITY).step_by(8) {
        let memory = Memory::new(CAPACITY, 8 * CAPACITY);
        memory.at(memory.head()).store(header(position, 1, 0), RELAXED);
        assert_eq!(peek_at_head(&memory).is_ok(), position == 8 * CAPACITY, "{position}");
    }
}

/// Catches a chain of records that fills the whole ring, where following it never ends.
#[test]
fn a_full_circle_of_records_is_corrupt() {
    let memory = Memory::new(CAPACITY, 0);
    for position in (0..CAPACITY).step_by(8) {
        memory.at(position).store(header(position, 1, 0), RELAXED);
    }
    let corrupt = memory.ring().scan(0).unwrap_err();
    assert_eq!((corrupt.what, corrupt.position), ("the chain of records", CAPACITY));
    assert_eq!(Producer::take_over(memory.ring()).unwrap_err(), corrupt);
    let consumer = Consumer::take_over(memory.ring()).unwrap();
    assert!(consumer.peek(memory.ring(), CAPACITY - 16).is_ok());
    assert!(consumer.peek(memory.ring(), CAPACITY - 8).is_err(), "no word left for the zero");
}

/// Catches a producer that believes a head which moved back, overtook it, or lies
/// between words.
#[test]
fn a_head_outside_the_window_is_corrupt() {
    for start in [0, 64, before_wrap(3)] {
        let memory = Memory::new(CAPACITY, start);
        let full = || {
            memory.set_head(start);
            let mut producer = Producer::take_over(memory.ring()).unwrap();
            while let Ok(place) = producer.reserve(memory.ring(), 8) {
                producer.stage(memory.ring(), place, 8);
                producer.publish(memory.ring());
            }
            producer
        };
        let tail = full().tail();
        let mut heads: Vec<u64> = (0..4 * CAPACITY).map(|d| start.wrapping_add(d)).collect();
        heads.extend((1..4 * CAPACITY).map(|d| start.wrapping_sub(d)));
        heads.extend((0..64).map(|bit| start ^ 1 << bit));
        for head in heads {
            let mut producer = full();
            memory.set_head(head);
            let sound = head.wrapping_sub(start) <= tail.wrapping_sub(start) && head % 8 == 0;
            match producer.reserve(memory.ring(), 8) {
                Ok(place) => {
                    assert!(sound, "{head:#x}");
                    assert_inside(place, CAPACITY);
                }
                Err(Refused::Full { .. }) => assert!(sound, "{head:#x}"),
                Err(Refused::Corrupt(corrupt)) => {
                    assert!(!sound, "{head:#x}");
                    assert_eq!((corrupt.what, corrupt.found), ("head", head));
                }
                Err(other) => panic!("{other:?} at {head:#x}"),
            }
        }
    }
}

/// Catches a successor that starts between words, where every check is off.
#[test]
fn a_head_between_words_is_not_taken_over() {
    for head in (0..64).filter(|head| head % 8 != 0).chain([u64::MAX]) {
        let memory = Memory::new(CAPACITY, head);
        let corrupt = Corrupt { what: "head", position: head, found: head };
        assert_eq!(Producer::take_over(memory.ring()).unwrap_err(), corrupt);
        assert_eq!(Consumer::take_over(memory.ring()).unwrap_err(), corrupt);
    }
}

/// A word that is zero, a header that is nearly right, or anything.
fn word(position: u64) -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => Just(0),
        6 => (1_u64..4, 0_u64..60).prop_map(move |(kind, len)| header(position, kind, len)),
        2 => (0_u64..2048).prop_map(move |len| header(position, 1, len * 8)),
        2 => (0_u32..64).prop_map(move |bit| header(position, 1, 8) ^ 1 << bit),
        2 => any::<u64>(),
    ]
}

/// A ring of so many words with anything in it, at any head.
fn hostile() -> impl Strategy<Value = Memory> {
    let head =
        prop_oneof![0_u64..4096, (1_u64..600).prop_map(before_wrap), any::<u64>(), Just(u64::MAX)];
    let head = (head, any::<bool>()).prop_map(|(head, odd)| if odd { head } else { head & !7 });
    let words = prop_oneof![3 => Just(16_u64), 3 => Just(8), 1 => Just(64)];
    (words, head).prop_flat_map(|(count, head)| {
        let first = head & !7;
        let words: Vec<_> = (0..count).map(|i| word(first.wrapping_add(8 * i))).collect();
        (words, any::<u64>(), any::<bool>()).prop_map(move |(words, hint, near)| {
            let memory = Memory::new(count * 8, head);
            for (i, word) in (0..count).zip(words) {
                memory.at(first.wrapping_add(8 * i)).store(word, RELAXED);
            }
            let hint = if near { head.wrapping_add(hint % (count * 16)) } else { hint };
            // Hints between words have a test of their own.
            let hint = hint & !7;
            memory.control.producer.tail.store(hint, RELAXED);
            memory
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// Catches a read that leaves the ring, a panic, or a walk that does not end.
    #[test]
    fn a_consumer_survives_any_ring(memory in hostile()) {
        let (ring, capacity) = (memory.ring(), memory.capacity());
        let Ok(mut consumer) = Consumer::take_over(ring) else {
            prop_assert!(memory.head() % 8 != 0);
            return Ok(());
        };
        let (used, _) = ring.observe();
        prop_assert!(used <= capacity);
        let (mut from, mut steps) = (consumer.head(), 0);
        while let Ok(Some(place)) = consumer.peek(ring, from) {
            assert_inside(place, capacity);
            prop_assert!(place.len() <= max_len(capacity, 8));
            from = place.end;
            steps += 1;
            prop_assert!(steps <= capacity / 8, "no end");
        }
        let head = consumer.head();
        prop_assert!(from.wrapping_sub(head) <= capacity - 8, "I1");
        consumer.release(ring, from, steps);
        prop_assert_eq!(memory.head(), from);
    }

    /// Catches a grant outside the ring or over what is not free, also where head
    /// jumps while the producer is at work.
    #[test]
    fn a_producer_survives_any_ring(
        memory in hostile(),
        work in proptest::collection::vec((0_u64..300, any::<u64>(), any::<bool>()), 0..20),
    ) {
        let (ring, capacity) = (memory.ring(), memory.capacity());
        let Ok(mut producer) = Producer::take_over(ring) else {
            return Ok(());
        };
        for (len, jump, far) in work {
            match producer.reserve(ring, len) {
                Ok(place) => {
                    assert_inside(place, capacity);
                    prop_assert_eq!(place.len(), len);
                    producer.stage(ring, place, len / 2);
                    producer.publish(ring);
                }
                Err(Refused::TooLong) => prop_assert!(len > max_len(capacity, 8)),
                Err(Refused::Outrun) => prop_assert!(false, "there is nobody else"),
                Err(Refused::Full { .. } | Refused::Corrupt(_)) => {}
            }
            let head = if far { jump } else { memory.head().wrapping_add((jump & !7) % capacity) };
            memory.set_head(head);
        }
    }
}

/// Catches an observer that trusts head or the hint: either may lie between words,
/// where less than a word is left of the ring, and hold a header that is right there.
#[test]
fn an_observer_survives_any_head_and_hint() {
    for position in (0..2 * CAPACITY).chain(u64::MAX - CAPACITY..=u64::MAX) {
        for kind in 0..4 {
            let memory = Memory::new(CAPACITY, position);
            memory.at(position).store(header(position, kind, 0), RELAXED);
            let (used, _) = memory.ring().observe();
            assert!(used <= CAPACITY);
            memory.set_head(position & !7);
            let (used, _) = memory.ring().observe();
            assert!(used <= CAPACITY);
        }
    }
}
