//! A consumer dies at any operation: its successor gets every message that was
//! not released.

use std::cell::Cell;
use std::rc::Rc;

use loom::thread;

use crate::fixture::record::{Message, World};
use crate::frame::models;
use crate::ring::Refused;
use crate::sync::crash::killed_at;

const PRODUCER: usize = 0;
const VICTIM: usize = 1;
const SUCCESSOR: usize = 2;

/// Messages of which the third needs the space of the first two.
const SENT: [Message; 3] = [Message::new(1, 2), Message::new(2, 2), Message::new(3, 2)];

/// How many releases a consumer had begun, and ended, when it died. Private to
/// the model: read only after the death was seen.
#[derive(Default)]
struct Progress {
    begun: Cell<usize>,
    done: Cell<usize>,
}

/// The victim receives two messages and leaves, while the producer waits for
/// room. Then a successor receives the rest.
///
/// Accepted: the successor's messages begin with the first one that was not
/// released, or whose release is in doubt, and none is missing after it. Would
/// catch a message lost or repeated beyond that, and one that was overwritten
/// although it was not released.
fn receiving(kill_at: u64) {
    let world = World::new(0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(VICTIM);
    SENT[..2].iter().for_each(|&message| sender.send(message));
    let progress = Rc::new(Progress::default());
    let producer = thread::spawn(move || sender.send(SENT[2]));
    let victim = thread::spawn({
        let (world, progress) = (world.clone(), Rc::clone(&progress));
        move || {
            killed_at(kill_at, || {
                for (count, &message) in SENT[..2].iter().enumerate() {
                    let (place, peeked) =
                        receiver.peek(receiver.endpoint.head()).expect("it was sent");
                    assert_eq!(peeked, message);
                    progress.begun.set(count + 1);
                    receiver.release(place, 1);
                    progress.done.set(count + 1);
                    receiver.notify();
                }
                receiver.leave();
            });
            world.mark_dead(VICTIM);
        }
    });
    victim.join().expect("the victim ends");
    assert!(world.is_dead(VICTIM));
    world.clean(VICTIM);
    let mut successor = world.receiver(SUCCESSOR);
    let first = successor.recv();
    let released = first.id as usize - 1;
    assert!(released == progress.done.get() || released == progress.begun.get());
    assert_eq!(first, SENT[released]);
    for &message in &SENT[released + 1..] {
        assert_eq!(successor.recv(), message);
    }
    assert_eq!(successor.try_recv(), None);
    producer.join().expect("the producer ends");
}

/// The producer sleeps on a full ring, and the victim dies, perhaps between
/// release and wake. Once it is killed, sleeps end by themselves.
///
/// Accepted: the message is sent, or the pipe is broken. Would catch a producer
/// that sleeps for ever, or gives up although the consumer lives.
fn beside_a_sleeper(kill_at: u64) {
    let world = World::new(0);
    let mut sender = world.sender(PRODUCER);
    let mut receiver = world.receiver(VICTIM);
    SENT[..2].iter().for_each(|&message| sender.send(message));
    let park = sender.handle;
    let victim = thread::spawn({
        let world = world.clone();
        move || {
            let end = killed_at(kill_at, || {
                for &message in &SENT[..2] {
                    assert_eq!(receiver.try_recv(), Some(message));
                    receiver.notify();
                }
            });
            world.mark_dead(VICTIM);
            if end.is_none() {
                world.handles[park].park.end_slices();
            }
        }
    });
    while let Err(refused) = sender.try_send(SENT[2]) {
        let Refused::Full { need } = refused else { panic!("{refused:?}") };
        if world.roles().consumer_gone(0) {
            assert!(world.is_dead(VICTIM));
            break;
        }
        if world.is_dead(VICTIM) {
            world.clean(VICTIM);
        } else {
            sender.sleep(need);
        }
    }
    victim.join().expect("the victim ends");
}

models! {
    RECEIVING: receiving_bound_2, bound 2, at least 28000, kills receiving;
    BESIDE_A_SLEEPER: beside_a_sleeper_bound_3, bound 3, at least 38000, kills beside_a_sleeper;
}
