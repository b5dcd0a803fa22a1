//! Observing a segment without attaching.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use shmring::{Config, Observer, Segment};

use crate::common::{Name, eventually, payload};

/// Catches an observer that writes into the segment, or that needs to.
#[test]
fn an_observer_changes_nothing_and_sees_everything() {
    let name = Name::new();
    let (segment, mut producer, mut consumer) = name.pair(4096);
    for number in 0..10 {
        producer.send(&payload(number, 40)).unwrap();
    }
    consumer.recv().unwrap();
    fs::set_permissions(name.path(), Permissions::from_mode(0o444)).unwrap();
    let before = fs::read(name.path()).unwrap();
    let observer = Observer::open(&name).unwrap();
    let description = observer.info();
    assert_eq!(description.name, *name);
    assert_eq!((description.mode, description.ring().capacity_bytes), (0o444, 4096));
    for _ in 0..3 {
        let status = observer.status().unwrap();
        assert_eq!((status.ring().used_bytes, status.ring().messages_received), (9 * 48, 1));
        assert!(!status.ring().closed);
        let own = segment.status().unwrap();
        assert_eq!(status.attached, own.attached);
        assert_eq!((status.attached.len(), status.attached[0].pid), (1, std::process::id()));
        assert_eq!(status.ring().producers, own.ring().producers);
        assert_eq!(status.ring().consumers.first(), status.attached.first());
    }
    drop(observer);
    assert_eq!(fs::read(name.path()).unwrap(), before);
    drop((producer, consumer));
    let observer = Observer::open(&name).unwrap();
    assert!(observer.status().unwrap().ring().producers.is_empty());
    segment.close();
    assert!(observer.status().unwrap().ring().closed);
    drop(segment);
    assert!(observer.status().unwrap().attached.is_empty());
}

/// Catches an observer that keeps a segment in use or takes a place in its table.
#[test]
fn an_observer_is_in_nobodys_way() {
    let name = Name::new();
    let config = Config::spsc().capacity_bytes(4096).max_attachments(1);
    let segment = name.create(&config);
    let observer = Observer::open(&name).unwrap();
    drop(segment);
    drop(eventually("the only place is free", || Segment::attach(&name).ok()));
    drop(eventually("nobody is attached", || Segment::recreate(&name, &config).ok()));
    // What it looks at is the old segment, which no process is attached to.
    assert!(observer.status().unwrap().attached.is_empty());
}

/// Catches a listing with files that are none of ours, or without damaged segments.
#[test]
fn the_list_has_segments_only() {
    let (sound, damaged, foreign) = (Name::new(), Name::new(), Name::new());
    sound.create(&Config::spsc().capacity_bytes(4096));
    fs::write(&*damaged.path(), b"shmring\0 and no more").unwrap();
    fs::write(&*foreign.path(), b"something else entirely").unwrap();
    let names = shmring::list().unwrap();
    assert!(names.contains(&sound.to_string()) && names.contains(&damaged.to_string()));
    assert!(!names.contains(&foreign.to_string()));
    assert!(names.is_sorted());
}

/// Catches an observer that panics on, or reads beyond, tables and control words that a
/// hostile peer wrote. In this geometry they lie from byte 4096 to 28416.
#[test]
fn an_observer_survives_hostile_tables() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let observer = Observer::open(&name).unwrap();
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    for (round, fill) in [0xFF, 0x01, 0x80, 0x08].into_iter().enumerate() {
        file.write_all_at(&vec![fill; 32_768 - 8192], 8192).unwrap();
        check(&observer, &segment);
        for number in 0..50 {
            let mut bytes = payload(1000 * round as u64 + number, 32_768 - 8192);
            // Positions between words have a test of their own.
            bytes[28_416 - 8192] &= 0xF8;
            bytes[28_800 - 8192] &= 0xF8;
            file.write_all_at(&bytes, 8192).unwrap();
            check(&observer, &segment);
        }
    }
}

fn check(observer: &Observer, segment: &Segment) {
    for status in [observer.status().unwrap(), segment.status().unwrap()] {
        assert!(status.ring().used_bytes <= 4096 && status.attached.len() <= 64);
        assert!(!format!("{status:?}").is_empty());
    }
}
