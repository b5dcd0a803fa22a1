//! Rings so small that every case can be tried.

use super::{ALL, Look, MPMC, MPSC, Memory, RELAXED, Refused, SOLE, STARTS, announcement, payload};
use crate::ring::slot::{MAX_LEN, MAX_SLOTS};

/// Catches a length that a stamp cuts short or that reaches the next slot, at each length
/// in each slot.
#[test]
fn every_length_fits_into_every_slot() {
    for many in ALL {
        for slots in [1, 2, 4, 8] {
            for payload_words in [1, 2, 5] {
                let memory = Memory::new(many, slots, payload_words, 0);
                assert_eq!(memory.ring().max_len(), 8 * payload_words);
                assert_eq!(memory.ring().slots(), slots);
                let (mut producer, mut consumer) = (memory.producer(), memory.consumer());
                for len in (0..=memory.max_len()).flat_map(|len| [len; 8]) {
                    // The slots beside it are as they were.
                    memory.words.iter().for_each(|word| word.store(!0, RELAXED));
                    (0..slots).for_each(|slot| memory.stamp(slot).store(0, RELAXED));
                    let place = memory.send(&mut producer, len).unwrap();
                    let touched = memory.words.iter().filter(|word| word.load(RELAXED) != !0);
                    assert_eq!(touched.count() as u64, slots + len.div_ceil(8));
                    assert_eq!(consumer.look(memory.ring()), Ok(Look::Message(place)));
                    assert_eq!(memory.read(place), payload(place.start, len));
                    assert!(consumer.take(memory.ring(), place.end, 1));
                    assert_eq!(consumer.look(memory.ring()), Ok(Look::Empty));
                }
            }
        }
    }
}

/// Catches a slot so large that a length no longer fits into its stamp.
#[test]
fn the_longest_message_is_what_a_stamp_can_say() {
    let memory = Memory::new(MPMC, 1, (1 << 17) + 1, 7);
    assert_eq!((memory.ring().max_len(), MAX_LEN, MAX_SLOTS), (0xF_FFFF, 0xF_FFFF, 1 << 24));
    let place = memory.send(&mut memory.producer(), MAX_LEN).unwrap();
    assert_eq!(memory.look(), Ok(Look::Message(place)));
    assert_eq!(place.len(), MAX_LEN);
}

/// Catches a batch that claims too much or too little, and that one can see before it is
/// published.
#[test]
fn every_batch_fits_at_every_fill() {
    for many in ALL {
        for slots in [1, 2, 4, 8] {
            for start in STARTS {
                for used in 0..=slots {
                    for count in 1..=slots + 2 {
                        batch(&Memory::new(many, slots, 1, start), used, count);
                        batch(&Memory::new(many, slots, 1, start).aged(), used, count);
                    }
                }
            }
        }
    }
    let memory = Memory::new(MPMC, 4, 1, 0);
    for count in [5, 1 << 25, 1 << 63, u64::MAX] {
        let found = memory.producer().claim(memory.ring(), memory.intent(0), count);
        assert_eq!(found, Err(Refused::TooLong));
    }
}

fn batch(memory: &Memory, used: u64, count: u64) {
    let (ring, start) = (memory.ring(), memory.head());
    let mut producer = memory.producer();
    memory.send_all(&mut producer, used);
    let found = producer.claim(ring, memory.intent(0), count);
    if count > memory.slots {
        assert_eq!(found, Err(Refused::TooLong));
    } else if used + count > memory.slots {
        let need = start.wrapping_add(used + count - memory.slots);
        assert_eq!(found, Err(Refused::Full { need }));
        assert!(!producer.has_open());
    } else {
        assert_eq!(found, Ok(()));
        for i in 0..count {
            assert!(producer.has_open());
            assert_eq!(memory.fill(&mut producer, 1).start, start.wrapping_add(used + i));
        }
        assert!(!producer.has_open());
        let mut consumer = memory.consumer();
        for _ in 0..used + count {
            let Ok(Look::Message(place)) = consumer.look(ring) else { panic!("{memory:?}") };
            assert!(consumer.take(ring, place.end, 1));
        }
        assert_eq!(consumer.look(ring), Ok(Look::Empty));
    }
}

/// Catches a need that is too small (the sender wakes to a full ring) or too large (it
/// sleeps beside room), with a fresh copy of head and with a stale one.
#[test]
fn need_is_exact() {
    for many in ALL {
        for slots in [1, 2, 4, 8] {
            for start in STARTS {
                for count in 1..=slots {
                    let memory = Memory::new(many, slots, 1, start);
                    let mut producer = memory.producer();
                    while memory.send(&mut producer, 8).is_ok() {}
                    let need = start.wrapping_add(count);
                    for head in (0..count).map(|taken| start.wrapping_add(taken)) {
                        memory.set_head(head);
                        assert!(!memory.ring().has_room(need));
                        let refused = Err(Refused::Full { need });
                        let intent = memory.intent(0);
                        assert_eq!(producer.claim(memory.ring(), intent, count), refused);
                        let other = memory.producer().claim(memory.ring(), intent, count);
                        assert_eq!(other, refused, "a successor's");
                    }
                    memory.set_head(need);
                    assert!(memory.ring().has_room(need));
                    assert_eq!(memory.ring().room(), (true, need));
                    assert_eq!(producer.claim(memory.ring(), memory.intent(0), count), Ok(()));
                }
            }
        }
    }
}

/// Catches an announcement that outlives a claim that failed, where it would name
/// tickets that are someone else's, and one that is not made at all.
#[test]
fn what_is_announced_is_what_was_claimed() {
    for many in [MPMC, MPSC] {
        for start in STARTS {
            let memory = Memory::new(many, 4, 1, start);
            let (mut one, mut other) = (memory.producer(), memory.producer());
            one.claim(memory.ring(), memory.intent(0), 3).unwrap();
            assert_eq!(memory.intent(0).load(RELAXED), announcement(start, 3));
            let refused = other.claim(memory.ring(), memory.intent(1), 2);
            assert_eq!(refused, Err(Refused::Full { need: start.wrapping_add(1) }));
            assert_eq!(memory.intent(1).load(RELAXED), 0, "announced though full");
            other.claim(memory.ring(), memory.intent(1), 1).unwrap();
            let second = announcement(start.wrapping_add(3), 1);
            assert_eq!(memory.intent(1).load(RELAXED), second);
            assert_eq!(memory.intent(0).load(RELAXED), announcement(start, 3));
        }
    }
    let memory = Memory::new(SOLE, 4, 1, 0);
    memory.send(&mut memory.producer(), 8).unwrap();
    assert_eq!(memory.intent(0).load(RELAXED), 0, "a sole producer has nobody to tell");
}

/// Catches tickets that are given up and stay claimed, which nobody passes, and bytes of
/// them that are received.
#[test]
fn what_is_abandoned_is_passed_over() {
    for many in ALL {
        for open in 0..=4 {
            for published in 0..=open {
                for start in STARTS {
                    abandon(&Memory::new(many, 4, 1, start), open, published);
                }
            }
        }
    }
}

fn abandon(memory: &Memory, open: u64, published: u64) {
    let (ring, start) = (memory.ring(), memory.head());
    let (mut producer, mut consumer) = (memory.producer(), memory.consumer());
    if open > 0 {
        producer.claim(ring, memory.intent(0), open).unwrap();
    }
    for _ in 0..published {
        memory.fill(&mut producer, 8);
    }
    let told = producer.abandon(ring);
    assert_eq!(told, memory.many.producers && published < open, "what consumers must hear");
    assert!(!producer.has_open() && !producer.abandon(ring));
    for _ in 0..published {
        let Ok(Look::Message(place)) = consumer.look(ring) else { panic!("{memory:?}") };
        assert!(consumer.take(ring, place.end, 1));
    }
    assert!(!consumer.take_skipped());
    let waits = memory.many.producers && published < open;
    assert_eq!(consumer.has_message(ring), (waits, start.wrapping_add(published + 1)));
    assert_eq!(consumer.look(ring), Ok(Look::Empty));
    assert_eq!((consumer.take_skipped(), consumer.take_skipped()), (waits, false));
    let skipped = if waits { open - published } else { 0 };
    assert_eq!(memory.control.roles.tombstones(), skipped);
    assert_eq!(memory.head(), start.wrapping_add(published + skipped));
    assert_eq!(ring.observe(), (0, start.wrapping_add(published)));
    let next = memory.send(&mut producer, 3).unwrap();
    assert_eq!(next.start, memory.head());
    assert_eq!(consumer.look(ring), Ok(Look::Message(next)));
}
