//! Messages in several slots: lengths, stamps, counts, and rings that are small.

use super::{
    ALL, Corrupt, Extent, Look, MPMC, Many, Memory, RELAXED, Refused, STARTS, message, part,
    payload, published, tombstone,
};
use crate::ring::slot::{MAX_LEN, Sizes};

/// Rings of so many slots, with so many words of payload in each.
fn with_each(check: impl Fn(Memory)) {
    for many in ALL {
        for slots in [1, 2, 4, 8] {
            for payload_words in [1, 3] {
                for start in STARTS {
                    check(Memory::new(many, slots, payload_words, start).spanning());
                }
            }
        }
    }
}

/// Catches a length at which a slot is lost, shared or left out, in each slot of small rings, and
/// counts that do not add up.
#[test]
fn every_length_up_to_half_the_ring_fits() {
    with_each(|memory| {
        let (ring, slots) = (memory.ring(), memory.slots);
        let start = memory.head();
        assert_eq!(ring.max_len(), (slots / 2).max(1) * memory.max_len());
        let (mut producer, mut consumer) = (memory.producer(), memory.consumer());
        let (mut messages, mut parts) = (0, 0);
        for len in (0..=ring.max_len()).flat_map(|len| [len; 3]) {
            let sent = memory.send_parts(&mut producer, len).unwrap();
            let used = memory.slots_of(len);
            assert_eq!(sent.end().wrapping_sub(sent.start()), used);
            let before = start.wrapping_add(messages + parts);
            assert_eq!(sent.start(), before, "side by side");
            assert_eq!(ring.observe(), (used, start.wrapping_add(messages)));
            assert_eq!(ring.messages(), 1);
            let found = message(consumer.look(ring).unwrap()).unwrap();
            assert_eq!((found, memory.read_extent(found)), (sent, payload(before, len)));
            assert!(consumer.take(ring, found.end(), 1));
            (messages, parts) = (messages + 1, parts + used - 1);
            assert_eq!(memory.passed(), (0, parts));
            assert_eq!(ring.observe(), (0, start.wrapping_add(messages)));
            assert_eq!(consumer.look(ring), Ok(Look::Empty));
        }
    });
}

/// Catches a message that is longer than its stamp can say, or than half of the ring.
#[test]
fn the_longest_message_is_half_the_ring_or_what_a_stamp_can_say() {
    for (slots, words, longest) in [
        (1, 3, 16),
        (2, 3, 16),
        (4, 3, 32),
        (1 << 24, 2, MAX_LEN),
        (1 << 24, 1 << 17, MAX_LEN),
        (2, 1 << 17, (1 << 20) - 8),
        (4, 1 << 17, MAX_LEN),
    ] {
        assert_eq!(Sizes::new(slots, words, 8, true).max_len(), longest);
        let one = Sizes::new(slots, words, 8, false).max_len();
        assert_eq!(one, words * 8 - 8, "in one slot");
    }
}

/// Catches stamps otherwise than the format has them, and a payload that is written elsewhere.
#[test]
fn stamps_of_parts_are_written_as_the_format_says() {
    for many in ALL {
        for start in STARTS {
            let memory = Memory::new(many, 8, 2, start).spanning();
            let mut producer = memory.producer();
            producer.claim(memory.ring(), memory.intent(0), 7).unwrap();
            memory.fill_parts(&mut producer, 33);
            memory.fill_parts(&mut producer, 16);
            // One of two slots is used.
            let space = memory.ring().spanning(producer.published(), 32);
            producer.publish_parts(memory.ring(), space, 7);
            producer.abandon(memory.ring());
            let at = |ahead: u64| start.wrapping_add(ahead);
            let stamps = [0, 1, 2, 3, 4, 5, 6, 7].map(|i| memory.stamp(at(i)).load(RELAXED));
            let closed = |ahead| if many.producers { tombstone(at(ahead)) } else { 0 };
            let expected = [
                published(at(0), 33),
                part(at(1)),
                part(at(2)),
                published(at(3), 16),
                published(at(4), 7),
                closed(5),
                closed(6),
                0,
            ];
            assert_eq!(stamps, expected);
            let word = |slot: u64, word| {
                let index = (at(slot) % 8) * 3 + 1 + word;
                memory.words[index as usize].load(RELAXED).to_ne_bytes()
            };
            let bytes: Vec<u8> = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
                .into_iter()
                .flat_map(|(slot, index)| word(slot, index))
                .collect();
            assert_eq!(bytes[..33], payload(start, 33));
        }
    }
}

/// Catches a claim that counts messages and not slots: a full ring, and the head that makes room.
#[test]
fn a_long_message_waits_for_all_of_its_slots() {
    for many in ALL {
        for start in STARTS {
            let memory = Memory::new(many, 8, 1, start).spanning();
            let (mut producer, mut consumer) = (memory.producer(), memory.consumer());
            memory.send_parts(&mut producer, 32).unwrap();
            memory.send_all(&mut producer, 3);
            let refused = |ahead| Err(Refused::Full { need: start.wrapping_add(ahead) });
            assert_eq!(memory.send_parts(&mut producer, 9), refused(1));
            assert_eq!(memory.send_parts(&mut producer, 32), refused(3));
            memory.send_all(&mut producer, 1);
            let ring = memory.ring();
            assert_eq!((ring.observe().0, ring.messages()), (8, 5));
            let first = message(consumer.look(ring).unwrap()).unwrap();
            assert!(consumer.take(ring, first.end(), 1));
            memory.send_parts(&mut producer, 32).unwrap();
            assert_eq!((ring.observe().0, ring.messages()), (8, 5));
            assert_eq!(memory.send_parts(&mut producer, 0), refused(5));
        }
    }
}

/// Catches a batch that begins or ends in the middle of a message, and counts of one.
#[test]
fn a_batch_of_mixed_lengths_is_taken_at_once() {
    for many in ALL {
        for start in STARTS {
            let memory = Memory::new(many, 8, 1, start).spanning();
            let (ring, mut consumer) = (memory.ring(), memory.consumer());
            let mut producer = memory.producer();
            let lens = [8, 24, 0, 17];
            producer.claim(ring, memory.intent(0), 8).unwrap();
            let sent = lens.map(|len| memory.fill_parts(&mut producer, len));
            assert!(!producer.has_open());
            assert_eq!(ring.messages(), 4);
            let mut found = vec![message(consumer.look(ring).unwrap()).unwrap()];
            while let Some(next) = consumer.look_ahead(ring, found.last().unwrap().end()).unwrap() {
                found.push(next);
            }
            assert_eq!(found, sent);
            assert!(consumer.take(ring, found[3].end(), 4));
            assert_eq!(memory.passed(), (0, 4));
            assert_eq!(ring.observe(), (0, start.wrapping_add(4)));
        }
    }
}

/// Catches a message that changes its length after its tickets were claimed, and leaves them.
#[test]
fn a_message_that_grew_is_cut_to_the_open_tickets() {
    let memory = Memory::new(MPMC, 8, 1, 0).spanning();
    let (ring, mut producer) = (memory.ring(), memory.producer());
    producer.claim(ring, memory.intent(0), 3).unwrap();
    let mut publishing = producer.publishing(ring);
    let cut = publishing.spanning(u64::MAX);
    assert_eq!((cut.start, cut.end, cut.len), (0, 3, 24));
    publishing.publish_parts(cut, cut.len);
    assert!(!publishing.has_open());
    drop(publishing);
    assert_eq!(memory.look(), Ok(Look::Spanning(cut)));
}

/// A full ring of a long message and a short one, in which one stamp is another.
fn damaged(many: Many, at: u64, stamp: u64) -> (Memory, Result<Look, Corrupt>) {
    let memory = Memory::new(many, 8, 1, 0).spanning();
    memory.send_parts(&mut memory.producer(), 32).unwrap();
    memory.stamp(at).store(stamp, RELAXED);
    let look = memory.look();
    (memory, look)
}

/// Catches a part whose stamp is not checked: it may be another message, or nothing.
#[test]
fn a_message_without_one_of_its_parts_is_corrupt() {
    for many in ALL {
        for position in 1..4 {
            for found in [
                0,
                published(position, 8),
                published(position, 9),
                tombstone(position),
                part(position) + 1,
                part(position + 8),
                part(position + 1),
                part(position) | tombstone(position),
                u64::MAX,
            ] {
                let (memory, look) = damaged(many, position, found);
                let corrupt = Corrupt { what: "the stamp of a part", position, found };
                assert_eq!(look, Err(corrupt), "{many:?}");
                let consumer = memory.consumer();
                assert_eq!(consumer.look_ahead(memory.ring(), 0), Err(corrupt), "{many:?}");
                assert!(memory.ring().observe().0 <= 8);
            }
        }
    }
}

/// Catches a length of more slots than half of the ring has.
#[test]
fn a_stamp_that_says_too_many_slots_is_corrupt() {
    for many in ALL {
        for slots in [1, 2, 4, 8] {
            let memory = Memory::new(many, slots, 1, 0).spanning();
            (0..slots).for_each(|i| memory.stamp(i).store(part(i), RELAXED));
            memory.set_tail(slots);
            let most = memory.ring().max_len();
            for len in [most + 1, slots * 8, slots * 8 + 1, MAX_LEN] {
                if len > most {
                    let found = published(0, len);
                    memory.stamp(0).store(found, RELAXED);
                    let expected = Corrupt { what: "a stamp", position: 0, found };
                    assert_eq!(memory.look(), Err(expected), "{len} bytes in {slots} slots");
                }
            }
        }
    }
}

/// Catches a look ahead that goes round the ring, into what it found before.
#[test]
fn messages_that_overlap_end_with_the_ring() {
    for many in ALL {
        let memory = Memory::new(many, 4, 1, 0).spanning();
        for position in 0..4 {
            memory.stamp(position).store(published(position, 9), RELAXED);
        }
        memory.set_tail(4);
        assert!(memory.look().is_err(), "the part of one is the start of the next");
        // Of the last one, the second slot is that of head.
        memory.stamp(4).store(part(4), RELAXED);
        let consumer = memory.consumer();
        assert_eq!(consumer.look_ahead(memory.ring(), 3), Ok(None));
        assert_eq!(memory.ring().observe().0, 4);
        assert!(memory.producer().published() <= 5);
        let found = message(Look::Spanning(memory.ring().spanning(3, 9))).map(Extent::end);
        assert_eq!(found, Some(5));
    }
}
