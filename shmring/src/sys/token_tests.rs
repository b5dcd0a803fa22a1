//! Concurrent reapers of one process, and descriptor numbers that were reused.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;
use crate::sys::memfd;

/// Longer than another reaper takes to start if nothing excludes it.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

fn probe() -> Probe {
    Probe::new(Descriptor::new(memfd::create("token-tests").unwrap()).unwrap())
}

// Catches two threads that reap the same owner at once: they share the description, whose lock
// excludes neither, and one would free the handles while the other releases those of their next
// owner.
#[test]
fn one_thread_of_a_process_cleans_at_a_time() {
    let probe = probe();
    let (begun, both) = mpsc::channel();
    let (inside, met) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let clean = |begun: mpsc::Sender<()>| {
            met.fetch_or(inside.swap(true, Ordering::SeqCst), Ordering::SeqCst);
            let _ = begun.send(());
            thread::sleep(LONG_ENOUGH);
        };
        for _ in 0..2 {
            let (probe, inside, begun) = (&probe, &inside, begun.clone());
            scope.spawn(move || {
                let free = || inside.store(false, Ordering::SeqCst);
                let look = probe.look().unwrap();
                look.reap(0, || clean(begun.clone()), free).unwrap();
            });
        }
        both.recv().unwrap();
        both.recv().unwrap();
    });
    assert!(!met.load(Ordering::SeqCst), "two were cleaning at once");
}

// Catches a reused number that is taken for the former file: another file, or another description of
// the same file, whose locks count as another owner's.
#[test]
fn a_number_that_means_something_else_is_an_error() {
    let first = memfd::create("token-tests").unwrap();
    let number = first.as_raw_fd();
    let again = shm::reopen(&first, true).unwrap();
    let descriptor = Descriptor::new(first).unwrap();
    assert!(descriptor.intact().is_ok());
    for other in [again, memfd::create("token-tests").unwrap()] {
        // SAFETY: the number stays open; the descriptor detects that it is not its own.
        assert_eq!(unsafe { libc::dup2(other.as_raw_fd(), number) }, number);
        assert_eq!(descriptor.intact().unwrap_err().errno(), libc::EBADF);
    }
    drop(descriptor);
    // SAFETY: reads flags, and closes a descriptor that this test opened.
    unsafe {
        assert!(libc::fcntl(number, libc::F_GETFD) >= 0, "closed what is not its own");
        libc::close(number);
    }
}
