use std::path::Path;
use std::thread;

use super::*;
use crate::sys::shm::Unnamed;

/// Catches a collector that removes the temporary name of a living creator, and a creator that
/// continues with an object whose name was removed before it had the lock.
#[test]
fn collectors_leave_makers_their_temporary_names() {
    let temporary = format!(".shmring-{}-0", std::process::id());
    let path = shm::path(&temporary);
    let maker = thread::spawn(|| {
        for _ in 0..1000 {
            let made = Unnamed::with_temporary_name("made").unwrap();
            thread::yield_now();
            assert_eq!(made.file().metadata().unwrap().nlink(), 1, "its name was removed");
        }
    });
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                // As fast as it can, to meet a creator that has no lock yet.
                while !maker.is_finished() {
                    let _ = Collector::new().is_unfinished(&temporary);
                }
            });
        }
    });
    maker.join().unwrap();
    assert!(!Path::new(&path).exists());
}
