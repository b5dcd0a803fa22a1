//! The steps of a sleep.

use super::sleepers::{HEAVY, Sleepers};
use crate::ring::tables::Handle;
use crate::sync::{Deadline, Ordering, WaitWord, barrier, fence, rule, settle};

/// A handle whose bit is set, so that wakers see it. Dropping it takes the bit back.
///
/// A waker that takes the bit of a handle that has not parked goes on to the next sleeper. One
/// that wakes a parked handle has spent its wake: whoever shares the role and has parked must
/// call [`hand_off`](super::hand_off) after dropping this and its next attempt, or at once if it
/// makes none.
#[must_use = "a handle that is armed takes wakes from others"]
pub(crate) struct Armed<'a> {
    sleepers: &'a Sleepers,
    handle: &'a Handle,
    me: usize,
    /// The park word from before the bit was set.
    seen: u32,
    /// Whether every publish is ordered: it sees the bit, or is seen by the check.
    ordered: bool,
}

/// First step of a sleep: sets the bit of handle `me`, which waits for the other side to pass
/// `need`, and orders. `None` if there is no such handle.
fn arm<'a>(
    sleepers: &'a Sleepers,
    handles: &'a [Handle],
    me: usize,
    need: u64,
) -> Option<Armed<'a>> {
    let mut armed = set_bit(sleepers, handles, me, need)?;
    order(core::slice::from_mut(&mut armed));
    Some(armed)
}

/// Orders handles whose bits are [set](set_bit), with one barrier for all that need one. Only then
/// [`Armed::is_ready`] decides.
pub(crate) fn order(armed: &mut [Armed<'_>]) {
    // A waker that found 0 did not fence, but for this barrier.
    if armed.iter().any(|armed| !armed.ordered) && barrier() {
        armed.iter_mut().for_each(Armed::ordered);
    }
}

/// As [`arm`], before it orders: for who waits at many rings, and orders once.
pub(crate) fn set_bit<'a>(
    sleepers: &'a Sleepers,
    handles: &'a [Handle],
    me: usize,
    need: u64,
) -> Option<Armed<'a>> {
    let handle = handles.get(me)?;
    let (word, bit) = sleepers.bit(me);
    handle.need.store(need, Ordering::Relaxed);
    let seen = handle.park.load(Ordering::Relaxed);
    // ORDERING: Release, with the Acquire half of the fetch_and in each_armed: the park
    // word is read before anyone can move it for this sleep. Acquire, with the Release in
    // raise: the barrier behind a HEAVY that is found was made.
    let old = word.fetch_or(bit, Ordering::AcqRel);
    // Either the check in is_ready sees what the waker published, or the waker sees the bit
    // and the need (I5).
    // ORDERING: SeqCst, with the fence of a waker that found the word other than 0, or always
    // fences.
    fence(Ordering::SeqCst);
    Some(Armed { sleepers, handle, me, seen, ordered: old & HEAVY != 0 })
}

impl<'a> Armed<'a> {
    /// After a barrier, or after stores have [settled](settle), that was made with the bit set.
    pub(crate) fn ordered(&mut self) {
        if !self.ordered {
            self.ordered = true;
            self.raise();
        }
    }

    /// Returns whether every publish sees the bit, or is seen by a check from now on. If not,
    /// stores take as long as [`settle`] to become visible.
    pub(crate) fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// Returns the park word, and what it held before the bit was set: for a sleep on many.
    pub(crate) fn park_word(&self) -> (&'a WaitWord, u32) {
        (&self.handle.park, self.seen)
    }

    /// Takes the bit back. Returns `true` if a waker has taken it: the wake may have been meant for
    /// more than this handle takes, or for another one; see
    /// [`hand_off`](super::hand_off).
    pub(crate) fn disarm(self) -> bool {
        let was_taken = !self.sleepers.disarm(self.me);
        core::mem::forget(self);
        was_taken
    }

    /// Leaves the bit set, and returns the park word from before it was. As long as the park word
    /// holds that and nobody else takes the bit back, a check that found nothing still holds: a
    /// waker that has published since then is about to move the word.
    ///
    /// For sole roles only: a bit that is set takes wakes from other handles of the role.
    pub(crate) fn keep(self) -> u32 {
        let seen = self.seen;
        core::mem::forget(self);
        seen
    }

    /// Makes the word HEAVY after a barrier, if it was not 0 meanwhile.
    fn raise(&self) {
        let (word, bit) = self.sleepers.bit(self.me);
        let found = word.load(Ordering::Relaxed);
        // Once the bit is taken, publishers may have found the word 0 since the barrier.
        if rule(found & bit == 0) || found & HEAVY != 0 {
            return;
        }
        let raised = found | HEAVY;
        // ORDERING: Release, with the Acquire of the fetch_or in arm. If it fails, the next
        // sleeper makes a barrier.
        let _ = word.compare_exchange(found, raised, Ordering::Release, Ordering::Relaxed);
    }

    /// Second step: looks at the ring once more. Returns `true` if the caller must not park.
    pub(crate) fn is_ready(&self, ready: impl FnOnce() -> bool) -> bool {
        ready()
    }

    /// Third step: sleeps until a waker moves the park word, a signal comes, or `until`.
    /// Returns at once if a waker moved the word since [`arm`]. May return early where barriers
    /// are refused.
    pub(crate) fn park(&self, until: Deadline) {
        if self.ordered {
            self.handle.park.wait(self.seen, until);
        } else if settle(&self.handle.park, self.seen, until) {
            self.raise();
        }
    }
}

impl Drop for Armed<'_> {
    fn drop(&mut self) {
        self.sleepers.disarm(self.me);
    }
}

/// Sleeps as handle `me` until the other side passes position `need`, a waker
/// wakes everyone, or `until`; returns at once if `ready`. May return early: the
/// caller checks and comes back.
pub(crate) fn sleep(
    sleepers: &Sleepers,
    handles: &[Handle],
    me: usize,
    need: u64,
    until: Deadline,
    ready: impl FnOnce() -> bool,
) {
    if let Some(armed) = arm(sleepers, handles, me, need)
        && !armed.is_ready(ready)
    {
        armed.park(until);
    }
}
