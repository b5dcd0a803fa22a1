//! A party of a broadcast ring dies at any operation: a successor of the producer goes on, with the
//! subscribers that there are, and a dead subscriber holds nobody up.

use std::rc::Rc;

use loom::thread;

use crate::fixture::broadcast::{FILL, Sender, World, after};
use crate::frame::models;
use crate::ring::broadcast::{Mode, Start};
use crate::sync::crash::killed_at;

const PRODUCER: usize = 0;
const SUBSCRIBER: usize = 1;
const SUCCESSOR: usize = 2;

/// The victim sends a message to a full ring and leaves; a successor sends another one. Returns how
/// many were committed then.
fn die_and_succeed(world: &Rc<World>, mut sender: Sender, kill_at: u64) -> u64 {
    killed_at(kill_at, || {
        sender.hint();
        let _ = sender.try_send();
        sender.leave();
    });
    world.mark_dead(PRODUCER);
    world.clean(PRODUCER);
    let mut successor = world.sender(SUCCESSOR);
    assert!((FILL..=FILL + 1).contains(&successor.endpoint.messages()));
    let _ = successor.try_send();
    successor.endpoint.messages()
}

/// A subscriber joins the ring of a producer that dies, and receives after its successor has sent.
///
/// Accepted: each message from where it joined on, and the one in doubt or not. Would catch a
/// successor that does not find tail, overwrites a message or counts it twice, a hint without
/// its mark, and a floor that the dead raised and the subscriber missed.
fn sending_to_a_gating(kill_at: u64) {
    let (world, sender) = after(FILL);
    let victim = thread::spawn({
        let world = world.clone();
        move || die_and_succeed(&world, sender, kill_at)
    });
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Oldest);
    let sent = victim.join().expect("the successor ends");
    let first = receiver.endpoint.messages();
    let (received, _) = receiver.drain();
    assert_eq!(first + received, sent);
}

/// A lossy subscriber receives while the producer dies, and after its successor has sent.
///
/// Accepted: each message whole, or counted as missed. Would catch counts of the successor that do
/// not go on from those of the dead.
fn sending_to_a_lossy(kill_at: u64) {
    let (world, sender) = after(FILL);
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Oldest);
    let first = receiver.endpoint.messages();
    let victim = thread::spawn({
        let world = world.clone();
        move || die_and_succeed(&world, sender, kill_at)
    });
    receiver.look();
    let sent = victim.join().expect("the successor ends");
    receiver.drain();
    assert!(receiver.endpoint.missed() <= sent - first);
    assert_eq!(receiver.endpoint.messages(), sent);
}

/// The victim joins a full ring, receives and leaves, while the producer sends.
///
/// Accepted: the producer is held up, until the victim is reaped. Would catch a gate that the
/// dead keep, and a handle that its next owner does not get.
fn subscribing(kill_at: u64) {
    let (world, mut sender) = after(FILL);
    let victim = thread::spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || {
                let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Oldest);
                receiver.look();
                receiver.leave();
            });
            world.mark_dead(SUBSCRIBER);
        }
    });
    let sent = u64::from(sender.try_send().is_ok());
    victim.join().expect("the victim ends");
    assert!(world.is_dead(SUBSCRIBER));
    world.clean(SUBSCRIBER);
    assert!((0..world.handles.len()).all(|handle| !world.is_gating(handle)));
    sender.send_all(FILL);
    assert_eq!(sender.endpoint.messages(), FILL + sent + FILL);
}

models! {
    SENDING_TO_A_GATING: sending_to_a_gating_bound_1, bound 1, at least 28000,
        kills sending_to_a_gating;
    SENDING_TO_A_LOSSY: sending_to_a_lossy_bound_1, bound 1, at least 4700,
        kills sending_to_a_lossy;
    SUBSCRIBING: subscribing_bound_1, bound 1, at least 13000, kills subscribing;
}
