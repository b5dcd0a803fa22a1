//! The monotonic clock, which all deadlines use.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// A point on the monotonic clock, in nanoseconds, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline {
    at_ns: u64,
}

impl Deadline {
    pub(crate) const NEVER: Self = Self { at_ns: u64::MAX };

    /// Returns the deadline `timeout` from now; never, if the clock cannot express it.
    pub(crate) fn after(timeout: Duration) -> Self {
        let timeout_ns = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        Self { at_ns: now_ns().saturating_add(timeout_ns) }
    }

    /// Returns the deadline at `instant`, or now if that has passed.
    pub(crate) fn at(instant: Instant) -> Self {
        Self::after(instant.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn passed(self) -> bool {
        self != Self::NEVER && now_ns() >= self.at_ns
    }

    /// Returns the time until the deadline; `None` if it is never.
    pub(crate) fn remaining(self) -> Option<Duration> {
        let left = || Duration::from_nanos(self.at_ns.saturating_sub(now_ns()));
        (self != Self::NEVER).then(left)
    }

    /// Returns the deadline as the kernel expects absolute timeouts.
    pub(crate) fn timespec(self) -> libc::timespec {
        let seconds = self.at_ns / NANOS_PER_SECOND;
        let nanos = self.at_ns % NANOS_PER_SECOND;
        // 2^64 ns are 585 years, so the seconds fit into an `i64`, as which 64-bit Linux has
        // `time_t` and `c_long`.
        libc::timespec { tv_sec: seconds.cast_signed(), tv_nsec: nanos.cast_signed() }
    }
}

/// Reads the monotonic clock.
pub(crate) fn now_ns() -> u64 {
    read_ns(libc::CLOCK_MONOTONIC)
}

/// Reads the monotonic clock as of the last tick of the kernel, some milliseconds ago at most, in a
/// few nanoseconds.
pub(crate) fn coarse_ns() -> u64 {
    read_ns(libc::CLOCK_MONOTONIC_COARSE)
}

#[inline]
fn read_ns(clock: libc::clockid_t) -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a valid timespec to write to; the call has no other effect.
    // It cannot fail: both clocks exist on every Linux.
    unsafe { libc::clock_gettime(clock, &raw mut now) };
    now.tv_sec as u64 * NANOS_PER_SECOND + now.tv_nsec as u64
}
