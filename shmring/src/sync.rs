//! The seam between the algorithms and the machine: everything in `ring` that
//! touches shared memory or sleeps goes through these names, so the same files
//! compile against a model checker's versions of them.

pub(crate) use core::hint::spin_loop;
pub(crate) use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

pub(crate) use crate::sys::clock::Deadline;
pub(crate) use crate::sys::futex::WaitWord;
