use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

/// Catches a collector that removes the temporary name of a maker who is at it, and a maker
/// who goes on with an object whose name was removed before it had the lock.
#[test]
fn collectors_leave_makers_their_temporary_names() {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    collect_unfinished(true).unwrap();
                }
            });
        }
        for round in 0..500 {
            let made = Unnamed::with_temporary_name().unwrap();
            let temporary = made.temporary.clone().unwrap();
            assert!(means(&temporary, made.file()), "round {round}");
            thread::yield_now();
            let name = format!("shmring-test-{}-temporary", std::process::id());
            made.link(&name).unwrap();
            unlink(&name).unwrap();
            assert!(means(&temporary, made.file()), "round {round}");
            drop(made);
            assert!(!exists(&temporary));
        }
        is_over.store(true, Ordering::Relaxed);
    });
}
