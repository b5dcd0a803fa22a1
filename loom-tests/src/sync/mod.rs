//! The seam as the models see it: loom's atomics behind the names that `ring`
//! imports, with three additions.
//!
//! **Touch.** loom 0.7.3 remembers one last access per atomic when it looks for
//! executions that differ, and so never tries some of them: if A loads a word and
//! B loads and then stores it, "B first" is left out (`models::meta` shows it).
//! Here each atomic has a companion that every operation swaps first. Swaps
//! depend on one another whatever they surround, so all orders are explored.
//! The swap is relaxed, and adds no synchronisation that the ring lacks, as long
//! as the ring has no fences but SeqCst ones: what a swap carries from one fence
//! to a later one, loom's total order of SeqCst fences carries anyway.
//!
//! **SeqCst.** loom takes SeqCst accesses for AcqRel ones, so `ring` has none: only fences
//! are SeqCst.
//!
//! **Barriers.** [`barrier`] makes every other thread fence.
//!
//! **Death.** [`crash`] counts operations and unwinds at the k-th.
//!
//! **Weakening.** [`canary`] demotes one ordering, rule or store of one line of `ring`.
//!
//! **Trace.** [`trace`] records the operations of an execution, for the one that fails.

pub(crate) mod barrier;
pub(crate) mod canary;
pub(crate) mod crash;
mod futex;
pub(crate) mod trace;

use std::panic::Location;

use loom::sync::atomic as checked;

pub(crate) use core::sync::atomic::Ordering;
pub(crate) use futex::WaitWord;

/// A time that never comes: no wait in a model ends by the clock, so that a lost
/// wake is a deadlock, which loom reports.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline;

loom::lazy_static! {
    /// The companion of all fences: their order among themselves matters too.
    static ref FENCES: checked::AtomicBool = checked::AtomicBool::new(false);
}

/// To be called before the threads of a model start: loom orders whoever makes
/// the companion of the fences before everyone else who uses it.
pub(crate) fn prepare_fences() {
    let _: &checked::AtomicBool = &FENCES;
}

/// A fence, of the only kind for which the touch is harmless.
#[track_caller]
pub(crate) fn fence(order: Ordering) {
    assert_eq!(order, Ordering::SeqCst, "the touch would strengthen a weaker fence");
    crash::tick();
    barrier::poll();
    FENCES.swap(true, Ordering::Relaxed);
    if canary::keeps_fence(Location::caller()) {
        checked::fence(order);
        trace::event(Some(Location::caller()), "fence");
    }
}

/// What keeps only a compiler from reordering.
pub(crate) fn no_fence() {}

/// What orders a producer's stores for observers, of which no model has one; a touched fence
/// that is not SeqCst would give the rest more than it has.
pub(crate) fn reuse_fence() {}

/// A fence after a copy of what may be torn. The touch strengthens it where a SeqCst fence of
/// another thread comes before any access to what this thread has accessed: then the copy counts
/// as torn although it may not be.
#[track_caller]
pub(crate) fn copy_fence() {
    crash::tick();
    barrier::poll();
    if canary::keeps_fence(Location::caller()) {
        checked::fence(Ordering::Acquire);
        trace::event(Some(Location::caller()), "copy fence");
    }
}

/// Makes all threads fence, unless the model refuses it.
#[track_caller]
pub(crate) fn barrier() -> bool {
    crash::tick();
    if barrier::is_refused() {
        return false;
    }
    if canary::keeps_fence(Location::caller()) {
        barrier::all_fence();
        trace::event(Some(Location::caller()), "barrier: all threads have fenced");
    }
    true
}

/// Lets so much time pass that all threads have made their stores visible. Wakes meanwhile are
/// overslept, as the caller is to come back anyway.
#[track_caller]
pub(crate) fn settle(_: &WaitWord, _seen: u32, _until: Deadline) -> bool {
    crash::tick();
    if canary::keeps_fence(Location::caller()) {
        barrier::all_fence();
        trace::event(Some(Location::caller()), "settle: all stores are visible");
    }
    true
}

/// A rule of the algorithm that is a comparison.
#[track_caller]
pub(crate) fn rule(holds: bool) -> bool {
    canary::keeps_rule(Location::caller()) && holds
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        #[derive(Debug)]
        pub(crate) struct $name {
            word: checked::$name,
            companion: checked::AtomicBool,
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(0)
            }
        }

        #[allow(dead_code, reason = "the ring uses not every operation at every width")]
        impl $name {
            pub(crate) fn new(value: $value) -> Self {
                Self {
                    word: checked::$name::new(value),
                    companion: checked::AtomicBool::new(false),
                }
            }

            /// Precedes every operation.
            fn touch(&self) {
                crash::tick();
                barrier::poll();
                self.companion.swap(true, Ordering::Relaxed);
            }

            #[track_caller]
            pub(crate) fn load(&self, order: Ordering) -> $value {
                self.touch();
                let caller = Location::caller();
                let order = canary::one_way(caller, order);
                let value = self.word.load(order);
                trace::word(caller, self, format_args!("load {value:#x} ({order:?})"));
                value
            }

            #[track_caller]
            pub(crate) fn store(&self, value: $value, order: Ordering) {
                self.touch();
                let caller = Location::caller();
                if canary::keeps_store(caller) {
                    let order = canary::one_way(caller, order);
                    self.word.store(value, order);
                    trace::word(caller, self, format_args!("store {value:#x} ({order:?})"));
                }
            }

            #[track_caller]
            pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.touch();
                let caller = Location::caller();
                let order = canary::both_ways(caller, order);
                let old = self.word.fetch_add(value, order);
                trace::word(caller, self, format_args!("add {value:#x} to {old:#x} ({order:?})"));
                old
            }

            #[track_caller]
            pub(crate) fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                // The only operation that a drop of `ring` makes.
                if crash::is_dead() {
                    return 0;
                }
                self.touch();
                let caller = Location::caller();
                let order = canary::both_ways(caller, order);
                let old = self.word.fetch_and(value, order);
                trace::word(caller, self, format_args!("and {value:#x} to {old:#x} ({order:?})"));
                old
            }

            #[track_caller]
            pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                self.touch();
                let caller = Location::caller();
                let order = canary::both_ways(caller, order);
                let old = self.word.fetch_or(value, order);
                trace::word(caller, self, format_args!("or {value:#x} to {old:#x} ({order:?})"));
                old
            }

            #[track_caller]
            pub(crate) fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                self.touch();
                let caller = Location::caller();
                let order = canary::both_ways(caller, order);
                let old = self.word.fetch_max(value, order);
                trace::word(caller, self, format_args!("max {value:#x} to {old:#x} ({order:?})"));
                old
            }

            #[track_caller]
            pub(crate) fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.touch();
                let caller = Location::caller();
                let success = canary::both_ways(caller, success);
                let failure = canary::failure(caller, failure);
                let result = self.word.compare_exchange(current, new, success, failure);
                let end = match result {
                    Ok(_) => "done".to_owned(),
                    Err(found) => format!("found {found:#x}"),
                };
                trace::word(
                    caller,
                    self,
                    format_args!("exchange {current:#x} for {new:#x}: {end} ({success:?})"),
                );
                result
            }
        }
    };
}

atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
