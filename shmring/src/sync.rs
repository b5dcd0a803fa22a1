//! The seam between the algorithms and the machine: everything in `ring` that
//! touches shared memory or sleeps goes through these names, so the same files
//! compile against a model checker's versions of them.

pub(crate) use core::hint::spin_loop;
use core::sync::atomic::compiler_fence;
pub(crate) use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};
use std::time::Duration;

pub(crate) use crate::sys::clock::Deadline;
pub(crate) use crate::sys::futex::{WaitAny, WaitWord};
pub(crate) use crate::sys::membarrier::barrier;

/// By when a CPU has made a store visible that it executed, without being told to: a thousand
/// times what a store buffer takes. No machine states a limit, so waits have one of their own.
const STORES_SETTLE: Duration = Duration::from_millis(1);

/// Where a fence would stand if others did not run [`barrier`]: only the compiler is kept
/// from reordering.
#[inline(always)]
pub(crate) fn no_fence() {
    compiler_fence(Ordering::SeqCst);
}

/// In place of a [`barrier`] that is refused: sleeps as [`WaitWord::wait`] does, but not longer
/// than stores take to become visible. Returns `true` if it took so long.
pub(crate) fn settle(word: &WaitWord, seen: u32, until: Deadline) -> bool {
    let settled = Deadline::after(STORES_SETTLE);
    word.wait(seen, until.min(settled));
    settled.passed()
}

/// Comes between a producer's acquire of head and its stores to the space before it, for those
/// who copy and take nothing, as observers and competing consumers that found no value: one that
/// has loaded what was stored there, and fences, then loads a head past it, and so knows that what
/// it copied may be torn. Wants a Release fence, as C++ and Rust define it; no machine known needs
/// it. A model checker's version, which has none of them, is empty.
#[inline(always)]
pub(crate) fn reuse_fence() {
    fence(Ordering::Release);
}

/// Comes between a copy that may be torn and the load of the position that says whether it is: who
/// has loaded what was stored after a fence sees what was stored before that fence.
#[inline(always)]
pub(crate) fn copy_fence() {
    fence(Ordering::Acquire);
}

/// A rule of the algorithm that is a comparison: the value that it is given. A model
/// checker's version can say `false` instead, to see that a model needs the rule.
#[inline(always)]
pub(crate) const fn rule(holds: bool) -> bool {
    holds
}
