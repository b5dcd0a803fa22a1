//! Waiting with calls that do not wait, in a setting's way.

use std::hint::spin_loop;

use crate::contender::Wait;

/// Tries before an adaptive wait goes to sleep: some 25 us of `pause` instructions.
pub(super) const TRIES: u32 = 1000;

/// Counts the tries of one wait.
pub(super) struct Patience {
    wait: Wait,
    tries: u32,
}

impl Patience {
    #[inline(always)]
    pub(super) fn new(wait: Wait) -> Patience {
        Patience { wait, tries: 0 }
    }

    /// To be asked after a try that failed: true, after a pause, to try again; false to go to
    /// sleep.
    #[inline(always)]
    pub(super) fn more(&mut self) -> bool {
        match self.wait {
            Wait::Spin => {}
            Wait::Adaptive if self.tries < TRIES => self.tries += 1,
            Wait::Adaptive | Wait::Block => return false,
        }
        spin_loop();
        true
    }
}
