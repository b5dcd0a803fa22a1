//! Waiting for the other side: spin, then sleep, never longer than a slice at once.

#![allow(clippy::arithmetic_side_effects, reason = "of this process's own counts and intervals")]

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::error::{Fault, RecvTimeoutError, Role, SendTimeoutError};
use crate::memory::mapped_ring::MappedRing;
use crate::ring::tables::AttachmentEntry;
use crate::ring::wake;
use crate::sync::{Deadline, Ordering, spin_loop};
use crate::sys::{affinity, process, refused};

/// How a handle waits.
///
/// `Spin` and `Adaptive` back off under load, unless `set_backoff(false)` forbids it. A producer before a full ring spins for some
/// microseconds until an eighth of it is free, and then waits for room for its message only.
/// A consumer that repeatedly finds nothing, though messages come as fast as they can, tries
/// to look less often, up to 128 `pause` instructions later (one to six microseconds), and
/// continues so while that moves more messages; where they come one by one it looks at once.
///
/// A handle whose thread, and every process attached, may run on one and the same CPU only
/// does not spin: `Adaptive` sleeps at once, and `Spin` yields that CPU, and after some yields
/// sleeps 50 us at a time, as a yield does not let a thread of lower priority run. A change of
/// affinity takes effect within 100 ms of waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitMode {
    /// Spins. Fastest, and uses a whole CPU while it waits; yields to another thread that is
    /// to run on that CPU after some tens of microseconds.
    Spin,
    /// Spins for some tens of microseconds, then sleeps in the kernel.
    #[default]
    Adaptive,
    /// Sleeps at once.
    Block,
}

/// Looks at the ring before an adaptive wait goes to sleep: some 25 us of `pause`
/// instructions, about what it costs to be put to sleep and woken again.
const ADAPTIVE_SPINS: u32 = 1000;
/// Looks at the ring between two looks at the clock.
const SPINS_PER_CLOCK: u32 = 256;
/// Looks at the ring before one who spins lets another have the CPU, if there is one: some
/// 25 us, of which the system call takes one part in a hundred.
const SPINS_PER_YIELD: u32 = 1024;
/// The same where the peer can only run on this CPU, and the yields after which each is
/// followed by a sleep.
const SPINS_PER_YIELD_CROWDED: u32 = 8;
const YIELDS_CROWDED: u32 = 4;
const SLEEP_CROWDED: Duration = Duration::from_micros(50);
/// Pauses between two looks of one who is not in a hurry.
const SPINS_SPARSE: u32 = 8;
/// A producer of a full ring first waits for this part of it to be free.
const LOW_WATER_MARK_PARTS: u64 = 8;
/// The time until the dead are looked for, at least and at most. Each look doubles it, and each wait
/// that gets what it waits for halves it, so that regular traffic costs about one look a message at
/// most. A waker killed between publish and wake, or an owner killed while it holds a role, so
/// costs about as long as the last waits took. A timer that is due before the scheduler's next tick
/// (1 to 10 ms) costs each sleep up to 10 us of CPU time; one of 16 ms costs nothing.
const SLICE_MIN: Duration = Duration::from_millis(16);
const SLICE_MAX: Duration = Duration::from_millis(100);
/// The same beside a monitor in this process, which wakes the waiter after each death.
const SLICE_MONITORED: Duration = Duration::from_secs(5);
/// The same for one who spins: the CPU is its own anyway.
const SLICE_SPINNING: Duration = Duration::from_millis(1);
/// How long it holds that there is no other CPU for the peer, and that there is.
const CROWDED_FOR: Duration = Duration::from_millis(10);
const ROOMY_FOR: Duration = Duration::from_millis(100);

/// When a handle that waits looks for the dead. It is kept from wait to wait: a signal, a
/// wake meant for others or the end of a short timeout ends a sleep, and must not put the
/// look off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    need: u64,
    slice: Duration,
    /// The next look in the wait for `need`.
    look: Deadline,
    /// The next look, whatever is waited for until then. Never before the first wait.
    latest: Deadline,
}

impl Patience {
    pub(crate) const NONE: Self =
        Self { need: 0, slice: SLICE_MIN, look: Deadline::NEVER, latest: Deadline::NEVER };

    /// At the start of another wait, for `need`. No look that is due is put off.
    fn once_more(self, need: u64, mode: WaitMode, monitored: bool) -> Self {
        let longest = if monitored { SLICE_MONITORED } else { SLICE_MAX };
        let slice = match mode {
            WaitMode::Spin => SLICE_SPINNING,
            WaitMode::Adaptive | WaitMode::Block if monitored => longest,
            WaitMode::Adaptive | WaitMode::Block => self.slice,
        };
        let kept = if need == self.need { self.look } else { Deadline::NEVER };
        let latest = self.latest.min(Deadline::after(longest));
        Self { need, look: kept.min(latest).min(Deadline::after(slice)), latest, ..self }
    }

    /// After a wait that ended because what was waited for is there.
    fn served(self) -> Self {
        Self { slice: (self.slice / 2).max(SLICE_MIN), ..self }
    }

    /// Whether the dead were looked for since the last wait began.
    #[cfg(test)]
    pub(crate) fn has_looked(self) -> bool {
        self != Self::NONE && self.look == Deadline::NEVER
    }

    /// After a look for the dead.
    fn looked(self) -> Self {
        let slice = (self.slice * 2).min(SLICE_MAX);
        Self { slice, look: Deadline::NEVER, latest: Deadline::NEVER, ..self }
    }
}

/// Why a verb stops to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    TimedOut,
    Interrupted,
    Failed(Fault),
}

impl From<WaitError> for SendTimeoutError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut,
            WaitError::Interrupted => Self::Interrupted,
            WaitError::Failed(fault) => Self::Failed(fault),
        }
    }
}

impl From<WaitError> for RecvTimeoutError {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut => Self::TimedOut,
            WaitError::Interrupted => Self::Interrupted,
            WaitError::Failed(fault) => Self::Failed(fault),
        }
    }
}

/// What a handle waits for, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) role: Role,
    pub(crate) handle: usize,
    pub(crate) mode: WaitMode,
    /// Whether each wake that is due to this wait comes: no other handle has the role, which may be
    /// woken in its place and be stopped, and no wait set takes the bit back.
    pub(crate) alone: bool,
    /// Whether spinning could only keep the other side from running.
    pub(crate) crowded: bool,
    /// The position of the other side that ends the wait.
    pub(crate) need: u64,
}

impl Wait {
    /// Waits until `ready`, a wake, a signal, or the time of the next check for dead processes,
    /// which it then reaps. Returns `true` if there is time left to try again.
    ///
    /// # Errors
    /// [`Fault::SleepRefused`], rather than to go on without sleep.
    pub(crate) fn until(
        self,
        mapped: &MappedRing,
        patience: &Cell<Patience>,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        // A wake that goes elsewhere costs the rest of a sleep.
        let monitored = self.alone && mapped.attach().is_monitored();
        let next = patience.get().once_more(self.need, self.mode, monitored);
        patience.set(next);
        // A monitor that ends after this wakes the sleepers that rely on it.
        let unguarded = || monitored && !mapped.attach().is_monitored();
        if self.rest(mapped, next.look.min(deadline), &ready, &unguarded)? {
            patience.set(next.served());
            return Ok(true);
        }
        if next.look.passed() {
            // The other side may have died without a word.
            match self.mode {
                WaitMode::Spin => mapped.attach().reap_some()?,
                WaitMode::Adaptive | WaitMode::Block => mapped.attach().reap()?,
            }
            patience.set(next.looked());
        }
        Ok(!deadline.passed() || ready())
    }

    /// As [`until`](Self::until), but for a slice of its own, and without cleaning up.
    pub(crate) fn slice(
        self,
        mapped: &MappedRing,
        slice: Deadline,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        Ok(self.rest(mapped, slice, &ready, &|| false)? || !deadline.passed() || ready())
    }

    /// Spins, then sleeps, as the mode says, but does not go to sleep `unguarded`; whether it is
    /// `ready`. After a look that finds it so, nothing stands between it and the caller.
    fn rest(
        self,
        mapped: &MappedRing,
        slice: Deadline,
        ready: &impl Fn() -> bool,
        unguarded: &impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        let spins = match self.mode {
            WaitMode::Block => 0,
            WaitMode::Adaptive if self.crowded => 0,
            WaitMode::Adaptive => ADAPTIVE_SPINS,
            WaitMode::Spin => u32::MAX,
        };
        let spins_per_yield = if self.crowded { SPINS_PER_YIELD_CROWDED } else { SPINS_PER_YIELD };
        for spin in 1..=spins {
            if ready() {
                return Ok(true);
            }
            spin_loop();
            if spin % SPINS_PER_CLOCK == 0 && slice.passed() {
                break;
            }
            if spin % spins_per_yield == 0 {
                // The one it waits for may be waiting for this CPU.
                thread::yield_now();
                if self.crowded && spin / spins_per_yield > YIELDS_CROWDED {
                    thread::sleep(SLEEP_CROWDED);
                    if slice.passed() {
                        break;
                    }
                }
            }
        }
        if self.mode != WaitMode::Spin {
            let sleepers = mapped.sleepers(self.role);
            let awake = || unguarded() || ready();
            wake::sleep(sleepers, mapped.handles(), self.handle, self.need, slice, awake);
        }
        let is_ready = ready();
        match refused::take() {
            Some(refused) if !is_ready => {
                let refused::Refused { call, errno } = refused;
                Err(Fault::SleepRefused { call, errno })
            }
            _ => Ok(is_ready),
        }
    }
}

/// Looks for what usually comes within a few microseconds, before anything else is looked at:
/// neither the clock nor a line that the other side writes. Whether it is `ready`.
pub(crate) fn spin(ready: impl Fn() -> bool) -> bool {
    for _ in 0..SPINS_PER_CLOCK {
        if ready() {
            return true;
        }
        spin_loop();
    }
    false
}

/// As [`spin`], for what is not urgent: what a producer of a full ring has to send must wait
/// for all of the ring anyway. Each look takes a line from a consumer that writes it with each
/// message.
pub(crate) fn spin_sparsely(ready: impl Fn() -> bool) -> bool {
    for _ in 0..SPINS_PER_CLOCK / SPINS_SPARSE {
        pause(SPINS_SPARSE);
        if ready() {
            return true;
        }
    }
    false
}

/// Where head is, after it has come to `need`, when a part of the ring is free that is worth
/// the while.
pub(crate) fn low_water_mark(need: u64, capacity: u64) -> u64 {
    need.wrapping_add(capacity / LOW_WATER_MARK_PARTS)
}

/// Lets some time pass without a look at the ring.
pub(crate) fn pause(pauses: u32) {
    (0..pauses).for_each(|_| spin_loop());
}

/// Whether spinning could only keep the other side from running, and when to ask again: an
/// affinity may change, and a peer come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) crowded: bool,
    due: Option<Deadline>,
}

impl Crowd {
    pub(crate) const UNKNOWN: Self = Self { crowded: false, due: None };

    /// What holds now, as far as it was not found out lately.
    pub(crate) fn renewed(self, mapped: &MappedRing) -> Self {
        if self.due.is_some_and(|due| !due.passed()) {
            return self;
        }
        let crowded = is_crowded(mapped);
        let due = Deadline::after(if crowded { CROWDED_FOR } else { ROOMY_FOR });
        Self { crowded, due: Some(due) }
    }
}

/// Returns `true` if this thread, and every thread of each process attached, may run on one
/// and the same CPU only, as far as /proc says.
fn is_crowded(mapped: &MappedRing) -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    if *SINGLE.get_or_init(|| process::online_cpus() == 1) {
        return true;
    }
    let Some(cpu) = affinity::only_cpu() else {
        return false;
    };
    let entries = mapped.attach().mapping().attachments();
    let namespace = |entry: &AttachmentEntry| entry.pid_namespace.load(Ordering::Relaxed);
    let own = entries.get(mapped.attach().index()).map(namespace);
    entries.iter().filter(|entry| entry.is_active()).all(|entry| {
        own == Some(namespace(entry))
            && affinity::is_confined(entry.pid.load(Ordering::Relaxed), cpu)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long from now the next look is.
    fn left(patience: Patience) -> Duration {
        patience.look.remaining().unwrap()
    }

    /// After a wait for something new, in which so many looks were due.
    fn wait(patience: Patience, looks: u32) -> Patience {
        let need = patience.need + 1;
        let mut waiting = patience.once_more(need, WaitMode::Block, false);
        for _ in 0..looks {
            waiting = waiting.looked().once_more(need, WaitMode::Block, false);
        }
        waiting.served()
    }

    // Catches several looks in each of many waits of the same length, a slice that outlasts such
    // waits, and a timer that is due before the tick.
    #[test]
    fn a_wait_begins_with_a_slice_that_suits_the_last_ones() {
        assert_eq!(wait(Patience::NONE, 0).slice, SLICE_MIN);
        let long = wait(Patience::NONE, 9);
        assert_eq!(long.slice, SLICE_MAX / 2);
        assert_eq!(wait(long, 1).slice, SLICE_MAX / 2);
        let regular = (0..3).fold(long, |patience, _| wait(patience, 0));
        assert_eq!(regular.slice, SLICE_MIN);
    }

    // Catches a look that is put off by waits that end before it, whatever they wait for and
    // whether they get it.
    #[test]
    fn a_look_that_is_due_is_not_put_off() {
        let mut patience = Patience::NONE.once_more(1, WaitMode::Block, false);
        let latest = patience.latest;
        for need in 1..1000 {
            patience = patience.once_more(need / 2, WaitMode::Block, false);
            assert_eq!(patience.latest, latest);
            assert!(patience.look <= latest);
            if need % 3 == 0 {
                patience = patience.served();
            }
        }
    }

    // Catches slices that stay long when a monitor ends, or are short beside one.
    #[test]
    fn slices_follow_the_monitor() {
        let asleep = Patience::NONE.once_more(1, WaitMode::Block, true);
        assert!(left(asleep) > SLICE_MAX && left(asleep) <= SLICE_MONITORED);
        for (need, patience) in
            [(1, asleep), (2, asleep), (1, asleep.looked()), (2, asleep.served())]
        {
            let woken = patience.once_more(need, WaitMode::Block, false);
            assert!(left(woken) <= SLICE_MAX);
        }
    }
}
