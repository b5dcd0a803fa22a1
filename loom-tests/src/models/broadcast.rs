//! The broadcast ring: subscribers that join, receive and leave while the producer goes on.

use loom::thread;

use crate::fixture::broadcast::{FILL, Found, after};
use crate::frame::models;
use crate::ring::broadcast::{Mode, Start};
use crate::sync::Ordering;

const SUBSCRIBER: usize = 1;
const OTHER: usize = 2;

/// A gating subscriber joins a ring that was never full, at the oldest message, while the producer
/// sends one for which there is no room. The last owner of the handle had a cursor in another
/// ring.
///
/// Accepted: it receives each message from where it joined on; the producer may be held up. Would
/// catch a subscriber that is overrun: a raise that misses the bit, a join that misses the floor,
/// and a raise of more than a chunk. And a raise that takes the other cursor for that of the bit.
fn join_oldest() {
    let (world, mut sender) = after(FILL - 1);
    sender.try_send_of(1).expect("there is room");
    world.handles[SUBSCRIBER].own.cursor.store(1 << 40, Ordering::Relaxed);
    let producer = thread::spawn(move || {
        let sent = u64::from(sender.try_send().is_ok());
        (sender, sent)
    });
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Oldest);
    receiver.look();
    let (_sender, sent) = producer.join().expect("the producer ends");
    receiver.account(FILL + sent);
}

/// A gating subscriber joins at the next message while the producer sends.
///
/// Accepted: it receives the messages that come after some of those that were sent meanwhile.
/// Would catch a hint without its mark.
fn join_next() {
    let (world, mut sender) = after(FILL);
    let producer = thread::spawn(move || {
        let sent = u64::from(sender.try_send().is_ok());
        (sender, sent)
    });
    let receiver = world.try_subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    let mut receiver = receiver.expect("no producer lays so many marks");
    assert!((FILL..=FILL + 1).contains(&receiver.endpoint.messages()));
    receiver.look();
    let (_sender, sent) = producer.join().expect("the producer ends");
    receiver.account(FILL + sent);
}

/// The producer lays a mark, not over the last one, while somebody looks for the newest.
///
/// Accepted: either. Would catch a hint that is seen before its mark.
fn hint() {
    let (world, mut sender) = after(FILL);
    let producer = thread::spawn(move || sender.hint());
    let newest = world.ring().try_newest().expect("no mark is laid over the newest");
    assert!((FILL - 1..=FILL).contains(&newest.messages));
    producer.join().expect("the producer ends");
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
    // The producer goes on when two are released, and needs nothing more.
    while received < 2 {
        match receiver.look() {
            Found::Message(id) => {
                assert_eq!(id, received);
                received += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    producer.join().expect("the producer ends");
    receiver.account(FILL + 1);
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

/// A lossy subscriber that was overrun looks for the oldest mark, while the producer lays another
/// one over it.
///
/// Accepted: losses whose counts lead to the messages that come next. Would catch a mark that is
/// read with the count of the next one.
fn relaid_mark() {
    let (world, mut sender) = after(0);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Oldest);
    // Four of these fill a lap.
    (0..8).for_each(|_| sender.try_send_of(3).expect("nobody gates"));
    let producer = thread::spawn(move || {
        sender.try_send_of(3).expect("nobody gates");
        sender.hint();
        sender
    });
    let Found::Lagged(_) = receiver.look() else { panic!("it was not overrun") };
    receiver.look();
    producer.join().expect("the producer ends");
    receiver.account(9);
}

/// A lossy subscriber that was overrun looks for the oldest mark, while the producer lays one, and
/// raises the floor past all others.
///
/// Accepted: as above. Would catch a floor that is seen before the mark past it.
fn laid_mark() {
    let (world, mut sender) = after(0);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Oldest);
    (0..5).for_each(|_| sender.try_send_of(5).expect("nobody gates"));
    let producer = thread::spawn(move || {
        (0..2).for_each(|_| sender.try_send_of(5).expect("nobody gates"));
        sender
    });
    let Found::Lagged(_) = receiver.look() else { panic!("it was not overrun") };
    receiver.look();
    producer.join().expect("the producer ends");
    receiver.account(7);
}

/// A lossy subscriber joins at the newest mark, while the producer goes round the ring and lays
/// another one over it.
///
/// Accepted: it receives what comes after the messages that were there. Would catch a mark that is
/// read with the count of the one before it.
fn overtaken_by_a_lap() {
    let (world, mut sender) = after(0);
    (0..4).for_each(|_| sender.try_send_of(3).expect("nobody gates"));
    sender.hint();
    let producer = thread::spawn(move || {
        (0..4).for_each(|_| sender.try_send_of(3).expect("nobody gates"));
        sender.hint();
        sender
    });
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Next);
    assert!((4..=8).contains(&receiver.endpoint.messages()));
    producer.join().expect("the producer ends");
    receiver.account(8);
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
    let (world, mut sender) = after(0);
    let mut slow = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    let mut fast = world.subscribe(OTHER, Mode::Gating, Start::Next);
    sender.send_all(FILL);
    assert_eq!(fast.look(), Found::Message(0));
    let other = thread::spawn(move || {
        assert_eq!(fast.look(), Found::Message(1));
        fast
    });
    let producer = thread::spawn(move || {
        let sent = u64::from(sender.try_send().is_ok());
        (sender, sent)
    });
    assert_eq!(slow.look(), Found::Message(0));
    assert_eq!(slow.look(), Found::Message(1));
    let mut fast = other.join().expect("the other subscriber ends");
    let (_sender, sent) = producer.join().expect("the producer ends");
    slow.account(FILL + sent);
    fast.account(FILL + sent);
}

models! {
    JOIN_OLDEST: join_oldest_bound_2, bound 2, at least 4000, runs join_oldest;
    HINT: hint_bound_2, bound 2, at least 12, runs hint;
    JOIN_NEXT: join_next_bound_2, bound 2, at least 3100, runs join_next;
    GATING: gating_bound_2, bound 2, at least 400, runs gating;
    LEAVE: leave_bound_2, bound 2, at least 22, runs leave;
    LOSSY: lossy_bound_2, bound 2, at least 8000, runs lossy;
    RELAID_MARK: relaid_mark_bound_2, bound 2, at least 2200, runs relaid_mark;
    OVERTAKEN: overtaken_by_a_lap_bound_2, bound 2, at least 12000, runs overtaken_by_a_lap;
    LAID_MARK: laid_mark_bound_1, bound 1, at least 3000, runs laid_mark;
    LATEST: latest_bound_2, bound 2, at least 480, runs latest;
    TWO_SUBSCRIBERS: two_subscribers_bound_1, bound 1, at least 600, runs two_subscribers;
}
