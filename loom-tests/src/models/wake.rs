//! Sleeping and waking: no wake is lost (I5). A wait in a model never times out,
//! so a lost wake is a deadlock.

use loom::thread;

use crate::fixture::record::{CAPACITY_BYTES, Message, World};
use crate::frame::models;
use crate::ring::wake::{PublishFences, notify};
use crate::sync::Ordering;

const SHORT: [Message; 4] =
    [Message::new(1, 1), Message::new(2, 1), Message::new(3, 1), Message::new(4, 1)];

/// The consumer sleeps while the ring is empty.
///
/// Accepted: both messages arrive. Would catch a sleeper that misses a message
/// published while it arms, and a waker that looks for sleepers too early.
fn data() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(move || SHORT[..2].iter().for_each(|&m| sender.send_or_sleep(m)));
    for message in &SHORT[..2] {
        assert_eq!(receiver.recv_or_sleep(), Some(*message));
    }
    producer.join().expect("the producer ends");
}

/// The ring is full. The producer sleeps until there is room, and the consumer,
/// having drained it, until the last message comes.
///
/// Accepted: all arrive. Would catch a release that wakes nobody.
fn space() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    SHORT[..3].iter().for_each(|&message| sender.send(message));
    let producer = thread::spawn(move || sender.send_or_sleep(SHORT[3]));
    for message in SHORT {
        assert_eq!(receiver.recv_or_sleep(), Some(message));
    }
    producer.join().expect("the producer ends");
}

/// The producer needs the space of two messages, which are released one by one.
/// Its handle still names the greater need of a wait that was given up.
///
/// Accepted: the message arrives. Would catch a sleeper that is passed over when
/// its need is met, one that is woken too early and never again, and a waker that
/// sees the sleeper's bit without its need.
fn space_of_two() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let long = [Message::new(1, 2), Message::new(2, 2), Message::new(3, 2)];
    long[..2].iter().for_each(|&message| sender.send(message));
    world.handles[sender.handle].need.store(CAPACITY_BYTES, Ordering::Relaxed);
    let producer = thread::spawn(move || sender.send_or_sleep(long[2]));
    for message in &long[..2] {
        assert_eq!(receiver.try_recv(), Some(*message));
        receiver.notify();
    }
    producer.join().expect("the producer ends");
    assert_eq!(receiver.try_recv(), Some(long[2]));
}

/// A sleeper's line, looked at between two releases, of which only the second
/// meets its need.
///
/// Accepted: the first leaves it alone, the second takes its bit and moves its
/// park word. Would catch a waker that wakes whoever sleeps.
fn need_is_respected() {
    let world = World::new(0);
    let sleepers = &world.control.senders;
    let handle = &world.handles[0];
    handle.need.store(32, Ordering::Relaxed);
    let (word, bit) = sleepers.bit(0);
    word.fetch_or(bit, Ordering::Relaxed);
    let state = || (sleepers.is_armed(0), handle.park.load(Ordering::Relaxed));
    let fences = PublishFences::new(true, world.handles.len());
    notify(sleepers, &world.handles, 24, &fences);
    assert_eq!(state(), (true, 0));
    notify(sleepers, &world.handles, 48, &fences);
    assert_eq!(state(), (false, 1));
}

/// The ring is closed while the consumer is asleep, or about to be.
///
/// Accepted: the consumer learns of the end. Would catch a close that wakes
/// nobody, and a sleeper that misses it.
fn close() {
    let world = World::new(0);
    let mut receiver = world.receiver(1);
    let closer = thread::spawn({
        let world = world.clone();
        move || {
            world.roles().close();
            world.wake_all();
        }
    });
    assert_eq!(receiver.recv_or_sleep(), None);
    closer.join().expect("the closer ends");
}

models! {
    DATA: data_bound_3, bound 3, at least 41000, runs data;
    SPACE: space_bound_2, bound 2, at least 9300, runs space;
    SPACE_OF_TWO: space_of_two_bound_3, bound 3, at least 6800, runs space_of_two;
    NEED: need_is_respected_unbounded, bound none, at least 1, runs need_is_respected;
    CLOSE: close_unbounded, bound none, at least 17000, runs close;
}
