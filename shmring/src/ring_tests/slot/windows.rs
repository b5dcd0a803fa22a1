//! Heads and tails outside the window, and what a producer has seen of them before.

use super::{ALL, Corrupt, Look, MPMC, MPSC, Memory, Producer, Refused, SOLE, SPMC, STARTS};

/// Positions near a sound one, and at each power of two from it.
fn around(position: u64) -> impl Iterator<Item = u64> {
    let near = (0..20).flat_map(move |d| [position.wrapping_sub(d), position.wrapping_add(d)]);
    near.chain((5..64).map(move |bit| position ^ 1 << bit))
}

/// Whether a position lies ahead of another, or is the same.
fn ahead(a: u64, b: u64) -> bool {
    a.wrapping_sub(b) < 1 << 63
}

fn corrupt(what: &'static str, position: u64, found: u64) -> Result<(), Refused> {
    Err(Refused::Corrupt(Corrupt { what, position, found }))
}

/// Everything that can be full, from none to all of the slots, and every batch.
fn each(test: impl Fn(u64, u64, u64, u64)) {
    for slots in [1, 2, 4] {
        for start in STARTS {
            for used in 0..=slots {
                for count in 1..=slots {
                    test(slots, start, used, count);
                }
            }
        }
    }
}

/// Catches a producer among many that believes a head which moved back or overtook tail.
#[test]
fn a_head_outside_the_window_stops_one_of_many() {
    each(|slots, start, used, count| {
        let memory = Memory::new(MPMC, slots, 1, start);
        let tail = start.wrapping_add(used);
        for head in around(start).chain(around(tail)) {
            memory.set_head(start);
            memory.set_tail(tail);
            let mut producer = memory.producer();
            memory.set_head(head);
            let left = tail.wrapping_sub(head);
            let expected = if used + count <= slots {
                // What was seen of head is enough.
                Ok(())
            } else if !ahead(head, start) {
                corrupt("head", tail, head)
            } else if !ahead(tail, head) {
                corrupt("tail", head, tail)
            } else if left + count > slots {
                Err(Refused::Full { need: tail.wrapping_add(count).wrapping_sub(slots) })
            } else {
                Ok(())
            };
            let found = producer.claim(memory.ring(), memory.intent(0), count);
            assert_eq!(found, expected, "{count} beside {used}, head {head:#x} from {start:#x}");
        }
    });
}

/// Catches a producer among many that believes a tail which moved back, or lies further
/// ahead of head than there are slots.
#[test]
fn a_tail_outside_the_window_stops_one_of_many() {
    each(|slots, start, taken, count| {
        let memory = Memory::new(MPSC, slots, 1, start);
        let head = start.wrapping_add(taken);
        for tail in around(start).chain(around(head)) {
            memory.set_head(start);
            let mut producer = memory.producer();
            memory.set_head(head);
            memory.set_tail(tail);
            let (used, end) = (tail.wrapping_sub(head), tail.wrapping_add(count));
            let expected = if ahead(tail, start) && end.wrapping_sub(start) <= slots {
                // There is room, so head is not looked at again.
                Ok(())
            } else if !ahead(tail, start) {
                corrupt("tail", start, tail)
            } else if !ahead(tail, head) {
                corrupt("tail", head, tail)
            } else if used > slots {
                corrupt("head", tail, head)
            } else if used + count > slots {
                Err(Refused::Full { need: end.wrapping_sub(slots) })
            } else {
                Ok(())
            };
            let found = producer.claim(memory.ring(), memory.intent(0), count);
            assert_eq!(found, expected, "{count} at {tail:#x}, head {head:#x} from {start:#x}");
            if found.is_ok() {
                assert_eq!(memory.tail(), end);
                memory.assert_in_slot(producer.place(memory.ring(), 8));
            } else {
                assert_eq!(memory.tail(), tail, "moved though refused");
            }
        }
    });
}

/// Catches a sole producer that believes a head which moved back or overtook its tail.
#[test]
fn a_head_outside_the_window_stops_a_sole_producer() {
    each(|slots, start, used, count| {
        for many in [SPMC, SOLE] {
            let memory = Memory::new(many, slots, 1, start);
            let tail = start.wrapping_add(used);
            for head in around(start).chain(around(tail)) {
                memory.set_head(start);
                let mut producer = memory.producer();
                if producer.published() != tail {
                    memory.send_all(&mut producer, used);
                }
                memory.set_head(head);
                let expected = if used + count <= slots {
                    Ok(())
                } else if head.wrapping_sub(start) > used {
                    corrupt("head", tail, head)
                } else if tail.wrapping_sub(head) + count > slots {
                    Err(Refused::Full { need: tail.wrapping_add(count).wrapping_sub(slots) })
                } else {
                    Ok(())
                };
                let found = producer.claim(memory.ring(), memory.intent(0), count);
                assert_eq!(found, expected, "{count} beside {used}, head {head:#x}");
            }
        }
    });
}

/// Catches a copy of head that is thrown away, so that head is loaded for each message,
/// or is kept when there is more room than it says.
#[test]
fn a_producer_looks_at_head_again_only_when_it_has_to() {
    for many in ALL {
        for start in STARTS {
            let memory = Memory::new(many, 8, 1, start);
            let mut producer = memory.producer();
            memory.send_all(&mut producer, 8);
            memory.set_head(start.wrapping_add(3));
            memory.send_all(&mut producer, 1);
            // Three were seen: two are left, whatever head says now.
            memory.set_head(start.wrapping_add(77));
            memory.send_all(&mut producer, 2);
            // It cannot be where it was before.
            let tail = start.wrapping_add(11);
            let found = start.wrapping_add(2);
            memory.set_head(found);
            let refused = producer.claim(memory.ring(), memory.intent(0), 1);
            assert_eq!(refused, corrupt("head", tail, found));
            memory.set_head(start.wrapping_add(3));
            let need = start.wrapping_add(4);
            let refused = producer.claim(memory.ring(), memory.intent(0), 1);
            assert_eq!(refused, Err(Refused::Full { need }));
            memory.set_head(need);
            memory.send_all(&mut producer, 1);
        }
    }
}

/// Catches a successor of many that trusts what it has not seen: it starts at head, which
/// is anything, and still stays in the ring.
#[test]
fn one_of_many_that_comes_to_any_head_stays_in_the_ring() {
    for head in STARTS {
        for tail in around(head) {
            let memory = Memory::new(MPMC, 4, 1, head);
            memory.set_tail(tail);
            let mut producer = Producer::take_over(memory.ring()).unwrap();
            if producer.claim(memory.ring(), memory.intent(0), 2).is_ok() {
                memory.fill(&mut producer, 8);
                memory.fill(&mut producer, 8);
                assert_eq!(memory.tail(), tail.wrapping_add(2));
            }
            assert!(!matches!(memory.look(), Ok(Look::Outrun)));
        }
    }
}
