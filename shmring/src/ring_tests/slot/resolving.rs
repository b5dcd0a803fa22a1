//! What becomes of a ticket that nobody publishes.

use std::cell::RefCell;

use super::{
    Corrupt, Look, MPMC, MPSC, Memory, RELAXED, Resolved, STARTS, announcement, published, resolve,
    tombstone,
};
use crate::ring::membership::{free_handles, reap_attachment, release_handle};
use crate::ring::tables::claim_handle;

/// A ring in which the position at head is claimed, and none behind it.
fn claimed(slots: u64, start: u64) -> Memory {
    let memory = Memory::new(MPMC, slots, 1, start);
    memory.set_tail(start.wrapping_add(1));
    memory
}

/// Asks for the ticket at head while that attach is alive, and puts it back.
fn ask(memory: &Memory, alive: usize) -> Resolved {
    let head = memory.head();
    let found = resolve(memory.ring(), 0, &memory.handles, head, |attach| attach == alive);
    memory.stamp(head).store(0, RELAXED);
    found.unwrap()
}

const DEAD: usize = 3;
const LIVE: usize = 4;

/// Catches each outcome for another: the whole table of who announced a ticket, and what
/// its slot holds.
#[test]
fn each_state_of_a_ticket_has_its_outcome() {
    for start in STARTS {
        for (many, slots) in [(MPMC, 1), (MPSC, 2), (MPMC, 4)] {
            let memory = Memory::new(many, slots, 1, start);
            let ask = |position, alive| {
                let counted = memory.control.roles.resolved();
                let alive = |attach| attach == alive;
                let found = resolve(memory.ring(), 0, &memory.handles, position, alive).unwrap();
                let closed = memory.control.roles.resolved() - counted;
                assert_eq!(closed, u64::from(found == Resolved::Closed));
                found
            };
            assert_eq!(claim_handle(&memory.handles, DEAD, 0), Some(0));
            assert_eq!(ask(start, DEAD), Resolved::Unclaimed);
            let mut producer = memory.producer();
            producer.claim(memory.ring(), memory.intent(0), 1).unwrap();
            assert_eq!(ask(start, DEAD), Resolved::Announced { attach: DEAD });
            assert_eq!(ask(start, LIVE), Resolved::Closed);
            assert_eq!(memory.stamp(start).load(RELAXED), tombstone(start));
            assert_eq!(ask(start, LIVE), Resolved::Settled, "closed twice");
            assert_eq!(memory.look(), Ok(Look::Empty));
            assert_eq!(ask(start, LIVE), Resolved::Settled, "passed");
            let next = start.wrapping_add(1);
            assert_eq!(ask(next, LIVE), Resolved::Unclaimed);

            let mut producer = memory.producer();
            producer.claim(memory.ring(), memory.intent(0), 1).unwrap();
            memory.fill(&mut producer, 8);
            assert_eq!(ask(next, LIVE), Resolved::Settled, "published");
            // Nobody waits at a published ticket; the announcement of a living owner is
            // looked at first.
            assert_eq!(ask(next, DEAD), Resolved::Announced { attach: DEAD });
            assert_eq!(memory.stamp(next).load(RELAXED), published(next, 8));
        }
    }
}

/// Catches an announcement that is read too short or too long, at every length that a
/// batch can have, and beyond.
#[test]
fn an_announcement_names_its_tickets_and_no_others() {
    let counts = [1, 2, 3, 255, (1 << 23) + 1, (1 << 24) - 1, 1 << 24, (1 << 25) - 1];
    let firsts = STARTS.into_iter().chain([5, (1 << 39) - (1 << 24), (1 << 40) - (1 << 24)]);
    for first in firsts {
        for count in counts {
            for (position, announced) in [
                (first, true),
                (first.wrapping_add(count / 2), true),
                (first.wrapping_add(count - 1), true),
                (first.wrapping_add(count), false),
                (first.wrapping_sub(1), false),
                (first.wrapping_sub(count), false),
                (first.wrapping_add(1 << 25), false),
                (first.wrapping_add(1 << 38), false),
                // One that is 2^39 away waits for nothing, which costs time only.
                (first.wrapping_add(1 << 39), true),
                (first.wrapping_sub(1 << 39), true),
            ] {
                let memory = claimed(8, position);
                claim_handle(&memory.handles, LIVE, 0);
                memory.intent(0).store(announcement(first, count), RELAXED);
                let expected =
                    if announced { Resolved::Announced { attach: LIVE } } else { Resolved::Closed };
                assert_eq!(ask(&memory, LIVE), expected, "{count} from {first:#x}: {position:#x}");
            }
        }
    }
}

/// Catches an announcement of the longest batch that loses its count, and with it its
/// tickets.
#[test]
fn the_longest_batch_is_announced_whole() {
    for start in [(1 << 39) - 1, u64::MAX] {
        let memory = Memory::new(MPMC, 1 << 24, 0, start);
        claim_handle(&memory.handles, LIVE, 0);
        let mut producer = memory.producer();
        producer.claim(memory.ring(), memory.intent(0), 1 << 24).unwrap();
        assert_eq!(memory.intent(0).load(RELAXED), announcement(start, 1 << 24));
        for ahead in [0, 1, (1 << 23) - 1, 1 << 23, (1 << 24) - 1] {
            memory.set_head(start.wrapping_add(ahead));
            assert_eq!(ask(&memory, LIVE), Resolved::Announced { attach: LIVE }, "{ahead}");
        }
    }
}

/// Catches a handle that announces nothing and holds others up for ever.
#[test]
fn an_idle_handle_announces_nothing() {
    for position in STARTS.into_iter().chain((0..64).map(|bit| 1 << bit)) {
        let memory = claimed(2, position);
        claim_handle(&memory.handles, LIVE, 0);
        // Zero, and any other announcement of no tickets.
        for intent in [0, announcement(position, 0), announcement(position.wrapping_sub(1), 0)] {
            memory.intent(0).store(intent, RELAXED);
            assert_eq!(ask(&memory, LIVE), Resolved::Closed, "{intent:#x} at {position:#x}");
        }
    }
}

/// Catches a ticket that is never closed because of an announcement that nobody is behind
/// any more, and one that is closed while its owner lives.
#[test]
fn only_the_living_hold_a_ticket() {
    let memory = claimed(4, 100);
    for handle in 0..4 {
        memory.intent(handle).store(announcement(100, 1), RELAXED);
    }
    assert_eq!(ask(&memory, 0), Resolved::Closed, "all handles are free");
    for attach in [DEAD, LIVE, DEAD] {
        claim_handle(&memory.handles, attach, 0);
    }
    assert_eq!(ask(&memory, LIVE), Resolved::Announced { attach: LIVE });
    assert_eq!(ask(&memory, DEAD), Resolved::Announced { attach: DEAD });
    assert_eq!(ask(&memory, 0), Resolved::Closed, "attach 0 has no handle");
    reap_attachment(|_| Some(&*memory.control), &memory.handles, DEAD);
    assert_eq!(
        [0, 1, 2].map(|handle| memory.intent(handle).load(RELAXED) == 0),
        [true, false, true]
    );
    assert_eq!(ask(&memory, DEAD), Resolved::Closed, "cleaned");
    assert_eq!(ask(&memory, LIVE), Resolved::Announced { attach: LIVE });
    free_handles(&memory.control, &memory.handles, DEAD);
    release_handle(&*memory.control, &memory.handles, 1);
    assert_eq!(memory.intent(1).load(RELAXED), 0, "a released handle announces");
    // The next owner of a handle has nothing to do with the tickets of the last one.
    assert_eq!(claim_handle(&memory.handles, LIVE, 0), Some(0));
    assert_eq!(ask(&memory, LIVE), Resolved::Closed);
}

/// Catches a question about those who announce nothing, or in another ring of the segment,
/// each of which is a system call, and an index of a hostile peer that is used before the caller has checked it.
#[test]
fn only_those_who_announced_are_looked_after() {
    let memory = claimed(4, 100);
    for (handle, (attach, ring, intent)) in [
        (7, 0, announcement(99, 1)),
        (8, 0, announcement(98, 3)),
        (9, 1, announcement(100, 1)),
        (10, 0, announcement(100, 1)),
    ]
    .into_iter()
    .enumerate()
    {
        claim_handle(&memory.handles, attach, ring);
        memory.intent(handle).store(intent, RELAXED);
    }
    memory.handles[3].state.store(!(0xFF << 24), RELAXED);
    let asked = RefCell::new(Vec::new());
    let found = resolve(memory.ring(), 0, &memory.handles, 100, |attach| {
        asked.borrow_mut().push(attach);
        false
    });
    assert_eq!(found, Ok(Resolved::Closed));
    assert_eq!(*asked.borrow(), [8, 0xFFFF]);
    assert_eq!(ask(&memory, 0xFFFF), Resolved::Announced { attach: 0xFFFF });
    assert_eq!(resolve(memory.ring(), 0, &[], 100, |_| true), Ok(Resolved::Closed), "no handles");
}

/// Catches a tail that no producer can have stored and a ticket that is closed by it.
#[test]
fn a_tail_beyond_the_window_is_corrupt() {
    for slots in [1, 2, 4, 8] {
        for start in STARTS {
            let memory = Memory::new(MPMC, slots, 1, start);
            let near = 0..4 * slots;
            let far = (6..64).map(|bit| 1 << bit).chain([(1 << 63) - 1, u64::MAX, u64::MAX - 7]);
            for ahead in near.chain(far) {
                let tail = start.wrapping_add(ahead);
                memory.set_tail(tail);
                let found = resolve(memory.ring(), 0, &memory.handles, start, |_| true);
                let expected = match ahead {
                    0 => Ok(Resolved::Unclaimed),
                    _ if ahead > 1 << 63 => Ok(Resolved::Unclaimed),
                    _ if ahead <= slots => Ok(Resolved::Closed),
                    _ => Err(Corrupt { what: "tail", position: start, found: tail }),
                };
                assert_eq!(found, expected, "{ahead:#x} ahead of {start:#x}");
                let touched = memory.stamp(start).swap(0, RELAXED) != 0;
                assert_eq!(touched, expected == Ok(Resolved::Closed));
            }
        }
    }
}

/// Catches a ticket that is closed though it was passed: its slot may be someone else's
/// next ticket by now.
#[test]
fn a_position_that_is_not_at_head_is_left_alone() {
    for start in STARTS {
        let memory = Memory::new(MPMC, 4, 1, start);
        memory.set_tail(start.wrapping_add(4));
        for head in (0..9).map(|ahead| start.wrapping_sub(4).wrapping_add(ahead)) {
            memory.set_head(head);
            let found = resolve(memory.ring(), 0, &memory.handles, start, |_| true);
            let expected = if head == start { Resolved::Closed } else { Resolved::Settled };
            assert_eq!(found, Ok(expected), "head {head:#x}");
            assert_eq!(memory.stamp(start).swap(0, RELAXED) != 0, head == start);
        }
    }
}
