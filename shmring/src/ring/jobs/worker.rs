//! A worker: a consumer of a job ring.

use super::claim::{self, Claim};
use super::{HANDS, MAX_TRIES, Ring, position_in};
use crate::ring::slot::Seen;
use crate::ring::tables::HandleOwn;
use crate::ring::{Corrupt, Extent, Place, at_or_past};
use crate::sync::{Ordering, rule};

/// A worker's private state.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Worker {
    /// The index of the handle, which claims name.
    handle: usize,
    /// Next as last loaded.
    position: u64,
    /// A bit for each hand that has a job.
    held: u64,
    /// The job that was taken last.
    taken: Taken,
    /// Whether this worker moved head on while it looked for a job, since the last
    /// [`take_advanced`](Self::take_advanced).
    advanced: bool,
}

/// A job in hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    /// The position of the job.
    pub(crate) position: u64,
    /// How often it was taken so far, this time included.
    pub(crate) attempts: u64,
    /// Which of the worker's hands has it.
    pub(crate) hand: usize,
}

/// What a worker that wants a job finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// A job, which is this worker's now.
    Job(Extent),
    /// Nothing: every job is done.
    Empty,
    /// Nothing: others have all jobs that there are.
    Held,
    /// The next position is claimed and not published yet.
    InFlight { position: u64 },
    /// Other workers won every attempt.
    Outrun,
    /// The worker has as many jobs as it can have.
    HandsFull,
}

impl Worker {
    /// Joins as a worker whose handle is of that index.
    pub(crate) fn join(ring: Ring<'_>, handle: usize) -> Self {
        let head = ring.slots.head().load(Ordering::Relaxed);
        Self { handle, position: head, held: 0, taken: Taken::default(), advanced: false }
    }

    /// The position near which the next job is.
    #[inline]
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// Returns the job that was taken last.
    #[inline]
    pub(crate) fn taken(&self) -> Taken {
        self.taken
    }

    /// Returns how many jobs this worker has.
    pub(crate) fn in_hand(&self) -> u32 {
        self.held.count_ones()
    }

    /// Returns `true` if a look for a job moved head on since the last call: producers may have
    /// room, and the caller wakes them.
    pub(crate) fn take_advanced(&mut self) -> bool {
        core::mem::take(&mut self.advanced)
    }

    /// Takes the job at next, if nobody ever has, and it lies in one slot.
    #[inline]
    pub(crate) fn take_fast(&mut self, ring: Ring<'_>, own: &HandleOwn) -> Option<Place> {
        // ORDERING: Relaxed. The stamp and the claim there are loaded with Acquire.
        let next = ring.next.load(Ordering::Relaxed);
        let position = position_in(next, self.position);
        let place = ring.slots.read_fast(position)?;
        let (found, Claim::Fresh) = ring.read_claim(position) else {
            return None;
        };
        self.position = position;
        self.claim(ring, own, next, found, (position, place.end), 1).then_some(place)
    }

    /// Takes the next job: one that was given back, or else the oldest that nobody has taken.
    ///
    /// # Errors
    /// `Corrupt` if a word is none that a correct peer writes.
    pub(crate) fn take(&mut self, ring: Ring<'_>, own: &HandleOwn) -> Result<Take, Corrupt> {
        if self.held.trailing_ones() as usize >= HANDS {
            return Ok(Take::HandsFull);
        }
        for _ in 0..MAX_TRIES {
            // ORDERING: Acquire, with the Release in move_on and in move_back: tail is seen at least
            // as far, and a returned job as returned.
            let next = ring.next.load(Ordering::Acquire);
            self.position = position_in(next, self.position);
            if let Some(take) = self.take_from(ring, own, next, self.position)? {
                return Ok(take);
            }
        }
        Ok(Take::Outrun)
    }

    /// Takes the first job from `position` on. `None` if next is out of date.
    fn take_from(
        &mut self,
        ring: Ring<'_>,
        own: &HandleOwn,
        next: u64,
        start: u64,
    ) -> Result<Option<Take>, Corrupt> {
        let mut position = start;
        while position.wrapping_sub(start) <= ring.slots.slots() {
            let extent = match ring.slots.read(position) {
                Ok(Seen::Message(place)) => Extent::Whole(place),
                Ok(Seen::Spanning(message)) => match ring.slots.check_parts(message) {
                    Ok(()) => Extent::Spanning(message),
                    Err(corrupt) => return self.unless_passed(ring, position, corrupt),
                },
                Ok(Seen::Vacant) => {
                    position = position.wrapping_add(1);
                    continue;
                }
                Ok(Seen::Nothing) => return self.look_at_head(ring, next, start, position),
                Err(corrupt) => return self.unless_passed(ring, position, corrupt),
            };
            let (found, claim) = ring.read_claim(position);
            let attempts = match claim {
                Claim::Fresh => 0,
                Claim::Returned { attempts } => attempts,
                Claim::Taken { .. } | Claim::Done => {
                    position = extent.end();
                    continue;
                }
                Claim::Passed => return self.restart_at_head(ring, next),
                Claim::Corrupt => {
                    let corrupt = Corrupt { what: "a claim", position, found };
                    return self.unless_passed(ring, position, corrupt);
                }
            };
            let at = (position, extent.end());
            if self.claim(ring, own, next, found, at, attempts.wrapping_add(1)) {
                return Ok(Some(Take::Job(extent)));
            }
            // Another worker was faster: look again, and pass it.
        }
        Ok(None)
    }

    /// Claims the job at `at.0`, which ends at `at.1` and whose claim was `found`. Returns `false`
    /// if another worker was faster.
    #[inline]
    fn claim(
        &mut self,
        ring: Ring<'_>,
        own: &HandleOwn,
        next: u64,
        found: u64,
        (position, end): (u64, u64),
        attempts: u64,
    ) -> bool {
        let hand = self.held.trailing_ones() as usize;
        let Some(noted) = own.jobs.get(hand) else {
            return false;
        };
        // ORDERING: Relaxed. The CAS comes after it.
        noted.store(position, Ordering::Relaxed);
        let attempts = attempts.min(claim::MAX_ATTEMPTS);
        let taken = claim::taken(position, self.handle, attempts);
        // ORDERING: Release, with the Acquire in read_claim: whoever finds the claim of a later
        // position sees that head is past this one. What the last worker did was acquired with
        // `found`.
        let claim = ring.claim(position);
        let claimed = claim.compare_exchange(found, taken, Ordering::Release, Ordering::Relaxed);
        if claimed.is_err() {
            return false;
        }
        self.held |= 1 << hand;
        self.taken = Taken { position, attempts, hand };
        ring.move_on(next, end);
        true
    }

    /// After nothing was found from `start`, the position of next, up to `position`: why that is.
    /// `None` if another look may find something.
    #[cold]
    fn look_at_head(
        &mut self,
        ring: Ring<'_>,
        next: u64,
        start: u64,
        position: u64,
    ) -> Result<Option<Take>, Corrupt> {
        let before = ring.slots.head().load(Ordering::Relaxed);
        let head = ring.advance();
        self.advanced |= head != before;
        if at_or_past(head, position.wrapping_add(1)) {
            return self.restart_at_head(ring, next);
        }
        // ORDERING: Relaxed. Next, which was loaded with Acquire, was not past it.
        let tail = ring.slots.tail().load(Ordering::Relaxed);
        if !at_or_past(tail, position) {
            return Err(Corrupt { what: "tail", position, found: tail });
        }
        if head != position && rule(self.is_left(ring, head)?) {
            // The hint was lost.
            ring.move_back(head);
            return Ok(None);
        }
        if position != start {
            // So that nobody passes all that again.
            ring.move_on(next, position);
        }
        if tail != position {
            return Ok(Some(Take::InFlight { position }));
        }
        Ok(Some(if head == position { Take::Empty } else { Take::Held }))
    }

    /// Returns `true` if nobody has the job at head, although next is past it.
    fn is_left(&mut self, ring: Ring<'_>, head: u64) -> Result<bool, Corrupt> {
        let corrupt = match ring.slots.read(head) {
            Ok(Seen::Message(_) | Seen::Spanning(_)) => match ring.read_claim(head) {
                (_, Claim::Fresh | Claim::Returned { .. }) => return Ok(true),
                (found, Claim::Corrupt) => Corrupt { what: "a claim", position: head, found },
                _ => return Ok(false),
            },
            Ok(Seen::Vacant | Seen::Nothing) => return Ok(false),
            Err(corrupt) => corrupt,
        };
        self.unless_passed(ring, head, corrupt).map(|_| false)
    }

    /// Next is behind head, as nobody could move it on: moves it there.
    #[cold]
    fn restart_at_head(&mut self, ring: Ring<'_>, next: u64) -> Result<Option<Take>, Corrupt> {
        // ORDERING: Acquire, with the Release in advance: what is before head is done.
        let head = ring.slots.head().load(Ordering::Acquire);
        ring.move_on(next, head);
        self.position = head;
        Ok(None)
    }

    /// What a wrong word at `position` means: nothing, if head has passed it, as a producer may
    /// have written there since.
    #[cold]
    fn unless_passed(
        &mut self,
        ring: Ring<'_>,
        position: u64,
        corrupt: Corrupt,
    ) -> Result<Option<Take>, Corrupt> {
        if ring.slots.is_passed_after_read(position) { Ok(None) } else { Err(corrupt) }
    }

    /// Acknowledges a job in hand: it is done. Moves head on if the job is at head.
    pub(crate) fn acknowledge(&mut self, ring: Ring<'_>, job: Taken) {
        // ORDERING: Release, with the Acquire in read_claim (I4): the payload was read before.
        ring.claim(job.position).store(claim::done(job.position), Ordering::Release);
        self.held &= !(1 << job.hand);
        if ring.slots.head().load(Ordering::Relaxed) == job.position {
            ring.advance();
        }
    }

    /// Gives a job in hand back: the next worker that looks takes it.
    pub(crate) fn give_back(&mut self, ring: Ring<'_>, job: Taken) {
        // ORDERING: Release, with the Acquire in read_claim: what this worker did comes before.
        let returned = claim::returned(job.position, job.attempts);
        ring.claim(job.position).store(returned, Ordering::Release);
        ring.move_back(job.position);
        self.held &= !(1 << job.hand);
    }
}
