//! Sleeping and waking without a lost wake (I5).
//!
//! - A sleeper goes in steps: [`set_bit`] writes what it waits for and sets its bit, [`order`]
//!   orders that, [`Armed::is_ready`] checks once more, [`Armed::park`] sleeps on the handle's own
//!   park word, and dropping [`Armed`] takes the bit back.
//! - A waker publishes, orders, and loads the words: one load when nobody sleeps. Of those
//!   whose wait is over it wakes one, or [each](notify_each): clears the bit, moves the park word,
//!   wakes.
//!
//! Bits, not counts: a sleeper that is killed leaves a bit that costs one wasted
//! wake, where a count would stay too high for ever. Every sleep is bounded by
//! the caller, so that a waker (or cleaner) killed between publish and wake, or
//! between taking a bit and waking its owner, costs time only.
//!
//! # Who pays for the order
//! Either a publisher fences after each publish, or a sleeper makes all CPUs fence, which takes
//! microseconds ([`barrier`](crate::sync::barrier)). Which of the two follows the traffic, for each
//! word of bits:
//!
//! ```text
//! word == 0    LIGHT, nobody sleeps     a publish: no fence    a sleeper: barrier
//! bits         LIGHT, somebody sleeps   a publish: fence       a sleeper: barrier
//! HEAVY        nobody sleeps            a publish: fence       a sleeper: fence only
//! HEAVY bits   somebody sleeps          a publish: fence       a sleeper: fence only
//!
//! LIGHT -> HEAVY   by a sleeper whose bit was set from before its barrier on
//! HEAVY -> LIGHT   by a publisher that met no sleeper for long, if no bit is set
//! ```
//!
//! HEAVY says that each publisher which found the word 0 has fenced since. The own bit proves
//! that the word was not 0 during the barrier. A killed party leaves a mode that only costs
//! fences. A process that barriers do not reach fences after each publish, in both modes; one
//! that cannot make them [settles](crate::sync::settle).

mod fences;
mod sleep;
mod sleepers;

pub(crate) use fences::PublishFences;
pub(crate) use sleep::{Armed, order, set_bit, sleep};
pub(crate) use sleepers::{SLEEPERS_PER_WORD, Sleepers};

use super::at_or_past;
use super::tables::Handle;
use crate::sync::{Ordering, fence, no_fence, rule};
use sleepers::handles_in;

/// Wakes one sleeper that waits for `reached` or less. To be called after the
/// position `reached` was published.
#[inline(always)]
pub(crate) fn notify(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: u64,
    fences: &PublishFences,
) {
    // One call, as two would cost the verbs registers.
    if is_due(sleepers, fences) {
        notify_fenced(sleepers, handles, reached, fences);
    }
}

/// As [`notify`], but wakes every sleeper that waits for `reached` or less: for a message that all of
/// them receive.
#[inline(always)]
pub(crate) fn notify_each(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: u64,
    fences: &PublishFences,
) {
    if is_due(sleepers, fences) {
        notify_each_fenced(sleepers, handles, reached, fences);
    }
}

/// As [`notify`], where several parties store positions and the least of them counts: `reached`
/// computes it, only if somebody sleeps, and after the fence. So of parties that publish at the
/// same time one computes with the positions of all. `None` holds nobody up.
#[inline(always)]
pub(crate) fn notify_at(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: impl FnOnce() -> Option<u64>,
    fences: &PublishFences,
) {
    if is_due(sleepers, fences) {
        notify_at_fenced(sleepers, handles, reached, fences);
    }
}

/// Returns `true` if a waker that has published must call [`notify`], [`notify_each`] or
/// [`notify_at`]: for callers that choose among them. `fences` are of the same table.
#[inline(always)]
pub(crate) fn is_due(sleepers: &Sleepers, fences: &PublishFences) -> bool {
    no_fence();
    fences.looks_further || sleepers.is_first_marked()
}

#[cold]
#[inline(never)]
fn notify_fenced(sleepers: &Sleepers, handles: &[Handle], reached: u64, fences: &PublishFences) {
    fenced(sleepers, handles, fences, || wake_one(sleepers, handles, Some(reached)));
}

#[cold]
#[inline(never)]
fn notify_each_fenced(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: u64,
    fences: &PublishFences,
) {
    fenced(sleepers, handles, fences, || wake_each(sleepers, handles, reached));
}

#[cold]
#[inline(never)]
fn notify_at_fenced(
    sleepers: &Sleepers,
    handles: &[Handle],
    reached: impl FnOnce() -> Option<u64>,
    fences: &PublishFences,
) {
    fenced(sleepers, handles, fences, || wake_one(sleepers, handles, reached()));
}

/// Fences, and then lets `wake` look for sleepers. It returns `true` if anyone sleeps.
#[inline(always)]
fn fenced(
    sleepers: &Sleepers,
    handles: &[Handle],
    fences: &PublishFences,
    wake: impl FnOnce() -> bool,
) {
    // A first word that is 0 led here.
    if fences.looks_further && !fences.always && !sleepers.is_marked(handles) {
        return;
    }
    // ORDERING: SeqCst, with the fence in arm (I5): what was loaded before says nothing.
    fence(Ordering::SeqCst);
    if fences.is_enough(wake()) {
        sleepers.relax(handles);
    }
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
    if sleepers.is_marked(handles) {
        wake_one(sleepers, handles, Some(reached));
    }
}

/// Wakes one sleeper that waits for `reached` or less, or for anything. Returns `true` if anyone
/// sleeps.
#[cold]
#[inline(never)]
fn wake_one(sleepers: &Sleepers, handles: &[Handle], reached: Option<u64>) -> bool {
    each_armed(sleepers, handles, |handle, take| {
        reached.is_none_or(|reached| is_met(handle, reached)) && take() && wake(handle)
    })
}

/// Wakes every sleeper that waits for `reached` or less. Returns `true` if anyone sleeps.
fn wake_each(sleepers: &Sleepers, handles: &[Handle], reached: u64) -> bool {
    each_armed(sleepers, handles, |handle, take| {
        if is_met(handle, reached) && take() {
            wake(handle);
        }
        false
    })
}

/// Returns `true` if a sleeper waits for `reached` or less.
fn is_met(handle: &Handle, reached: u64) -> bool {
    at_or_past(reached, handle.need.load(Ordering::Relaxed))
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

/// Visits the handles whose bits are set in one snapshot of the words, until a
/// visit returns true. `take` clears the bit; whoever cleared it owes the wake. Returns `true`
/// if there were such handles.
fn each_armed(
    sleepers: &Sleepers,
    handles: &[Handle],
    mut visit: impl FnMut(&Handle, &dyn Fn() -> bool) -> bool,
) -> bool {
    let mut met = false;
    for (index, word) in sleepers.words(handles).enumerate() {
        loop {
            for me in handles_in(index, word.load(Ordering::Relaxed)) {
                let Some(handle) = handles.get(me) else {
                    continue;
                };
                met = true;
                let (_, bit) = sleepers.bit(me);
                // ORDERING: Acquire, with the Release of the fetch_or in arm. Release,
                // with the fetch_and in disarm and the fence in hand_off after it: a sleeper
                // whose bit was taken sees what it was taken for, or hands nothing off.
                let take = || word.fetch_and(!bit, Ordering::AcqRel) & bit != 0;
                if visit(handle, &take) {
                    return true;
                }
            }
            // Never a second snapshot: who is still or again armed in it may wait for
            // something that only this waker could bring.
            if rule(true) {
                break;
            }
        }
    }
    met
}
