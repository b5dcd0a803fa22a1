//! Waiting with calls that do not wait, in a setting's way.

use std::hint::spin_loop;
use std::thread;

use crate::contender::Wait;

/// Pauses before an adaptive wait goes to sleep, and before one that spins yields its CPU, as the
/// rings do: some 25 us.
pub(super) const PAUSES: u32 = 1000;
/// The longest back-off, in pauses.
const LONGEST: u32 = 64;

/// Measures out the pauses of one wait.
pub(super) struct Patience {
    wait: Wait,
    paused: u32,
    next: u32,
    longest: u32,
}

impl Patience {
    /// One pause between two tries.
    #[inline(always)]
    pub(super) fn new(wait: Wait) -> Patience {
        Patience { wait, paused: 0, next: 1, longest: 1 }
    }

    /// Twice as many after each try, where one who tries is in the way of the other side: he takes
    /// a lock, or a line that all ends write to.
    #[inline(always)]
    pub(super) fn backing_off(wait: Wait) -> Patience {
        Patience { longest: LONGEST, ..Patience::new(wait) }
    }

    /// To be asked after a try that failed: true, after a pause, to try again; false to go to
    /// sleep.
    #[inline(always)]
    pub(super) fn more(&mut self) -> bool {
        match self.wait {
            Wait::Spin if self.paused >= PAUSES => {
                self.paused = 0;
                thread::yield_now();
            }
            Wait::Spin => self.paused += self.next,
            Wait::Adaptive if self.paused < PAUSES => self.paused += self.next,
            Wait::Adaptive | Wait::Block => return false,
        }
        for _ in 0..self.next {
            spin_loop();
        }
        self.next = (2 * self.next).min(self.longest);
        true
    }
}
