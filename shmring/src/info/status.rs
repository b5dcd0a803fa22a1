//! The state of segments and rings.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::info::{Holder, Participant, ProcessState, SubscriptionMode};
use crate::ring::Corrupt;
use crate::ring::membership::Role;

/// The state of a segment. The values are read one after the other while others may change them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// The attached processes, and dead ones that have not been reaped yet.
    pub attached: Vec<Participant>,
    /// Entries of the handle table in use, including those of dead processes not reaped yet.
    pub handles: u64,
    /// Dead attachments reaped since the segment was created.
    pub repairs: u64,
    /// The rings, in the order of [`SegmentInfo::rings`](crate::info::SegmentInfo::rings).
    pub rings: Vec<RingStatus>,
}

impl Status {
    /// Returns the first ring, which is the only one unless the segment was created with several.
    pub fn ring(&self) -> &RingStatus {
        &self.rings[0]
    }
}

/// The state of a ring. The values are read one after the other while others may change them.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RingStatus {
    /// The next position to consume, in bytes of a record ring, else in slots. Of a broadcast ring,
    /// the position of the slowest gating subscriber, or tail if there is none.
    pub head: u64,
    /// The next position to claim. Positions from head to tail are published or claimed.
    pub tail: u64,
    /// What a consumer would find at head.
    pub front: Front,
    /// Whether the ring has no room. A record ring counts as full if a producer sleeps until there
    /// is room, or if not even an empty message fits.
    pub full: bool,
    /// Bytes of the ring in use: from head to tail.
    pub used_bytes: u64,
    /// Slots of the ring in use; `None` for a record ring.
    pub used_slots: Option<u64>,
    /// Messages consumed since the segment was created; of a broadcast ring, those before head.
    pub messages_received: u64,
    /// For how long the producer of a broadcast ring has found no room; `None` if it has some, or if
    /// it is another ring.
    pub full_for: Option<Duration>,
    /// The jobs of a job ring from head to tail; `None` for other rings.
    pub jobs: Option<Jobs>,
    /// Gating subscribers of a broadcast ring that were evicted since the segment was created.
    pub evictions: u64,
    /// Tombstones that consumers of a slot ring passed: positions whose producers aborted, or died.
    pub tombstones: u64,
    /// Positions of a slot ring that consumers closed for dead producers.
    pub resolved: u64,
    /// Whether the ring was closed for good.
    pub closed: bool,
    /// The owners of producers: one entry for each handle.
    pub producers: Vec<Participant>,
    /// The owners of consumers: one entry for each handle.
    pub consumers: Vec<Participant>,
    /// The same handles, with the state of each.
    pub holders: Vec<Holder>,
    /// Producers that have joined since the segment was created, present ones included.
    pub producers_so_far: u64,
    /// Consumers that have joined since the segment was created, present ones included.
    pub consumers_so_far: u64,
    /// Handles that sleep, or slept when their processes died.
    pub sleepers: u64,
    /// Of a job ring, the position of the first job that is not acknowledged.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) first_job: Option<u64>,
}

/// The jobs of a job ring, as one look at each shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Jobs {
    /// Jobs that nobody has.
    pub waiting: u64,
    /// Of these, jobs that came back.
    pub returned: u64,
    /// Jobs in the hands of workers.
    pub in_hand: u64,
}

/// What keeps the producer of a broadcast ring, or the producers of a job ring, from sending.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct HeldUp {
    /// The slowest gating subscriber, or the worker that has the job at head.
    pub holder: Holder,
    /// For how long the producer of a broadcast ring has found no room, or the worker has had jobs
    /// without a break.
    pub since: Duration,
    /// Why it does not make room.
    pub why: Delay,
}

/// Why a subscriber or a worker does not make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Delay {
    /// Its process runs, and is slower than the producer.
    Slow,
    /// Its process is stopped, traced, frozen or dumping core, as far as `/proc` shows it.
    Stopped,
    /// Its process has died and was not reaped yet: the next look of the producer or of a monitor
    /// does that.
    Dead,
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Slow => "slow",
            Self::Stopped => "stopped",
            Self::Dead => "dead",
        })
    }
}

/// What is at head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Front {
    /// A message.
    Message,
    /// Nothing: every message was consumed.
    Empty,
    /// A position that is claimed and not published yet. Messages behind it have to wait.
    InFlight {
        /// The position, in slots.
        position: u64,
    },
    /// A value that no correct peer can have written.
    Corrupt(Corrupt),
    /// Unknown: head moved during every try.
    Moving,
}

/// Why a ring did not move between two samples.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Stall {
    /// A position is claimed and not published. Messages behind it can be received once its
    /// producer publishes it, or is dead and a consumer closes the ticket.
    InFlight {
        /// The position, in slots.
        position: u64,
        /// The producers that announced the ticket in both samples. One of them is its owner; the
        /// others lost the claim and have not run since. Empty if the owner is dead and reaped.
        tickets: Vec<Holder>,
    },
    /// The ring is full, and no consumer takes messages, or the worker that has the job at head
    /// does not acknowledge it.
    Full,
    /// Workers have jobs, and none was taken, acknowledged or given back.
    InHand,
    /// The ring holds messages, and no consumer takes them.
    NotTaken,
    /// The ring is empty, and no producer sends.
    Empty,
    /// Consumers cannot continue.
    Corrupt(Corrupt),
}

impl RingStatus {
    /// Returns why no message was received since an earlier sample. `None` if one was, or if head
    /// moved while a sample was taken.
    pub fn stall_since(&self, earlier: &Self) -> Option<Stall> {
        if self.head != earlier.head || self.front != earlier.front || self.has_worked(earlier) {
            return None;
        }
        match self.front {
            Front::Corrupt(corrupt) => Some(Stall::Corrupt(corrupt)),
            Front::InFlight { position } => {
                // The owner announced before it claimed, and so before the earlier sample.
                let before: Vec<_> =
                    earlier.announcing(position).map(|holder| holder.handle).collect();
                let tickets =
                    self.announcing(position).filter(|holder| before.contains(&holder.handle));
                Some(Stall::InFlight { position, tickets: tickets.cloned().collect() })
            }
            Front::Message if self.full => Some(Stall::Full),
            Front::Message if self.jobs.is_some_and(|jobs| jobs.in_hand > 0) => Some(Stall::InHand),
            Front::Message => Some(Stall::NotTaken),
            Front::Empty => (self.tail == earlier.tail).then_some(Stall::Empty),
            Front::Moving => None,
        }
    }

    /// Returns `true` if a job was taken, acknowledged or given back since an earlier sample.
    fn has_worked(&self, earlier: &Self) -> bool {
        let hands = |status: &Self| {
            let jobs = status.holders.iter().flat_map(|holder| &holder.in_hand);
            let mut jobs: Vec<_> = jobs.map(|job| (job.position, job.attempts)).collect();
            jobs.sort_unstable();
            jobs
        };
        let returned = |status: &Self| status.jobs.map(|jobs| jobs.returned);
        self.jobs.is_some()
            && (hands(self) != hands(earlier) || returned(self) != returned(earlier))
    }

    /// Returns the producers whose last announcement includes `position`.
    fn announcing(&self, position: u64) -> impl Iterator<Item = &Holder> {
        // A range may wrap around 2^64.
        let has = move |tickets: &Range<u64>| {
            position.wrapping_sub(tickets.start) < tickets.end.wrapping_sub(tickets.start)
        };
        self.holders.iter().filter(move |holder| holder.announced.as_ref().is_some_and(has))
    }

    /// Returns the gating subscriber that keeps the producer of a broadcast ring from sending, if
    /// the producer has found no room: the slowest one. Of a job ring that is full, returns the
    /// worker that has the job at head; `None` if nobody has that.
    pub fn held_up_by(&self) -> Option<HeldUp> {
        let (holder, since) = self.slowest_subscriber().or_else(|| self.worker_at_head())?;
        Some(HeldUp { holder: holder.clone(), since, why: holder.delay() })
    }

    fn worker_at_head(&self) -> Option<(&Holder, Duration)> {
        // Tombstones may be in front of the first job that is not done.
        let first = |holder: &&Holder| {
            holder.in_hand.first().map(|job| job.position.wrapping_sub(self.head))
        };
        let workers = self.holders.iter().filter(|holder| first(holder).is_some());
        let holder = workers.min_by_key(first)?;
        let is_first = self.first_job == holder.in_hand.first().map(|job| job.position);
        (self.full && is_first).then(|| (holder, holder.in_hand_for.unwrap_or_default()))
    }

    fn slowest_subscriber(&self) -> Option<(&Holder, Duration)> {
        let since = self.full_for?;
        let lag = |holder: &&Holder| {
            let subscription = holder.subscription?;
            (subscription.mode == SubscriptionMode::Gating).then_some(subscription.lag_bytes)
        };
        let holder = self.holders.iter().filter(|holder| lag(holder).is_some()).max_by_key(lag)?;
        Some((holder, since))
    }

    /// Returns the handles that have `role`.
    pub fn holders_of(&self, role: Role) -> impl Iterator<Item = &Holder> {
        self.holders.iter().filter(move |holder| holder.role == role)
    }
}

impl Holder {
    /// Returns why it does not make room.
    fn delay(&self) -> Delay {
        if !self.participant.alive {
            return Delay::Dead;
        }
        match self.participant.process().map(|process| process.state) {
            Some(
                ProcessState::Stopped
                | ProcessState::Traced
                | ProcessState::Frozen
                | ProcessState::DumpingCore,
            ) => Delay::Stopped,
            _ => Delay::Slow,
        }
    }
}
