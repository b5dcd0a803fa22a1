//! Waiting for the other side: spin, then sleep, never longer than a slice at once.

use std::cell::Cell;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use crate::error::{Fault, Role};
use crate::ring::wake;
use crate::segment::View;
use crate::sync::{Deadline, spin_loop};
use crate::sys::{process, refused};

/// How a handle waits.
///
/// Who does not block paces himself. A producer before a full ring hopes for some
/// microseconds that an eighth of it becomes free, and then is content with room for its
/// message. A consumer that finds nothing again and again, though messages come as fast as
/// they can, tries to look less often, up to 128 `pause` instructions later (one to six
/// microseconds), and goes on so while more messages go through that way; where they come
/// one by one it looks again at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitMode {
    /// Never sleeps. Fastest, and takes a whole CPU while it waits; only if another thread
    /// is to run on that CPU, it gives way after some tens of microseconds.
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
/// Pauses between two looks of one who is not in a hurry.
const SPINS_SPARSE: u32 = 8;
/// A producer of a full ring first waits for this part of it to be free.
const PLENTY_PARTS: u64 = 8;
/// The first sleep of a wait, and the longest: each is twice as long as the one before. A
/// waker killed between publish and wake, or an owner killed while it holds a role, so
/// costs about as long as the wait has lasted, and at most the longest sleep.
const SLICE_MIN: Duration = Duration::from_millis(2);
const SLICE_MAX: Duration = Duration::from_millis(100);
/// How often one who spins looks after the dead: the CPU is its own anyway.
const SLICE_SPINNING: Duration = Duration::from_millis(1);

/// How long a handle has waited for the same thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    need: u64,
    slice: Duration,
}

impl Patience {
    pub(crate) const NONE: Self = Self { need: 0, slice: Duration::ZERO };

    /// After another wait, for `need`.
    fn once_more(self, need: u64) -> Self {
        let slice = if need == self.need { self.slice * 2 } else { Duration::ZERO };
        Self { need, slice: slice.clamp(SLICE_MIN, SLICE_MAX) }
    }
}

/// What a handle waits for, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    pub(crate) role: Role,
    pub(crate) handle: usize,
    pub(crate) mode: WaitMode,
    /// The position of the other side that ends the wait.
    pub(crate) need: u64,
}

impl Wait {
    /// Waits until `ready`, someone wakes the handle, or a slice of time is over, after
    /// which it cleans up behind the dead; whether there is time left to try again.
    ///
    /// # Errors
    /// [`Fault::SleepRefused`], rather than to go on without sleep.
    pub(crate) fn until(
        self,
        view: &View,
        patience: &Cell<Patience>,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        patience.set(patience.get().once_more(self.need));
        let slice = if self.mode == WaitMode::Spin { SLICE_SPINNING } else { patience.get().slice };
        let slice = Deadline::after(slice).min(deadline);
        if self.rest(view, slice, &ready)? {
            return Ok(true);
        }
        if slice.passed() {
            // The other side may have died without a word.
            match self.mode {
                WaitMode::Spin => view.attach().sweep_some()?,
                WaitMode::Adaptive | WaitMode::Block => view.attach().sweep()?,
            }
        }
        Ok(!deadline.passed() || ready())
    }

    /// As [`until`](Self::until), but for a slice of its own, and without cleaning up.
    pub(crate) fn slice(
        self,
        view: &View,
        slice: Deadline,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        Ok(self.rest(view, slice, &ready)? || !deadline.passed() || ready())
    }

    /// Spins, then sleeps, as the mode says; whether it is `ready`. After a look that finds
    /// it so, nothing stands between it and the caller.
    fn rest(self, view: &View, slice: Deadline, ready: &impl Fn() -> bool) -> Result<bool, Fault> {
        let spins = match self.mode {
            WaitMode::Block => 0,
            WaitMode::Adaptive if is_single_cpu() => 0,
            WaitMode::Adaptive => ADAPTIVE_SPINS,
            WaitMode::Spin => u32::MAX,
        };
        for spin in 1..=spins {
            if ready() {
                return Ok(true);
            }
            spin_loop();
            if spin % SPINS_PER_CLOCK == 0 && slice.passed() {
                break;
            }
            if spin % SPINS_PER_YIELD == 0 {
                // The one it waits for may be waiting for this CPU.
                thread::yield_now();
            }
        }
        if self.mode != WaitMode::Spin {
            let sleepers = view.sleepers(self.role);
            let fences = view.attach().fences();
            wake::sleep(sleepers, view.handles(), self.handle, self.need, slice, fences, ready);
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

impl WaitMode {
    /// Whether a wait begins with looks at the ring, rather than with sleep.
    pub(crate) fn looks(self) -> bool {
        self != Self::Block && !is_single_cpu()
    }
}

/// Looks for what usually comes within a few microseconds, before anything else is looked at:
/// neither the clock nor a line that the other side writes. Whether it is `ready`.
pub(crate) fn glance(ready: impl Fn() -> bool) -> bool {
    for _ in 0..SPINS_PER_CLOCK {
        if ready() {
            return true;
        }
        spin_loop();
    }
    false
}

/// As [`glance`], for what is not urgent: what a producer of a full ring has to send must wait
/// for all of the ring anyway. Each look takes a line from a consumer that writes it with each
/// message.
pub(crate) fn glance_sparsely(ready: impl Fn() -> bool) -> bool {
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
pub(crate) fn plenty(need: u64, capacity: u64) -> u64 {
    need.wrapping_add(capacity / PLENTY_PARTS)
}

/// Lets some time pass without a look at the ring.
pub(crate) fn pause(pauses: u32) {
    (0..pauses).for_each(|_| spin_loop());
}

/// Whether spinning could only keep the other side from running.
fn is_single_cpu() -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    *SINGLE.get_or_init(|| process::online_cpus() == 1)
}
