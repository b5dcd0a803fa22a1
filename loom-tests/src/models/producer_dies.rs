//! A producer dies at any operation: what was committed is all there, and a
//! successor goes on.

use std::cell::Cell;
use std::rc::Rc;

use loom::thread;

use crate::fixture::record::{Message, Receiver, World};
use crate::frame::models;
use crate::ring::membership::{Ownership, Role};
use crate::sync::crash::killed_at;

const VICTIM: usize = 0;
const CONSUMER: usize = 1;
const SUCCESSOR: usize = 2;

/// Messages that fit together behind a pad.
const SENT: [Message; 3] = [Message::new(1, 1), Message::new(2, 1), Message::new(3, 1)];
const LAST: Message = Message::new(9, 1);

/// How many messages a producer had begun to commit, and had committed, when it
/// died. Private to the model: read only after the death was seen.
#[derive(Default)]
struct Progress {
    begun: Cell<usize>,
    done: Cell<usize>,
}

impl Progress {
    /// Accepted: all that was committed, and the one commit in doubt or not.
    fn assert_received(&self, received: &[Message]) {
        assert_eq!(received, &SENT[..received.len()]);
        let count = received.len();
        assert!(count == self.done.get() || count == self.begun.get(), "half a commit");
    }
}

/// Receives until the victim is dead and nothing is left, then lets a successor send.
fn outlive(world: &Rc<World>, receiver: &mut Receiver, progress: &Progress) {
    let mut received = Vec::new();
    loop {
        // The order matters: see the death, then look again.
        let dead = world.is_dead(VICTIM);
        match receiver.try_recv() {
            Some(message) => received.push(message),
            None if dead => break,
            None => thread::yield_now(),
        }
    }
    progress.assert_received(&received);
    world.clean(VICTIM);
    let mut successor = world.sender(SUCCESSOR);
    successor.try_send(LAST).expect("there is room");
    assert_eq!(receiver.try_recv(), Some(LAST));
    assert_eq!(receiver.try_recv(), None);
}

/// The victim sends one message behind a pad, then two in a batch, and leaves.
/// The consumer receives meanwhile; after the death a successor sends one more.
///
/// Accepted: see [`Progress::assert_received`]; then the successor's message.
/// Would catch anything visible of an uncommitted record, a batch in pieces, a
/// successor that overwrites or repeats a committed one, and a role or handle
/// that stays with the dead.
fn sending(kill_at: u64) {
    let world = World::new(56);
    let mut sender = world.sender(VICTIM);
    let mut receiver = world.receiver(CONSUMER);
    let progress = Rc::new(Progress::default());
    let victim = thread::spawn({
        let (world, progress) = (world.clone(), Rc::clone(&progress));
        move || {
            killed_at(kill_at, || {
                progress.begun.set(1);
                sender.try_send(SENT[0]).expect("there is room");
                progress.done.set(1);
                sender.notify();
                sender.stage(SENT[1]).expect("there is room");
                sender.stage(SENT[2]).expect("there is room");
                progress.begun.set(3);
                sender.publish();
                progress.done.set(3);
                sender.notify();
                sender.leave();
            });
            world.mark_dead(VICTIM);
        }
    });
    outlive(&world, &mut receiver, &progress);
    victim.join().expect("the victim ends");
}

/// The victim sends two messages, the second in one go, into a ring full of what was there
/// before; the consumer receives meanwhile. After the death a successor sends one more.
///
/// Accepted: see [`Progress::assert_received`]; then the successor's message. Would catch a
/// word zeroed ahead of time, or none, that a successor takes for a record.
fn sending_at_once(kill_at: u64) {
    let world = World::used(0);
    let mut sender = world.sender(VICTIM);
    let mut receiver = world.receiver(CONSUMER);
    let progress = Rc::new(Progress::default());
    let victim = thread::spawn({
        let (world, progress) = (world.clone(), Rc::clone(&progress));
        move || {
            killed_at(kill_at, || {
                for (count, message) in SENT[..2].iter().enumerate() {
                    progress.begun.set(count + 1);
                    sender.try_send(*message).expect("there is room");
                    progress.done.set(count + 1);
                }
            });
            world.mark_dead(VICTIM);
        }
    });
    outlive(&world, &mut receiver, &progress);
    victim.join().expect("the victim ends");
}

/// Messages that fill the ring, so that the successor's overwrites them.
const FILL: [Message; 2] = [Message::new(1, 2), Message::new(2, 2)];

/// The victim's messages are received and released after its death by a consumer
/// that the successor learns of only through head.
///
/// Accepted: the successor finds room or not; what it sends comes next. Would
/// catch a successor that overwrites what is still being read (I4).
fn successor_beside_consumer(kill_at: u64) {
    let world = World::new(0);
    let mut sender = world.sender(VICTIM);
    let mut receiver = world.receiver(CONSUMER);
    FILL.iter().for_each(|&message| sender.send(message));
    killed_at(kill_at, || sender.leave());
    world.mark_dead(VICTIM);
    let successor = thread::spawn({
        let world = world.clone();
        move || {
            assert!(world.is_dead(VICTIM));
            world.clean(VICTIM);
            world.sender(SUCCESSOR).try_send(Message::new(3, 2)).is_ok()
        }
    });
    for message in FILL {
        assert_eq!(receiver.try_recv(), Some(message));
    }
    let sent = successor.join().expect("the successor ends");
    assert_eq!(receiver.try_recv(), sent.then_some(Message::new(3, 2)));
}

/// The victim takes the free role, and leaves at once.
///
/// Accepted: after the clean-up the role is vacant, or was never held, and a
/// successor gets it. Would catch a role that names a handle which is not held.
fn joining(kill_at: u64) {
    let world = World::new(0);
    let victim = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || world.sender(VICTIM).leave());
            world.mark_dead(VICTIM);
        }
    });
    if let Ownership::Held { handle, .. } = world.roles().ownership(Role::Producer)
        && !world.is_dead(VICTIM)
    {
        // Held by the victim, unless it has left since.
        assert!(matches!(world.handles[handle].attach(), Some(VICTIM) | None));
    }
    victim.join().expect("the victim ends");
    world.clean(VICTIM);
    assert!(!matches!(world.roles().ownership(Role::Producer), Ownership::Held { .. }));
    assert!(world.handles.iter().all(|handle| handle.attach().is_none()));
    world.sender(SUCCESSOR);
}

/// A consumer that sleeps, and whose slices end once the producer is dead:
/// receives until the end of the stream, and cleans up after the dead.
fn receive_beside_the_dead(world: &World, receiver: &mut Receiver) -> Vec<Message> {
    let mut received = Vec::new();
    loop {
        match receiver.try_recv() {
            Some(message) => received.push(message),
            None if receiver.ended().is_some() => {
                received.extend(receiver.try_recv());
                return received;
            }
            None if world.is_dead(VICTIM) => world.clean(VICTIM),
            None => receiver.sleep(),
        }
    }
}

/// The victim sends to a consumer that sleeps, and dies, perhaps between publish
/// and wake. Once it is killed, sleeps end by themselves.
///
/// Accepted: see [`Progress::assert_received`]; then the end of the stream. Would
/// catch a message that only a wake makes visible, and a dead producer that
/// keeps the stream open.
fn beside_a_sleeper(kill_at: u64) {
    let world = World::new(0);
    let mut sender = world.sender(VICTIM);
    let mut receiver = world.receiver(CONSUMER);
    let park = receiver.handle;
    let progress = Rc::new(Progress::default());
    let victim = thread::spawn({
        let (world, progress) = (world.clone(), Rc::clone(&progress));
        move || {
            let end = killed_at(kill_at, || {
                progress.begun.set(1);
                sender.try_send(SENT[0]).expect("there is room");
                progress.done.set(1);
                sender.notify();
                sender.leave();
            });
            world.mark_dead(VICTIM);
            if end.is_none() {
                world.handles[park].park.end_slices();
            }
        }
    });
    let received = receive_beside_the_dead(&world, &mut receiver);
    victim.join().expect("the victim ends");
    progress.assert_received(&received);
}

models! {
    SENDING: sending_bound_3, bound 3, at least 16000, kills sending;
    SENDING_AT_ONCE: sending_at_once_bound_3, bound 3, at least 2500, kills sending_at_once;
    SUCCESSOR_BESIDE_CONSUMER: successor_beside_consumer_bound_3, bound 3, at least 3600,
        kills successor_beside_consumer;
    JOINING: joining_bound_3, bound 3, at least 930, kills joining;
    BESIDE_A_SLEEPER: beside_a_sleeper_bound_2, bound 2, at least 22000, kills beside_a_sleeper;
}
