//! Names and configurations, good and bad.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::time::{Duration, Instant};

use shmring::{
    AttachError, Config, ConfigError, CreateError, Kind, NameError, Observer, Segment, UnlinkError,
};

use crate::common::{HANG, Name, SHORT, watchdog};

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// Catches a name that reaches another directory, or that a verb lets through.
#[test]
fn bad_names_are_refused_by_every_verb() {
    let long = "x".repeat(256);
    let too_long = NameError::TooLong { len: 256, max: 255 };
    let cases = [
        ("", NameError::Empty),
        ("/", NameError::Empty),
        (".", NameError::Dot),
        ("/..", NameError::Dot),
        ("a/b", NameError::InnerSlash),
        ("//x", NameError::InnerSlash),
        ("x/", NameError::InnerSlash),
        ("../tmp/x", NameError::InnerSlash),
        ("a\0b", NameError::Nul),
        (&long, too_long),
        (".shmring-1-2", NameError::Reserved { prefix: ".shmring-" }),
        ("/.shmring-x", NameError::Reserved { prefix: ".shmring-" }),
    ];
    for (name, expected) in cases {
        let create = Segment::create(name, &smallest()).unwrap_err();
        assert!(matches!(create, CreateError::Name(e) if e == expected), "{name:?}");
        let recreate = Segment::recreate(name, &smallest()).unwrap_err();
        assert!(matches!(recreate, CreateError::Name(e) if e == expected), "{name:?}");
        let attach = Segment::attach(name).unwrap_err();
        assert!(matches!(attach, AttachError::Name(e) if e == expected), "{name:?}");
        let waiting = Segment::attach_timeout(name, HANG).unwrap_err();
        assert!(matches!(waiting, AttachError::Name(e) if e == expected), "{name:?}");
        let observe = Observer::open(name).unwrap_err();
        assert!(matches!(observe, AttachError::Name(e) if e == expected), "{name:?}");
        let unlink = Segment::unlink(name).unwrap_err();
        assert!(matches!(unlink, UnlinkError::Name(e) if e == expected), "{name:?}");
    }
}

/// Catches a limit that is shorter than the file system's, and bytes that only some
/// calls can take.
#[test]
fn the_longest_and_oddest_names_work() {
    let unique = Name::new();
    let longest = format!("{}{}", &*unique, "x".repeat(255 - unique.len()));
    let oddest = format!("{}. ä\n\"%s*-", &*unique);
    for name in [longest, oddest].map(Name::of) {
        let segment = name.create(&smallest());
        assert_eq!(segment.info().name, *name);
        assert!(shmring::list().unwrap().contains(&name.to_string()));
        let consumer = Segment::attach(&name).unwrap().consumer();
        assert!(consumer.is_ok());
        Segment::unlink(&name).unwrap();
        assert!(!name.path().exists());
    }
}

/// Catches two objects where one is meant.
#[test]
fn a_leading_slash_changes_nothing() {
    let name = Name::new();
    let slashed = format!("/{}", &*name);
    let segment = Segment::create(&slashed, &smallest()).unwrap();
    assert_eq!(segment.info().name, *name);
    assert!(matches!(
        Segment::create(&name, &smallest()).unwrap_err(),
        CreateError::Exists { name: found } if found == *name
    ));
    Segment::attach(&name).unwrap();
    Segment::attach(&slashed).unwrap();
    Segment::unlink(&slashed).unwrap();
    assert!(matches!(Segment::attach(&name).unwrap_err(), AttachError::NotFound { .. }));
}

/// Catches a verb that makes what it does not find, or names the wrong thing.
#[test]
fn a_missing_segment_is_not_found() {
    let name = Name::new();
    let attach = Segment::attach(&name).unwrap_err();
    assert!(matches!(&attach, AttachError::NotFound { name: found } if *found == *name));
    assert!(attach.to_string().contains(&*name));
    assert!(matches!(Observer::open(&name).unwrap_err(), AttachError::NotFound { .. }));
    assert!(matches!(Segment::unlink(&name).unwrap_err(), UnlinkError::NotFound { .. }));
    assert!(!name.path().exists());
}

/// Catches an attach that gives up early, or that never does.
#[test]
fn attach_waits_for_a_name_to_appear() {
    let _watchdog = watchdog("attach_waits_for_a_name_to_appear");
    let name = Name::new();
    let start = Instant::now();
    let late = Segment::attach_timeout(&name, SHORT).unwrap_err();
    assert!(matches!(late, AttachError::TimedOut { name: found } if found == *name));
    assert!(start.elapsed() >= SHORT);
    let none = Segment::attach_timeout(&name, Duration::ZERO).unwrap_err();
    assert!(matches!(none, AttachError::TimedOut { .. }));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| Segment::attach_timeout(&name, Duration::MAX).unwrap());
        std::thread::sleep(SHORT);
        let segment = name.create(&smallest());
        let attached = waiting.join().unwrap();
        assert_eq!(attached.info().created, segment.info().created);
    });
}

/// Catches an unlink that disturbs those attached, or a name that cannot be used again.
#[test]
fn unlinking_leaves_those_attached_alone() {
    let name = Name::new();
    let (segment, mut producer, mut consumer) = name.pair(4096);
    producer.send(b"before").unwrap();
    Segment::unlink(&name).unwrap();
    let other = name.create(&smallest());
    producer.send(b"after").unwrap();
    assert_eq!(consumer.recv().unwrap(), b"before");
    assert_eq!(consumer.recv().unwrap(), b"after");
    drop(consumer);
    assert!(segment.consumer().is_ok());
    assert_eq!(other.status().unwrap().attached.len(), 1);
    assert!(other.status().unwrap().ring().producers.is_empty());
}

/// Catches a capacity that is rounded down, wraps around, or is taken as it is.
#[test]
fn capacities_are_rounded_up_or_refused() {
    let name = Name::new();
    for (asked, expected) in [(1, 4096), (4096, 4096), (4097, 8192), (100_000, 131_072)] {
        let segment = name.create(&Config::spsc().capacity_bytes(asked));
        let description = segment.info();
        assert_eq!(description.ring().capacity_bytes, expected);
        assert_eq!(description.ring().max_message_bytes, expected / 2 - 16);
        assert_eq!(description.total_bytes, 32_768 + expected);
        assert_eq!(name.path().metadata().unwrap().len(), 32_768 + expected);
        Segment::unlink(&name).unwrap();
    }
    for asked in [0, (1 << 33) + 1, 1 << 34, u64::MAX - 1, u64::MAX] {
        let error = Segment::create(&name, &Config::spsc().capacity_bytes(asked)).unwrap_err();
        let expected = ConfigError::Capacity { capacity_bytes: asked, max_bytes: 1 << 33 };
        assert!(matches!(error, CreateError::Config(e) if e == expected), "{asked}");
    }
    for entries in [0, 257, u64::MAX] {
        let error = Segment::create(&name, &smallest().max_attachments(entries)).unwrap_err();
        assert!(matches!(error, CreateError::Config(ConfigError::Entries { .. })));
        let error = Segment::create(&name, &smallest().max_handles(entries)).unwrap_err();
        assert!(matches!(error, CreateError::Config(ConfigError::Entries { .. })));
    }
    for mode in [0o1000, 0o4755, u32::MAX] {
        let error = Segment::create(&name, &smallest().mode(mode)).unwrap_err();
        assert!(matches!(error, CreateError::Config(ConfigError::Mode { mode: m }) if m == mode));
    }
    assert!(!name.path().exists(), "a refused segment was left behind");
}

/// Catches a description that does not match what was asked for or what the file is.
#[test]
fn the_info_matches_the_configuration() {
    let name = Name::new();
    let before = std::time::SystemTime::now();
    let made = name.create(&smallest().mode(0o640));
    let stat = name.path().metadata().unwrap();
    assert_eq!(stat.permissions().mode() & 0o7777, 0o640);
    let attached = Segment::attach(&name).unwrap();
    for description in [made.info(), attached.info()] {
        assert_eq!(description.ring().kind, Kind::Spsc);
        assert_eq!((description.mode, description.owner_uid), (0o640, stat.uid()));
        assert_eq!(description.creator_pid, std::process::id());
        assert!(description.created >= before - Duration::from_secs(1));
        assert!(description.created <= std::time::SystemTime::now() + Duration::from_secs(1));
    }
}

/// Catches an attach that ignores what the creator wanted of memory, or that fails when
/// the system has none of it.
#[test]
fn requested_and_obtained_memory_are_distinguished() {
    let name = Name::new();
    let plain = name.create(&smallest());
    let obtained = plain.obtained();
    assert_eq!((obtained.prefault, obtained.lock, obtained.huge_pages), (None, None, None));
    Segment::unlink(&name).unwrap();
    name.create(&smallest().prefault(true).lock(true).huge_pages(true).lock(false));
    let obtained = Segment::attach(&name).unwrap().obtained();
    assert!(obtained.prefault.is_some() && obtained.huge_pages.is_some());
    assert_eq!(obtained.lock, None);
}
