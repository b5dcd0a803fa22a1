//! Who comes after whom, what observers see, and tombstones by the hundred.

use super::{
    ALL, Corrupt, Extent, Look, MPMC, MPSC, Memory, RELAXED, Refused, SOLE, SPMC, STARTS, payload,
    published, tombstone,
};
use crate::ring::slot::Producer;

/// Catches a successor that overwrites what its predecessor published, or leaves a gap
/// where that died with tickets that it never published: at every fill of every ring,
/// the full one included, where no slot stops the search.
#[test]
fn a_sole_producer_goes_on_where_the_last_one_published() {
    for many in [SPMC, SOLE] {
        for slots in [1, 2, 4, 8] {
            for start in STARTS {
                for taken in 0..=slots {
                    for used in 0..=slots {
                        for open in 0..=slots - used {
                            succeed(&Memory::new(many, slots, 1, start), taken, used, open);
                            succeed(&Memory::new(many, slots, 1, start).aged(), taken, used, open);
                        }
                    }
                }
            }
        }
    }
}

fn succeed(memory: &Memory, taken: u64, used: u64, open: u64) {
    let (ring, start) = (memory.ring(), memory.head());
    let (mut producer, mut consumer) = (memory.producer(), memory.consumer());
    for _ in 0..taken {
        let place = memory.send(&mut producer, 8).unwrap();
        assert_eq!(consumer.look(ring), Ok(Look::Message(place)));
        assert!(consumer.take(ring, place.end, 1));
    }
    memory.send_all(&mut producer, used);
    if open > 0 {
        producer.claim(ring, memory.intent(0), open).unwrap();
        super::write(&memory.words, producer.place(ring, 8), &[0xEE; 8]);
    }
    // Here it dies, and its hint may be as old as it was.
    memory.set_tail(start);
    let mut successor = memory.producer();
    let tail = start.wrapping_add(taken + used);
    assert_eq!(successor.published(), tail);
    assert!(!successor.has_open());
    let room = memory.slots - used;
    let refused = successor.claim(ring, memory.intent(0), room + 1);
    assert!(matches!(refused, Err(Refused::Full { .. } | Refused::TooLong)), "{refused:?}");
    for i in 0..room {
        assert_eq!(memory.send(&mut successor, 3).unwrap().start, tail.wrapping_add(i));
    }
    for i in 0..memory.slots {
        let Ok(Look::Message(place)) = consumer.look(ring) else { panic!("{memory:?}") };
        assert_eq!(place.start, start.wrapping_add(taken + i));
        assert_eq!(memory.read(place), payload(place.start, if i < used { 8 } else { 3 }));
        assert!(consumer.take(ring, place.end, 1));
    }
    assert_eq!(consumer.look(ring), Ok(Look::Empty));
}

/// Catches a successor that stops at what consumers pass over: they would be ahead of it.
#[test]
fn a_sole_producer_goes_on_behind_a_tombstone() {
    for many in [SPMC, SOLE] {
        let memory = Memory::new(many, 4, 1, 9);
        memory.stamp(9).store(tombstone(9), RELAXED);
        memory.stamp(10).store(published(10, 8), RELAXED);
        assert_eq!(memory.producer().published(), 11);
        assert!(matches!(memory.look(), Ok(Look::Message(place)) if place.start == 10));
    }
}

/// Catches a successor that searches through stamps that no producer wrote.
#[test]
fn a_sole_producer_does_not_take_over_a_corrupt_ring() {
    for many in ALL {
        for start in STARTS {
            for ahead in 0..4 {
                let memory = Memory::new(many, 4, 1, start);
                for i in 0..ahead {
                    let position = start.wrapping_add(i);
                    memory.stamp(position).store(published(position, 8), RELAXED);
                }
                let position = start.wrapping_add(ahead);
                let found = published(position, 9);
                memory.stamp(position).store(found, RELAXED);
                let expected = Corrupt { what: "a stamp", position, found };
                match Producer::take_over(memory.ring()) {
                    // One of many needs no stamp: tail is shared.
                    Ok(producer) => {
                        assert!(many.producers);
                        assert_eq!(producer.published(), start);
                    }
                    Err(corrupt) => assert_eq!((corrupt, many.producers), (expected, false)),
                }
            }
        }
    }
}

/// Catches a consumer that starts anywhere but at the oldest message that was not taken.
#[test]
fn a_consumer_goes_on_where_the_last_one_took() {
    for many in ALL {
        for start in STARTS {
            let memory = Memory::new(many, 4, 1, start);
            let mut producer = memory.producer();
            let places = [0; 3].map(|_| memory.send(&mut producer, 8).unwrap());
            let mut first = memory.consumer();
            assert_eq!(first.look(memory.ring()), Ok(Look::Message(places[0])));
            assert!(first.take(memory.ring(), places[0].end, 1));
            assert_eq!(
                first.look_ahead(memory.ring(), first.head()),
                Ok(Some(Extent::Whole(places[1])))
            );
            assert_eq!(
                first.look_ahead(memory.ring(), places[1].end),
                Ok(Some(Extent::Whole(places[2])))
            );
            let mut second = memory.consumer();
            assert_eq!(second.head(), places[0].end);
            assert_eq!(second.look(memory.ring()), Ok(Look::Message(places[1])), "redelivered");
        }
    }
}

/// Catches a hint that a sole producer never gives, or gives for each message of a large
/// ring, and an observer who believes it where the stamps tell more.
#[test]
fn observers_see_what_is_published_whatever_the_hint() {
    for many in [SPMC, SOLE] {
        for start in STARTS {
            let memory = Memory::new(many, 64, 1, start);
            let (mut producer, mut consumer) = (memory.producer(), memory.consumer());
            for sent in 1..=64 {
                memory.send(&mut producer, 8).unwrap();
                let hint = memory.tail().wrapping_sub(start);
                assert_eq!(hint, sent / 4 * 4, "one in 16th parts of the ring");
                assert_eq!(memory.ring().observe(), (sent, start));
                assert!(sent == 64 || memory.ring().room().0);
            }
            for taken in 1..=64 {
                consumer.look(memory.ring()).unwrap();
                assert!(consumer.take(memory.ring(), start.wrapping_add(taken), 1));
                // Any hint, also one that head has passed.
                for hint in (0..=64).step_by(3) {
                    memory.set_tail(start.wrapping_add(hint));
                    let expected = (64 - taken, start.wrapping_add(taken));
                    assert_eq!(memory.ring().observe(), expected, "hint {hint}");
                    assert!(memory.ring().room().0, "a sender would sleep beside room");
                }
            }
            memory.set_tail(start);
            producer.hint(memory.ring());
            assert_eq!(memory.tail(), start.wrapping_add(64));
        }
    }
    // Where producers compete, tail is no hint.
    let memory = Memory::new(MPMC, 4, 1, 50);
    let mut producer = memory.producer();
    memory.send(&mut producer, 8).unwrap();
    memory.set_tail(52);
    producer.hint(memory.ring());
    assert_eq!((memory.tail(), memory.ring().observe()), (52, (2, 50)));
}

/// Catches an observer that counts more than the ring has, or less than nothing.
#[test]
fn an_observer_survives_any_head_and_tail() {
    for many in ALL {
        for slots in [1, 4] {
            for head in STARTS {
                for tail in STARTS.into_iter().chain((0..64).map(|bit| head ^ 1 << bit)) {
                    let memory = Memory::new(many, slots, 1, head);
                    memory.set_tail(tail);
                    let (used, taken) = memory.ring().observe();
                    assert!(used <= slots && taken == head);
                    let (room, reached) = memory.ring().room();
                    let full = (slots..1 << 63).contains(&tail.wrapping_sub(head));
                    assert_eq!((room, reached), (!full, head), "{head:#x} {tail:#x}");
                }
            }
        }
    }
}

/// Catches a look that passes tombstones without end, or stops at one for good, or counts
/// one twice.
#[test]
fn any_number_of_tombstones_is_passed_a_bounded_part_at_a_time() {
    for many in [MPMC, MPSC] {
        for start in [0, (1 << 40) - 100, u64::MAX - 99] {
            for count in [0, 1, 63, 64, 65, 128, 200, 255] {
                let memory = Memory::new(many, 256, 1, start);
                let (mut producer, mut consumer) = (memory.producer(), memory.consumer());
                if count > 0 {
                    producer.claim(memory.ring(), memory.intent(0), count).unwrap();
                }
                assert_eq!(producer.abandon(memory.ring()), count > 0);
                let message = memory.send(&mut producer, 5).unwrap();
                let mut before = start;
                while let Look::Outrun = consumer.look(memory.ring()).unwrap() {
                    let passed = memory.head().wrapping_sub(before);
                    assert!((1..=64).contains(&passed), "{passed} at once");
                    assert!(consumer.take_skipped());
                    before = memory.head();
                }
                assert_eq!(consumer.look(memory.ring()), Ok(Look::Message(message)));
                assert_eq!(memory.control.roles.tombstones(), count);
                assert_eq!(memory.ring().observe(), (1, start));
                assert_eq!(consumer.take_skipped(), before != memory.head());
            }
        }
    }
}

/// Catches a look ahead that takes a tombstone for the end of the messages, passes them
/// without end, or goes around the ring.
#[test]
fn looking_ahead_passes_tombstones_and_ends_with_the_ring() {
    for many in [MPMC, MPSC] {
        for count in 0..130 {
            let memory = Memory::new(many, 256, 1, u64::MAX - 20);
            let mut producer = memory.producer();
            let first = memory.send(&mut producer, 5).unwrap();
            if count > 0 {
                producer.claim(memory.ring(), memory.intent(0), count).unwrap();
            }
            producer.abandon(memory.ring());
            let second = memory.send(&mut producer, 6).unwrap();
            let mut consumer = memory.consumer();
            assert_eq!(consumer.look(memory.ring()), Ok(Look::Message(first)));
            let found = consumer.look_ahead(memory.ring(), first.end).unwrap();
            if count < 64 {
                assert_eq!(found, Some(Extent::Whole(second)), "behind {count}");
            } else {
                assert_eq!(found, None, "a batch ends before so many");
            }
        }
        // A ring full of messages, or of tombstones: the slot after the last is the first.
        for stamp in [published, |position, _| tombstone(position)] {
            let memory = Memory::new(many, 4, 1, 6);
            memory.set_tail(10);
            (6..14).for_each(|position| memory.stamp(position).store(stamp(position, 2), RELAXED));
            let consumer = memory.consumer();
            for from in 10..14 {
                assert_eq!(consumer.look_ahead(memory.ring(), from), Ok(None), "from {from}");
            }
        }
    }
}
