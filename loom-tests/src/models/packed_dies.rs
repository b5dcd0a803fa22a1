//! A side of a packed ring dies at any operation: what it published is there, what it
//! released is gone, and a successor goes on from there.

use std::cell::Cell;
use std::rc::Rc;

use loom::thread;

use crate::fixture::packed::{Element, Receiver, World};
use crate::frame::models;
use crate::sync::crash::killed_at;

const PRODUCER: usize = 0;
const CONSUMER: usize = 1;
const SUCCESSOR: usize = 2;

/// One more element than the ring holds.
const SENT: [Element; 3] = [1, 2, 3];

/// How many elements a side had begun to publish or release, and had, when it died.
/// Private to the model: read only after the death was seen.
#[derive(Default)]
struct Progress {
    begun: Cell<usize>,
    done: Cell<usize>,
}

impl Progress {
    /// Accepted: what was done is seen, and what was begun, or not; never half of it.
    fn assert_covers(&self, count: usize) {
        assert!(count == self.done.get() || count == self.begun.get(), "half a step");
    }
}

/// Receives until nothing is there after the death of `attach` was seen.
fn drain_until_dead(world: &World, receiver: &mut Receiver, attach: usize) -> Vec<Element> {
    let mut received = Vec::new();
    loop {
        // The order matters: see the death, then look again.
        let dead = world.is_dead(attach);
        match receiver.try_recv() {
            Some(element) => received.push(element),
            None if dead => return received,
            None => thread::yield_now(),
        }
    }
}

/// The victim sends one element, then two in a batch for which it needs the space of
/// the first, and leaves. The consumer receives meanwhile; after the death a successor
/// sends one more.
///
/// Accepted: all that was published, and the batch in doubt or not, then the
/// successor's element. Would catch an element whose tail was not stored, half a batch,
/// and a successor that overwrites or repeats.
fn sending(kill_at: u64) {
    let world = World::new(2, 0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    let progress = Rc::new(Progress::default());
    let victim = thread::spawn({
        let (world, progress) = (world.clone(), Rc::clone(&progress));
        move || {
            killed_at(kill_at, || {
                progress.begun.set(1);
                sender.try_send(&SENT[..1]).expect("there is room");
                progress.done.set(1);
                progress.begun.set(3);
                if sender.try_send(&SENT[1..]).is_err() {
                    progress.begun.set(1);
                } else {
                    progress.done.set(3);
                }
                sender.leave();
            });
            world.mark_dead(PRODUCER);
        }
    });
    let received = drain_until_dead(&world, &mut receiver, PRODUCER);
    assert_eq!(received, &SENT[..received.len()]);
    progress.assert_covers(received.len());
    world.clean(PRODUCER);
    let mut successor = world.sender(SUCCESSOR);
    successor.try_send(&[8, 9]).expect("there is room");
    assert_eq!(receiver.try_recv_some(2), [8, 9]);
    victim.join().expect("the victim ends");
}

/// A producer died, or left; what it sent is received and released while a successor
/// takes over, which learns of that only through head.
///
/// Accepted: the successor finds room or not; what it sends comes next. Would catch a
/// successor that overwrites what is still being read (I4).
fn successor_beside_consumer(kill_at: u64) {
    let world = World::new(2, 0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    sender.try_send(&SENT[..2]).expect("there is room");
    killed_at(kill_at, || sender.leave());
    world.mark_dead(PRODUCER);
    let successor = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(PRODUCER));
            world.clean(PRODUCER);
            world.sender(SUCCESSOR).try_send(&SENT[2..]).is_ok()
        }
    });
    assert_eq!(receiver.try_recv(), Some(SENT[0]));
    assert_eq!(receiver.try_recv(), Some(SENT[1]));
    let sent = successor.join().expect("the successor ends");
    assert_eq!(receiver.try_recv(), sent.then_some(SENT[2]));
}

/// The victim receives two elements one by one and leaves, while the producer waits
/// for room. Then a successor receives the rest.
///
/// Accepted: the successor's elements begin with the first one that was not released,
/// or whose release is in doubt, and none is missing after it. Would catch an element
/// that is lost, or comes again although its head was stored, and one that was
/// overwritten before.
fn receiving(kill_at: u64) {
    let world = World::new(2, 0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(CONSUMER);
    sender.try_send(&SENT[..2]).expect("there is room");
    let progress = Rc::new(Progress::default());
    let producer = thread::spawn(move || sender.send(SENT[2]));
    let victim = thread::spawn({
        let (world, progress) = (world.clone(), Rc::clone(&progress));
        move || {
            killed_at(kill_at, || {
                for (count, element) in SENT[..2].iter().enumerate() {
                    assert_eq!(receiver.peek(1), Ok(vec![*element]));
                    progress.begun.set(count + 1);
                    receiver.release(1);
                    progress.done.set(count + 1);
                }
                receiver.leave();
            });
            world.mark_dead(CONSUMER);
        }
    });
    victim.join().expect("the victim ends");
    assert!(world.is_dead(CONSUMER));
    world.clean(CONSUMER);
    let mut successor = world.receiver(SUCCESSOR);
    let first = successor.recv();
    let released = first as usize - 1;
    progress.assert_covers(released);
    for &element in &SENT[released + 1..] {
        assert_eq!(successor.recv(), element);
    }
    assert_eq!(successor.try_recv(), None);
    producer.join().expect("the producer ends");
}

models! {
    SENDING: sending_bound_3, bound 3, at least 18_500, kills sending;
    SUCCESSOR_BESIDE_CONSUMER: successor_beside_consumer_bound_3, bound 3, at least 2600,
        kills successor_beside_consumer;
    RECEIVING: receiving_bound_2, bound 2, at least 20_600, kills receiving;
}
