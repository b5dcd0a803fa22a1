//! The slot ring: messages that span two of its four slots.

use loom::thread;

use super::slot::ZERO_STAMP;
use crate::fixture::slot::{MPMC, MPSC, Received, SPMC, SPSC, World};
use crate::frame::models;
use crate::ring::slot::Many;

const CONSUMER: usize = 2;
const OTHER: usize = 3;

fn ids(received: &[Received]) -> Vec<u64> {
    received.iter().map(|one| one.id).collect()
}

/// One producer sends two long messages, another one a short one, and the consumer receives.
///
/// Accepted: all arrive, once and whole, the long ones in order, and two parts were passed.
/// Would catch a part that is read before it is written (I3), or overwritten before it is read
/// (I4), a stamp of a part that comes after the commit, a claim of too few tickets, and a
/// consumer that takes one slot of two.
fn two_producers(start: u64) {
    let world = World::spanning(MPSC, 4, start);
    let mut receiver = world.receiver(CONSUMER);
    let (mut long, mut short) = (world.sender(0), world.sender(1));
    let long = thread::spawn(move || {
        assert!(long.try_send_parts(10, 2), "there is room");
        (long.try_send_parts(11, 2), long)
    });
    let short = thread::spawn(move || (short.try_send(20), short));
    let mut received: Vec<_> = receiver.try_recv().into_iter().collect();
    let (long_sent, mut long) = long.join().expect("the producer ends");
    let (short_sent, mut short) = short.join().expect("the producer ends");
    received.extend(receiver.drain());
    assert!(short_sent || short.try_send(20), "there is room");
    received.extend(receiver.drain());
    assert!(long_sent || long.try_send_parts(11, 2), "there is room");
    received.extend(receiver.drain());
    let mut ids = ids(&received);
    assert!(ids.iter().filter(|&&id| id != 20).eq(&[10, 11]), "{ids:?}");
    ids.sort_unstable();
    assert_eq!(ids, [10, 11, 20]);
    world.assert_all_taken();
    assert_eq!(world.passed(), (0, 2));
}

fn two_producers_at_0() {
    two_producers(0);
}

/// Positions pass 2^64, perhaps inside a message.
fn two_producers_at_the_end() {
    two_producers(u64::MAX);
}

/// As for messages in one slot at the position of a zero stamp.
fn two_producers_at_a_zero_stamp() {
    two_producers(ZERO_STAMP);
}

/// A full ring of two long messages. The consumer takes the first, and the producer sends a
/// third into its slots.
///
/// Accepted: all arrive whole. Would catch a slot of a message that is written before the whole
/// message was read (I4).
fn again(many: Many) {
    let world = World::spanning(many, 4, 0);
    let (mut sender, mut receiver) = (world.sender(0), world.receiver(CONSUMER));
    assert!(sender.try_send_mixed(&[(10, 2), (11, 2)]));
    let producer = thread::spawn(move || (sender.try_send_parts(12, 2), sender));
    let mut received: Vec<_> = receiver.try_recv().into_iter().collect();
    let (sent, mut sender) = producer.join().expect("the producer ends");
    assert!(sent || sender.try_send_parts(12, 2), "there is room");
    received.extend(receiver.drain());
    assert_eq!(ids(&received), [10, 11, 12]);
    assert_eq!(world.passed(), (0, 3));
}

fn again_mpsc() {
    again(MPSC);
}

fn again_spsc() {
    again(SPSC);
}

/// A full ring of two long messages. One consumer takes a message, and a third one comes into
/// the slots of the first, while another consumer looks.
///
/// Accepted: that consumer takes the first message, the second or the third. Would catch one that takes the stamps of another lap for a damaged message, that takes half a message, or
/// a message that is not whole.
fn beside_another(many: Many) {
    let world = World::spanning(many, 4, 0);
    let (mut first, mut second) = (world.receiver(CONSUMER), world.receiver(OTHER));
    let mut sender = world.sender(0);
    assert!(sender.try_send_mixed(&[(10, 2), (11, 2)]));
    // The one that looks is not the one that runs first.
    let other = thread::spawn(move || second.try_recv().expect("a message is there all the time"));
    let mut received: Vec<_> = first.try_recv().into_iter().collect();
    assert!(sender.try_send_parts(12, 2), "there is room");
    received.push(other.join().expect("the other ends"));
    received.extend(first.drain());
    let mut ids = ids(&received);
    ids.sort_unstable();
    assert_eq!(ids, [10, 11, 12]);
    assert_eq!(world.passed(), (0, 3));
}

fn beside_another_spmc() {
    beside_another(SPMC);
}

fn beside_another_mpmc() {
    beside_another(MPMC);
}

/// Two consumers take what they find, up to two messages at once, of a long one and a short
/// one that were sent with one claim, while a second producer sends a long one.
///
/// Accepted: all arrive once and whole. Would catch a look ahead that starts in the middle of a
/// message, and messages of a batch whose slots overlap.
fn mixed_batch() {
    let world = World::spanning(MPMC, 4, 0);
    let (mut first, mut second) = (world.receiver(CONSUMER), world.receiver(OTHER));
    let (mut batch, mut long) = (world.sender(0), world.sender(1));
    assert!(batch.try_send(9) && first.try_recv().is_ok());
    assert!(batch.try_send_mixed(&[(10, 1), (11, 2)]));
    let producer = thread::spawn(move || (long.try_send_parts(20, 2), long));
    let other = thread::spawn(move || second.try_recv_some(2).unwrap_or_default());
    let mut received = first.try_recv_some(2).unwrap_or_default();
    received.extend(other.join().expect("the consumer ends"));
    let (sent, mut long) = producer.join().expect("the producer ends");
    received.extend(first.drain());
    assert!(sent || long.try_send_parts(20, 2), "there is room");
    received.extend(first.drain());
    let mut ids = ids(&received);
    ids.sort_unstable();
    assert_eq!(ids, [10, 11, 20]);
    world.assert_all_taken();
    assert_eq!(world.passed(), (0, 2));
}

/// A producer claims two tickets and uses one, beside another one.
///
/// Accepted: both messages arrive, and one tombstone is passed. Would catch a ticket beyond the
/// end of a message that holds the ring up, and one that is abandoned after its message was
/// taken.
fn shorter(many: Many) {
    let world = World::spanning(many, 4, 0);
    let mut receiver = world.receiver(CONSUMER);
    let (mut first, mut second) = (world.sender(0), world.sender(1));
    let shorter = thread::spawn(move || {
        first.claim(2).expect("there is room");
        first.write_parts(10, 1);
        first.publish_parts(1, 2);
    });
    let other = thread::spawn(move || assert!(second.try_send_parts(20, 2), "there is room"));
    let mut received: Vec<_> = receiver.try_recv().into_iter().collect();
    shorter.join().expect("the producer ends");
    other.join().expect("the producer ends");
    received.extend(receiver.drain());
    let mut ids = ids(&received);
    ids.sort_unstable();
    assert_eq!(ids, [10, 20]);
    world.assert_all_taken();
    assert_eq!(world.passed(), (1, 1));
}

fn shorter_mpsc() {
    shorter(MPSC);
}

fn shorter_mpmc() {
    shorter(MPMC);
}

/// A sole producer claims two tickets and uses one, and sends on.
///
/// Accepted: both messages arrive, side by side, and nothing is passed between them. Would catch
/// a ticket that a sole producer does not use and that stays in the ring.
fn shorter_alone() {
    let world = World::spanning(SPMC, 4, 0);
    let (mut first, mut second) = (world.receiver(CONSUMER), world.receiver(OTHER));
    let mut sender = world.sender(0);
    let producer = thread::spawn(move || {
        sender.claim(2).expect("there is room");
        sender.write_parts(10, 1);
        sender.publish_parts(1, 2);
        assert!(sender.try_send_parts(11, 2), "there is room");
    });
    let other = thread::spawn(move || second.try_recv().ok());
    let mut received: Vec<_> = first.try_recv().into_iter().collect();
    producer.join().expect("the producer ends");
    received.extend(other.join().expect("the consumer ends"));
    received.extend(first.drain());
    received.sort_unstable();
    assert_eq!(received, [Received { position: 0, id: 10 }, Received { position: 1, id: 11 }]);
    assert_eq!(world.passed(), (0, 1));
}

models! {
    PRODUCERS: two_producers_bound_3, bound 3, at least 9800, runs two_producers_at_0;
    LAST_POSITION: last_position_bound_2, bound 2, at least 1100, runs two_producers_at_the_end;
    ZERO_STAMPS: zero_stamps_bound_2, bound 2, at least 1100, runs two_producers_at_a_zero_stamp;
    AGAIN_MPSC: again_mpsc_bound_3, bound 3, at least 14, runs again_mpsc;
    AGAIN_SPSC: again_spsc_bound_3, bound 3, at least 14, runs again_spsc;
    BESIDE_SPMC: beside_another_spmc_bound_3, bound 3, at least 7900, runs beside_another_spmc;
    BESIDE_MPMC: beside_another_mpmc_bound_3, bound 3, at least 7900, runs beside_another_mpmc;
    MIXED: mixed_batch_bound_2, bound 2, at least 6700, runs mixed_batch;
    SHORTER_MPSC: shorter_mpsc_bound_3, bound 3, at least 3300, runs shorter_mpsc;
    SHORTER_MPMC: shorter_mpmc_bound_3, bound 3, at least 3300, runs shorter_mpmc;
    SHORTER_ALONE: shorter_alone_bound_3, bound 3, at least 4200, runs shorter_alone;
}
