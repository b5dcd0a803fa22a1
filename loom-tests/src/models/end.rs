//! The end of the stream: it comes, and nothing that was sent comes after it.

use std::rc::Rc;

use loom::thread;

use crate::fixture::record::{Message, World};
use crate::frame::models;

const SENT: [Message; 2] = [Message::new(1, 1), Message::new(2, 2)];

/// The producer sends and gives its role up.
///
/// Accepted: every message, then the end. Would catch an end that overtakes a
/// message, and a consumer that sleeps through the end.
fn vacate() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(move || {
        sender.send(SENT[0]);
        sender.leave();
    });
    assert_eq!(receiver.recv_or_sleep(), Some(SENT[0]));
    assert_eq!(receiver.recv_or_sleep(), None);
    producer.join().expect("the producer ends");
}

/// The producer sends and closes the ring. Accepted and caught as in [`vacate`].
fn close() {
    let world = World::new(0);
    let mut sender = world.sender(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn({
        let world = world.clone();
        move || {
            sender.send(SENT[0]);
            world.roles().close();
            world.wake_all();
        }
    });
    assert_eq!(receiver.recv_or_sleep(), Some(SENT[0]));
    assert_eq!(receiver.recv_or_sleep(), None);
    producer.join().expect("the producer ends");
}

/// A producer's whole life.
fn join_send_leave(world: &Rc<World>) -> impl FnOnce() + 'static {
    let world = Rc::clone(world);
    move || {
        let mut sender = world.sender(0);
        sender.try_send(SENT[0]).expect("there is room");
        sender.notify();
        sender.leave();
    }
}

/// The consumer is there before any producer ever was.
///
/// Accepted: the consumer waits for the messages, then comes the end. Would
/// catch an end before the beginning.
fn before_the_first_producer() {
    let world = World::new(0);
    let mut receiver = world.receiver(1);
    let producer = thread::spawn(join_send_leave(&world));
    assert_eq!(receiver.recv_or_sleep(), Some(SENT[0]));
    assert_eq!(receiver.recv_or_sleep(), None);
    producer.join().expect("the producer ends");
}

/// A second stream on one ring: its consumer may come before its producer, after the
/// end of the first stream was told.
///
/// Accepted: the second consumer gets the second producer's message, then the end.
/// Would catch a consumer that takes the old end for its own.
fn one_stream_after_the_other() {
    let world = World::new(0);
    world.sender(0).leave();
    let mut first = world.receiver(1);
    assert_eq!(first.recv_or_sleep(), None);
    first.leave();
    let mut second = world.receiver(1);
    let producer = thread::spawn(join_send_leave(&world));
    assert_eq!(second.recv_or_sleep(), Some(SENT[0]));
    assert_eq!(second.recv_or_sleep(), None);
    producer.join().expect("the producer ends");
}

models! {
    VACATE: vacate_bound_3, bound 3, at least 4600, runs vacate;
    CLOSE: close_bound_3, bound 3, at least 2500, runs close;
    FIRST: before_the_first_producer_bound_3, bound 3, at least 24000,
        runs before_the_first_producer;
    SECOND: one_stream_after_the_other_bound_3, bound 3, at least 24000,
        runs one_stream_after_the_other;
}
