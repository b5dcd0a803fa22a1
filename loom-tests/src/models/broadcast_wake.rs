//! The broadcast ring: sleeping and waking (I5). A message wakes every subscriber, and the producer
//! waits for the slowest. A wait in a model never times out, so a lost wake is a deadlock.

use std::rc::Rc;

use crate::fixture::Traffic;
use crate::fixture::broadcast::{FILL, Found, Receiver, Sender, World, filled};
use crate::frame::{Body, Model, models};
use crate::ring::Refused;
use crate::ring::broadcast::{Mode, Start};
use crate::sync::barrier::spawn;
use crate::sync::crash::killed_at;

const FIRST: usize = 1;
const SECOND: usize = 2;

/// Two subscribers sleep, and the producer sends a message.
///
/// Accepted: both receive it. Would catch a message that wakes one of them.
fn each(modes: [Mode; 2], notify: fn(&Sender)) {
    let (world, mut sender) = filled(World::new(), 0);
    let mut first = world.subscribe(FIRST, modes[0], Start::Next);
    let mut second = world.subscribe(SECOND, modes[1], Start::Next);
    let producer = spawn(move || {
        sender.send_all(1);
        notify(&sender);
    });
    let other = spawn(move || assert_eq!(second.look_or_sleep(), Found::Message(0)));
    assert_eq!(first.look_or_sleep(), Found::Message(0));
    producer.join();
    other.join();
}

/// A full ring that two gating subscribers hold up, and how far.
fn held_up(traffic: Traffic) -> (Rc<World>, Sender, [Receiver; 2], Refused) {
    let (world, mut sender) = filled(World::with_traffic(traffic), 0);
    let receivers = [FIRST, SECOND].map(|at| world.subscribe(at, Mode::Gating, Start::Next));
    sender.send_all(FILL);
    let refused = sender.try_send().expect_err("full");
    (world, sender, receivers, refused)
}

/// Two gating subscribers each make the room that the sleeping producer waits for.
///
/// Accepted: it wakes. Would catch two that each see the other hold the producer up.
fn gate_of_two(traffic: Traffic, notify: fn(&Receiver)) {
    let (world, sender, receivers, refused) = held_up(traffic);
    let subscribers = receivers.map(|mut receiver| {
        let (end, world) = (receiver.end_of_two(), world.clone());
        spawn(move || {
            assert!(receiver.take_two(end));
            notify(&receiver);
            // Goes on with something else. To end is to leave the CPU, which fences.
            world.roles().repairs();
        })
    });
    sender.await_room(refused);
    subscribers.into_iter().for_each(|subscriber| subscriber.join());
}

/// Of two gating subscribers one makes room and the other leaves, while the producer sleeps.
///
/// Accepted: it wakes. Would catch one that makes room and still sees the gate of the other, which
/// wakes nobody.
fn other_leaves() {
    let (_world, sender, [mut stays, leaves], refused) = held_up(Traffic::Heavy);
    let end = stays.end_of_two();
    let leaving = spawn(move || leaves.leave_and_wake());
    let staying = spawn(move || {
        assert!(stays.take_two(end));
        stays.notify();
    });
    sender.await_room(refused);
    leaving.join();
    staying.join();
}

/// Of two gating subscribers one makes room and the other is evicted, while the producer sleeps.
///
/// Accepted: it wakes. Would catch an eviction that frees the producer and lets it sleep.
fn other_is_evicted() {
    let (world, sender, [mut stays, _evicted], refused) = held_up(Traffic::Heavy);
    let end = stays.end_of_two();
    let operator = spawn(move || assert!(world.evict(SECOND)));
    let staying = spawn(move || {
        assert!(stays.take_two(end));
        stays.notify();
    });
    sender.await_room(refused);
    operator.join();
    staying.join();
}

/// The only gating subscriber makes room and is evicted meanwhile, while the producer sleeps.
///
/// Accepted: it wakes. Would catch a subscriber that finds no gate and takes that for a gate that
/// holds.
fn is_evicted() {
    let (world, sender, [mut receiver, other], refused) = held_up(Traffic::Heavy);
    other.leave();
    let end = receiver.end_of_two();
    // The operator dies before it wakes anyone.
    let operator = spawn(move || world.ring().evict(FIRST));
    let receiving = spawn(move || {
        let took = receiver.take_two(end);
        receiver.notify();
        took
    });
    sender.await_room(refused);
    operator.join();
    receiving.join();
}

/// Of two gating subscribers one has made room, and the other is killed on its way to do so or to
/// leave. The producer looks for the dead when a slice of its sleep is over.
///
/// Accepted: the producer has room. Would catch the gate of the dead that stays.
fn other_dies(kill_at: u64) {
    let (world, sender, [mut stays, mut dies], refused) = held_up(Traffic::Heavy);
    let (end, end_of_dying) = (stays.end_of_two(), dies.end_of_two());
    assert!(stays.take_two(end));
    let dying = spawn({
        let (world, producer) = (world.clone(), sender.handle);
        move || {
            let end = killed_at(kill_at, || {
                assert!(dies.take_two(end_of_dying));
                dies.notify();
                dies.leave_and_wake();
            });
            world.mark_dead(SECOND);
            if end.is_none() {
                world.handles[producer].park.end_slices();
            }
        }
    });
    while !sender.has_room(refused) {
        if world.is_dead(SECOND) {
            world.clean(SECOND);
        } else {
            sender.sleep(refused);
        }
    }
    dying.join();
}

/// The producer sends over a full ring, and sleeps until the subscriber has made room; the
/// subscriber sleeps until the next message.
///
/// Accepted: all messages arrive. Would catch a producer that sleeps on although there is room.
fn there_and_back() {
    let (world, mut sender) = filled(World::new(), 0);
    let mut receiver = world.subscribe(FIRST, Mode::Gating, Start::Next);
    sender.send_all(FILL);
    (0..FILL - 2).for_each(|id| assert_eq!(receiver.look(), Found::Message(id)));
    sender.send_all(1);
    let producer = spawn(move || sender.send_or_sleep());
    for id in FILL - 2..FILL + 2 {
        assert_eq!(receiver.look_or_sleep(), Found::Message(id));
        receiver.notify();
    }
    producer.join();
}

fn each_gating() {
    each([Mode::Gating; 2], Sender::notify);
}

fn each_mode() {
    each([Mode::Lossy, Mode::Latest], Sender::notify);
}

fn gate_of_two_heavy() {
    gate_of_two(Traffic::Heavy, Receiver::notify);
}

fn gate_of_two_light() {
    gate_of_two(Traffic::Light, Receiver::notify);
}

models! {
    EACH: each_gating_bound_1, bound 1, at least 340, runs each_gating;
    EACH_MODE: each_mode_bound_1, bound 1, at least 350, runs each_mode;
    GATE_OF_TWO: gate_of_two_bound_2, bound 2, at least 39000, runs gate_of_two_heavy;
    GATE_OF_TWO_LIGHT: gate_of_two_light_bound_1, bound 1, at least 350, runs gate_of_two_light;
    OTHER_LEAVES: other_leaves_bound_1, bound 1, at least 1800, runs other_leaves;
    OTHER_IS_EVICTED: other_is_evicted_bound_1, bound 1, at least 1400, runs other_is_evicted;
    IS_EVICTED: is_evicted_bound_2, bound 2, at least 14000, runs is_evicted;
    OTHER_DIES: other_dies_bound_2, bound 2, at least 40000, kills other_dies;
    THERE_AND_BACK: there_and_back_bound_2, bound 2, at least 6800, runs there_and_back;
}

/// The same with a notification that is wrong, so that somebody sleeps for ever.
pub(super) const FAULTS: [Model; 3] = [
    fault("each", || each([Mode::Gating; 2], Sender::notify_one)),
    fault("gate_of_two", || gate_of_two(Traffic::Heavy, Receiver::notify_early)),
    fault("gate_of_two_light", || gate_of_two(Traffic::Light, Receiver::notify_early)),
];

const fn fault(name: &'static str, body: fn()) -> Model {
    Model { name, bound: Some(2), at_least: 1, body: Body::Plain(body) }
}
