//! Many processes that want the same name at once.

use std::path::Path;
use std::time::Duration;

use shmring::gc::Fate;
use shmring::{
    AttachError, Collector, Config, CreateError, Observer, Segment, SegmentInfo, UnlinkError,
    Unlinked,
};

use crate::common::child::{self, Part, pause, say};
use crate::common::{Name, watchdog};

const PROCESSES: usize = 32;
/// How often each of those that remove a name takes it from others.
const REMOVALS: u32 = 200;

/// In the child: waits for the start, creates, attaches, and tells what it got.
pub(crate) fn create(args: &[String]) {
    say("ready");
    pause();
    let created = match Segment::create(&args[0], &Config::spsc().capacity_bytes(8192)) {
        Ok(segment) => Some(segment),
        Err(CreateError::Exists { .. }) => None,
        Err(error) => panic!("{error}"),
    };
    let attached = Segment::attach(&args[0]).unwrap();
    let description = attached.info();
    assert_eq!((description.ring().capacity_bytes, description.total_bytes), (8192, 40_960));
    assert!(attached.status().unwrap().attached.len() <= 2 * PROCESSES);
    say(format!("{} {}", created.is_some(), description.creator_pid));
    pause();
}

/// Catches two winners, none, or a segment that is seen before it is complete.
#[test]
fn one_of_many_racing_processes_creates_the_segment() {
    let _watchdog = watchdog("one_of_many_racing_processes_creates_the_segment");
    let name = Name::new();
    let start = |_| child::start("create", &[&*name]);
    let mut racers: Vec<Part> = (0..PROCESSES).map(start).collect();
    racers.iter_mut().for_each(|racer| assert_eq!(racer.hear(), "ready"));
    racers.iter_mut().for_each(Part::go);
    let said: Vec<(i32, String)> =
        racers.iter_mut().map(|racer| (racer.pid(), racer.hear())).collect();
    let winners: Vec<_> = said.iter().filter(|(_, fact)| fact.starts_with("true")).collect();
    assert_eq!(winners.len(), 1, "{said:?}");
    let creator = format!("{}", winners[0].0);
    assert!(said.iter().all(|(_, fact)| fact.ends_with(&creator)), "{said:?}");
    let attached = Segment::attach(&name).unwrap().status().unwrap().attached;
    assert_eq!(attached.len(), PROCESSES + 2);
    assert!(attached.iter().all(|participant| participant.alive));
    racers.into_iter().for_each(|racer| drop(racer.finish()));
}

/// Catches leftovers of processes that were killed while they created: of each kill
/// nothing stays but, at most, the complete segment.
#[test]
fn a_creator_that_is_killed_leaves_all_or_nothing() {
    let _watchdog = watchdog("a_creator_that_is_killed_leaves_all_or_nothing");
    for round in 0..30 {
        let name = Name::new();
        let mut racer = child::start("create", &[&*name]);
        assert_eq!(racer.hear(), "ready");
        racer.go();
        std::thread::sleep(Duration::from_micros(20 * round));
        racer.kill();
        if name.path().exists() {
            Segment::attach(&name).unwrap();
        }
        let temporary = format!(".shmring-{}-", racer.pid());
        let left = std::fs::read_dir("/dev/shm").unwrap().flatten();
        let mut left = left.map(|entry| entry.file_name().to_string_lossy().into_owned());
        assert!(!left.any(|file| file.starts_with(&temporary)));
    }
}

/// In the child: replaces the segment over and over, and removes it in each way.
pub(crate) fn replace_on(args: &[String]) {
    let config = Config::spsc().capacity_bytes(4096);
    say("ready");
    loop {
        drop(Segment::recreate(&args[0], &config).unwrap());
        drop(Segment::recreate(&args[0], &config).unwrap());
        assert_eq!(Segment::unlink_stale(&args[0]).unwrap(), Unlinked::Removed);
        drop(Segment::recreate(&args[0], &config).unwrap());
        let collected = Collector::new().unattached(true).collect(&args[0]).unwrap();
        assert_eq!(collected.fate, Fate::RemovedUnattached);
    }
}

/// Catches a lock that outlives a killed process that replaced or removed a segment, and half
/// of a segment that is left of it.
#[test]
fn a_killed_replacement_blocks_no_process() {
    let _watchdog = watchdog("a_killed_replacement_blocks_no_process");
    for round in 0..30 {
        let name = Name::new();
        let mut child = child::start("replace-on", &[&*name]);
        assert_eq!(child.hear(), "ready");
        std::thread::sleep(Duration::from_micros(500 + 37 * round));
        child.kill();
        match Segment::attach(&name) {
            Ok(segment) => drop(segment),
            Err(AttachError::NotFound { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        drop(Segment::recreate(&name, &Config::spsc()).unwrap());
        Segment::unlink(&name).unwrap();
    }
}

/// In the child, until there is a file to end it: attaches over and over to what others
/// remove, and creates it when it is gone. What it is attached to keeps its name.
pub(crate) fn attach_on(args: &[String]) {
    let [name, end] = args else {
        panic!("two names");
    };
    say("ready");
    while !Path::new(end).exists() {
        let segment = match Segment::attach(name) {
            Err(AttachError::NotFound { .. }) => {
                match Segment::create(name, &Config::spsc().capacity_bytes(4096)) {
                    Err(CreateError::Exists { .. }) => continue,
                    created => created.unwrap(),
                }
            }
            attached => attached.unwrap(),
        };
        let named = Observer::open(name).unwrap();
        let identity = |facts: &SegmentInfo| (facts.created, facts.creator_pid);
        assert_eq!(identity(named.info()), identity(segment.info()));
        drop(segment);
        // Otherwise a process is always attached.
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// In the child: removes the segment some times, whenever no process uses it.
pub(crate) fn unlink_on(args: &[String]) {
    let mut removed = 0;
    while removed < REMOVALS {
        match Segment::unlink_stale(&args[0]) {
            Ok(Unlinked::Removed) => removed += 1,
            Ok(Unlinked::InUse { .. }) | Err(UnlinkError::NotFound { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Catches a segment that loses its name while a process attaches to it or uses it, and a
/// removal that never succeeds beside them.
#[test]
fn an_unused_segment_is_removed_under_no_user() {
    let _watchdog = watchdog("an_unused_segment_is_removed_under_no_user");
    let (name, end) = (Name::new(), Name::new());
    let end_path = end.path();
    let args = [&*name, end_path.to_str().unwrap()];
    let mut attachers: Vec<Part> = (0..3).map(|_| child::start("attach-on", &args)).collect();
    attachers.iter_mut().for_each(|attacher| assert_eq!(attacher.hear(), "ready"));
    let removers: Vec<Part> = (0..3).map(|_| child::start("unlink-on", &args)).collect();
    removers.into_iter().for_each(|remover| drop(remover.finish()));
    std::fs::write(&end_path, "").unwrap();
    attachers.into_iter().for_each(|attacher| drop(attacher.finish()));
}
