//! Setting the times of a segment's file while it is in use.
//!
//! Messages are stores into a mapping, which do not change the file's times. Programs that remove
//! unused files after some days, such as systemd-tmpfiles, would remove the file of a busy ring. So
//! an attachment sets the times when a handle joins, when the attachment ends, and at most once a
//! minute while a waiter checks for dead peers. A verb that does not wait never sets them.

use crate::sync::{AtomicU64, Ordering};
use crate::sys::clock;

/// Minimum time between two updates by waiters.
const INTERVAL_NS: u64 = 60_000_000_000;

/// The time of this attachment's last update.
#[derive(Debug, Default)]
pub(crate) struct UseMarks {
    /// In nanoseconds on the monotonic clock; 0 for never.
    at_ns: AtomicU64,
}

impl UseMarks {
    /// Calls `touch` if the last update is older than the interval. Threads may race; one more
    /// update does no harm.
    pub(crate) fn renew(&self, touch: impl FnOnce()) {
        let now_ns = clock::now_ns();
        if now_ns.saturating_sub(self.at_ns.load(Ordering::Relaxed)) >= INTERVAL_NS {
            self.set(now_ns, touch);
        }
    }

    /// Calls `touch`.
    pub(crate) fn set_now(&self, touch: impl FnOnce()) {
        self.set(clock::now_ns(), touch);
    }

    fn set(&self, now_ns: u64, touch: impl FnOnce()) {
        self.at_ns.store(now_ns, Ordering::Relaxed);
        touch();
    }

    #[cfg(test)]
    fn age(&self, ns: u64) {
        self.at_ns.fetch_sub(ns, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    // Catches an update at each check, and one that is never repeated.
    #[test]
    fn a_waiter_marks_once_a_minute() {
        let marked = Cell::new(0);
        let mark = || marked.set(marked.get() + 1);
        let marks = UseMarks::default();
        marks.set_now(mark);
        assert_eq!(marked.get(), 1);
        marks.renew(mark);
        assert_eq!(marked.get(), 1);
        marks.age(INTERVAL_NS - 5_000_000_000);
        marks.renew(mark);
        assert_eq!(marked.get(), 1);
        marks.age(5_000_000_000);
        marks.renew(mark);
        assert_eq!(marked.get(), 2);
        marks.renew(mark);
        assert_eq!(marked.get(), 2);
    }
}
