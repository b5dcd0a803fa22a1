//! Death at any operation. A victim's operations are counted, and the k-th one
//! unwinds before it takes effect; what the victim did until then stays, as it
//! does in shared memory when a process is killed.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a death unwinds with, so that it is told from a failed assertion.
struct Death;

loom::thread_local! {
    /// How many operations this thread has left to live; `None` for ever. loom
    /// makes it anew for each thread of each execution, so nothing leaks.
    static LIFE: Cell<Option<u64>> = Cell::new(None);
}

std::thread_local! {
    /// Deaths since [`reset_deaths`], in all executions.
    static DEATHS: Cell<u64> = const { Cell::new(0) };
}

/// Precedes every operation on shared memory, every fence and every futex call.
pub(crate) fn tick() {
    let dies = LIFE.with(|life| {
        let left = life.get();
        life.set(left.and_then(|left| left.checked_sub(1)));
        left == Some(0)
    });
    if dies {
        DEATHS.set(DEATHS.get() + 1);
        super::trace::event(None, "killed");
        resume_unwind(Box::new(Death));
    }
}

/// Runs `life` in the calling thread and kills it at its operation number
/// `kill_at`, counted from 0. What it returned, or `None` if it was killed.
///
/// Whoever is killed must own nothing whose drop is an operation of the model, other than
/// one that [`is_dead`] suppresses.
pub(crate) fn killed_at<T>(kill_at: u64, life: impl FnOnce() -> T) -> Option<T> {
    LIFE.with(|left| left.set(Some(kill_at)));
    let end = catch_unwind(AssertUnwindSafe(life));
    LIFE.with(|left| left.set(None));
    match end {
        Ok(value) => Some(value),
        Err(cause) if cause.is::<Death>() => None,
        Err(cause) => resume_unwind(cause),
    }
}

/// Returns `true` while the calling thread unwinds. A killed process runs no drop, so what a
/// drop does must have no effect; and when a model has failed, loom must not be called.
pub(crate) fn is_dead() -> bool {
    std::thread::panicking()
}

/// Starts to count deaths on this OS thread, on which loom runs all of a model.
pub(crate) fn reset_deaths() {
    DEATHS.set(0);
}

/// Deaths since [`reset_deaths`].
pub(crate) fn deaths() -> u64 {
    DEATHS.get()
}
