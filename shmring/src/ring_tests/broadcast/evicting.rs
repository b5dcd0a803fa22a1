//! Subscribers that are evicted, and what observers see of subscribers.

use super::{Memory, Mode, Producer, RELAXED, Refused, Start, Subscriber, before_wrap};
use crate::ring::broadcast::{Point, Subscribed, SubscriberState};
use crate::ring::{Look, Place};

const CAPACITY: u64 = 1024;

/// A ring that two messages fill, of which a gating subscriber, the handle 1, has received none.
fn held_up() -> (Memory, Producer, Subscriber) {
    let memory = Memory::new(CAPACITY, 0, 8);
    let mut producer = Producer::take_over(memory.ring()).unwrap();
    let subscriber = memory.join(1, Mode::Gating, Start::Next).unwrap();
    while memory.send(&mut producer, 40, 1).is_ok() {}
    (memory, producer, subscriber)
}

fn look(memory: &Memory, subscriber: &mut Subscriber) -> Look {
    subscriber.look(memory.ring(), &memory.handles[1].own).unwrap()
}

fn message(look: Look) -> Place {
    let Look::Message(place) = look else { panic!("{look:?}") };
    place
}

fn take(memory: &Memory, subscriber: &mut Subscriber, place: Place) -> bool {
    subscriber.take(memory.ring(), &memory.handles[1].own, place.end, 1)
}

fn subscribed(memory: &Memory) -> Option<Subscribed> {
    memory.ring().subscription(&memory.handles, 1)
}

fn state(memory: &Memory) -> Option<SubscriberState> {
    subscribed(memory).map(|subscribed| subscribed.state)
}

/// Catches an eviction that frees nothing, and one that is counted where nobody was evicted.
#[test]
fn an_eviction_frees_the_producer() {
    let (memory, mut producer, _subscriber) = held_up();
    let ring = memory.ring();
    for handle in [0, 2, 3, 252, 253, usize::MAX] {
        assert!(!ring.evict(handle));
    }
    assert!(matches!(memory.send(&mut producer, 40, 1), Err(Refused::Full { .. })));
    assert!(ring.evict(1));
    assert!(!ring.evict(1));
    assert_eq!((ring.evictions(), ring.gate(&memory.handles)), (1, None));
    for _ in 0..100 {
        memory.send(&mut producer, 40, 1).unwrap();
    }
}

/// Catches a subscriber that is told never, twice or late, and one that loses what was kept.
#[test]
fn who_is_evicted_learns_it_once_and_loses_nothing_that_is_kept() {
    for looks_before in [false, true] {
        let (memory, _producer, mut subscriber) = held_up();
        let before = looks_before.then(|| message(look(&memory, &mut subscriber)));
        assert!(memory.ring().evict(1));
        assert!(subscriber.has_message(memory.ring()));
        if let Some(place) = before {
            assert!(!take(&memory, &mut subscriber, place), "taken without the gate");
            assert_eq!(subscriber.position(), 0);
        }
        assert_eq!(look(&memory, &mut subscriber), Look::Evicted);
        assert_eq!((subscriber.mode(), subscriber.missed()), (Mode::Lossy, 0));
        let mut received = 0;
        loop {
            match look(&memory, &mut subscriber) {
                Look::Message(place) => {
                    assert_eq!(memory.read(place), [1; 40]);
                    assert!(take(&memory, &mut subscriber, place));
                    received += 1;
                }
                Look::Empty => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(received, (CAPACITY - 16) / 48);
    }
}

/// Catches an overrun that is told before the eviction, or as damage, and a loss that is
/// miscounted.
#[test]
fn who_is_evicted_and_overrun_learns_the_one_before_the_other() {
    let (memory, mut producer, mut subscriber) = held_up();
    let place = message(look(&memory, &mut subscriber));
    memory.ring().evict(1);
    // Those that are read last were overwritten by payload that is no header.
    for len in [40, 33, 80] {
        for _ in 0..CAPACITY / len {
            memory.send(&mut producer, len, 0xFF).unwrap();
        }
    }
    assert_eq!(subscriber.look_fast(memory.ring()), None);
    let fast = subscriber.peek_fast(memory.ring());
    assert!(fast.is_none_or(|place| !take(&memory, &mut subscriber, place)));
    assert!(!take(&memory, &mut subscriber, place));
    assert_eq!(look(&memory, &mut subscriber), Look::Evicted);
    let Look::Lagged { missed } = look(&memory, &mut subscriber) else { panic!("not overrun") };
    assert_eq!((missed, subscriber.missed()), (subscriber.messages(), missed));
    assert!(take_all(&memory, &mut subscriber) > 0);
    assert_eq!(subscriber.messages(), producer.messages());
}

fn take_all(memory: &Memory, subscriber: &mut Subscriber) -> u64 {
    let mut taken = 0;
    while let Look::Message(place) = look(memory, subscriber) {
        assert!(take(memory, subscriber, place));
        taken += 1;
    }
    taken
}

/// Catches a batch that goes on after the eviction, or is damage.
#[test]
fn a_look_ahead_after_an_eviction_is_not_corrupt() {
    let (memory, mut producer, mut subscriber) = held_up();
    let own = &memory.handles[1].own;
    let first = message(look(&memory, &mut subscriber));
    let next = subscriber.look_ahead(memory.ring(), first.end).unwrap().unwrap();
    memory.ring().evict(1);
    memory.at(next.end).store(u64::MAX, RELAXED);
    assert_eq!(subscriber.look_ahead(memory.ring(), next.end), Ok(None));
    assert!(!subscriber.take(memory.ring(), own, next.end, 2));
    memory.send(&mut producer, 40, 1).unwrap();
    assert_eq!(look(&memory, &mut subscriber), Look::Evicted);
}

/// Catches a subscriber that inherits a gate, a state or a count from the last owner of its
/// handle.
#[test]
fn a_handle_is_clean_whatever_its_last_owner_left() {
    for mode in [Mode::Gating, Mode::Lossy, Mode::Latest] {
        let memory = Memory::new(CAPACITY, 0, 8);
        let mut producer = Producer::take_over(memory.ring()).unwrap();
        for _ in 0..50 {
            memory.send(&mut producer, 40, 1).unwrap();
        }
        let own = &memory.handles[1].own;
        for word in [&own.intent, &own.cursor, &own.messages, &own.missed] {
            word.store(before_wrap(3), RELAXED);
        }
        own.subscription.store(4, RELAXED);
        memory.control.consumer.gates.bits[0].store(1 << 1, RELAXED);
        let mut subscriber = memory.join(1, mode, Start::Next).unwrap();
        assert_eq!(memory.is_gating(1), mode == Mode::Gating);
        let expected = match mode {
            Mode::Gating => SubscriberState::Gating,
            Mode::Lossy => SubscriberState::Lossy,
            Mode::Latest => SubscriberState::Latest,
        };
        let found = subscribed(&memory).unwrap();
        assert_eq!((found.state, found.cursor), (expected, producer.tail()));
        assert_eq!((found.messages, found.missed), (50, 0));
        assert_eq!(look(&memory, &mut subscriber), Look::Empty);
        memory.leave(1);
        assert_eq!((memory.is_gating(1), subscribed(&memory)), (false, None));
        // One that cannot join is no subscriber either.
        own.subscription.store(1, RELAXED);
        assert!(memory.join(1, mode, Start::Position(8)).is_err());
        assert_eq!((memory.is_gating(1), subscribed(&memory)), (false, None));
    }
}

/// Catches a state that lags behind what the subscriber knows.
#[test]
fn observers_see_what_a_subscriber_knows() {
    let (memory, mut producer, mut subscriber) = held_up();
    assert_eq!(state(&memory), Some(SubscriberState::Gating));
    memory.ring().evict(1);
    assert_eq!(state(&memory), Some(SubscriberState::Evicted));
    for _ in 0..60 {
        memory.send(&mut producer, 40, 1).unwrap();
    }
    look(&memory, &mut subscriber);
    assert_eq!(state(&memory), Some(SubscriberState::LossyEvicted));
    let tail = memory.ring().tail_point();
    let Some(found) = subscribed(&memory) else { panic!("no subscriber") };
    assert_eq!(tail, Point { position: producer.tail(), messages: producer.messages() });
    assert_eq!(found.lag(tail), (tail.position, tail.messages));
    look(&memory, &mut subscriber);
    take_all(&memory, &mut subscriber);
    let found = subscribed(&memory).unwrap();
    assert_eq!(found.lag(memory.ring().tail_point()), (0, 0));
    assert_eq!((found.messages, found.missed), (subscriber.messages(), subscriber.missed()));
    for handle in [0, 4, 252, usize::MAX] {
        assert_eq!(memory.ring().subscription(&memory.handles, handle), None);
    }
    for value in [0, 5, u64::MAX] {
        memory.handles[1].own.subscription.store(value, RELAXED);
        assert_eq!(subscribed(&memory), None);
    }
}

/// Catches a lag that overflows, or is huge where the tail was seen before the cursor.
#[test]
fn a_lag_is_a_distance_ahead() {
    let at = |cursor, messages| Subscribed {
        state: SubscriberState::Lossy,
        cursor,
        messages,
        missed: 0,
    };
    let point = |position, messages| Point { position, messages };
    assert_eq!(at(before_wrap(1), u64::MAX).lag(point(8, 1)), (16, 2));
    assert_eq!(at(16, 2).lag(point(8, 1)), (0, 0));
    assert_eq!(at(1 << 63, 0).lag(point(0, 1 << 63)), (0, 0));
    assert_eq!(at(0, 1).lag(point(u64::MAX >> 1, 0)), (u64::MAX >> 1, 0));
}
