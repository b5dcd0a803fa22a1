//! The broadcast ring: an operator evicts gating subscribers, which may be overrun from then on.
//! And a subscriber that may be overrun anyway, where a single raise of a producer that dies makes
//! room for its successor.

use std::rc::Rc;

use loom::thread;

use crate::fixture::broadcast::{Receiver, Sender, World};
use crate::frame::models;
use crate::ring::broadcast::{Mode, Refusal, Start};
use crate::ring::{Refused, WORD_BYTES};
use crate::sync::crash::killed_at;

const PRODUCER: usize = 0;
/// The attachment of the subscriber, and its handle.
const SUBSCRIBER: usize = 1;
const OTHER: usize = 2;
/// Messages in a full ring.
const FULL: u64 = 4;

/// An empty ring whose first message is overwritten after a single raise, and its producer.
fn empty() -> (Rc<World>, Sender) {
    let world = World::with_chunks_of_two(2);
    let sender = world.sender(PRODUCER);
    (world, sender)
}

/// Sends as many messages as the ring holds.
fn fill(sender: &mut Sender) {
    for words in [1, 12, 12, 1] {
        sender.try_send_of(words).expect("nobody holds the producer up yet");
    }
}

/// Sends a message over the first one, if nobody holds the producer up. Returns how many.
fn overwrite(sender: &mut Sender) -> u64 {
    match sender.try_send_of(2) {
        Ok(()) => 1,
        Err(Refused::Full { .. }) => 0,
        Err(refused) => panic!("{refused:?}"),
    }
}

/// A gating subscriber receives from a full ring while it is evicted, and the producer goes on.
///
/// Accepted: each message whole, or counted as missed, and the eviction told once, before a loss.
/// Would catch a torn copy that is taken, and an eviction that is told never, late or twice.
fn receive() {
    let (world, mut sender) = empty();
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    fill(&mut sender);
    let operator = thread::spawn({
        let world = world.clone();
        move || assert!(world.evict(SUBSCRIBER))
    });
    let producer = thread::spawn(move || overwrite(&mut sender));
    receiver.look();
    receiver.look();
    operator.join().expect("the operator ends");
    let sent = producer.join().expect("the producer ends");
    receiver.account(FULL + sent);
    assert_eq!((receiver.evictions, receiver.endpoint.mode()), (1, Mode::Lossy));
    assert_eq!(world.ring().evictions(), 1);
}

/// A gating subscriber joins at a position that headers lead to, while it is evicted, and the
/// producer overwrites them.
///
/// Accepted: it joins there and gates, or learns the eviction; or the position is gone. Would catch
/// a walk over what was overwritten, and a subscriber that was evicted and does not learn it.
fn join() {
    let world = World::with_chunks_of_two(0);
    let mut sender = world.sender(PRODUCER);
    for words in [0, 0, 12, 12, 0] {
        sender.try_send_of(words).expect("nobody holds the producer up");
    }
    let others = thread::spawn({
        let world = world.clone();
        move || {
            let was_evicted = world.evict(SUBSCRIBER);
            // The second one is where the headers began.
            let sent = overwrite(&mut sender);
            let again = sent == 1 && sender.try_send_of(0).is_ok();
            (was_evicted, sent + u64::from(again))
        }
    });
    let joined = world.try_subscribe(SUBSCRIBER, Mode::Gating, Start::Position(WORD_BYTES));
    let (was_evicted, sent) = others.join().expect("the others end");
    match joined {
        Ok(mut receiver) => {
            receiver.account(5 + sent);
            let is_gating = world.is_gating(SUBSCRIBER);
            assert_eq!(is_gating, receiver.evictions == 0);
            assert!(is_gating || was_evicted);
        }
        Err(refusal) => assert_eq!(refusal, Refusal::Gone),
    }
}

/// A gating subscriber reads a message and leaves, and the next owner of its handle joins, while
/// an operator evicts one of them and the producer goes on.
///
/// Accepted: whoever was evicted learns it, unless it leaves first. Would catch an eviction that
/// the next owner suffers and does not learn, and one that is counted and hits nobody.
fn leave() {
    let (world, mut sender) = empty();
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    fill(&mut sender);
    let operator = thread::spawn({
        let world = world.clone();
        move || world.evict(SUBSCRIBER)
    });
    let producer = thread::spawn(move || overwrite(&mut sender));
    receiver.look();
    let told = receiver.evictions;
    receiver.leave();
    let mut next = world.subscribe(OTHER, Mode::Gating, Start::Oldest);
    assert_eq!(next.handle, SUBSCRIBER);
    let was_evicted = operator.join().expect("the operator ends");
    let sent = producer.join().expect("the producer ends");
    next.account(FULL + sent);
    assert!(told + next.evictions <= u64::from(was_evicted));
    assert_eq!(world.is_gating(SUBSCRIBER), next.evictions == 0);
    assert_eq!(world.ring().evictions(), u64::from(was_evicted));
}

/// A lossy subscriber receives from a full ring, while the producer goes on.
///
/// Accepted: each message whole, or counted as missed. Would catch a torn copy that is taken.
fn overrun() {
    let (world, mut sender) = empty();
    let mut receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Next);
    fill(&mut sender);
    let producer = thread::spawn(move || overwrite(&mut sender));
    receiver.look();
    let sent = producer.join().expect("the producer ends");
    receiver.account(FULL + sent);
}

/// A subscriber receives while the producer sends over the first message and leaves, or is killed
/// and reaped; a successor sends if the victim has not. Whoever reaps is not the successor, whose
/// first fence is its own.
fn receive_beside_a_death(
    world: &Rc<World>,
    mut sender: Sender,
    mut receiver: Receiver,
    kill_at: u64,
) -> Receiver {
    let receiving = thread::spawn(move || {
        receiver.look();
        receiver
    });
    killed_at(kill_at, || {
        overwrite(&mut sender);
        sender.leave();
    });
    world.mark_dead(PRODUCER);
    world.clean(PRODUCER);
    let successor = thread::spawn({
        let world = world.clone();
        move || {
            let mut successor = world.sender(OTHER);
            match successor.endpoint.messages() - FULL {
                0 => overwrite(&mut successor),
                sent => sent,
            }
        }
    });
    let sent = successor.join().expect("the successor ends");
    let mut receiver = receiving.join().expect("the subscriber ends");
    receiver.account(FULL + sent);
    receiver
}

/// A lossy subscriber receives while the producer dies, and its successor goes on.
///
/// Accepted: each message whole, or counted as missed. Would catch a successor that overwrites
/// what the victim has freed, without a fence.
fn lossy_after_a_death(kill_at: u64) {
    let (world, mut sender) = empty();
    let receiver = world.subscribe(SUBSCRIBER, Mode::Lossy, Start::Next);
    fill(&mut sender);
    receive_beside_a_death(&world, sender, receiver, kill_at);
}

/// A gating subscriber is evicted, and receives while the producer dies and its successor goes on.
///
/// Accepted: as above, and the eviction told once. Would catch a subscriber that learns only what
/// its first producer has done.
fn evicted_before_a_death(kill_at: u64) {
    let (world, mut sender) = empty();
    let receiver = world.subscribe(SUBSCRIBER, Mode::Gating, Start::Next);
    fill(&mut sender);
    let operator = thread::spawn({
        let world = world.clone();
        move || world.ring().evict(SUBSCRIBER)
    });
    let receiver = receive_beside_a_death(&world, sender, receiver, kill_at);
    assert!(operator.join().expect("the operator ends"));
    assert!(receiver.evictions <= 1);
}

/// A gating subscriber is evicted while it joins, receives or leaves, and is killed.
///
/// Accepted: nobody is held up when it was reaped, and the next owner of the handle is no
/// subscriber. Would catch a gate that is closed after the eviction and stays.
fn evicted_and_killed(kill_at: u64) {
    let (world, mut sender) = empty();
    fill(&mut sender);
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
    let was_evicted = world.evict(SUBSCRIBER);
    victim.join().expect("the victim ends");
    world.clean(SUBSCRIBER);
    assert!((0..world.handles.len()).all(|handle| !world.is_gating(handle)));
    let subscription = world.ring().subscription(&world.handles, SUBSCRIBER);
    assert_eq!((subscription, overwrite(&mut sender)), (None, 1));
    assert_eq!(world.ring().evictions(), u64::from(was_evicted));
}

models! {
    OVERRUN: overrun_bound_2, bound 2, at least 100, runs overrun;
    RECEIVE: receive_bound_2, bound 2, at least 3700, runs receive;
    JOIN: join_bound_2, bound 2, at least 3800, runs join;
    LEAVE: leave_bound_1, bound 1, at least 650, runs leave;
    LOSSY_AFTER_A_DEATH: lossy_after_a_death_bound_2, bound 2, at least 4800,
        kills lossy_after_a_death;
    EVICTED_BEFORE_A_DEATH: evicted_before_a_death_bound_1, bound 1, at least 35000,
        kills evicted_before_a_death;
    EVICTED_AND_KILLED: evicted_and_killed_bound_2, bound 2, at least 2600,
        kills evicted_and_killed;
}
