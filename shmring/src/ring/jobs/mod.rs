//! The job ring: a slot ring whose competing consumers acknowledge what they take.
//!
//! ```text
//! slot = stamp | claim | payload
//!
//!        head                 next        tail
//!         v                    v           v
//! ... done| taken done returned | job | job |  free |
//! ```
//!
//! - Push: as in a slot ring, by the same [`Producer`](super::slot::Producer).
//! - Take: from next on, pass what is taken or done; note the position in the own line, then claim
//!   the job with one CAS on its claim, which names the handle. Only then is the payload read: it
//!   stays until the job is done.
//! - Acknowledge: store the claim. Whoever finds the job at head done moves head over all that are.
//! - Give back: store the claim and move next back, so that a returned job is taken before new ones.
//! - A worker that dies: the positions in its line say which claims may name it; those that do are
//!   given back.
//!
//! Next is a hint. It has a version that each return changes: a worker that passed a job before it
//! came back moves next on only if none came back since. Where a hint is lost with a process that
//! died between two stores, the job at head is found by whoever finds nothing at next.
//!
//! # Why a job is in one hand, and never lost
//!
//! A claim changes by CAS from "nobody has it" to a handle, and then only its owner changes it, or,
//! once the kernel says that the owner is dead, a reaper, by CAS. The attempts in the word tell a
//! claim from the next one of the same handle. Head passes a job once its claim says that it is
//! done, and producers write slots before head only.

mod claim;
mod worker;

pub(crate) use claim::Claim;
pub(crate) use worker::{Take, Taken, Worker};

use super::slot::{self, Seen};
use super::tables::HandleOwn;
use super::{Control, Extent, WORD_BYTES, at_or_past};
use crate::sync::{AtomicU64, Ordering, rule};

/// Bytes of a slot before its payload.
pub(crate) const HEADER_BYTES: u64 = slot::STAMP_BYTES + WORD_BYTES;
/// How many jobs a worker can have in hand.
pub(crate) const HANDS: usize = 8;
/// How often a job that comes back tries to move next, before it leaves it to those who look at
/// head.
const MAX_TRIES: u32 = 64;

/// Next: `version : 24 | position mod 2^40 : 40`.
const POSITION_BITS: u32 = 40;
const VERSION: u64 = 1 << POSITION_BITS;

/// Returns the position in a word of next, that closest to `near`.
#[inline]
fn position_in(next: u64, near: u64) -> u64 {
    let shift = u64::BITS - POSITION_BITS;
    let ahead = (next.wrapping_sub(near) << shift).cast_signed() >> shift;
    near.wrapping_add_signed(ahead)
}

/// Returns next with another position, of the same version.
#[inline]
fn moved(next: u64, position: u64) -> u64 {
    next & !(VERSION - 1) | position & (VERSION - 1)
}

/// The shared words of one job ring, for all sides.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    slots: slot::Ring<'a>,
    next: &'a AtomicU64,
}

impl<'a> Ring<'a> {
    #[inline]
    pub(crate) fn new(control: &'a Control, slots: slot::Ring<'a>) -> Self {
        Self { slots, next: &control.consumer.next }
    }

    /// Returns the claim of the slot of `position`.
    #[inline]
    fn claim(self, position: u64) -> &'a AtomicU64 {
        self.slots.second_word(position)
    }

    #[inline]
    fn read_claim(self, position: u64) -> (u64, Claim) {
        // ORDERING: Acquire, with the Release of those who acknowledge (I4) and of those who
        // return: what the last worker did comes before.
        let word = self.claim(position).load(Ordering::Acquire);
        match claim::read(word, position, self.slots.slots()) {
            // Nothing has claimed the slot for so long that sequences repeat: parts of jobs lay
            // there.
            Claim::Passed if !self.has_passed(position) => (word, Claim::Fresh),
            claim => (word, claim),
        }
    }

    /// Returns `true` if head is past `position`, after a claim of a later position was loaded.
    #[cold]
    fn has_passed(self, position: u64) -> bool {
        // ORDERING: Relaxed. Whoever stored that claim knew that head is past.
        at_or_past(self.slots.head().load(Ordering::Relaxed), position.wrapping_add(1))
    }

    /// Moves head over the jobs there that are done, and returns it. To be called by those who wait
    /// for head, as well as by those who acknowledge: of two that acknowledge at the same time,
    /// each may miss the other.
    pub(crate) fn advance(self) -> u64 {
        let word = self.slots.head();
        // ORDERING: Relaxed. What the stamp and the claim at head say is loaded with Acquire.
        let mut head = word.load(Ordering::Relaxed);
        for _ in 0..self.slots.slots() {
            let Some((end, parts, tombstones)) = self.passable(head) else {
                break;
            };
            // ORDERING: Release, with the Acquire in slot::Producer::make_room (I4): the payload
            // was read before.
            match word.compare_exchange(head, end, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => {
                    self.slots.count_passed(parts, tombstones);
                    head = end;
                }
                Err(found) => head = found,
            }
        }
        head
    }

    /// Where what is at head ends, if head may pass it; and how many parts and tombstones that is.
    fn passable(self, head: u64) -> Option<(u64, u64, u64)> {
        let end = match self.slots.read(head) {
            Ok(Seen::Message(place)) => place.end,
            Ok(Seen::Spanning(message)) => message.end,
            Ok(Seen::Vacant) => {
                let end = head.wrapping_add(1);
                let parts = self.slots.parts_in(head, end);
                return Some((end, parts, 1_u64.wrapping_sub(parts)));
            }
            // Whoever takes it finds out.
            Ok(Seen::Nothing) | Err(_) => return None,
        };
        let (_, claim) = self.read_claim(head);
        let parts = end.wrapping_sub(head).wrapping_sub(1);
        (claim == Claim::Done).then_some((end, parts, 0))
    }

    /// Returns `true` if every job that was published is done.
    pub(crate) fn is_finished(self) -> bool {
        let head = self.advance();
        // ORDERING: Relaxed. Whoever asks has seen the end of the stream, and with it every ticket.
        head == self.slots.tail().load(Ordering::Relaxed)
    }

    /// Gives the jobs back that a handle of that index has, which is dead or leaves for good.
    /// Several processes may do so at once. Returns `true` if there were some.
    pub(crate) fn return_all(self, own: &HandleOwn, handle: usize) -> bool {
        let mut any = false;
        for hand in &own.jobs {
            // ORDERING: Relaxed. The owner is this one, or the kernel says that it is dead (I8).
            let position = hand.load(Ordering::Relaxed);
            let (word, claim) = self.read_claim(position);
            match claim {
                Claim::Taken { handle: owner, attempts } if rule(owner == handle) => {
                    let returned = claim::returned(position, attempts);
                    // ORDERING: Release, with the Acquire in read_claim. A failure means that
                    // another process returned it.
                    let _ = self.claim(position).compare_exchange(
                        word,
                        returned,
                        Ordering::Release,
                        Ordering::Relaxed,
                    );
                }
                // By one that was killed before it moved next.
                Claim::Returned { .. } => {}
                _ => continue,
            }
            self.move_back(position);
            any = true;
        }
        any
    }

    /// Moves next on to `to`, after everything before was passed since `next` was loaded. Does
    /// nothing if another worker moved it meanwhile, or a job came back.
    #[inline]
    fn move_on(self, next: u64, to: u64) {
        let to = moved(next, to);
        // ORDERING: Release, with the Acquire in Worker: tail is seen at least as far.
        let _ = self.next.compare_exchange(next, to, Ordering::Release, Ordering::Relaxed);
    }

    /// Moves next back to `position`, unless it is there already, and changes its version.
    fn move_back(self, position: u64) {
        for _ in 0..MAX_TRIES {
            // ORDERING: Relaxed. The CAS carries on what was released with the old value.
            let next = self.next.load(Ordering::Relaxed);
            let old = position_in(next, position);
            let new = if rule(at_or_past(old, position)) { position } else { old };
            let version = if rule(true) { VERSION } else { 0 };
            let moved = moved(next, new).wrapping_add(version);
            // ORDERING: Release, with the Acquire in Worker: the claim is seen returned.
            let result =
                self.next.compare_exchange(next, moved, Ordering::Release, Ordering::Relaxed);
            if result.is_ok() {
                return;
            }
        }
    }

    /// Returns whether a job can be taken, as far as a look shows, and the position of a ticket
    /// that is claimed and not complete if that is what comes next. For waiters.
    pub(crate) fn front(self) -> (bool, Option<u64>) {
        // ORDERING: Relaxed, for all. Only a hint.
        let head = self.slots.head().load(Ordering::Relaxed);
        let near = position_in(self.next.load(Ordering::Relaxed), head);
        let mut position = if at_or_past(near, head) { near } else { head };
        for _ in 0..MAX_TRIES {
            let end = match self.slots.read(position) {
                Ok(Seen::Message(place)) => place.end,
                Ok(Seen::Spanning(message)) => message.end,
                Ok(Seen::Vacant) => position.wrapping_add(1),
                Ok(Seen::Nothing) => {
                    let is_at_head = position != head && self.can_take(head);
                    let tail = self.slots.tail().load(Ordering::Relaxed);
                    let in_flight = tail != position && at_or_past(tail, position);
                    return (is_at_head, in_flight.then_some(position));
                }
                Err(_) => return (true, None),
            };
            if self.can_take(position) {
                return (true, None);
            }
            position = end;
        }
        (true, None)
    }

    /// Returns `true` if a job is at `position` that nobody has.
    fn can_take(self, position: u64) -> bool {
        matches!(self.slots.read(position), Ok(Seen::Message(_) | Seen::Spanning(_)))
            && matches!(self.read_claim(position).1, Claim::Fresh | Claim::Returned { .. })
    }

    /// Returns `true` if the job at `position` was acknowledged. For observers.
    pub(crate) fn is_done(self, position: u64) -> bool {
        self.read_claim(position).1 == Claim::Done
    }

    /// Returns how many jobs are not done, with those that are claimed and not finished.
    pub(crate) fn pending(self) -> u64 {
        let mut known = 0_u64;
        let end = self.each_pending(|_, _| known = known.wrapping_add(1));
        let tail = self.slots.tail().load(Ordering::Relaxed);
        let in_flight = if at_or_past(tail, end) { tail.wrapping_sub(end) } else { 0 };
        known.wrapping_add(in_flight.min(self.slots.slots()))
    }

    /// Calls `visit` with each job from head on that is not done: its extent and its claim. Returns
    /// the position behind all that was published. For observers.
    pub(crate) fn each_pending(self, mut visit: impl FnMut(Extent, Claim)) -> u64 {
        let head = self.slots.head().load(Ordering::Relaxed);
        let mut position = head;
        while position.wrapping_sub(head) < self.slots.slots() {
            let extent = match self.slots.read(position) {
                Ok(Seen::Message(place)) => Extent::Whole(place),
                Ok(Seen::Spanning(message)) => Extent::Spanning(message),
                Ok(Seen::Vacant) => {
                    position = position.wrapping_add(1);
                    continue;
                }
                Ok(Seen::Nothing) | Err(_) => return position,
            };
            let (_, claim) = self.read_claim(position);
            if claim != Claim::Done {
                visit(extent, claim);
            }
            position = extent.end();
        }
        position
    }
}
