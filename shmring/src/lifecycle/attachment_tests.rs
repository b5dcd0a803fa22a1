//! Races of an attach with other processes, and the entries that a short check covers.

use std::cell::Cell;

use super::*;
use crate::sync::{AtomicU32, AtomicU64};

fn entry() -> tables::AttachmentEntry {
    tables::AttachmentEntry {
        state: AtomicU64::new(0),
        pid: AtomicU32::new(0),
        uid: AtomicU32::new(0),
        start_ticks: AtomicU64::new(0),
        pid_namespace: AtomicU64::new(0),
        reserved: [const { AtomicU64::new(0) }; 4],
    }
}

// Catches an entry that is taken although another process took it and died since it was checked:
// the dead process's handles would never be released.
#[test]
fn an_entry_is_looked_at_again_when_its_token_is_taken() {
    let (entry, released) = (entry(), Cell::new(false));
    let take = || {
        entry.activate();
        Ok(true)
    };
    let release = || {
        released.set(true);
        Ok(())
    };
    assert!(!take_entry(&entry, take, release).unwrap());
    assert!(released.get() && entry.is_active());
    entry.free();
    assert!(take_entry(&entry, || Ok(true), || panic!("released")).unwrap());
    assert!(!take_entry(&entry, || Ok(false), || panic!("released")).unwrap());
}

// Catches a sleeper that nobody wakes because a waker took its bit and died before it woke it.
#[test]
fn a_reaper_wakes_sleepers_without_a_bit() {
    let segment = crate::Segment::create_sealed("reaped", &crate::Config::mpmc()).unwrap();
    let own = segment.view().unwrap();
    let attachment = own.attach();
    let mine = tables::claim_handle(own.handles(), attachment.index(), 0).unwrap();
    let moved = || own.handles()[mine].park.load(Ordering::Relaxed);
    attachment.reap().unwrap();
    assert_eq!(moved(), 0);
    // An entry whose token nobody has is a dead one's.
    attachment.mapping().attachments().last().unwrap().activate();
    attachment.reap().unwrap();
    assert_eq!(moved(), 1);
}
