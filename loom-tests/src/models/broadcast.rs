//! The broadcast ring: subscribers that join, receive and leave while the producer goes on.

use loom::thread;

use crate::fixture::broadcast::{FILL, Found, after};
use crate::frame::models;
use crate::ring::broadcast::{Mode, Start};

const SUBSCRIBER: usize = 1;
const OTHER: usize = 2;

/// A gating subscriber joins a full ring, at the oldest message, while the producer sends. The
/// handle had another owner, whose cursor was at the tail.
///
/// Accepted: it receives each message from where it joined on; the producer may be held up. Would
/// catch a subscriber that is overrun: a raise that misses the bit and one that misses the
/// cursor, a join that misses the floor, or one raise too many.
fn join_oldest() {
    let (world, mut sender) = after(FILL);
    world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next).leave();
    let producer = thread::spawn(move || {
        let sent = u64::from(sender.try_send().is_ok());
        (sender, sent)
    });
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Oldest);
    let first = receiver.endpoint.messages();
    let (received, _) = receiver.drain();
    let (_sender, sent) = producer.join().expect("the producer ends");
    let (rest, _) = receiver.drain();
    assert_eq!(first + received + rest, FILL + sent);
}

/// A gating subscriber joins at the next message while the producer sends.
///
/// Accepted: it receives the messages that come after some of those that were sent meanwhile.
/// Would catch a hint that leads to payload of the last lap, and a mark without its count.
fn join_next() {
    let (world, mut sender) = after(FILL);
    let producer = thread::spawn(move || {
        let sent = u64::from(sender.try_send().is_ok());
        (sender, sent)
    });
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    let first = receiver.endpoint.messages();
    assert!((FILL..=FILL + 1).contains(&first));
    let (received, _) = receiver.drain();
    let (_sender, sent) = producer.join().expect("the producer ends");
    let (rest, _) = receiver.drain();
    assert_eq!(first + received + rest, FILL + sent);
}

/// A gating subscriber receives from a full ring, and releases, while the producer sends on.
///
/// Accepted: all messages, in order. Would catch space that is reused before it was read (I4), and
/// a payload that is read before it was written (I3).
fn gating() {
    let (world, mut sender) = after(0);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    sender.send_all(FILL);
    let producer = thread::spawn(move || {
        sender.send();
        sender
    });
    let mut received = 0;
    while received < FILL + 1 {
        match receiver.look() {
            Found::Message(id) => {
                assert_eq!(id, received);
                received += 1;
            }
            Found::Nothing => thread::yield_now(),
            other => panic!("{other:?}"),
        }
    }
    producer.join().expect("the producer ends");
}

/// A gating subscriber reads a message and leaves, while the producer waits for the space.
///
/// Accepted: the producer goes on. Would catch space that is reused before it was read (I4).
fn leave() {
    let (world, mut sender) = after(0);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    sender.send_all(FILL);
    let producer = thread::spawn(move || {
        sender.send();
        sender
    });
    assert_eq!(receiver.peek(), Some(0));
    receiver.leave();
    producer.join().expect("the producer ends");
}

/// A lossy subscriber receives from a full ring while the producer overwrites it.
///
/// Accepted: each message whole, or counted as missed. Would catch a torn copy that counts, and a
/// count that is wrong.
fn lossy() {
    let (world, mut sender) = after(FILL);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Oldest);
    let first = receiver.endpoint.messages();
    let producer = thread::spawn(move || {
        sender.send_all(1);
        sender
    });
    let (mut received, mut lost) = receiver.drain();
    producer.join().expect("the producer ends");
    let (more, missed) = receiver.drain();
    received += more;
    lost += missed;
    assert_eq!(first + received + lost, FILL + 1);
    assert_eq!(receiver.endpoint.missed(), lost);
}

/// A lossy subscriber finds that it was overrun, while the producer lays marks.
///
/// Accepted: a loss, or two, whose counts lead to the messages that come next. Would catch a mark
/// that is read with the count of another.
fn jump() {
    let (world, mut sender) = after(1);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Oldest);
    sender.send_all(2 * FILL);
    let producer = thread::spawn(move || {
        sender.send_all(1);
        sender
    });
    let Found::Lagged(lost) = receiver.look() else { panic!("it was not overrun") };
    let (mut received, mut missed) = receiver.drain();
    producer.join().expect("the producer ends");
    let (more, again) = receiver.drain();
    received += more;
    missed += again;
    assert_eq!(lost + received + missed, 2 * FILL + 2);
}

/// A subscriber to the newest message looks while the producer sends.
///
/// Accepted: a message no older than the newest from before, and the last one in the end. Would
/// catch a walk that follows what was overwritten.
fn latest() {
    let (world, mut sender) = after(FILL);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Latest, Start::Oldest);
    let producer = thread::spawn(move || {
        sender.send_all(1);
        sender
    });
    let found = receiver.look();
    let newest = (FILL - 1..FILL + 1).map(Found::Message).any(|message| found == message);
    assert!(newest || found == Found::Torn || found == Found::Nothing, "{found:?}");
    producer.join().expect("the producer ends");
    receiver.drain();
    assert_eq!(receiver.endpoint.messages(), FILL + 1);
}

/// Two gating subscribers receive from a full ring while the producer waits for both.
///
/// Accepted: each receives all. Would catch a raise that takes the faster one's cursor.
fn two_subscribers() {
    let (world, mut sender) = after(FILL - 2);
    let mut slow = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Oldest);
    let first = slow.endpoint.messages();
    let mut fast = world.subscribe(OTHER, Mode::Gating, Start::Next);
    sender.send_all(2);
    let other = thread::spawn(move || {
        let (received, _) = fast.drain();
        (fast, received)
    });
    let producer = thread::spawn(move || {
        let sent = u64::from(sender.try_send().is_ok());
        (sender, sent)
    });
    let (received, _) = slow.drain();
    let (mut fast, got) = other.join().expect("the other subscriber ends");
    let (_sender, sent) = producer.join().expect("the producer ends");
    let (rest, _) = slow.drain();
    assert_eq!(first + received + rest, FILL + sent);
    let (more, _) = fast.drain();
    assert_eq!(got + more, 2 + sent);
}

models! {
    JOIN_OLDEST: join_oldest_bound_2, bound 2, at least 22000, runs join_oldest;
    JOIN_NEXT: join_next_bound_2, bound 2, at least 2500, runs join_next;
    GATING: gating_bound_2, bound 2, at least 17000, runs gating;
    LEAVE: leave_bound_2, bound 2, at least 16, runs leave;
    LOSSY: lossy_bound_2, bound 2, at least 8000, runs lossy;
    JUMP: jump_bound_2, bound 2, at least 3600, runs jump;
    LATEST: latest_bound_2, bound 2, at least 480, runs latest;
    TWO_SUBSCRIBERS: two_subscribers_bound_1, bound 1, at least 33000, runs two_subscribers;
}
