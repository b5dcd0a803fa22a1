//! Opening a segment or making it, metadata that are demanded, and names removed on drop.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shmring::{AttachError, AttachOptions, Config, CreateError, NameState, Observer, Segment};

use crate::common::{Name, watchdog};

fn small() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// Catches two segments of one name, each with a part of those that opened it, and a refusal
/// because another opener was faster.
#[test]
fn of_many_openers_one_makes_the_segment() {
    let _watchdog = watchdog("of_many_openers_one_makes_the_segment");
    for _ in 0..20 {
        let (name, start) = (Name::new(), Barrier::new(4));
        let open = || {
            start.wait();
            Segment::open_or_create(&name, &small()).unwrap()
        };
        let segments: Vec<_> = thread::scope(|scope| {
            let openers: Vec<_> = (0..4).map(|_| scope.spawn(open)).collect();
            openers.into_iter().map(|opener| opener.join().unwrap()).collect()
        });
        for segment in &segments {
            assert_eq!(segment.name_state().unwrap(), NameState::Current);
            assert_eq!(segment.status().unwrap().attached.len(), 4);
        }
    }
}

/// Catches an opener that fails because the name went between two of its steps.
#[test]
fn openers_get_a_segment_while_others_remove_the_name() {
    let _watchdog = watchdog("openers_get_a_segment_while_others_remove_the_name");
    let (name, stop) = (Name::new(), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = Segment::unlink(&name);
            }
        });
        let open = || (0..100).try_for_each(|_| Segment::open_or_create(&name, &small()).map(drop));
        let openers: Vec<_> = (0..2).map(|_| scope.spawn(open)).collect();
        let results: Vec<_> = openers.into_iter().map(|opener| opener.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        results.into_iter().for_each(|result| result.unwrap());
    });
}

/// Catches an opener that takes a segment of another configuration for its own, and one that
/// insists on what its configuration leaves open.
#[test]
fn a_difference_of_an_existing_segment_is_named() {
    let name = Name::new();
    let slots = || Config::mpmc().slots(8).slot_bytes(64);
    let made = slots().metadata(b"v1").mode(0o660).max_handles(8).payload_align(64);
    let _segment = name.create(&made);
    for fits in [made.clone(), slots(), Config::mpmc(), Config::mpmc().slots(7), slots().lock(true)]
    {
        Segment::open_or_create(&name, &fits).unwrap();
    }
    for (config, expected) in [
        (Config::mpsc(), "its kind is mpmc, not mpsc"),
        (Config::packed::<u64>(), "its kind is mpmc, not packed"),
        (Config::mpmc().slots(9), "its number of slots is 8, not 16"),
        (Config::mpmc().slot_bytes(256), "its size of slots is 64, not 256"),
        (Config::mpmc().payload_align(8), "its payload alignment is 64, not 8"),
        (slots().metadata(b"v2"), r#"its metadata is "v1", not "v2""#),
        (slots().mode(0o600), "its mode is 0660, not 0600"),
        (slots().max_handles(9), "its handle table is 8, not 9"),
        (slots().max_attachments(9), "its attachment table is 64, not 9"),
        (Config::mpmc().values::<u64>(), "its content is bytes, not `u64`"),
    ] {
        let error = Segment::open_or_create(&name, &config).unwrap_err();
        assert!(matches!(error, CreateError::Differs { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    // Slots for values are aligned as the type is, even where less was asked for.
    let name = Name::new();
    let values = Config::mpmc().slots(8).payload_align(8).values::<u128>();
    let _segment = name.create(&values);
    Segment::open_or_create(&name, &values).unwrap();
    let error = Segment::open_or_create(&name, &values.payload_align(32)).unwrap_err();
    assert!(error.to_string().contains("payload alignment is 16, not 32"), "{error}");
    let name = Name::new();
    name.create(&small());
    let error = Segment::open_or_create(&name, &Config::spsc().capacity_bytes(8192)).unwrap_err();
    assert!(error.to_string().contains("capacity in bytes is 4096, not 8192"), "{error}");
}

/// Catches an opener that replaces, or waits for, what it cannot read, and a message that does
/// not say what to do about it.
#[test]
fn a_segment_that_cannot_be_read_is_refused_and_stays() {
    let open = |name: &Name| {
        let before = std::fs::read(name.path()).unwrap();
        let error = Segment::open_or_create(name, &small()).unwrap_err();
        assert_eq!(std::fs::read(name.path()).unwrap(), before);
        error.to_string()
    };
    let name = Name::new();
    name.create(&small());
    name.poke(8, 3);
    let message = open(&name);
    assert!(message.contains("version 3 of the format"), "{message}");
    assert!(message.contains("drain it with the shmring that made it"), "{message}");
    assert!(message.contains("unlink it and create it anew"), "{message}");

    let name = Name::new();
    name.create(&small());
    name.poke(6 * 8, 77);
    let message = open(&name);
    assert!(message.contains("is corrupt"), "{message}");
    assert!(message.contains("unlink it and create it anew"), "{message}");

    let name = Name::new();
    std::fs::write(name.path(), "something else").unwrap();
    assert!(open(&name).contains("is no shmring segment"));
}

/// Catches metadata that are not compared on one of the ways to a segment.
#[test]
fn metadata_that_are_demanded_are_compared() {
    let name = Name::new();
    let config = small().metadata(b"quote/v1");
    name.create(&config);
    let wanted = AttachOptions::new().expect_metadata(b"quote/v1");
    let other = AttachOptions::new().expect_metadata(b"");
    assert_eq!(wanted.attach(&name).unwrap().info().metadata, b"quote/v1");
    wanted.observe(&name).unwrap();
    let sealed = Segment::create_sealed("sealed", &config).unwrap();
    wanted.attach_fd(sealed.share().unwrap()).unwrap();
    for error in [
        other.attach(&name).unwrap_err(),
        other.observe(&name).unwrap_err(),
        other.attach_fd(sealed.share().unwrap()).unwrap_err(),
        other.observe_fd(sealed.share().unwrap()).unwrap_err(),
    ] {
        assert!(error.to_string().contains(r#"are "quote/v1", not """#), "{error}");
        let AttachError::WrongMetadata { expected, found, .. } = error else { panic!() };
        assert_eq!((expected, found), (Vec::new(), b"quote/v1".to_vec()));
    }
    // Without a requirement any segment is accepted.
    Segment::attach(&name).unwrap();
    Observer::open(&name).unwrap();
}

/// Catches a message that prints a page of bytes, or control characters.
#[test]
fn metadata_in_messages_are_short_and_printable() {
    let name = Name::new();
    name.create(&small().metadata([0x1B; 1024]));
    let error = AttachOptions::new().expect_metadata(b"v1").attach(&name).unwrap_err();
    let message = error.to_string();
    assert!(message.contains(r#"\x1b..." (1024 bytes), not "v1""#), "{message}");
    assert!(message.len() < 500 && !message.contains('\x1B'), "{message}");
}

/// Catches a guard that leaves its segment's name, or takes that of another segment.
#[test]
fn a_guard_removes_its_own_name_only() {
    let name = Name::new();
    let segment = name.create(&small());
    let guard = segment.unlink_on_drop();
    // The guard outlives the segment it came from.
    drop(segment);
    assert!(name.path().exists());
    drop(guard);
    assert!(!name.path().exists());

    let segment = name.create(&small());
    let guard = segment.unlink_on_drop();
    Segment::unlink(&name).unwrap();
    let other = name.create(&small());
    drop((guard, segment));
    assert_eq!(other.name_state().unwrap(), NameState::Current);

    // A name that a sealed segment only has as a label.
    let sealed = Segment::create_sealed(&name, &small()).unwrap();
    drop(sealed.unlink_on_drop());
    assert_eq!(other.name_state().unwrap(), NameState::Current);
}

/// Catches a fork child that takes the name from its parent.
#[test]
fn a_guard_does_nothing_in_a_fork_child() {
    let name = Name::new();
    let segment = name.create(&small());
    let guard = segment.unlink_on_drop();
    // SAFETY: the child makes no call that a lock of another thread could hold up for ever, as
    // a guard returns at once there, and ends without unwinding.
    let child = unsafe { libc::fork() };
    if child == 0 {
        drop(guard);
        // SAFETY: ends the child.
        unsafe { libc::_exit(0) };
    }
    let mut status = 0;
    // SAFETY: waits for the child.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!((status, segment.name_state().unwrap()), (0, NameState::Current));
    drop(guard);
    assert_eq!(segment.name_state().unwrap(), NameState::Removed);
}
