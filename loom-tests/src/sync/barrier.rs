//! `membarrier`, modelled: a thread that calls it goes on when every other thread has
//! fenced, at whatever point of its program it was.
//!
//! A thread fences before its next operation. One that is asleep, or has ended or not yet
//! begun, need not: to leave a CPU and to come to one is a fence. Who else has fenced is kept beside loom, so each
//! operation first swaps a word that loom knows, and all orders are explored.

use std::cell::Cell;
use std::sync::{Mutex, MutexGuard, PoisonError};

use loom::sync::atomic::{AtomicBool, Ordering, fence};
use loom::thread::{self, JoinHandle};

#[derive(Default)]
struct Parties {
    /// Whether the model has barriers.
    enabled: bool,
    /// Whether sleepers cannot make them.
    refused: bool,
    barriers: u64,
    /// How many barriers each party has fenced for; none if it does not run.
    fenced: Vec<Option<u64>>,
}

loom::lazy_static! {
    static ref PARTIES: Mutex<Parties> = Mutex::default();
    static ref COMPANION: AtomicBool = AtomicBool::new(false);
}

loom::thread_local! {
    static ME: Cell<Option<usize>> = Cell::new(None);
    /// Whether barriers of others do not reach this thread.
    static UNREACHED: Cell<bool> = Cell::new(false);
}

/// No thread of a model is put aside while it holds this.
fn parties() -> MutexGuard<'static, Parties> {
    PARTIES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Parties {
    /// The calling thread's place.
    fn me(&mut self) -> &mut Option<u64> {
        let me = ME.with(|me| {
            let index = me.get().unwrap_or(self.fenced.len());
            me.set(Some(index));
            index
        });
        if me == self.fenced.len() {
            self.fenced.push(None);
        }
        &mut self.fenced[me]
    }
}

/// To be called before the threads of a model start, if it has barriers.
pub(crate) fn enable() {
    COMPANION.swap(true, Ordering::Relaxed);
    parties().enabled = true;
}

/// From now on sleepers cannot make barriers.
pub(crate) fn refuse() {
    parties().refused = true;
}

pub(super) fn is_refused() -> bool {
    parties().refused
}

/// Barriers do not reach the calling thread, as one of a process that is not registered.
pub(crate) fn stay_out() {
    UNREACHED.with(|unreached| unreached.set(true));
}

/// Precedes every operation.
pub(super) fn poll() {
    if !parties().enabled || UNREACHED.with(Cell::get) {
        return;
    }
    COMPANION.swap(true, Ordering::Relaxed);
    let mut parties = parties();
    let barriers = Some(parties.barriers);
    let due = std::mem::replace(parties.me(), barriers) != barriers;
    drop(parties);
    if due {
        fence(Ordering::SeqCst);
    }
}

/// Makes every thread fence.
pub(super) fn all_fence() {
    assert!(parties().enabled, "a model with barriers does not say so");
    COMPANION.swap(true, Ordering::Relaxed);
    fence(Ordering::SeqCst);
    let target = {
        let mut parties = parties();
        parties.barriers += 1;
        let barriers = parties.barriers;
        *parties.me() = Some(barriers);
        barriers
    };
    while parties().fenced.iter().flatten().any(|&fenced| fenced < target) {
        thread::yield_now();
    }
    fence(Ordering::SeqCst);
}

/// Runs what lets the thread sleep.
pub(crate) fn idle<R>(sleep: impl FnOnce() -> R) -> R {
    leave();
    let woken = sleep();
    poll();
    woken
}

/// The thread does not run, perhaps for ever.
fn leave() {
    if !parties().enabled || UNREACHED.with(Cell::get) {
        return;
    }
    fence(Ordering::SeqCst);
    COMPANION.swap(true, Ordering::Relaxed);
    *parties().me() = None;
}

/// A thread of a model with barriers.
pub(crate) struct Party<T>(JoinHandle<T>);

/// Starts a thread of a model with barriers.
pub(crate) fn spawn<T: 'static>(party: impl FnOnce() -> T + 'static) -> Party<T> {
    Party(thread::spawn(|| {
        let end = party();
        leave();
        end
    }))
}

impl<T> Party<T> {
    pub(crate) fn join(self) -> T {
        idle(|| self.0.join().expect("a party ends"))
    }
}
