//! The record ring: one producer and one consumer that never sleep.

use loom::thread;

use crate::fixture::record::{CAPACITY_BYTES, Message, World};
use crate::frame::models;
use crate::ring::WORD_BYTES;

/// Sends `messages` from one thread and receives them in another.
///
/// Accepted: all arrive, whole and in order. Would catch a payload read before
/// it is written (I3), space reused before it was read (I4), a header taken from
/// stale payload (rule Z), a pad that is misread, a full ring that stays full.
fn stream(start: u64, messages: &'static [Message]) {
    let world = World::new(start);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(move || messages.iter().for_each(|&message| sender.send(message)));
    for &message in messages {
        assert_eq!(receiver.recv(), message);
    }
    assert_eq!(receiver.try_recv(), None);
    producer.join().expect("the producer ends");
}

/// Messages that fill the ring, each waiting for the one before it: the last
/// comes to lie where the first was read.
const LONG: [Message; 3] = [Message::new(1, 2), Message::new(2, 2), Message::new(3, 2)];

/// The ring's end comes after two words, so that the first message and the last
/// follow a pad.
fn pads() {
    stream(CAPACITY_BYTES - 2 * WORD_BYTES, &LONG);
}

/// The same where positions pass 2^64.
fn pads_at_the_last_position() {
    stream(0_u64.wrapping_sub(2 * WORD_BYTES), &LONG);
}

/// Messages of different lengths that wrap without a pad.
fn mixed_lengths() {
    const MIXED: [Message; 4] =
        [Message::new(1, 1), Message::new(2, 2), Message::new(3, 1), Message::new(4, 2)];
    stream(CAPACITY_BYTES - 2 * WORD_BYTES, &MIXED);
}

/// Two messages, with a pad between them, staged and published at once; the
/// consumer peeks at both before it releases both.
///
/// Accepted: nothing is there, or both are. Would catch a batch that appears
/// piece by piece, and headers of the batch that are not ordered before its
/// first one.
fn batch() {
    let first = Message::new(1, 1);
    let second = Message::new(2, 2);
    let world = World::new(CAPACITY_BYTES - 3 * WORD_BYTES);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(move || {
        sender.stage(first).expect("there is room");
        sender.stage(second).expect("there is room");
        sender.publish();
        sender.send(Message::new(3, 2));
    });
    let (place, message) = receiver.await_peek();
    assert_eq!(message, first);
    let (place, message) = receiver.peek(place.end).expect("all of the batch is there");
    assert_eq!(message, second);
    receiver.release(place, 2);
    assert_eq!(receiver.recv(), Message::new(3, 2));
    producer.join().expect("the producer ends");
}

/// A message is written and given up, another is staged and given up, a third
/// one sent in their place, and one more.
///
/// Accepted: the sent ones arrive. Would catch anything of the others that is
/// seen: their payload lies where the next headers are.
fn abort() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(move || {
        sender.write(Message::new(7, 2)).expect("there is room");
        sender.stage(Message::new(8, 2)).expect("there is room");
        sender.endpoint.abort();
        sender.send(Message::new(1, 1));
        sender.send(Message::new(2, 1));
    });
    assert_eq!(receiver.recv(), Message::new(1, 1));
    assert_eq!(receiver.recv(), Message::new(2, 1));
    assert_eq!(receiver.try_recv(), None);
    producer.join().expect("the producer ends");
}

/// Two words are granted and written, one is committed.
///
/// Accepted: the one word arrives, then the next message. Would catch the word
/// that was cut off being taken for a header.
fn shrink() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(move || {
        sender.send_shrunk(Message::new(1, 2), 1);
        sender.send(Message::new(2, 1));
    });
    assert_eq!(receiver.recv(), Message::new(1, 1));
    assert_eq!(receiver.recv(), Message::new(2, 1));
    assert_eq!(receiver.try_recv(), None);
    producer.join().expect("the producer ends");
}

/// Messages that are sent in one go, one as long as the one before it and one longer, into
/// a ring full of what was there before.
///
/// Accepted: all arrive, and nothing else. Would catch a word that was zeroed ahead of time
/// where the next record does not end, or was not zeroed where it does.
fn at_once() {
    const LENGTHS: [Message; 3] = [Message::new(1, 1), Message::new(2, 1), Message::new(3, 2)];
    let world = World::used(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(move || LENGTHS.iter().for_each(|&message| sender.send(message)));
    for message in LENGTHS {
        assert_eq!(receiver.recv(), message);
    }
    assert_eq!(receiver.try_recv(), None);
    producer.join().expect("the producer ends");
}

/// An observer looks while messages come and go.
///
/// Accepted: any fill between empty and full, and at most as many messages as
/// were sent. Would catch an observer that trusts a header which is being
/// overwritten.
fn observer() {
    let world = World::new(CAPACITY_BYTES - 2 * WORD_BYTES);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let parties = thread::spawn(move || {
        for message in LONG {
            sender.send(message);
            assert_eq!(receiver.recv(), message);
        }
    });
    let (used, messages) = world.ring().observe();
    assert!(used <= CAPACITY_BYTES && messages <= LONG.len() as u64);
    parties.join().expect("the parties end");
}

models! {
    PADS: pads_bound_3, bound 3, at least 4000, runs pads;
    LAST_POSITION: pads_at_the_last_position_bound_3, bound 3, at least 4000,
        runs pads_at_the_last_position;
    MIXED: mixed_lengths_bound_3, bound 3, at least 37000, runs mixed_lengths;
    AT_ONCE: at_once_bound_3, bound 3, at least 630, runs at_once;
    BATCH: batch_bound_3, bound 3, at least 850, runs batch;
    ABORT: abort_unbounded, bound none, at least 840, runs abort;
    SHRINK: shrink_unbounded, bound none, at least 840, runs shrink;
    OBSERVER: observer_bound_2, bound 2, at least 9600, runs observer;
}
