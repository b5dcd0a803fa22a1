//! Sleeping and waking with every kind of fences (I5), on a slot ring whose roles are
//! shared. With fences on both sides, `slot_wake` has more.

use std::rc::Rc;

use crate::fixture::slot::{MPMC, Received, World};
use crate::frame::models;
use crate::ring::wake::WakeFences::{self, Asymmetric, Symmetric};
use crate::ring::wake::poke;
use crate::sync::barrier::spawn;
use crate::sync::crash::killed_at;
use crate::sync::{AtomicU64, Deadline, Ordering};

/// One producer sends two messages, one consumer sleeps.
///
/// Accepted: both arrive. Would catch a publisher that looks for sleepers too early, and a
/// sleeper that misses what is published while it arms.
fn one_and_one(fences: WakeFences) {
    send_two(&World::with_fences(MPMC, 2, 0, fences));
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
fn space(fences: WakeFences) {
    let world = World::with_fences(MPMC, 1, 0, fences);
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
fn one_and_two(fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
fn two_and_one(fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
fn two_and_two(fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
fn dead_sleeper(kill_at: u64, fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
fn dead_waker(kill_at: u64, fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
pub(super) fn one_gives_up(hands_off: bool, fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
fn one_never_parks(fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
fn one_and_one_in_steps(fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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
fn poked(fences: WakeFences) {
    let world = World::with_fences(MPMC, 2, 0, fences);
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

fn poked_both() {
    poked(Symmetric);
}

fn poked_sleepers() {
    poked(Asymmetric);
}

fn gives_up_both() {
    one_gives_up(true, Symmetric);
}

fn gives_up_sleepers() {
    one_gives_up(true, Asymmetric);
}

fn never_parks_both() {
    one_never_parks(Symmetric);
}

fn never_parks_sleepers() {
    one_never_parks(Asymmetric);
}

fn steps_both() {
    one_and_one_in_steps(Symmetric);
}

fn steps_sleepers() {
    one_and_one_in_steps(Asymmetric);
}

fn one_and_one_both() {
    one_and_one(Symmetric);
}

fn one_and_one_sleepers() {
    one_and_one(Asymmetric);
}

fn space_both() {
    space(Symmetric);
}

fn space_sleepers() {
    space(Asymmetric);
}

fn one_and_two_both() {
    one_and_two(Symmetric);
}

fn one_and_two_sleepers() {
    one_and_two(Asymmetric);
}

fn two_and_one_both() {
    two_and_one(Symmetric);
}

fn two_and_one_sleepers() {
    two_and_one(Asymmetric);
}

fn two_and_two_both() {
    two_and_two(Symmetric);
}

fn two_and_two_sleepers() {
    two_and_two(Asymmetric);
}

fn dead_sleeper_both(kill_at: u64) {
    dead_sleeper(kill_at, Symmetric);
}

fn dead_sleeper_sleepers(kill_at: u64) {
    dead_sleeper(kill_at, Asymmetric);
}

fn dead_waker_both(kill_at: u64) {
    dead_waker(kill_at, Symmetric);
}

fn dead_waker_sleepers(kill_at: u64) {
    dead_waker(kill_at, Asymmetric);
}

models! {
    ONE_AND_ONE_BOTH: one_and_one_both_bound_2, bound 2, at least 2000, runs one_and_one_both;
    ONE_AND_ONE_SLEEPERS: one_and_one_sleepers_bound_2, bound 2, at least 4000, runs one_and_one_sleepers;
    SPACE_BOTH: space_both_bound_2, bound 2, at least 1600, runs space_both;
    SPACE_SLEEPERS: space_sleepers_bound_2, bound 2, at least 3400, runs space_sleepers;
    ONE_AND_TWO_BOTH: one_and_two_both_bound_1, bound 1, at least 570, runs one_and_two_both;
    ONE_AND_TWO_SLEEPERS: one_and_two_sleepers_bound_1, bound 1, at least 260, runs one_and_two_sleepers;
    TWO_AND_ONE_BOTH: two_and_one_both_bound_1, bound 1, at least 570, runs two_and_one_both;
    TWO_AND_ONE_SLEEPERS: two_and_one_sleepers_bound_1, bound 1, at least 620, runs two_and_one_sleepers;
    TWO_AND_TWO_BOTH: two_and_two_both_bound_1, bound 1, at least 23000, runs two_and_two_both;
    TWO_AND_TWO_SLEEPERS: two_and_two_sleepers_bound_1, bound 1, at least 2900, runs two_and_two_sleepers;
    DEAD_SLEEPER_BOTH: dead_sleeper_both_bound_1, bound 1, at least 28000, kills dead_sleeper_both;
    DEAD_SLEEPER_SLEEPERS: dead_sleeper_sleepers_bound_1, bound 1, at least 16000, kills dead_sleeper_sleepers;
    DEAD_WAKER_BOTH: dead_waker_both_bound_1, bound 1, at least 340, kills dead_waker_both;
    GIVES_UP_BOTH: gives_up_both_bound_2, bound 2, at least 10000, runs gives_up_both;
    GIVES_UP_SLEEPERS: gives_up_sleepers_bound_2, bound 2, at least 25000, runs gives_up_sleepers;
    NEVER_PARKS_BOTH: never_parks_both_bound_2, bound 2, at least 3200, runs never_parks_both;
    NEVER_PARKS_SLEEPERS: never_parks_sleepers_bound_2, bound 2, at least 10000, runs never_parks_sleepers;
    POKED_BOTH: poked_both_unbounded, bound none, at least 2800, runs poked_both;
    POKED_SLEEPERS: poked_sleepers_bound_3, bound 3, at least 1000, runs poked_sleepers;
    STEPS_BOTH: steps_both_bound_3, bound 3, at least 1100, runs steps_both;
    STEPS_SLEEPERS: steps_sleepers_bound_3, bound 3, at least 8800, runs steps_sleepers;
    DEAD_WAKER_SLEEPERS: dead_waker_sleepers_bound_1, bound 1, at least 680, kills dead_waker_sleepers;
}
