//! The open file description that the lock belongs to.

use std::fs::File;

use super::*;
use crate::sys::memfd;

// Catches a lock on a description that was opened before forks were held off: a fork child may have
// a copy, and keeps the lock when this process is killed.
#[test]
fn the_lock_belongs_to_no_older_open_of_the_file() {
    let file = memfd::create("lifecycle-tests").unwrap();
    // As in a fork child: the same description.
    let copy = file.try_clone().unwrap();
    // A query does not see the locks of its own description.
    let is_others = |file: &File| token::try_exclusive(file, BYTE).map(|taken| !taken).unwrap();
    let name = Name::of_unnamed();
    for take in [LifecycleLock::shared, LifecycleLock::exclusive] {
        let lock = take(&file, &name).unwrap();
        assert!(is_others(&copy), "a copy of the descriptor has the lock");
        drop(lock);
        assert!(!is_others(&copy));
        token::release(&copy, BYTE).unwrap();
    }
}
