//! The seam between the algorithms and the machine: everything in `ring` that
//! touches shared memory or sleeps goes through these names, so the same files
//! compile against a model checker's versions of them.

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

pub(crate) use crate::sys::clock::Deadline;
pub(crate) use crate::sys::futex::WaitWord;

/// A rule of the algorithm that is a comparison: the value that it is given. A model
/// checker's version can say `false` instead, to see that a model needs the rule.
#[inline(always)]
pub(crate) const fn rule(holds: bool) -> bool {
    holds
}
