//! Each change of the mode of a sleepers' word (I5), beside a third party: another sleeper,
//! another publisher, or a death at any operation.
//!
//! A sleeper here waits for a word of its own, and its need is met by what is published there
//! only: so no wake is meant for two, and a wake that is lost is a deadlock, whatever comes
//! afterwards.

use std::rc::Rc;

use crate::fixture::Traffic::{self, Light, Refused, Relaxing};
use crate::fixture::{handle, sleepers};
use crate::frame::{Body, Model, models};
use crate::ring::tables::Handle;
use crate::ring::wake::{PublishFences, Sleepers, hand_off, notify, sleep};
use crate::sync::barrier::{spawn, stay_out};
use crate::sync::crash::killed_at;
use crate::sync::{AtomicU64, Deadline, Ordering, fence, prepare_fences};

/// Which positions meet the need of neither sleeper, of the first one, and of the second one.
const NOBODY: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;
const REACHED: [u64; 3] = [0xF << 60, 0, 0x9 << 60];
const NEEDS: [u64; 3] = [0, 0, 0x6 << 60];

/// Sleepers, and the words that they wait for.
struct World {
    sleepers: Sleepers,
    handles: Vec<Handle>,
    words: [AtomicU64; 3],
    traffic: Traffic,
}

impl World {
    fn new(traffic: Traffic) -> Rc<Self> {
        prepare_fences();
        let sleepers = sleepers();
        traffic.begin(&[&sleepers]);
        Rc::new(Self {
            sleepers,
            handles: (0..3).map(|_| handle()).collect(),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            traffic,
        })
    }

    fn publisher(self: &Rc<Self>) -> Publisher {
        Publisher { world: self.clone(), fences: self.traffic.fences(), published: [0; 3] }
    }

    /// Waits until so many values were published for `me`, asleep meanwhile.
    fn await_value(&self, me: usize, value: u64) {
        let ready = || self.words[me].load(Ordering::Acquire) >= value;
        while !ready() {
            sleep(&self.sleepers, &self.handles, me, NEEDS[me], Deadline, ready);
        }
    }
}

struct Publisher {
    world: Rc<World>,
    fences: PublishFences,
    published: [u64; 3],
}

impl Publisher {
    fn store(&mut self, whom: usize) {
        self.published[whom] += 1;
        self.world.words[whom].store(self.published[whom], Ordering::Release);
    }

    fn publish(&mut self, whom: usize) {
        self.store(whom);
        let World { sleepers, handles, .. } = &*self.world;
        notify(sleepers, handles, REACHED[whom], &self.fences);
    }

    /// Goes on with something else. To end is to leave the CPU, which fences.
    fn stay_on_cpu(&self) {
        self.world.words[NOBODY].load(Ordering::Relaxed);
    }
}

/// A publisher publishes for one sleeper, which has two needs one after the other.
///
/// Accepted: it wakes for both. Would catch a sleeper that relies on no barrier, or on one during
/// which the word was 0: it makes the word HEAVY after its bit was taken.
fn one_sleeper(traffic: Traffic) {
    let world = World::new(traffic);
    let mut publisher = world.publisher();
    let publishes = spawn(move || {
        publisher.publish(FIRST);
        publisher.publish(SECOND);
        publisher.stay_on_cpu();
    });
    world.await_value(FIRST, 1);
    world.await_value(SECOND, 1);
    publishes.join();
}

/// A publisher publishes for both of two sleepers.
///
/// Accepted: both wake. Would catch a sleeper that relies on a barrier which is still to come,
/// on none, or on the bit of another.
fn two_sleepers(traffic: Traffic) {
    let world = World::new(traffic);
    let mut publisher = world.publisher();
    let publishes = spawn(move || {
        publisher.publish(NOBODY);
        publisher.publish(FIRST);
        publisher.publish(SECOND);
    });
    let second = spawn({
        let world = world.clone();
        move || world.await_value(SECOND, 1)
    });
    world.await_value(FIRST, 1);
    publishes.join();
    second.join();
}

/// Two publishers publish for a sleeper each, and one of the sleepers sleeps twice.
///
/// Accepted: both wake. Would catch a sleeper that makes the word HEAVY after its bit was taken
/// and the word relaxed.
fn overtaken(traffic: Traffic) {
    let world = World::new(traffic);
    let mut publisher = world.publisher();
    let publishes = spawn(move || {
        publisher.publish(FIRST);
        publisher.publish(FIRST);
        publisher.publish(SECOND);
    });
    let second = spawn({
        let world = world.clone();
        move || world.await_value(SECOND, 1)
    });
    world.await_value(FIRST, 1);
    world.await_value(FIRST, 2);
    publishes.join();
    second.join();
}

/// Two publishers publish for one sleeper each; the first publishes for nobody before.
///
/// Accepted: both wake. Would catch a publisher that relaxes the word under a sleeper.
fn two_publishers(traffic: Traffic) {
    let world = World::new(traffic);
    let (mut one, mut two) = (world.publisher(), world.publisher());
    let publishers = [
        spawn(move || {
            one.publish(NOBODY);
            one.publish(NOBODY);
        }),
        spawn(move || two.publish(FIRST)),
    ];
    world.await_value(FIRST, 1);
    publishers.into_iter().for_each(|publisher| publisher.join());
}

/// A sleeper is killed at any operation, on its way to sleep, asleep, or after it.
///
/// Accepted: the other one wakes. Would catch a mode that promises what the dead did not do.
fn dead_sleeper(kill_at: u64, traffic: Traffic) {
    let world = World::new(traffic);
    let mut publisher = world.publisher();
    let publishes = spawn(move || {
        publisher.publish(FIRST);
        publisher.publish(SECOND);
    });
    let dies = spawn({
        let world = world.clone();
        move || {
            killed_at(kill_at, || world.await_value(FIRST, 1));
        }
    });
    world.await_value(SECOND, 1);
    publishes.join();
    dies.join();
}

/// A publisher is killed at any operation, also while it relaxes.
///
/// Accepted: the sleeper wakes for another publisher. Would catch a word that is relaxed in
/// steps.
fn dead_publisher(kill_at: u64, traffic: Traffic) {
    let world = World::new(traffic);
    let (mut victim, mut publisher) = (world.publisher(), world.publisher());
    let dies = spawn(move || {
        killed_at(kill_at, || victim.publish(NOBODY));
    });
    let publishes = spawn(move || publisher.publish(FIRST));
    world.await_value(FIRST, 1);
    publishes.join();
    dies.join();
}

/// Barriers of sleepers do not reach the publisher's process.
///
/// Accepted: the sleepers wake, as the publisher fences. Would catch one that counts on
/// barriers.
fn unreached() {
    let world = World::new(Light);
    let mut publisher = world.publisher();
    publisher.fences = PublishFences::relaxing_after(1, false, world.handles.len());
    let publishes = spawn(move || {
        stay_out();
        publisher.publish(FIRST);
        publisher.publish(SECOND);
    });
    let second = spawn({
        let world = world.clone();
        move || world.await_value(SECOND, 1)
    });
    world.await_value(FIRST, 1);
    publishes.join();
    second.join();
}

/// What a party of another program does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// A sleeper takes the bit of another for HEAVY.
    BitIsHeavy,
    /// A publisher takes a LIGHT word with bits for one that needs no fence.
    BitIsLight,
}

/// Sleepers and publishers as `docs/format.md` specifies them, written for this model.
impl World {
    fn foreign_await(&self, me: usize, fault: Fault) {
        let ready = || self.words[me].load(Ordering::Acquire) >= 1;
        let (word, bit) = self.sleepers.bit(me);
        while !ready() {
            let park = &self.handles[me].park;
            self.handles[me].need.store(NEEDS[me], Ordering::Relaxed);
            let seen = park.load(Ordering::Relaxed);
            let old = word.fetch_or(bit, Ordering::AcqRel);
            fence(Ordering::SeqCst);
            if old & 1 == 0 && (old == 0 || fault != Fault::BitIsHeavy) {
                crate::sync::barrier();
            }
            if !ready() {
                park.wait(seen, Deadline);
            }
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }
}

impl Publisher {
    fn foreign_publish(&mut self, whom: usize, fault: Fault) {
        self.store(whom);
        let World { sleepers, handles, .. } = &*self.world;
        let (word, bit) = sleepers.bit(whom);
        let found = word.load(Ordering::Relaxed);
        if found == 0 {
            return;
        }
        if fault == Fault::BitIsLight && found & 1 == 0 {
            let found = word.load(Ordering::Relaxed);
            if found & bit != 0 && word.fetch_and(!bit, Ordering::AcqRel) & bit != 0 {
                handles[whom].park.add(1, Ordering::Relaxed);
                handles[whom].park.wake();
            }
        } else {
            hand_off(sleepers, handles, || Some(REACHED[whom]));
        }
    }
}

/// The second sleeper comes while the first one is about to make its barrier.
fn foreign_sleeper(fault: Fault) {
    let world = World::new(Light);
    let mut publisher = world.publisher();
    let publishes = spawn(move || publisher.publish(SECOND));
    let first = spawn({
        let world = world.clone();
        move || {
            // Arms, and gives up.
            let ready = || true;
            sleep(&world.sleepers, &world.handles, FIRST, NEEDS[FIRST], Deadline, ready);
        }
    });
    world.foreign_await(SECOND, fault);
    publishes.join();
    first.join();
}

/// The first sleeper has made its barrier before the publisher stores, and makes the word HEAVY
/// after the publisher has found its bit; the second sleeper relies on that.
fn foreign_publisher(fault: Fault) {
    let world = World::new(Light);
    let (word, bit) = world.sleepers.bit(FIRST);
    word.fetch_or(bit, Ordering::AcqRel);
    let mut publisher = world.publisher();
    let publishes = spawn(move || {
        publisher.foreign_publish(SECOND, fault);
        publisher.stay_on_cpu();
    });
    word.fetch_or(1, Ordering::Release);
    world.await_value(SECOND, 1);
    publishes.join();
}

fn one_sleeper_light() {
    one_sleeper(Light);
}

fn one_sleeper_relaxing() {
    one_sleeper(Relaxing);
}

fn one_sleeper_refused() {
    one_sleeper(Refused);
}

fn two_sleepers_light() {
    two_sleepers(Light);
}

fn two_sleepers_relaxing() {
    two_sleepers(Relaxing);
}

fn two_sleepers_refused() {
    two_sleepers(Refused);
}

fn overtaken_light() {
    overtaken(Light);
}

fn overtaken_relaxing() {
    overtaken(Relaxing);
}

fn two_publishers_light() {
    two_publishers(Light);
}

fn two_publishers_relaxing() {
    two_publishers(Relaxing);
}

fn dead_sleeper_light(kill_at: u64) {
    dead_sleeper(kill_at, Light);
}

fn dead_sleeper_relaxing(kill_at: u64) {
    dead_sleeper(kill_at, Relaxing);
}

fn dead_publisher_relaxing(kill_at: u64) {
    dead_publisher(kill_at, Relaxing);
}

fn foreign_sleeper_right() {
    foreign_sleeper(Fault::None);
}

fn foreign_publisher_right() {
    foreign_publisher(Fault::None);
}

models! {
    ONE_SLEEPER_LIGHT: one_sleeper_light_bound_2, bound 2, at least 5000, runs one_sleeper_light;
    ONE_SLEEPER_RELAXING: one_sleeper_relaxing_bound_2, bound 2, at least 4200, runs one_sleeper_relaxing;
    ONE_SLEEPER_REFUSED: one_sleeper_refused_bound_2, bound 2, at least 18000, runs one_sleeper_refused;
    TWO_SLEEPERS_LIGHT: two_sleepers_light_bound_1, bound 1, at least 320, runs two_sleepers_light;
    TWO_SLEEPERS_RELAXING: two_sleepers_relaxing_bound_1, bound 1, at least 250, runs two_sleepers_relaxing;
    TWO_SLEEPERS_REFUSED: two_sleepers_refused_bound_1, bound 1, at least 830, runs two_sleepers_refused;
    OVERTAKEN_LIGHT: overtaken_light_bound_1, bound 1, at least 550, runs overtaken_light;
    OVERTAKEN_RELAXING: overtaken_relaxing_bound_1, bound 1, at least 410, runs overtaken_relaxing;
    TWO_PUBLISHERS_LIGHT: two_publishers_light_bound_2, bound 2, at least 24000, runs two_publishers_light;
    TWO_PUBLISHERS_RELAXING: two_publishers_relaxing_bound_2, bound 2, at least 12000, runs two_publishers_relaxing;
    DEAD_SLEEPER_LIGHT: dead_sleeper_light_bound_1, bound 1, at least 3300, kills dead_sleeper_light;
    DEAD_SLEEPER_RELAXING: dead_sleeper_relaxing_bound_1, bound 1, at least 2300, kills dead_sleeper_relaxing;
    DEAD_PUBLISHER_RELAXING: dead_publisher_relaxing_bound_1, bound 1, at least 740, kills dead_publisher_relaxing;
    UNREACHED: unreached_bound_1, bound 1, at least 140, runs unreached;
    FOREIGN_SLEEPER: foreign_sleeper_bound_2, bound 2, at least 7600, runs foreign_sleeper_right;
    FOREIGN_PUBLISHER: foreign_publisher_bound_2, bound 2, at least 2600, runs foreign_publisher_right;
}

/// The same with a fault, in which somebody sleeps for ever.
pub(super) const FAULTS: [Model; 2] = [
    faulty("bit_is_heavy", || foreign_sleeper(Fault::BitIsHeavy)),
    faulty("bit_is_light", || foreign_publisher(Fault::BitIsLight)),
];

const fn faulty(name: &'static str, body: fn()) -> Model {
    Model { name, bound: Some(2), at_least: 1, body: Body::Plain(body) }
}
