//! One handle of the reactor: what its user and the thread know of it, under a lock.

#[cfg(feature = "tokio")]
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::kernel::KernelWait;
use super::{POLL, lock};
use crate::endpoint::watch::Watch;
use crate::error::Fault;
use crate::lifecycle::attachment::Attachment;
use crate::sync::{Deadline, Ordering, WaitWord};
use crate::sys::event::Event;

/// A handle that the reactor waits for.
#[derive(Debug)]
pub(super) struct Entry {
    watch: Arc<Watch>,
    /// The descriptor that becomes readable at the end of a wait, if it is one of an event loop.
    event: Option<Arc<Event>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    is_armed: bool,
    /// Whether it is armed, and the kernel waits in the thread's place.
    is_kernels: bool,
    kernel: KernelWait,
    /// What wakes the task whose wait it is, while armed. It is called and dropped without the lock:
    /// both may end the task, and the handle with it.
    waker: Option<Waker>,
    /// The park word from before the bit was set, while armed.
    seen: u32,
    /// When stores have settled, where the arm made no barrier.
    settled: Deadline,
    waits: Waits,
    /// Whether the event was signaled and not cleared.
    is_signaled: bool,
    /// Why the dead could not be looked for.
    fault: Option<Fault>,
}

/// How the thread waits for an entry, armed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// Not at all.
    Not,
    /// While the park word has this value.
    At(u32),
    /// It visits the entry within [`POLL`].
    Polls,
    /// It only looks every [`LOOK`](super::LOOK): the kernel waits when the entry is armed.
    Looks,
}

/// What an arm found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A verb would not find nothing, so it is not armed.
    Ready,
    Armed,
    /// Armed, but the thread has to be poked.
    ArmedUnseen,
}

/// What a visit found, and left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) was_armed: bool,
    pub(super) is_armed: bool,
    pub(super) settled: Deadline,
    /// The value at which the thread is to wait, unless the kernel does.
    pub(super) seen: Option<u32>,
}

impl Entry {
    pub(super) fn new(watch: &Arc<Watch>, event: Option<Arc<Event>>) -> Self {
        let state = State {
            is_armed: false,
            is_kernels: false,
            kernel: KernelWait::new(),
            waker: None,
            seen: 0,
            settled: Deadline::NEVER,
            waits: Waits::Not,
            is_signaled: false,
            fault: None,
        };
        Self { watch: Arc::clone(watch), event, state: Mutex::new(state) }
    }

    pub(super) fn is_forked(&self) -> bool {
        self.watch.is_forked()
    }

    pub(super) fn attachment(&self) -> &Attachment {
        self.watch.mapped().attach()
    }

    pub(super) fn is_of(&self, attachment: &Attachment) -> bool {
        ptr::eq(self.attachment(), attachment)
    }

    pub(super) fn is_armed(&self) -> bool {
        lock(&self.state).is_armed
    }

    pub(super) fn park_word(&self) -> Option<&WaitWord> {
        self.watch.park_word()
    }

    /// Arms the entry, for the task of `waker` if there is one.
    pub(super) fn arm(&self, waker: Option<&Waker>) -> Result<Outcome, Fault> {
        // Dropped after the lock.
        let mut old = None;
        let mut state = lock(&self.state);
        self.disarm_in(&mut state, &mut old);
        self.clear_in(&mut state);
        if let Some(fault) = state.fault.take() {
            return Err(fault);
        }
        self.watch.pay();
        let Some((seen, is_ordered)) = self.watch.arm() else {
            return Ok(Outcome::Ready);
        };
        if self.watch.is_ready() {
            self.watch.disarm_kept();
            return Ok(Outcome::Ready);
        }
        state.is_armed = true;
        state.waker = waker.cloned();
        state.seen = seen;
        state.settled = if is_ordered { Deadline::NEVER } else { Deadline::after(POLL) };
        // Nobody would call a waker.
        if is_ordered && waker.is_none() && self.begin_in(&mut state, seen) {
            if state.kernel.has_ended() {
                self.disarm_in(&mut state, &mut old);
                self.clear_in(&mut state);
                return Ok(Outcome::Ready);
            }
            let is_seen = state.waits != Waits::Not;
            return Ok(if is_seen { Outcome::Armed } else { Outcome::ArmedUnseen });
        }
        let is_seen = match state.waits {
            Waits::Not | Waits::Looks => false,
            Waits::At(value) => value == seen && is_ordered,
            Waits::Polls => true,
        };
        Ok(if is_seen { Outcome::Armed } else { Outcome::ArmedUnseen })
    }

    /// Lets the kernel wait, if it does.
    fn begin_in(&self, state: &mut State, seen: u32) -> bool {
        if let Some(event) = &self.event
            && let Some(word) = self.park_word()
        {
            state.is_kernels = state.kernel.begin(event, word, seen);
        }
        state.is_kernels
    }

    /// Lets the end of the wait that the entry is armed for wake the task of `waker`. Returns
    /// `false` if it is not armed.
    #[cfg(feature = "tokio")]
    pub(super) fn set_waker(&self, waker: &Waker) -> bool {
        // The one that it replaces is dropped after the lock.
        let mut waker = Some(waker.clone());
        let mut state = lock(&self.state);
        if state.is_armed {
            mem::swap(&mut state.waker, &mut waker);
        }
        state.is_armed
    }

    /// Takes an arm back, and pays what the handle owes.
    pub(super) fn disarm(&self) {
        // Dropped after the lock.
        let mut old = None;
        let mut state = lock(&self.state);
        self.disarm_in(&mut state, &mut old);
        self.clear_in(&mut state);
        self.watch.pay();
    }

    pub(super) fn clear(&self) {
        // Dropped after the lock.
        let mut old = None;
        let mut state = lock(&self.state);
        if state.is_kernels && state.kernel.has_ended() {
            self.disarm_in(&mut state, &mut old);
        }
        self.clear_in(&mut state);
    }

    /// Leaves the waker to the caller, who drops it without the lock.
    fn disarm_in(&self, state: &mut State, waker: &mut Option<Waker>) {
        if state.is_armed {
            if state.is_kernels {
                state.is_kernels = false;
                state.kernel.mute();
                state.is_signaled |= state.kernel.has_ended();
            }
            self.watch.disarm_kept();
            state.is_armed = false;
            *waker = state.waker.take();
        }
    }

    fn clear_in(&self, state: &mut State) {
        if state.is_signaled {
            state.is_signaled = false;
            if let Some(event) = &self.event {
                event.clear();
            }
        }
    }

    /// Disarms, and makes the descriptor readable: once for each arm. Leaves the waker of
    /// the task to the caller, who calls it without the lock.
    fn fire(&self, state: &mut State, waker: &mut Option<Waker>) {
        // The kernel has signaled it, or is about to, as it is not muted yet.
        let is_told = state.is_kernels && state.kernel.has_ended();
        self.disarm_in(state, waker);
        if let Some(event) = self.event.as_ref().filter(|_| !is_told) {
            state.is_signaled = true;
            event.signal();
        }
    }

    /// Visits the entry before the thread sleeps, as the module says; if `looks`, with a look at the
    /// ring.
    pub(super) fn visit(&self, polls: bool, looks: bool) -> Visit {
        let mut state = lock(&self.state);
        // ORDERING: Relaxed. Wakers move it after they took the bit, which is looked at below.
        let now = || self.park_word().map_or(0, |word| word.load(Ordering::Relaxed));
        let was_armed = state.is_armed;
        let mut waker = None;
        if was_armed {
            let is_settled = state.settled.passed();
            if is_settled {
                // The look that follows sees what no barrier has ordered.
                state.settled = Deadline::NEVER;
            }
            let looks = looks || is_settled;
            // The kernel ends its wait itself, if it is woken.
            let is_woken = self.watch.is_retired() || !self.watch.has_bit();
            if is_woken && (looks || !state.is_kernels) || looks && self.watch.is_ready() {
                self.fire(&mut state, &mut waker);
            }
        } else if matches!(state.waits, Waits::At(seen) if seen != now()) {
            // It may have been for a verb that sleeps on the same word.
            self.park_word().map(WaitWord::wake);
        }
        let waits_itself = self.waits_itself(&state);
        let seen = if state.is_armed { state.seen } else { now() };
        state.waits = match (waits_itself, polls) {
            (true, _) => Waits::Looks,
            (false, true) => Waits::Polls,
            (false, false) => Waits::At(seen),
        };
        let seen = (!waits_itself).then_some(seen);
        let settled = if state.is_armed { state.settled } else { Deadline::NEVER };
        let visit = Visit { was_armed, is_armed: state.is_armed, settled, seen };
        drop(state);
        wake(waker);
        visit
    }

    /// Returns `true` if the thread has to wait for the entry, as far as is known.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.waits_itself(&lock(&self.state))
    }

    /// Returns `true` if the kernel waits, or probably will when the entry is armed.
    fn waits_itself(&self, state: &State) -> bool {
        state.is_kernels
            || !state.is_armed
                && match state.waits {
                    Waits::Not => self.event.is_some() && !state.kernel.is_refused(),
                    Waits::Looks => true,
                    Waits::At(_) | Waits::Polls => false,
                }
    }

    /// Notes that the thread does not wait for the entry. Returns `false` if it has to, as the
    /// entry is armed.
    pub(super) fn leave(&self) -> bool {
        let mut state = lock(&self.state);
        if !state.is_armed {
            state.waits = Waits::Not;
        }
        !state.is_armed
    }

    /// Closes a ticket at head if its owner is dead.
    pub(super) fn resolve(&self) -> Result<(), Fault> {
        self.watch.resolve()
    }

    /// Ends the wait with an error, which the next arm returns.
    pub(super) fn fail(&self, fault: Fault) {
        let mut state = lock(&self.state);
        if state.is_armed {
            state.fault = Some(fault);
            let mut waker = None;
            self.fire(&mut state, &mut waker);
            drop(state);
            wake(waker);
        }
    }
}

/// Wakes a task. An executor that panics must not end the waits of all others.
fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        drop(catch_unwind(AssertUnwindSafe(|| waker.wake())));
    }
}
