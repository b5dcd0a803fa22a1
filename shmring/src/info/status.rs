//! What goes on in a segment.

use std::ops::Range;

use crate::info::{Holder, Participant};
use crate::ring::Corrupt;
use crate::ring::membership::Role;

/// What goes on in a segment, at about the time of looking.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// Everyone attached.
    pub attached: Vec<Participant>,
    /// Entries of the handle table that are taken, also by the dead who were not reaped yet.
    pub handles: u64,
    /// Dead attaches that others reaped since the segment was created.
    pub repairs: u64,
    /// The rings, in the order of [`SegmentInfo::rings`](crate::info::SegmentInfo::rings).
    pub rings: Vec<RingStatus>,
}

impl Status {
    /// The first ring, which is the only one unless the segment was made with several.
    pub fn ring(&self) -> &RingStatus {
        &self.rings[0]
    }
}

/// What goes on in a ring, at about the time of looking.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct RingStatus {
    /// The next position to consume, in bytes of a record ring, else in slots.
    pub head: u64,
    /// The next position to claim. What lies between head and tail is sent, or about to be.
    pub tail: u64,
    /// What a consumer that asked at this time would find.
    pub front: Front,
    /// Whether no message fits, as far as can be told: of a record ring, whether a producer
    /// sleeps until there is room, or not even an empty message fits.
    pub full: bool,
    /// Bytes of the ring in use.
    pub used_bytes: u64,
    /// Slots of the ring in use, unless it has records.
    pub used_slots: Option<u64>,
    /// Messages consumed since the segment was created.
    pub messages_received: u64,
    /// Positions of a slot ring that consumers passed because no message came: their
    /// producers gave them up, or died.
    pub tombstones: u64,
    /// Claimed positions of a slot ring whose producers died, and that consumers closed
    /// for them.
    pub resolved: u64,
    /// Whether the ring was closed for good.
    pub closed: bool,
    /// Who has a producer: one entry for each handle.
    pub producers: Vec<Participant>,
    /// Who has a consumer: one entry for each handle.
    pub consumers: Vec<Participant>,
    /// The same handles, with what each is at.
    pub holders: Vec<Holder>,
    /// Producers that there have been so far, those of now included.
    pub producers_so_far: u64,
    /// Consumers that there have been so far, those of now included.
    pub consumers_so_far: u64,
    /// Handles that sleep, or slept when their processes died.
    pub sleepers: u64,
}

/// What is at head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Front {
    /// A message.
    Message,
    /// Nothing: all that was sent was consumed.
    Empty,
    /// A position that is claimed and not published yet: what lies behind it has to wait.
    InFlight {
        /// The position, in slots.
        position: u64,
    },
    /// A value that no correct peer can have written.
    Corrupt(Corrupt),
    /// It changed at each look.
    Moving,
}

/// Why a ring stood still between two looks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Stall {
    /// A position is claimed and not published. What lies behind it comes when its producer
    /// goes on, or is dead and a consumer has closed the ticket.
    InFlight {
        /// The position, in slots.
        position: u64,
        /// Those who announced the ticket all the time: its owner, or nobody if that is dead
        /// and was cleaned up. One of several lost it and has not noticed yet.
        tickets: Vec<Holder>,
    },
    /// Messages wait, there is no room for more, and no consumer takes them.
    Full,
    /// Messages wait, and no consumer takes them.
    NotTaken,
    /// Nothing is sent.
    Empty,
    /// Consumers cannot go on.
    Corrupt(Corrupt),
}

impl RingStatus {
    /// Why nothing was received since an earlier look; `None` if something was, or if one
    /// of the looks came when things moved.
    pub fn stall_since(&self, earlier: &Self) -> Option<Stall> {
        if self.head != earlier.head || self.front != earlier.front {
            return None;
        }
        match self.front {
            Front::Corrupt(corrupt) => Some(Stall::Corrupt(corrupt)),
            Front::InFlight { position } => {
                // The owner announced before it claimed, and so before the earlier look.
                let before: Vec<_> =
                    earlier.announcing(position).map(|holder| holder.handle).collect();
                let tickets =
                    self.announcing(position).filter(|holder| before.contains(&holder.handle));
                Some(Stall::InFlight { position, tickets: tickets.cloned().collect() })
            }
            Front::Message if self.full => Some(Stall::Full),
            Front::Message => Some(Stall::NotTaken),
            Front::Empty => (self.tail == earlier.tail).then_some(Stall::Empty),
            Front::Moving => None,
        }
    }

    /// The producers that announced the ticket of a position last.
    fn announcing(&self, position: u64) -> impl Iterator<Item = &Holder> {
        // A range may go past the largest number.
        let has = move |tickets: &Range<u64>| {
            position.wrapping_sub(tickets.start) < tickets.end.wrapping_sub(tickets.start)
        };
        self.holders.iter().filter(move |holder| holder.announced.as_ref().is_some_and(has))
    }

    /// The handles that have a role.
    pub fn holders_of(&self, role: Role) -> impl Iterator<Item = &Holder> {
        self.holders.iter().filter(move |holder| holder.role == role)
    }
}
