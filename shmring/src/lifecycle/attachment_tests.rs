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

// Catches a monitor that ends, by whatever way its thread does, without a wake for those who rely
// on it, and one that ends while another does not.
#[test]
fn the_end_of_a_monitor_wakes_its_own_sleepers() {
    let segment = crate::Segment::create_sealed("monitored", &crate::Config::mpmc()).unwrap();
    let (own, others) = (segment.view().unwrap(), 7);
    let attachment = own.attach();
    let claim = |index| tables::claim_handle(own.handles(), index, 0).unwrap();
    let (mine, foreign) = (claim(attachment.index()), claim(others));
    let moved = |handle: usize| own.handles()[handle].park.load(Ordering::Relaxed);
    assert!(!attachment.is_monitored());
    let first = attachment.monitored();
    let panicked = std::panic::catch_unwind(|| {
        let _second = attachment.monitored();
        panic!("as a thread may");
    });
    assert!(panicked.is_err() && attachment.is_monitored());
    let before = moved(mine);
    drop(first);
    assert!(!attachment.is_monitored());
    assert_eq!((moved(mine), moved(foreign)), (before + 1, 0));
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

// Catches a kernel whose reports are not believed, and a monitor that is relied on after its end.
#[test]
fn a_monitor_is_relied_on_while_it_runs() {
    let segment = crate::Segment::create_sealed("relied-on", &crate::Config::spsc()).unwrap();
    let view = segment.view().unwrap();
    let monitor = segment.monitor().unwrap();
    while !view.attach().is_monitored() {
        std::thread::yield_now();
    }
    drop(monitor);
    assert!(!view.attach().is_monitored());
}
