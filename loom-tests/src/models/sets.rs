//! Waiting for several rings at once (I5): a set arms a handle on each, orders once, and sleeps on
//! all park words. A wait in a model never times out, so a lost wake is a deadlock.

use crate::fixture::Traffic::{self, Heavy, Light};
use crate::fixture::set::Side::{Consumer, Producer};
use crate::fixture::set::{Omission, Ring, Set};
use crate::frame::{Body, Model, models};
use crate::sync::barrier::spawn;
use crate::sync::crash::killed_at;

/// Two producers send a message each, to a ring each. A set waits for both rings.
///
/// Accepted: both messages are taken. Would catch a set whose barrier does not serve every
/// handle, one that misses what is published while it arms, and a sleep that not every word
/// ends.
fn two_rings(traffic: Traffic, omits: Omission) {
    let rings = [Ring::new(2, traffic), Ring::new(2, traffic)];
    let set = Set::new([(&rings[0], Consumer, 0), (&rings[1], Consumer, 0)]).omitting(omits);
    let producers = rings.clone().map(|ring| {
        spawn(move || {
            let fences = ring.fences();
            assert!(ring.try_send(1, &fences));
            // Goes on with something else. To end is to leave the CPU, which fences.
            ring.has_message();
        })
    });
    let mut taken = 0;
    while taken < 2 {
        set.wait();
        taken += rings.iter().filter(|ring| ring.try_take(&ring.fences())).count();
    }
    producers.into_iter().for_each(|producer| producer.join());
}

/// Two producers send a message each, to a ring each, and the first sends another one. A set that
/// leaves bits set waits for both rings, and takes what it finds ready.
///
/// Accepted: all messages are taken. Would catch a bit that counts as set when a waker has taken
/// it, and one whose ring is not looked at again.
fn kept_bits(traffic: Traffic, omits: Omission) {
    let rings = [Ring::new(2, traffic), Ring::new(2, traffic)];
    let set = Set::new([(&rings[0], Consumer, 0), (&rings[1], Consumer, 0)]);
    let set = set.keeping().omitting(omits);
    let producers = [2, 1].into_iter().zip(rings.clone()).map(|(count, ring)| {
        spawn(move || {
            let fences = ring.fences();
            (0..count).for_each(|_| assert!(ring.try_send(1, &fences)));
            ring.has_message();
        })
    });
    let producers: Vec<_> = producers.collect();
    let mut taken = 0;
    while taken < 3 {
        set.wait();
        taken += set.take_ready();
    }
    producers.into_iter().for_each(|producer| producer.join());
}

/// A producer sends two messages. A set that leaves bits set waits for the first; then a verb of
/// the handle takes it, or sleeps for it, and the set waits for the second.
///
/// Accepted: the set finds the second message. Would catch a set that takes a bit for set which
/// the verb has taken back.
fn kept_bit_and_verb(traffic: Traffic, omits: Omission) {
    let ring = Ring::new(2, traffic);
    let idle = Ring::new(1, traffic);
    let set = Set::new([(&ring, Consumer, 0), (&idle, Consumer, 0)]).keeping().omitting(omits);
    let producer = spawn({
        let (ring, idle) = (ring.clone(), idle.clone());
        move || {
            assert!(idle.try_send(1, &idle.fences()));
            let fences = ring.fences();
            (0..2).for_each(|_| assert!(ring.try_send(1, &fences)));
            ring.has_message();
        }
    });
    set.wait();
    assert!(idle.try_take(&idle.fences()));
    set.take();
    set.wait();
    assert!(ring.try_take(&ring.fences()));
    producer.join();
}

/// A set waits for messages of one ring and for room in another, which is full. Two threads
/// send the message and make room.
///
/// Accepted: the set takes the message and sends its own. Would catch a set that waits for one
/// side of all rings.
fn both_sides(traffic: Traffic) {
    let (from, to) = (Ring::new(1, traffic), Ring::new(1, traffic));
    assert!(to.try_send(1, &to.fences()));
    let producer = spawn({
        let from = from.clone();
        move || assert!(from.try_send(1, &from.fences()))
    });
    let consumer = spawn({
        let to = to.clone();
        move || assert!(to.try_take(&to.fences()))
    });
    let (from_fences, to_fences) = (from.fences(), to.fences());
    let (mut is_taken, mut is_sent) = (false, false);
    while !is_taken || !is_sent {
        let (reads, writes) = ((&from, Consumer, 0), (&to, Producer, 0));
        match (is_taken, is_sent) {
            (false, false) => Set::new([reads, writes]).wait(),
            (false, true) => Set::new([reads]).wait(),
            _ => Set::new([writes]).wait(),
        }
        is_taken = is_taken || from.try_take(&from_fences);
        is_sent = is_sent || to.try_send(1, &to_fences);
    }
    producer.join();
    consumer.join();
}

/// How a party with a set goes on after its wait.
#[derive(Clone, Copy)]
enum Then {
    /// It drops the set, and has taken nothing.
    Drops,
    /// It waits again, and keeps the set.
    Waits,
    /// A verb of its handle takes a message, and it keeps the set.
    Takes,
    /// It gives the wait up after one sleep, and drops the set, as one that is interrupted.
    GivesUp,
}

fn goes_on(set: Set, then: Then) {
    match then {
        Then::Drops => {
            set.wait();
            set.end();
        }
        Then::Waits => {
            set.wait();
            set.wait();
        }
        Then::Takes => {
            set.wait();
            set.try_take();
        }
        Then::GivesUp => {
            set.sleep();
            set.end();
        }
    }
}

/// A set and a consumer wait for one ring, to which two messages come at once; a set that
/// waits leaves at least one of them.
///
/// Accepted: the consumer gets a message. Would catch a wake that was spent on the set and is
/// not handed off.
fn beside_a_consumer(then: Then, traffic: Traffic, omits: Omission) {
    let ring = Ring::new(2, traffic);
    // A waker finds the lower handle first.
    let set = Set::new([(&ring, Consumer, 0)]).omitting(omits);
    let other = spawn(move || goes_on(set, then));
    let producer = spawn({
        let ring = ring.clone();
        move || assert!(ring.try_send(2, &ring.fences()))
    });
    ring.take_or_sleep(1);
    producer.join();
    other.join();
}

/// Two sets and a consumer wait for one ring, to which two messages come at once. Neither set
/// takes one: the first drops, the second waits again.
///
/// Accepted: the consumer gets a message.
fn two_sets(traffic: Traffic) {
    let ring = Ring::new(2, traffic);
    let sets = [(0, Then::Drops), (1, Then::Waits)].map(|(me, then)| {
        let set = Set::new([(&ring, Consumer, me)]);
        spawn(move || goes_on(set, then))
    });
    let producer = spawn({
        let ring = ring.clone();
        move || assert!(ring.try_send(2, &ring.fences()))
    });
    ring.take_or_sleep(2);
    producer.join();
    sets.into_iter().for_each(|set| set.join());
}

/// The owner of a set over two rings is killed asleep, or at any operation before or after:
/// also between a wake and its use. A consumer sleeps beside it, and two messages come. If a
/// wake went to the dead, a slice ends.
///
/// Accepted: the consumer gets a message. Would catch a dead set that keeps others from being
/// woken.
fn dead_owner(kill_at: u64, traffic: Traffic) {
    let (ring, idle) = (Ring::new(2, traffic), Ring::new(2, traffic));
    let victim = Set::new([(&ring, Consumer, 0), (&idle, Consumer, 0)]);
    let dying = spawn({
        let ring = ring.clone();
        move || {
            let lives = killed_at(kill_at, || {
                victim.wait();
                victim.try_take();
            });
            if lives.is_none() {
                ring.handles[1].park.end_slices();
            }
        }
    });
    let producer = spawn({
        let ring = ring.clone();
        move || assert!(ring.try_send(2, &ring.fences()))
    });
    ring.take_or_sleep(1);
    producer.join();
    dying.join();
}

fn two_rings_heavy() {
    two_rings(Heavy, Omission::Nothing);
}

fn two_rings_light() {
    two_rings(Light, Omission::Nothing);
}

fn kept_bits_heavy() {
    kept_bits(Heavy, Omission::Nothing);
}

fn kept_bits_light() {
    kept_bits(Light, Omission::Nothing);
}

fn kept_bit_and_verb_heavy() {
    kept_bit_and_verb(Heavy, Omission::Nothing);
}

fn kept_bit_and_verb_light() {
    kept_bit_and_verb(Light, Omission::Nothing);
}

fn both_sides_heavy() {
    both_sides(Heavy);
}

fn both_sides_light() {
    both_sides(Light);
}

fn drops_heavy() {
    beside_a_consumer(Then::Drops, Heavy, Omission::Nothing);
}

fn drops_light() {
    beside_a_consumer(Then::Drops, Light, Omission::Nothing);
}

fn waits_heavy() {
    beside_a_consumer(Then::Waits, Heavy, Omission::Nothing);
}

fn takes_heavy() {
    beside_a_consumer(Then::Takes, Heavy, Omission::Nothing);
}

fn gives_up_heavy() {
    beside_a_consumer(Then::GivesUp, Heavy, Omission::Nothing);
}

fn two_sets_heavy() {
    two_sets(Heavy);
}

fn two_sets_light() {
    two_sets(Light);
}

fn dead_owner_heavy(kill_at: u64) {
    dead_owner(kill_at, Heavy);
}

fn dead_owner_light(kill_at: u64) {
    dead_owner(kill_at, Light);
}

models! {
    TWO_RINGS_HEAVY: two_rings_heavy_bound_2, bound 2, at least 80000, runs two_rings_heavy;
    TWO_RINGS_LIGHT: two_rings_light_bound_2, bound 2, at least 160000, runs two_rings_light;
    KEPT_BITS_HEAVY: kept_bits_heavy_bound_1, bound 1, at least 2500, runs kept_bits_heavy;
    KEPT_BITS_LIGHT: kept_bits_light_bound_1, bound 1, at least 1200, runs kept_bits_light;
    KEPT_BIT_AND_VERB_HEAVY: kept_bit_and_verb_heavy_bound_2, bound 2, at least 19000, runs kept_bit_and_verb_heavy;
    KEPT_BIT_AND_VERB_LIGHT: kept_bit_and_verb_light_bound_2, bound 2, at least 85000, runs kept_bit_and_verb_light;
    BOTH_SIDES_HEAVY: both_sides_heavy_bound_2, bound 2, at least 43000, runs both_sides_heavy;
    BOTH_SIDES_LIGHT: both_sides_light_bound_1, bound 1, at least 100, runs both_sides_light;
    DROPS_HEAVY: drops_heavy_bound_2, bound 2, at least 20000, runs drops_heavy;
    DROPS_LIGHT: drops_light_bound_2, bound 2, at least 24000, runs drops_light;
    WAITS_HEAVY: waits_heavy_bound_2, bound 2, at least 23000, runs waits_heavy;
    TAKES_HEAVY: takes_heavy_bound_2, bound 2, at least 29000, runs takes_heavy;
    GIVES_UP_HEAVY: gives_up_heavy_bound_2, bound 2, at least 14000, runs gives_up_heavy;
    TWO_SETS_HEAVY: two_sets_heavy_bound_1, bound 1, at least 9000, runs two_sets_heavy;
    TWO_SETS_LIGHT: two_sets_light_bound_1, bound 1, at least 900, runs two_sets_light;
    DEAD_OWNER_HEAVY: dead_owner_heavy_bound_1, bound 1, at least 37000, kills dead_owner_heavy;
    DEAD_OWNER_LIGHT: dead_owner_light_bound_1, bound 1, at least 15000, kills dead_owner_light;
}

/// The same by a set that leaves out a step, in which somebody sleeps for ever.
pub(super) const FAULTS: [Model; 8] = [
    faulty("no_check", || two_rings(Heavy, Omission::Check)),
    faulty("no_note", || beside_a_consumer(Then::Drops, Heavy, Omission::Note)),
    faulty("no_pay_at_wait", || beside_a_consumer(Then::Waits, Heavy, Omission::PayAtWait)),
    faulty("no_pay_at_drop", || beside_a_consumer(Then::Drops, Heavy, Omission::PayAtDrop)),
    faulty("no_pay_at_verb", || beside_a_consumer(Then::Takes, Heavy, Omission::PayAtVerb)),
    faulty("no_disarm_after_the_check", || kept_bits(Heavy, Omission::Disarm)),
    faulty("no_look_at_the_park_word", || kept_bits(Heavy, Omission::Moved)),
    faulty("no_forgetting_at_verb", || kept_bit_and_verb(Heavy, Omission::Forget)),
];

const fn faulty(name: &'static str, body: fn()) -> Model {
    Model { name, bound: Some(2), at_least: 1, body: Body::Plain(body) }
}
