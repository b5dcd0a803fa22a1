//! The state of a segment, read from its memory.

use std::ops::Range;
use std::time::Duration;

use crate::error::{Fault, Role};
use crate::format::{Geometry, Shape};
use crate::info::{
    Front, Holder, InHand, Jobs, Participant, RingStatus, Status, Subscription, SubscriptionMode,
};
use crate::lifecycle::reap::refused;
use crate::memory::mapping::Mapping;
use crate::observe::participants::Participants;
use crate::observe::shadow::Shadow;
use crate::ring::broadcast::{self, SubscriberState};
use crate::ring::jobs::{self, Claim};
use crate::ring::slot;
use crate::ring::tables::Handle;
use crate::ring::{Control, Look, WORD_BYTES, at_or_past};
use crate::sync::Ordering;
use crate::sys::clock;
use crate::sys::token::Probe;

/// Tries to read head and the position there before consumers move head.
const MAX_TRIES: u32 = 16;

/// Returns the state of a mapped segment.
///
/// # Errors
/// [`Fault::ProbeRefused`] if this process cannot check who is alive.
pub(crate) fn status(
    mapping: &Mapping,
    probe: &Probe,
    geometry: &Geometry,
) -> Result<Status, Fault> {
    mapping.check()?;
    let rings = 0..geometry.rings.len();
    let shadows = rings.filter_map(|ring| Shadow::new(mapping, geometry, ring));
    // Before the handles: a load that sees a ticket claimed sees it announced.
    let looks: Vec<_> = shadows.map(|shadow| (positions(&shadow), shadow)).collect();
    let everyone = Participants::new(mapping, probe, geometry).all().map_err(refused)?;
    let rings = looks.iter().enumerate().map(|(index, (positions, shadow))| {
        let tail = positions.head.wrapping_add(positions.used);
        let broadcast = shadow.broadcast().map(|ring| (ring, ring.tail_point()));
        let hands = shadow.jobs().map(Hands::of);
        let ring = Ring { index, control: shadow.real, tail, broadcast, hands };
        ring_status(mapping, &ring, positions, shadow.shape(), &everyone)
    });
    let status = Status {
        rings: rings.collect(),
        repairs: mapping.first_control().roles.repairs(),
        handles: mapping.handles().iter().filter(|handle| handle.attach().is_some()).count() as u64,
        attached: everyone.iter().flatten().cloned().collect(),
    };
    mapping.check().map(|()| status)
}

fn ring_status(
    mapping: &Mapping,
    ring: &Ring<'_>,
    positions: &Positions,
    shape: Shape,
    everyone: &[Option<Participant>],
) -> RingStatus {
    let Positions { head, used, messages_received, front } = *positions;
    let (control, roles) = (ring.control, &ring.control.roles);
    let holders = [Role::Producer, Role::Consumer].into_iter().flat_map(|role| {
        roles.holders(role).filter_map(move |index| holder(mapping, ring, everyone, role, index))
    });
    let holders: Vec<_> = holders.collect();
    let of = |role| {
        let theirs = holders.iter().filter(move |holder| holder.role == role);
        theirs.map(|holder| holder.participant.clone()).collect()
    };
    RingStatus {
        head,
        tail: ring.tail,
        front,
        full: is_full(shape, head, used, &holders),
        used_bytes: used.saturating_mul(shape.slot_bytes().unwrap_or(1)),
        used_slots: shape.slots().map(|_| used),
        messages_received,
        full_for: ring.broadcast.and_then(|_| full_for(mapping, &holders)),
        jobs: ring.hands.as_ref().map(|hands| hands.jobs),
        first_job: ring.hands.as_ref().and_then(|hands| hands.first),
        evictions: ring.broadcast.map_or(0, |(ring, _)| ring.evictions()),
        tombstones: roles.tombstones(),
        resolved: roles.resolved(),
        closed: roles.is_closed(),
        producers: of(Role::Producer),
        consumers: of(Role::Consumer),
        producers_so_far: roles.ownership(Role::Producer).claims(),
        consumers_so_far: roles.ownership(Role::Consumer).claims(),
        sleepers: control.senders.count().saturating_add(control.receivers.count()),
        holders,
    }
}

struct Positions {
    head: u64,
    used: u64,
    messages_received: u64,
    front: Front,
}

/// Returns the positions of a ring, and what is at head. Both are from one moment, unless head
/// moves during every try.
fn positions(shadow: &Shadow<'_>) -> Positions {
    let (mut head, mut seen) = (shadow.head(), Front::Moving);
    for _ in 0..MAX_TRIES {
        let front = front(shadow);
        if shadow.is_intact(head) {
            seen = front;
            break;
        }
        shadow.renew();
        head = shadow.head();
    }
    // Last, as it takes longest and nothing is compared with it.
    shadow.put_head(head);
    let (used, messages_received) = shadow.observe();
    Positions { head, used, messages_received, front: seen }
}

fn front(shadow: &Shadow<'_>) -> Front {
    match shadow.look() {
        Ok(Look::Message(_) | Look::Spanning(_)) => Front::Message,
        Ok(Look::Empty) => Front::Empty,
        Ok(Look::InFlight { position }) => Front::InFlight { position },
        Ok(Look::Outrun | Look::Lagged { .. } | Look::Evicted | Look::Held | Look::HandsFull) => {
            Front::Moving
        }
        Err(corrupt) => Front::Corrupt(corrupt),
    }
}

/// The ring whose handles are read.
struct Ring<'a> {
    index: usize,
    control: &'a Control,
    tail: u64,
    /// Of a broadcast ring, and its tail.
    broadcast: Option<(broadcast::Ring<'a>, broadcast::Point)>,
    /// Of a job ring.
    hands: Option<Hands>,
}

/// The jobs of a job ring that are not done.
#[derive(Default)]
struct Hands {
    jobs: Jobs,
    first: Option<u64>,
    /// Jobs, and the index of the handle that has each.
    held: Vec<(usize, InHand)>,
}

impl Hands {
    fn of(ring: jobs::Ring<'_>) -> Self {
        let mut hands = Self::default();
        ring.each_pending(|extent, claim| {
            let position = extent.start();
            hands.first.get_or_insert(position);
            match claim {
                Claim::Taken { handle, attempts } => {
                    hands.jobs.in_hand = hands.jobs.in_hand.saturating_add(1);
                    hands.held.push((handle, InHand { position, attempts }));
                }
                Claim::Returned { .. } => {
                    hands.jobs.waiting = hands.jobs.waiting.saturating_add(1);
                    hands.jobs.returned = hands.jobs.returned.saturating_add(1);
                }
                _ => hands.jobs.waiting = hands.jobs.waiting.saturating_add(1),
            }
        });
        hands
    }

    /// Returns the jobs that the handle of that index has.
    fn of_handle(&self, index: usize) -> Vec<InHand> {
        self.held.iter().filter(|(handle, _)| *handle == index).map(|(_, job)| *job).collect()
    }
}

impl Ring<'_> {
    /// Returns what the handle of that index says of itself, if it is a subscriber.
    fn subscription(&self, mapping: &Mapping, index: usize) -> Option<Subscription> {
        let (ring, tail) = self.broadcast?;
        let found = ring.subscription(mapping.handles(), index)?;
        let (lag_bytes, lag_messages) = found.lag(tail);
        Some(Subscription {
            mode: match found.state {
                SubscriberState::Gating => SubscriptionMode::Gating,
                SubscriberState::Lossy => SubscriptionMode::Lossy,
                SubscriberState::Latest => SubscriptionMode::Latest,
                SubscriberState::Evicted | SubscriberState::LossyEvicted => {
                    SubscriptionMode::Evicted
                }
            },
            position: found.cursor,
            lag_messages,
            lag_bytes,
            missed: found.missed,
        })
    }
}

/// Returns the handle of that index, if it is in use.
fn holder(
    mapping: &Mapping,
    ring: &Ring<'_>,
    everyone: &[Option<Participant>],
    role: Role,
    index: usize,
) -> Option<Holder> {
    let handle = mapping.handles().get(index)?;
    let owner = handle.owner().filter(|owner| owner.ring == ring.index)?;
    let participant = everyone.get(owner.attach)?.clone()?;
    let control = ring.control;
    let sleepers = match role {
        Role::Producer => &control.senders,
        Role::Consumer => &control.receivers,
    };
    let in_hand = match (&ring.hands, role) {
        (Some(hands), Role::Consumer) => hands.of_handle(index),
        _ => Vec::new(),
    };
    Some(Holder {
        handle: index,
        role,
        participant,
        sleeps_until: sleepers.is_armed(index).then(|| handle.need.load(Ordering::Relaxed)),
        announced: announced(handle, ring.tail),
        state: handle.state.load(Ordering::Relaxed),
        in_hand_for: (!in_hand.is_empty()).then(|| since(handle)).flatten(),
        in_hand,
        subscription: (role == Role::Consumer).then(|| ring.subscription(mapping, index)).flatten(),
    })
}

/// Returns the tickets that a producer announced last, if any.
fn announced(handle: &Handle, tail: u64) -> Option<Range<u64>> {
    // ORDERING: Acquire, with the Release of the announcement. Tail was loaded before, so that
    // every claimed ticket is seen announced.
    let intent = handle.own.intent.load(Ordering::Acquire);
    let tickets = slot::intent::announced(intent, tail);
    (tickets.start != tickets.end).then_some(tickets)
}

/// Returns for how long the producer of a broadcast ring has found no room.
fn full_for(mapping: &Mapping, holders: &[Holder]) -> Option<Duration> {
    let producer = holders.iter().find(|holder| holder.role == Role::Producer)?;
    since(mapping.handles().get(producer.handle)?)
}

/// Returns for how long what the handle notes the beginning of has lasted.
fn since(handle: &Handle) -> Option<Duration> {
    let since_ns = handle.own.full_since.load(Ordering::Relaxed);
    (since_ns != 0).then(|| Duration::from_nanos(clock::now_ns().saturating_sub(since_ns)))
}

/// Returns `true` if the ring has no room; see [`RingStatus::full`].
fn is_full(shape: Shape, head: u64, used: u64, holders: &[Holder]) -> bool {
    if let Some(slots) = shape.slots() {
        return used >= slots;
    }
    let waits = |holder: &Holder| {
        let need = holder.sleeps_until;
        holder.role == Role::Producer && need.is_some_and(|need| !at_or_past(head, need))
    };
    // The header, and the word behind the record.
    let no_room = shape.capacity_bytes().saturating_sub(used) < 2 * WORD_BYTES;
    no_room || holders.iter().any(waits)
}
