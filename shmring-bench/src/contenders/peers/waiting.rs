//! Waiting with calls that do not wait, in a setting's way.

use std::hint::spin_loop;

use crate::contender::Wait;

/// Tries before an adaptive wait goes to sleep: some 25 us of `pause` instructions.
pub(super) const TRIES: u32 = 1000;

/// Tries until it succeeds.
#[inline(always)]
pub(super) fn spin<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(got) = attempt() {
            return got;
        }
        spin_loop();
    }
}

/// Tries as long as the way of waiting does before it sleeps; `None` when it is time to sleep.
#[inline(always)]
pub(super) fn awake<T>(wait: Wait, mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let mut tries = 0;
    loop {
        if let Some(got) = attempt() {
            return Some(got);
        }
        match wait {
            Wait::Spin => {}
            Wait::Adaptive if tries < TRIES => tries += 1,
            Wait::Adaptive | Wait::Block => return None,
        }
        spin_loop();
    }
}
