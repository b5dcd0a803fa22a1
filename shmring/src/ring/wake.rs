//! Sleeping and waking without a lost wake (I5).
//!
//! - A sleeper goes in steps: [`arm`] writes what it waits for, sets its bit and fences,
//!   [`Armed::is_ready`] checks once more, [`Armed::park`] sleeps on the handle's own park
//!   word, and dropping [`Armed`] takes the bit back.
//! - A waker publishes, fences, and looks at the bits: one load when nobody
//!   sleeps. Of those whose wait is over it wakes one: clears the bit, moves the
//!   park word, wakes. [`WakeFences`] says what the fences are.
//!
//! Bits, not counts: a sleeper that is killed leaves a bit that costs one wasted
//! wake, where a count would stay too high for ever. Every sleep is bounded by
//! the caller, so that a waker (or cleaner) killed between publish and wake, or
//! between taking a bit and waking its owner, costs time only.

use super::at_or_past;
use super::tables::{Handle, HandleBits, handle_bit, handles_of};
use crate::sync::{AtomicU64, Deadline, Ordering, barrier, fence, no_fence, rule};

/// What orders a publication before the look for sleepers, and arming before the last
/// look at the ring. All who use a segment do the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeFences {
    /// Wakers and sleepers fence: works everywhere.
    Symmetric,
    /// Wakers do nothing. A sleeper makes the CPUs of all processes that are attached fence,
    /// with the system call `membarrier`, which takes microseconds and interrupts them.
    Asymmetric,
}

/// The sleepers of one side of a ring: a bit for each handle.
#[repr(C, align(128))]
pub(crate) struct Sleepers {
    pub(crate) bits: HandleBits,
}

impl Sleepers {
    /// The words that hold bits of a table of `handles`.
    #[inline]
    fn words(&self, handles: &[Handle]) -> impl Iterator<Item = &AtomicU64> {
        self.bits.iter().take(handles.len().div_ceil(u64::BITS as usize))
    }

    /// Whether anyone sleeps, as `load` finds the words.
    #[inline]
    fn any(&self, handles: &[Handle], load: impl Fn(&AtomicU64) -> u64) -> bool {
        let [first, ..] = &self.bits;
        load(first) != 0 || handles.len() > u64::BITS as usize && self.any_more(handles, load)
    }

    #[cold]
    fn any_more(&self, handles: &[Handle], load: impl Fn(&AtomicU64) -> u64) -> bool {
        self.words(handles).skip(1).any(|word| load(word) != 0)
    }

    /// How many bits are set, for observers.
    pub(crate) fn count(&self) -> u64 {
        // ORDERING: Relaxed. For people to read.
        let ones = |word: &AtomicU64| u64::from(word.load(Ordering::Relaxed).count_ones());
        self.bits.iter().map(ones).sum()
    }

    /// Takes back the bit of a handle that does not sleep (any more).
    pub(crate) fn disarm(&self, handle: usize) {
        let (word, bit) = handle_bit(&self.bits, handle);
        word.fetch_and(!bit, Ordering::Relaxed);
    }
}

/// A handle whose bit is set, so that wakers see it. Dropping it takes the bit back.
///
/// A waker that takes the bit of a handle that has not parked goes on to the next sleeper. One
/// that wakes a parked handle has spent its wake: whoever shares the role and has parked must
/// call [`hand_off`] after dropping this and its next attempt, or at once if it makes none.
#[must_use = "a handle that is armed takes wakes from others"]
pub(crate) struct Armed<'a> {
    sleepers: &'a Sleepers,
    handle: &'a Handle,
    me: usize,
    /// The park word from before the bit was set.
    seen: u32,
    /// Whether the fence was made.
    ordered: bool,
}

/// First step of a sleep: sets the bit of handle `me`, which waits for the other side to pass
/// `need`, and fences. `None` if there is no such handle.
pub(crate) fn arm<'a>(
    sleepers: &'a Sleepers,
    handles: &'a [Handle],
    me: usize,
    need: u64,
    fences: WakeFences,
) -> Option<Armed<'a>> {
    let handle = handles.get(me)?;
    let (word, bit) = handle_bit(&sleepers.bits, me);
    handle.need.store(need, Ordering::Relaxed);
    let seen = handle.park.load(Ordering::Relaxed);
    // ORDERING: Release, with the Acquire half of the fetch_and in each_armed: the park
    // word is read before anyone can move it for this sleep.
    word.fetch_or(bit, Ordering::Release);
    // Either the check in is_ready sees what the waker published, or the waker sees the bit
    // and the need (I5).
    let ordered = match fences {
        WakeFences::Asymmetric => barrier(),
        WakeFences::Symmetric => {
            // ORDERING: SeqCst, with the fence of the waker.
            fence(Ordering::SeqCst);
            true
        }
    };
    Some(Armed { sleepers, handle, me, seen, ordered })
}

impl Armed<'_> {
    /// Second step: looks at the ring once more. Returns `true` if the caller must not park:
    /// it is `ready`, or the fence was refused.
    pub(crate) fn is_ready(&self, ready: impl FnOnce() -> bool) -> bool {
        !self.ordered || ready()
    }

    /// Third step: sleeps until a waker moves the park word, a signal comes, or `until`.
    /// Returns at once if a waker moved the word since [`arm`].
    pub(crate) fn park(&self, until: Deadline) {
        self.handle.park.wait(self.seen, until);
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
    fences: WakeFences,
    ready: impl FnOnce() -> bool,
) {
    if let Some(armed) = arm(sleepers, handles, me, need, fences)
        && !armed.is_ready(ready)
    {
        armed.park(until);
    }
}

/// Wakes one sleeper that waits for `reached` or less. To be called after the
/// position `reached` was published.
#[inline(always)]
pub(crate) fn notify(sleepers: &Sleepers, handles: &[Handle], reached: u64, fences: WakeFences) {
    let sleeps = if fences == WakeFences::Asymmetric {
        no_fence();
        sleepers.any(handles, |word| word.load(Ordering::Relaxed))
    } else {
        any_after_fence(sleepers, handles)
    };
    if sleeps {
        wake_one(sleepers, handles, reached);
    }
}

/// Whether anyone sleeps, for wakers that fence.
fn any_after_fence(sleepers: &Sleepers, handles: &[Handle]) -> bool {
    // ORDERING: SeqCst, with the fence in arm (I5).
    fence(Ordering::SeqCst);
    sleepers.any(handles, |word| word.load(Ordering::Relaxed))
}

/// Wakes one sleeper that waits for the position that `reached` tells, if it tells
/// one. To be called by one of many who came out of a wait, after its next attempt: the
/// wake that it got may have been meant for more than it took, or for someone else.
#[inline]
pub(crate) fn hand_off(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: impl FnOnce() -> Option<u64>,
) {
    // ORDERING: SeqCst, with the fence in arm (I5): what was published, or taken,
    // before comes before the look at what is there and who sleeps.
    fence(Ordering::SeqCst);
    let Some(reached) = reached() else {
        return;
    };
    if sleepers.any(handles, |word| word.load(Ordering::Relaxed)) {
        wake_one(sleepers, handles, reached);
    }
}

#[cold]
#[inline(never)]
fn wake_one(sleepers: &Sleepers, handles: &[Handle], reached: u64) {
    each_armed(sleepers, handles, |handle, take| {
        at_or_past(reached, handle.need.load(Ordering::Relaxed)) && take() && wake(handle)
    });
}

/// Wakes every sleeper, whatever it waits for. To be called after a change that
/// ends waits: a close, a role given up.
pub(crate) fn notify_all(sleepers: &Sleepers, handles: &[Handle]) {
    // ORDERING: SeqCst, with the fence in arm (I5).
    fence(Ordering::SeqCst);
    each_armed(sleepers, handles, |handle, take| {
        if take() {
            wake(handle);
        }
        false
    });
}

/// Moves the park word, so that a sleeper that is on its way to sleep turns
/// back, and wakes one that is there. Whether one was.
fn wake(handle: &Handle) -> bool {
    handle.park.add(1, Ordering::Relaxed);
    handle.park.wake() > 0
}

/// Ends a sleep of `handle` without taking its bit, or the next if it is on its way to one:
/// its check of the ring sees what was stored before.
pub(crate) fn poke(handle: &Handle) {
    // ORDERING: Release, with the fence in arm: a sleeper that read the park word after this
    // sees in its check what was stored before, and one that read it before does not sleep.
    handle.park.add(1, Ordering::Release);
    handle.park.wake();
}

/// Visits the handles whose bits are set in one snapshot of the bitmap, until a
/// visit returns true. `take` clears the bit; whoever cleared it owes the wake.
fn each_armed(
    sleepers: &Sleepers,
    handles: &[Handle],
    mut visit: impl FnMut(&Handle, &dyn Fn() -> bool) -> bool,
) {
    for (index, word) in sleepers.words(handles).enumerate() {
        loop {
            for me in handles_of(index, word.load(Ordering::Relaxed)) {
                let Some(handle) = handles.get(me) else {
                    continue;
                };
                let (_, bit) = handle_bit(&sleepers.bits, me);
                // ORDERING: Acquire, with the Release of the fetch_or in arm. Release,
                // with the fetch_and in disarm and the fence in hand_off after it: a sleeper
                // whose bit was taken sees what it was taken for, or hands nothing off.
                let take = || word.fetch_and(!bit, Ordering::AcqRel) & bit != 0;
                if visit(handle, &take) {
                    return;
                }
            }
            // Never a second snapshot: who is still or again armed in it may wait for
            // something that only this waker could bring.
            if rule(true) {
                break;
            }
        }
    }
}
