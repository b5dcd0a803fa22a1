//! Marking a segment's file as used.
//!
//! Messages are stores into a mapping, which leave the times of the file as they are: to those
//! who remove what nobody has used for days, such as systemd-tmpfiles, the file of a busy ring
//! looks abandoned. So an attach moves the times when a handle joins, when it ends, and while it
//! waits, when it looks for the dead anyway, once a minute at most. No message that need not wait
//! does.

use std::fs::File;

use crate::sync::{AtomicU64, Ordering};
use crate::sys::{clock, shm};

/// How old the last mark is at least when a waiter makes another one.
const INTERVAL_NS: u64 = 60_000_000_000;

/// When this attach marked the file last.
#[derive(Debug, Default)]
pub(super) struct UseMarks {
    /// On the monotonic clock; 0 is never.
    at_ns: AtomicU64,
}

impl UseMarks {
    /// Marks the file, if the last mark is old. Threads that do so at once do no harm.
    pub(super) fn renew<'a>(&self, file: impl FnOnce() -> Option<&'a File>) {
        let now_ns = clock::now_ns();
        if now_ns.saturating_sub(self.at_ns.load(Ordering::Relaxed)) >= INTERVAL_NS {
            self.set(now_ns, file());
        }
    }

    /// Marks the file.
    pub(super) fn set_now(&self, file: Option<&File>) {
        self.set(clock::now_ns(), file);
    }

    fn set(&self, now_ns: u64, file: Option<&File>) {
        self.at_ns.store(now_ns, Ordering::Relaxed);
        // Who may not, as another user with a descriptor only, leaves it to others.
        let _ = file.map(shm::touch);
    }

    #[cfg(test)]
    fn age(&self, ns: u64) {
        self.at_ns.fetch_sub(ns, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::sys::memfd;

    // Catches a mark at each look, and one that is never made again.
    #[test]
    fn a_waiter_marks_once_a_minute() {
        let file = memfd::create("marked").unwrap();
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let is_marked = || {
            let marked = file.metadata().unwrap().modified().unwrap() != old;
            file.set_modified(old).unwrap();
            marked
        };
        let marks = UseMarks::default();
        file.set_modified(old).unwrap();
        marks.set_now(Some(&file));
        assert!(is_marked());
        marks.renew(|| Some(&file));
        assert!(!is_marked());
        marks.age(INTERVAL_NS - 5_000_000_000);
        marks.renew(|| Some(&file));
        assert!(!is_marked());
        marks.age(5_000_000_000);
        marks.renew(|| Some(&file));
        assert!(is_marked());
        marks.renew(|| Some(&file));
        assert!(!is_marked());
    }
}
