//! The packed ring: elements arrive whole, once and in order, through spaces that are
//! used again; and a successor changes nothing about that.

use loom::thread;

use crate::fixture::packed::{Element, World};
use crate::frame::models;
use crate::ring::{Corrupt, Refused, packed};
use crate::sync::Ordering;

const PRODUCER: usize = 0;
const CONSUMER: usize = 1;
const SUCCESSOR: usize = 2;

/// One more element than the larger ring holds.
const SENT: [Element; 3] = [1, 2, 3];

/// Sends elements one by one through a ring of `slots` that begins at `start`, and
/// receives them beside.
///
/// Accepted: they arrive whole, in order, and nothing else does. Would catch an
/// element that is seen before it was written (I3), and one that is overwritten before
/// it was read (I4).
fn stream(slots: u64, start: u64) {
    let world = World::new(slots, start);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    let producer = thread::spawn(move || SENT.iter().for_each(|&element| sender.send(element)));
    for element in SENT {
        assert_eq!(receiver.recv(), element);
    }
    assert_eq!(receiver.try_recv(), None);
    producer.join().expect("the producer ends");
}

/// Every element waits for the one before it.
fn one_slot() {
    stream(1, 0);
}

/// The last element comes to lie where the first one was read, and positions pass
/// 2^64.
fn at_the_last_position() {
    stream(2, u64::MAX);
}

/// Two batches that lie around the end of the ring, sent and received at once.
///
/// Accepted: a batch is there or is not. Would catch one that appears piece by piece,
/// and a batch that is overwritten in part before it was read.
fn batches() {
    let world = World::new(2, 1);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    let producer = thread::spawn(move || {
        for batch in [[1, 2], [3, 4]] {
            while sender.try_send(&batch).is_err() {
                thread::yield_now();
            }
        }
    });
    for batch in [[1, 2], [3, 4]] {
        let received = loop {
            match receiver.try_recv_some(2) {
                received if received.is_empty() => thread::yield_now(),
                received => break received,
            }
        };
        assert_eq!(received, batch);
    }
    producer.join().expect("the producer ends");
}

/// The producer sends as many elements as fit, the consumer receives as many as are
/// there.
///
/// Accepted: all arrive in order, in batches of any size. Would catch a copy of the
/// other side's position that promises more than there is.
fn batches_of_any_size() {
    let world = World::new(2, 0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    let producer = thread::spawn(move || {
        let mut rest = &SENT[..];
        while !rest.is_empty() {
            let sent = sender.send_some(&rest[..rest.len().min(2)]);
            rest = &rest[sent..];
            thread::yield_now();
        }
    });
    let mut received = Vec::new();
    while received.len() < SENT.len() {
        received.extend(receiver.try_recv_some(2));
        thread::yield_now();
    }
    assert_eq!(received, SENT);
    producer.join().expect("the producer ends");
}

/// Full and empty: what the hints say, and what follows on them.
///
/// Accepted: once there is room as far as the hint goes, the claim that was refused
/// succeeds; once it says that elements wait, there is one. Would catch a hint that
/// wakes a side for nothing, and a batch that is refused with too small a need.
fn hints_keep_their_word() {
    let world = World::new(2, 0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    sender.try_send(&SENT[..1]).expect("there is room");
    assert_eq!(sender.try_send(&SENT), Err(Refused::TooLong));
    let producer = thread::spawn({
        let world = world.clone();
        move || match sender.try_send(&SENT[1..]) {
            Ok(()) => (),
            refused => {
                assert_eq!(refused, Err(Refused::Full { need: 1 }));
                while !world.ring().has_room(1) {
                    thread::yield_now();
                }
                assert_eq!(sender.try_send(&SENT[1..]), Ok(()));
            }
        }
    });
    for element in SENT {
        while !receiver.endpoint.has_elements(world.ring()) {
            thread::yield_now();
        }
        assert_eq!(receiver.try_recv(), Some(element));
    }
    producer.join().expect("the producer ends");
}

/// A side that knows of one element, or of room for one, asks for two.
///
/// Accepted: it gets all that there is. Would catch a copy of the other side's
/// position that is taken for the whole truth because it is not the edge.
fn asking_for_more_looks_again() {
    let world = World::new(2, 0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    for (count, element) in [1, 2].into_iter().enumerate() {
        assert_eq!(sender.send_some(&[element]), 1);
        assert_eq!(receiver.peek(2), Ok(vec![1, 2][..=count].to_vec()));
    }
    for count in 1..=2 {
        receiver.release(1);
        let room = sender.endpoint.room(world.ring(), 2);
        assert_eq!(room, Ok(packed::Span { start: 2, count }));
    }
}

/// An observer looks while elements come and go.
///
/// Accepted: any fill between empty and full that does not reach beyond what was sent.
/// Would catch an observer that believes two positions to be of one moment, and so takes a
/// drained ring for a full one.
fn observer() {
    let world = World::new(2, u64::MAX);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    let parties = thread::spawn(move || {
        for element in SENT {
            sender.send(element);
            assert_eq!(receiver.recv(), element);
        }
    });
    let (used, head) = world.ring().observe();
    assert!(used <= 2 && head.wrapping_add(1) + used <= SENT.len() as u64);
    parties.join().expect("the parties end");
}

/// The consumer sleeps while the ring is empty, the producer while it is full.
///
/// Accepted: all arrive, then the end of the stream. Would catch a lost wake on either
/// side (I5), and an end that overtakes an element.
fn sleep_and_wake() {
    let world = World::new(1, 0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    let producer = thread::spawn(move || {
        SENT[..2].iter().for_each(|&element| sender.send_or_sleep(&[element]));
        sender.leave();
    });
    for &element in &SENT[..2] {
        assert_eq!(receiver.recv_or_sleep(), Some(element));
    }
    assert_eq!(receiver.recv_or_sleep(), None);
    producer.join().expect("the producer ends");
}

/// A batch needs the space of two elements, which are released one by one, where
/// positions pass 2^64.
///
/// Accepted: it arrives. Would catch a sleeper whose need is named in anything but
/// positions, one that is woken too early and never again, and a comparison that does
/// not wrap.
fn sleep_for_a_batch() {
    let world = World::new(2, u64::MAX);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    sender.try_send(&[1, 2]).expect("there is room");
    let producer = thread::spawn(move || sender.send_or_sleep(&[3, 4]));
    for element in 1..=4 {
        assert_eq!(receiver.recv_or_sleep(), Some(element));
    }
    producer.join().expect("the producer ends");
}

/// A producer sends and leaves; a second one may find its role vacant, and then room
/// that was released in its predecessor's time.
///
/// Accepted: the elements of the first, then that of the second if it got the role and
/// found room. Would catch a successor that starts at the wrong tail, or overwrites
/// what is still being read (I4).
fn next_producer() {
    let world = World::new(2, 0);
    let mut first = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    first.try_send(&SENT[..1]).expect("there is room");
    let predecessor = thread::spawn(move || {
        first.try_send(&SENT[1..2]).expect("there is room");
        first.leave();
    });
    let successor = thread::spawn({
        let world = world.clone();
        move || world.try_sender(SUCCESSOR).is_some_and(|mut it| it.try_send(&SENT[2..]).is_ok())
    });
    assert_eq!(receiver.recv(), SENT[0]);
    assert_eq!(receiver.recv(), SENT[1]);
    predecessor.join().expect("the predecessor ends");
    let sent = successor.join().expect("the successor ends");
    assert_eq!(receiver.try_recv(), sent.then_some(SENT[2]));
}

/// A consumer receives and leaves; a second one may find its role vacant, and the
/// producer may find room where the first one read.
///
/// Accepted: each element once and in order, as far as there was a consumer, and room.
/// Would catch a successor that starts at an old head, and one whose releases do not
/// cover what its predecessor read (I4).
fn next_consumer() {
    let world = World::new(2, 0);
    let mut sender = world.sender(PRODUCER);
    let mut first = world.receiver(CONSUMER);
    sender.try_send(&SENT[..2]).expect("there is room");
    let predecessor = thread::spawn(move || {
        assert_eq!(first.try_recv(), Some(SENT[0]));
        first.leave();
    });
    let successor = thread::spawn({
        let world = world.clone();
        move || {
            if let Some(mut second) = world.try_receiver(SUCCESSOR) {
                assert_eq!(second.try_recv(), Some(SENT[1]));
            }
        }
    });
    let _ = sender.try_send(&SENT[2..]);
    predecessor.join().expect("the predecessor ends");
    successor.join().expect("the successor ends");
}

/// A peer stores positions that no correct one can, while both sides work.
///
/// Accepted: a side that does not see them goes on; one that does names them and moves
/// nothing; a producer that joins later is refused. Would catch a position that is
/// believed (I6).
fn corrupt() {
    let world = World::new(2, 5);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    let hostile = thread::spawn({
        let world = world.clone();
        move || {
            world.control.consumer.head.store(4, Ordering::Relaxed);
            world.control.producer.tail.store(8, Ordering::Relaxed);
        }
    });
    let bad_head = Corrupt { what: "head", position: 5, found: 4 };
    let reserved = sender.endpoint.reserve(world.ring(), 3);
    assert!(
        matches!(reserved, Err(Refused::TooLong)) || reserved == Err(Refused::Corrupt(bad_head))
    );
    let bad_tail = Corrupt { what: "tail", position: 5, found: 8 };
    let peeked = receiver.peek(1);
    assert!(peeked == Ok(vec![]) || peeked == Err(bad_tail), "{peeked:?}");
    hostile.join().expect("the peer ends");
    assert_eq!(receiver.peek(1), Err(bad_tail));
    assert_eq!((receiver.endpoint.head(), sender.endpoint.tail()), (5, 5));
    let refused = packed::Producer::take_over(world.ring()).map(|_| ());
    assert_eq!(refused, Err(Corrupt { what: "tail", position: 4, found: 8 }));
}

models! {
    ONE_SLOT: one_slot_bound_3, bound 3, at least 4000, runs one_slot;
    LAST_POSITION: at_the_last_position_bound_3, bound 3, at least 10_900,
        runs at_the_last_position;
    BATCHES: batches_bound_3, bound 3, at least 850, runs batches;
    ANY_SIZE: batches_of_any_size_bound_3, bound 3, at least 2100, runs batches_of_any_size;
    HINTS: hints_keep_their_word_unbounded, bound none, at least 2400, runs hints_keep_their_word;
    MORE: asking_for_more_looks_again_unbounded, bound none, at least 1,
        runs asking_for_more_looks_again;
    OBSERVER: observer_bound_3, bound 3, at least 870, runs observer;
    WAKE: sleep_and_wake_bound_2, bound 2, at least 35000, runs sleep_and_wake;
    WAKE_BATCH: sleep_for_a_batch_bound_2, bound 2, at least 5100, runs sleep_for_a_batch;
    NEXT_PRODUCER: next_producer_bound_2, bound 2, at least 17_900, runs next_producer;
    NEXT_CONSUMER: next_consumer_bound_2, bound 2, at least 2000, runs next_consumer;
    CORRUPT: corrupt_unbounded, bound none, at least 290, runs corrupt;
}
