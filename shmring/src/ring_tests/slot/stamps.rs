//! What each stamp says about each position: the format, told a second time.

use super::{Corrupt, Look, MPMC, MPSC, Memory, RELAXED, SOLE, SPMC, STARTS, published, tombstone};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Published {
        len: u64,
    },
    Tombstone,
    /// The slot holds another position, or none.
    Other,
    Corrupt,
}

/// What a consumer with `word` at head takes it for. The position is claimed, and no
/// more than that.
fn ask(memory: &Memory, word: u64) -> Says {
    let head = memory.head();
    memory.set_tail(head.wrapping_add(1));
    memory.stamp(head).store(word, RELAXED);
    let mut consumer = memory.consumer();
    let waits = consumer.has_message(memory.ring()).0;
    let says = match consumer.look(memory.ring()) {
        Ok(Look::Message(place)) => {
            memory.assert_in_slot(place);
            assert_eq!(place.start, head);
            Says::Published { len: place.len() }
        }
        Ok(Look::InFlight { position }) => {
            assert!(memory.many.producers && position == head);
            Says::Other
        }
        Ok(Look::Empty) if consumer.take_skipped() => Says::Tombstone,
        Ok(Look::Empty) => {
            assert!(!memory.many.producers);
            Says::Other
        }
        Ok(other) => panic!("{word:#x} is {other:?}"),
        Err(corrupt) => {
            assert_eq!(corrupt, Corrupt { what: "a stamp", position: head, found: word });
            Says::Corrupt
        }
    };
    match says {
        Says::Published { .. } | Says::Tombstone => assert!(waits, "nobody comes for {word:#x}"),
        Says::Other => assert!(!waits, "woken for nothing by {word:#x}"),
        Says::Corrupt => {}
    }
    memory.set_head(head);
    says
}

/// Catches a flag that is not looked at, a length that reaches beyond its slot, and a
/// tombstone with a length.
#[test]
fn every_combination_of_flags_and_length_is_read_as_the_format_says() {
    for many in [MPMC, SOLE] {
        for (slots, payload_words) in [(1, 1), (2, 3), (8, 1)] {
            for start in STARTS {
                let memory = Memory::new(many, slots, payload_words, start);
                let max = 8 * payload_words;
                for len in (0..=max + 9).chain([0x7_FFFF, 0x8_0000, 0xF_FFFF]) {
                    for flags in 0..16 {
                        let word = published(start, 0) - (1 << 20) + (flags << 20) + len;
                        let expected = match flags {
                            1 if len <= max => Says::Published { len },
                            2 if len == 0 => Says::Tombstone,
                            // What is left of a message whose producer died.
                            4 if len == 0 && many.producers => Says::Tombstone,
                            4 if len == 0 => Says::Other,
                            // Only a slot that was never written has no flags at all.
                            0 if word == 0 => Says::Other,
                            _ => Says::Corrupt,
                        };
                        assert_eq!(ask(&memory, word), expected, "{word:#x} at {start:#x}");
                    }
                }
            }
        }
    }
}

/// Catches a stamp of another lap, or of another slot, that is taken for this one's; and
/// one of another slot that is taken for an old one of this slot.
#[test]
fn a_stamp_counts_only_at_its_own_position() {
    for many in [MPMC, MPSC, SPMC, SOLE] {
        for slots in [1, 2, 4, 8] {
            for start in STARTS {
                let memory = Memory::new(many, slots, 1, start);
                let near = (1..40).flat_map(|d| [start.wrapping_sub(d), start.wrapping_add(d)]);
                let far = (6..40).map(|bit| start ^ 1 << bit);
                for other in near.chain(far) {
                    let same_slot = other % slots == start % slots;
                    let expected = if same_slot { Says::Other } else { Says::Corrupt };
                    for word in [published(other, 5), tombstone(other)] {
                        assert_eq!(ask(&memory, word), expected, "{other:#x} at {start:#x}");
                        // Without flags it is nobody's.
                        let bare = word & !0xF0_0000;
                        let expected = if bare == 0 { Says::Other } else { Says::Corrupt };
                        assert_eq!(ask(&memory, bare), expected, "{bare:#x} at {start:#x}");
                    }
                }
            }
        }
    }
}

/// Catches the stamp of a slot that was never written, which has the number of every
/// position before a multiple of 2^40.
#[test]
fn a_zero_stamp_matches_nothing() {
    for many in [MPMC, MPSC, SPMC, SOLE] {
        for slots in [1, 2, 8] {
            for laps in [1_u64, 2, 1 << 23, 0] {
                let position = (laps << 40).wrapping_sub(1);
                let memory = Memory::new(many, slots, 1, position);
                assert_eq!(ask(&memory, 0), Says::Other);
                assert_eq!(ask(&memory, 1 << 20 | 3), Says::Published { len: 3 });
                assert_eq!(ask(&memory, 1 << 21), Says::Tombstone);
                assert_eq!(ask(&memory, 3), Says::Corrupt);
                memory.stamp(position).store(0, RELAXED);
                assert_eq!(memory.producer().published(), position, "taken for a message");
            }
        }
    }
}

/// Catches a bit of a stamp that nothing looks at. Accepted are exactly the flips in the
/// length that leave one that fits, and those that make the stamp another lap's.
#[test]
fn every_flipped_bit_of_a_stamp_is_noticed_or_harmless() {
    for slots in [1, 2, 4, 8] {
        for start in STARTS {
            for len in 0..=16 {
                let memory = Memory::new(MPMC, slots, 2, start);
                assert_eq!(ask(&memory, published(start, len)), Says::Published { len });
                for bit in 0..64 {
                    let lap = bit >= 24 && 1 << (bit - 24) >= slots;
                    let flipped = len ^ 1 << (bit % 20);
                    let expected = if lap {
                        Says::Other
                    } else if bit < 20 && flipped <= 16 {
                        Says::Published { len: flipped }
                    } else if published(start, len) ^ 1 << bit == 0 {
                        Says::Other
                    } else {
                        Says::Corrupt
                    };
                    let found = ask(&memory, published(start, len) ^ 1 << bit);
                    assert_eq!(found, expected, "bit {bit} of a message's");
                    let expected = if lap || tombstone(start) ^ 1 << bit == 0 {
                        Says::Other
                    } else {
                        Says::Corrupt
                    };
                    let found = ask(&memory, tombstone(start) ^ 1 << bit);
                    assert_eq!(found, expected, "bit {bit} of a tombstone's");
                }
            }
        }
    }
}

/// Catches a stamp that is written otherwise than it is read.
#[test]
fn stamps_are_written_as_the_format_says() {
    for many in [MPMC, SOLE] {
        for start in STARTS {
            let memory = Memory::new(many, 4, 2, start);
            let mut producer = memory.producer();
            producer.claim(memory.ring(), memory.intent(0), 3).unwrap();
            memory.fill(&mut producer, 0);
            memory.fill(&mut producer, 16);
            producer.abandon(memory.ring());
            let stamps = [0, 1, 2, 3].map(|i| memory.stamp(start.wrapping_add(i)).load(RELAXED));
            let (second, third) = (start.wrapping_add(1), start.wrapping_add(2));
            let third = if many.producers { tombstone(third) } else { 0 };
            assert_eq!(stamps, [published(start, 0), published(second, 16), third, 0]);
        }
    }
}

/// Catches a tail behind head that is taken for a ring with something in flight.
#[test]
fn a_tail_behind_head_is_corrupt() {
    for many in [MPMC, MPSC] {
        for start in STARTS {
            let memory = Memory::new(many, 4, 1, start);
            for back in [1, 2, 4, 5, 1 << 20, 1 << 40, (1 << 63) - 1, 1 << 63] {
                let found = start.wrapping_sub(back);
                memory.set_tail(found);
                let expected = Corrupt { what: "tail", position: start, found };
                assert_eq!(memory.look(), Err(expected), "{back:#x} behind");
            }
        }
    }
    // A sole producer's tail is a hint, and anything.
    for many in [SPMC, SOLE] {
        let memory = Memory::new(many, 4, 1, 8);
        memory.set_tail(7);
        assert_eq!(memory.look(), Ok(Look::Empty));
    }
}
