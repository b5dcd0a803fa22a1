//! Replacing segments, and racing for a name.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;

use shmring::{Config, CreateError, Segment};

use crate::common::{Name, eventually, watchdog};

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// Catches a live segment that is replaced under its users.
#[test]
fn a_segment_in_use_is_not_replaced() {
    let name = Name::new();
    let (segment, mut producer, mut consumer) = name.pair(4096);
    producer.send(b"kept").unwrap();
    let in_use = Segment::recreate(&name, &smallest()).unwrap_err();
    let CreateError::InUse { name: found, by } = &in_use else {
        panic!("{in_use:?}");
    };
    assert_eq!((&**found, by.len(), by[0].pid), (&*name, 1, std::process::id()));
    assert!(in_use.to_string().contains(&std::process::id().to_string()), "{in_use}");
    // A handle alone is use enough.
    drop(segment);
    assert!(matches!(Segment::recreate(&name, &smallest()), Err(CreateError::InUse { .. })));
    assert_eq!(consumer.recv().unwrap(), b"kept");
    drop((producer, consumer));
    recreate(&name, &smallest());
}

fn recreate(name: &Name, config: &Config) -> Segment {
    eventually("nobody is attached", || match Segment::recreate(name, config) {
        Ok(segment) => Some(segment),
        Err(CreateError::InUse { .. }) => None,
        Err(error) => panic!("{error}"),
    })
}

/// Catches a replacement that keeps the old size, messages or closed state, or that
/// needs something to replace.
#[test]
fn an_unused_segment_is_replaced() {
    let name = Name::new();
    let (segment, mut producer, consumer) = name.pair(4096);
    producer.send(b"lost").unwrap();
    segment.close();
    drop((segment, producer, consumer));
    let new = recreate(&name, &Config::spsc().capacity_bytes(8192).mode(0o644));
    assert_eq!((new.info().ring().capacity_bytes, new.info().mode), (8192, 0o644));
    let status = new.status().unwrap();
    assert_eq!(
        (status.ring().used_bytes, status.ring().closed, status.attached.len()),
        (0, false, 1)
    );
    assert!(matches!(new.consumer().unwrap().try_recv(), Err(shmring::TryRecvError::Empty)));
    let fresh = Name::new();
    recreate(&fresh, &smallest());
}

/// Catches damage that stays for ever because nothing dares to replace it.
#[test]
fn a_damaged_segment_is_replaced() {
    let name = Name::new();
    for (offset, byte) in [(8, 9), (16, 9), (48, 9), (4095, 9)] {
        drop(recreate(&name, &smallest()));
        let file = OpenOptions::new().write(true).open(name.path()).unwrap();
        file.write_all_at(&[byte], offset).unwrap();
        assert!(Segment::attach(&name).is_err());
        recreate(&name, &smallest());
        Segment::attach(&name).unwrap();
    }
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    file.set_len(5000).unwrap();
    recreate(&name, &smallest());
}

/// Catches a replacement refused though it never began: a bad configuration must leave
/// the old segment as it was.
#[test]
fn a_refused_replacement_leaves_the_old_segment() {
    let name = Name::new();
    let (segment, mut producer, consumer) = name.pair(4096);
    producer.send(b"kept").unwrap();
    drop((segment, producer, consumer));
    let refused = Segment::recreate(&name, &Config::spsc().capacity_bytes(0));
    assert!(matches!(refused, Err(CreateError::Config(_) | CreateError::InUse { .. })));
    let mut consumer = Segment::attach(&name).unwrap().consumer().unwrap();
    assert_eq!(consumer.recv().unwrap(), b"kept");
}

/// Catches two winners of one name, none, or a segment that is seen half built.
#[test]
fn one_of_many_racing_threads_creates_the_segment() {
    let _watchdog = watchdog("one_of_many_racing_threads_creates_the_segment");
    for _ in 0..20 {
        let name = Name::new();
        let start = std::sync::Barrier::new(8);
        let segments: Vec<_> = std::thread::scope(|scope| {
            let race = || {
                start.wait();
                let created = Segment::create(&name, &smallest());
                let attached = Segment::attach(&name).unwrap();
                assert!(matches!(created, Ok(_) | Err(CreateError::Exists { .. })), "{created:?}");
                (created.ok(), attached)
            };
            let racers: Vec<_> = (0..8).map(|_| scope.spawn(race)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(segments.iter().filter(|(created, _)| created.is_some()).count(), 1);
        assert_eq!(segments[0].1.status().unwrap().attached.len(), 9);
    }
}

/// Catches replacements that destroy each other's new segment: of those that race, the
/// winner's segment is the one that the name means, for as long as it is in use.
#[test]
fn racing_replacements_leave_one_segment() {
    let _watchdog = watchdog("racing_replacements_leave_one_segment");
    for _ in 0..10 {
        let name = Name::new();
        drop(name.create(&smallest()));
        let start = std::sync::Barrier::new(6);
        let segments: Vec<_> = std::thread::scope(|scope| {
            let race = || {
                start.wait();
                Segment::recreate(&name, &smallest())
            };
            let racers: Vec<_> = (0..6).map(|_| scope.spawn(race)).collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        let mut winners = Vec::new();
        for result in segments {
            match result {
                Ok(segment) => winners.push(segment),
                Err(CreateError::InUse { .. } | CreateError::Exists { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        // All racers but one may have met another's start, and none won.
        if winners.is_empty() {
            winners.push(recreate(&name, &smallest()));
        }
        assert_eq!(winners.len(), 1);
        let attached = Segment::attach(&name).unwrap();
        assert_eq!(attached.info().created, winners[0].info().created);
    }
}
