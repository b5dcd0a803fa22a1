//! Sleeping and waking from either mode of the sleepers' words on (I5), on a slot ring whose
//! roles are shared. From HEAVY on, `slot_wake` has more; `modes` has the changes of the mode.

use std::rc::Rc;

use crate::fixture::Traffic::{self, Heavy, Light};
use crate::fixture::slot::{MPMC, Received, World};
use crate::frame::models;
use crate::ring::wake::poke;
use crate::sync::barrier::spawn;
use crate::sync::crash::killed_at;
use crate::sync::{AtomicU64, Deadline, Ordering};

/// One producer sends two messages, one consumer sleeps.
///
/// Accepted: both arrive. Would catch a publisher that looks for sleepers too early, and a
/// sleeper that misses what is published while it arms.
fn one_and_one(traffic: Traffic) {
    send_two(&World::with_traffic(MPMC, 2, 0, traffic));
}

fn send_two(world: &Rc<World>) {
    let mut receiver = world.receiver(0);
    let mut sender = world.sender(1);
    let producer = spawn(move || {
        sender.send_all_or_sleep(&[10], true);
        sender.send_all_or_sleep(&[11], true);
    });
    assert_eq!(receiver.recv_or_sleep(true).id, 10);
    assert_eq!(receiver.recv_or_sleep(true).id, 11);
    producer.join();
}

/// The ring is full: the producer sleeps until there is room.
///
/// Accepted: both arrive. Would catch a consumer that looks for sleepers too early.
fn space(traffic: Traffic) {
    let world = World::with_traffic(MPMC, 1, 0, traffic);
    let mut receiver = world.receiver(0);
    let mut sender = world.sender(1);
    assert!(sender.try_send(10));
    let producer = spawn(move || sender.send_all_or_sleep(&[11], true));
    assert_eq!(receiver.recv_or_sleep(true).id, 10);
    assert_eq!(receiver.recv_or_sleep(true).id, 11);
    producer.join();
}

/// Two consumers sleep, a producer sends a batch of two.
///
/// Accepted: each gets one.
fn one_and_two(traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let (mut first, mut second) = (world.receiver(0), world.receiver(1));
    let mut sender = world.sender(2);
    let other = spawn(move || second.recv_or_sleep(true));
    let producer = spawn(move || sender.send_all_or_sleep(&[10, 11], true));
    let own = first.recv_or_sleep(true);
    producer.join();
    assert_different(own, other.join());
}

/// Two producers send a message each, a consumer sleeps for both.
///
/// Accepted: both arrive. A message may be published before the one in front of it.
fn two_and_one(traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let mut receiver = world.receiver(0);
    let (mut one, mut two) = (world.sender(1), world.sender(2));
    let producers = [
        spawn(move || one.send_all_or_sleep(&[10], true)),
        spawn(move || two.send_all_or_sleep(&[20], true)),
    ];
    assert_different(receiver.recv_or_sleep(true), receiver.recv_or_sleep(true));
    producers.into_iter().for_each(|producer| producer.join());
}

/// Two producers send a message each, two consumers sleep.
///
/// Accepted: each gets one.
fn two_and_two(traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let (mut first, mut second) = (world.receiver(0), world.receiver(1));
    let (mut one, mut two) = (world.sender(2), world.sender(3));
    let other = spawn(move || second.recv_or_sleep(true));
    let producers = [
        spawn(move || one.send_all_or_sleep(&[10], true)),
        spawn(move || two.send_all_or_sleep(&[20], true)),
    ];
    let own = first.recv_or_sleep(true);
    producers.into_iter().for_each(|producer| producer.join());
    assert_different(own, other.join());
}

fn assert_different(one: Received, other: Received) {
    assert!(one.position != other.position && one.id != other.id);
}

/// A consumer is killed asleep, or at any operation before or after. Another one sleeps as
/// well, and two messages come; if a wake went to the dead, a slice ends.
///
/// Accepted: the living one gets a message, and nothing is lost but one that the dead one
/// had taken. Would catch a sleeper that keeps others from being woken when it is dead.
fn dead_sleeper(kill_at: u64, traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let (mut victim, mut receiver) = (world.receiver(0), world.receiver(1));
    let mut sender = world.sender(2);
    let handle = receiver.handle;
    let dying = spawn({
        let world = world.clone();
        move || {
            let lives = killed_at(kill_at, || victim.recv_or_sleep(true)).is_some();
            if !lives {
                world.handles[handle].park.end_slices();
            }
            lives
        }
    });
    let producer = spawn(move || sender.send_all_or_sleep(&[10, 11], true));
    receiver.recv_or_sleep(true);
    producer.join();
    let lives = dying.join();
    receiver.drain();
    assert!(world.missing().len() <= usize::from(!lives));
}

/// A producer is killed at any operation of a send, also between publication and wake. The
/// consumer sleeps; its slice ends after the death.
///
/// Accepted: the message arrives if it was published, and the next one in any case.
fn dead_waker(kill_at: u64, traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let mut receiver = world.receiver(0);
    let (mut victim, mut sender) = (world.sender(1), world.sender(2));
    let handle = receiver.handle;
    let dying = spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || victim.send_all_or_sleep(&[10], true));
            world.mark_dead(1);
            world.handles[handle].park.end_slices();
        }
    });
    while receiver.try_recv_or_resolve().is_none() && !world.is_dead(1) {
        receiver.pause();
    }
    dying.join();
    sender.send_all_or_sleep(&[11], true);
    receiver.drain();
    world.assert_all_taken();
}

/// Two consumers go to sleep, and two messages come at once. One of the consumers gives its
/// wait up when it is woken, without another attempt, as an interrupted verb does.
///
/// Accepted: the other one gets a message. Would catch a wake that was spent on the one that
/// left and is not handed off.
pub(super) fn one_gives_up(hands_off: bool, traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    // A waker finds the lower handle first.
    let (leaving, mut receiver) = (world.receiver(0), world.receiver(1));
    let mut sender = world.sender(2);
    let other = spawn(move || {
        let armed = leaving.arm();
        if !armed.is_ready(|| leaving.has_message()) {
            armed.park(Deadline);
        }
        drop(armed);
        if hands_off {
            leaving.hand_off();
        }
    });
    let producer = spawn(move || sender.send_all_or_sleep(&[10, 11], true));
    receiver.recv_or_sleep(true);
    producer.join();
    other.join();
}

/// A consumer sleeps, another one arms and gives the wait up before it parks. One message
/// comes.
///
/// Accepted: the sleeper gets it, though nobody hands a wake off. Would catch a waker that
/// takes an armed handle for one that it woke.
fn one_never_parks(traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let (mut receiver, leaving) = (world.receiver(0), world.receiver(1));
    let mut sender = world.sender(2);
    let other = spawn(move || drop(leaving.arm()));
    let producer = spawn(move || sender.send_all_or_sleep(&[10], true));
    assert_eq!(receiver.recv_or_sleep(true).id, 10);
    producer.join();
    other.join();
}

/// A consumer goes to sleep step by step, and parks twice on one arm.
///
/// Accepted: the message arrives. Would catch a second park that sleeps through the wake which
/// ended the first.
fn one_and_one_in_steps(traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let mut receiver = world.receiver(0);
    let mut sender = world.sender(1);
    let producer = spawn(move || sender.send_all_or_sleep(&[10], true));
    let received = loop {
        if let Ok(received) = receiver.try_recv() {
            break received;
        }
        let armed = receiver.arm();
        if !armed.is_ready(|| receiver.has_message()) {
            armed.park(Deadline);
            // A second park on the same arm must see that the word has moved.
            armed.park(Deadline);
        }
    };
    assert_eq!(received.id, 10);
    producer.join();
}

/// A consumer sleeps on an empty ring. Another party of its process stores a flag and pokes it.
///
/// Accepted: the consumer sees the flag. Would catch a flag stored between the last look and
/// the park that does not end the park, and one that is not seen though its poke was.
fn poked(traffic: Traffic) {
    let world = World::with_traffic(MPMC, 2, 0, traffic);
    let receiver = world.receiver(0);
    let flag = Rc::new(AtomicU64::new(0));
    let other = spawn({
        let (world, flag, handle) = (world.clone(), flag.clone(), receiver.handle);
        move || {
            flag.store(1, Ordering::Relaxed);
            poke(&world.handles[handle]);
        }
    });
    let is_set = || flag.load(Ordering::Relaxed) != 0;
    while !is_set() {
        let armed = receiver.arm();
        if !armed.is_ready(is_set) {
            armed.park(Deadline);
        }
    }
    other.join();
}

fn poked_heavy() {
    poked(Heavy);
}

fn poked_light() {
    poked(Light);
}

fn gives_up_heavy() {
    one_gives_up(true, Heavy);
}

fn gives_up_light() {
    one_gives_up(true, Light);
}

fn never_parks_heavy() {
    one_never_parks(Heavy);
}

fn never_parks_light() {
    one_never_parks(Light);
}

fn steps_heavy() {
    one_and_one_in_steps(Heavy);
}

fn steps_light() {
    one_and_one_in_steps(Light);
}

fn one_and_one_heavy() {
    one_and_one(Heavy);
}

fn one_and_one_light() {
    one_and_one(Light);
}

fn space_heavy() {
    space(Heavy);
}

fn space_light() {
    space(Light);
}

fn one_and_two_heavy() {
    one_and_two(Heavy);
}

fn one_and_two_light() {
    one_and_two(Light);
}

fn two_and_one_heavy() {
    two_and_one(Heavy);
}

fn two_and_one_light() {
    two_and_one(Light);
}

fn two_and_two_heavy() {
    two_and_two(Heavy);
}

fn two_and_two_light() {
    two_and_two(Light);
}

fn dead_sleeper_heavy(kill_at: u64) {
    dead_sleeper(kill_at, Heavy);
}

fn dead_sleeper_light(kill_at: u64) {
    dead_sleeper(kill_at, Light);
}

fn dead_waker_heavy(kill_at: u64) {
    dead_waker(kill_at, Heavy);
}

fn dead_waker_light(kill_at: u64) {
    dead_waker(kill_at, Light);
}

models! {
    ONE_AND_ONE_HEAVY: one_and_one_heavy_bound_2, bound 2, at least 7700, runs one_and_one_heavy;
    ONE_AND_ONE_LIGHT: one_and_one_light_bound_2, bound 2, at least 18000, runs one_and_one_light;
    SPACE_HEAVY: space_heavy_bound_2, bound 2, at least 2900, runs space_heavy;
    SPACE_LIGHT: space_light_bound_2, bound 2, at least 4700, runs space_light;
    ONE_AND_TWO_HEAVY: one_and_two_heavy_bound_1, bound 1, at least 1200, runs one_and_two_heavy;
    ONE_AND_TWO_LIGHT: one_and_two_light_bound_1, bound 1, at least 400, runs one_and_two_light;
    TWO_AND_ONE_HEAVY: two_and_one_heavy_bound_1, bound 1, at least 4000, runs two_and_one_heavy;
    TWO_AND_ONE_LIGHT: two_and_one_light_bound_1, bound 1, at least 950, runs two_and_one_light;
    TWO_AND_TWO_HEAVY: two_and_two_heavy_bound_1, bound 1, at least 160000, runs two_and_two_heavy;
    TWO_AND_TWO_LIGHT: two_and_two_light_bound_1, bound 1, at least 3900, runs two_and_two_light;
    DEAD_SLEEPER_HEAVY: dead_sleeper_heavy_bound_1, bound 1, at least 64000, kills dead_sleeper_heavy;
    DEAD_SLEEPER_LIGHT: dead_sleeper_light_bound_1, bound 1, at least 27000, kills dead_sleeper_light;
    DEAD_WAKER_HEAVY: dead_waker_heavy_bound_1, bound 1, at least 430, kills dead_waker_heavy;
    GIVES_UP_HEAVY: gives_up_heavy_bound_2, bound 2, at least 24000, runs gives_up_heavy;
    GIVES_UP_LIGHT: gives_up_light_bound_2, bound 2, at least 56000, runs gives_up_light;
    NEVER_PARKS_HEAVY: never_parks_heavy_bound_2, bound 2, at least 6000, runs never_parks_heavy;
    NEVER_PARKS_LIGHT: never_parks_light_bound_2, bound 2, at least 17000, runs never_parks_light;
    POKED_HEAVY: poked_heavy_unbounded, bound none, at least 2800, runs poked_heavy;
    POKED_LIGHT: poked_light_bound_3, bound 3, at least 1300, runs poked_light;
    STEPS_HEAVY: steps_heavy_bound_3, bound 3, at least 2200, runs steps_heavy;
    STEPS_LIGHT: steps_light_bound_3, bound 3, at least 20000, runs steps_light;
    DEAD_WAKER_LIGHT: dead_waker_light_bound_1, bound 1, at least 1000, kills dead_waker_light;
}
