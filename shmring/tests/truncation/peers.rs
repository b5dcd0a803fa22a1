//! The users of a segment that is truncated, and the errors that they get.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::ptr;

use shmring::{
    AttachError, AttachOptions, Config, Corrupt, Fault, JoinError, Kind, Observer, RecvError,
    RecvTimeoutError, Segment, SendError, TryRecvError, TrySendError, WaitMode,
};

use crate::common::child::{self, Part, say};
use crate::common::{LONG, MODES, Name, SHORT, eventually, watchdog};
use crate::{address_of, cut, guarded};

const PAGE: usize = 4096;

fn attach(args: &[String]) -> Segment {
    AttachOptions::new().guard(args[1] == "guarded").attach(&args[0]).unwrap()
}

fn wait_mode(name: &str) -> WaitMode {
    MODES.into_iter().find(|mode| format!("{mode:?}") == name).unwrap()
}

/// In a child: sends until that ends, and says how.
pub(crate) fn send(args: &[String]) {
    let segment = attach(args);
    let _monitor = segment.monitor();
    let end = if segment.info().ring().kind == Kind::Packed {
        let mut tx = segment.value_producer::<u64>().unwrap();
        tx.set_wait_mode(wait_mode(&args[2]));
        tx.send(&1).unwrap();
        say("moving");
        (0..).find_map(|number| tx.send(&number).err())
    } else {
        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(wait_mode(&args[2]));
        tx.send(b"first").unwrap();
        say("moving");
        (0_u64..).find_map(|number| tx.send(&number.to_ne_bytes()).err())
    };
    let end: Option<SendError> = end;
    say(format!("{:?}", end.unwrap()));
    say(format!("{:?}", segment.status().err()));
    say(joined(&segment));
}

/// In a child: receives until that ends, and says how.
pub(crate) fn receive(args: &[String]) {
    let segment = attach(args);
    let _monitor = segment.monitor();
    let end: Option<RecvError> = if segment.info().ring().kind == Kind::Packed {
        let mut rx = segment.value_consumer::<u64>().unwrap();
        rx.set_wait_mode(wait_mode(&args[2]));
        rx.recv().unwrap();
        say("moving");
        (0_u64..).find_map(|_| rx.recv().err())
    } else if let Ok(mut worker) = segment.worker() {
        worker.set_wait_mode(wait_mode(&args[2]));
        assert!(worker.take().unwrap().acknowledge());
        say("moving");
        (0_u64..).find_map(|_| worker.take().map(|job| job.acknowledge()).err())
    } else {
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(wait_mode(&args[2]));
        rx.recv().unwrap();
        say("moving");
        (0_u64..).find_map(|_| rx.recv().err())
    };
    say(format!("{:?}", end.unwrap()));
    say(format!("{:?}", segment.status().err()));
    say(joined(&segment));
}

fn joined(segment: &Segment) -> String {
    let error = match segment.info().ring().kind {
        Kind::Packed => segment.value_producer::<u64>().err(),
        _ => segment.producer().err(),
    };
    format!("{error:?}")
}

fn start_pair(name: &Name, guard: &str, mode: WaitMode) -> [Part; 2] {
    let mode = format!("{mode:?}");
    let mut parts = ["send", "receive"].map(|part| child::start(part, &[name, guard, &mode]));
    for part in &mut parts {
        assert_eq!(part.hear(), "moving");
    }
    parts
}

fn configs() -> [Config; 5] {
    [
        Config::spsc().capacity_bytes(1 << 16),
        Config::mpmc().slots(256).slot_bytes(256),
        Config::packed::<u64>().slots(1 << 13),
        Config::broadcast().capacity_bytes(1 << 16),
        Config::jobs().slots(256).slot_bytes(256),
    ]
}

const TRUNCATED: &str = "Failed(Truncated)";

/// Catches a process that dies when a peer cuts the file off, in whatever it does at that
/// moment, one that gets another error, and one that gets none.
#[test]
fn guarded_processes_get_truncated() {
    let _watchdog = watchdog("guarded_processes_get_truncated");
    for config in configs() {
        for mode in MODES {
            let name = Name::new();
            drop(name.create(&config));
            let parts = start_pair(&name, "guarded", mode);
            cut(&name, 0);
            for part in parts {
                let said = part.finish();
                assert_eq!(said[0], TRUNCATED, "{said:?}");
                assert_eq!(said[1], "Some(Truncated)", "{said:?}");
                assert_eq!(said[2], "Some(Failed(Truncated))", "{said:?}");
            }
        }
    }
}

/// Catches a process that dies, or hangs, when only some pages are gone. The first process to
/// access them gets the error; the other may see it leave before that.
#[test]
fn guarded_processes_outlive_the_loss_of_some_pages() {
    let _watchdog = watchdog("guarded_processes_outlive_the_loss_of_some_pages");
    for config in configs() {
        let total = {
            let name = Name::new();
            name.create(&config).info().total_bytes
        };
        for len in [PAGE as u64, 9000, total - (1 << 15), total - 1 - PAGE as u64] {
            let name = Name::new();
            drop(name.create(&config));
            let parts = start_pair(&name, "guarded", WaitMode::Adaptive);
            cut(&name, len);
            let ends = parts.map(|part| part.finish().swap_remove(0));
            let told = ends.iter().filter(|end| *end == TRUNCATED).count();
            let fits = |end: &&String| ["BrokenPipe", "Eof"].contains(&end.as_str());
            let left = ends.iter().filter(fits).count();
            assert!(told >= 1 && told + left == 2, "{len}: {ends:?}");
        }
    }
}

/// Catches a promise that is not one: what a guard is for.
#[test]
fn without_a_guard_a_truncated_segment_kills() {
    let _watchdog = watchdog("without_a_guard_a_truncated_segment_kills");
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(1 << 16)));
    let parts = start_pair(&name, "unguarded", WaitMode::Adaptive);
    cut(&name, 0);
    for mut part in parts {
        assert_eq!(part.wait().signal(), Some(libc::SIGBUS));
    }
}

/// Catches a sleeper, with a watch beside it, that is killed or sleeps on, and verbs that do
/// not wait and get a false end of the stream.
#[test]
fn sleepers_and_try_verbs_get_truncated() {
    let _watchdog = watchdog("sleepers_and_try_verbs_get_truncated");
    for config in &configs()[..2] {
        for creator_is_guarded in [true, false] {
            let name = Name::new();
            let creator = name.create(&config.clone().guard(creator_is_guarded));
            let creator = Some(creator).filter(|_| creator_is_guarded);
            let creator = creator.unwrap_or_else(|| guarded(&name));
            let _monitor = creator.monitor().unwrap();
            let mut tx = creator.producer().unwrap();
            tx.send(b"x").unwrap();
            let other = guarded(&name);
            let mut rx = other.consumer().unwrap();
            rx.set_wait_mode(WaitMode::Block);
            assert_eq!(rx.recv().unwrap(), b"x");
            std::thread::scope(|scope| {
                let sleeper = scope.spawn(|| rx.recv_timeout(LONG));
                std::thread::sleep(SHORT);
                cut(&name, 0);
                assert_eq!(
                    sleeper.join().unwrap(),
                    Err(RecvTimeoutError::Failed(Fault::Truncated))
                );
            });
            assert_eq!(rx.try_recv(), Err(TryRecvError::Failed(Fault::Truncated)));
            // The verb that meets the cut may end well; the next one cannot.
            let _ = tx.send(b"y");
            assert_eq!(tx.send(b"y"), Err(SendError::Failed(Fault::Truncated)));
            assert!(matches!(creator.status(), Err(Fault::Truncated)));
            for error in [creator.producer().err(), other.consumer().err()] {
                assert!(matches!(error, Some(JoinError::Failed(Fault::Truncated))), "{error:?}");
            }
            let refused = Segment::attach(&name).unwrap_err();
            assert!(matches!(refused, AttachError::NotASegment { .. }), "{refused:?}");
            // Nothing is poisoned beyond what was truncated: the name can be used anew.
            fs::remove_file(name.path()).unwrap();
            let (_segment, mut tx, mut rx) = name.pair(4096);
            tx.send(b"anew").unwrap();
            assert_eq!(rx.recv().unwrap(), b"anew");
        }
    }
}

/// Catches an onlooker that is killed by a segment it only looks at.
#[test]
fn a_guarded_observer_gets_truncated() {
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    let observer = AttachOptions::new().guard(true).observe(&name).unwrap();
    observer.status().unwrap();
    cut(&name, 0);
    assert!(matches!(observer.status(), Err(Fault::Truncated)));
    assert!(matches!(observer.status(), Err(Fault::Truncated)));
}

/// Catches a token that is lost with the last page of the mapping: others would take the
/// process for dead while it is not, and clean up behind it.
#[test]
fn a_process_that_lost_all_pages_is_alive_to_others() {
    let _watchdog = watchdog("a_process_that_lost_all_pages_is_alive_to_others");
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(1 << 16)));
    let victim = guarded(&name);
    let mut tx = victim.producer().unwrap();
    tx.send(b"x").unwrap();
    let before = fs::read(name.path()).unwrap();
    cut(&name, 0);
    // Every page that it has is gone: the tables, the ring and the data.
    while tx.try_send(b"y") != Err(TrySendError::Failed(Fault::Truncated)) {}
    assert!(matches!(victim.status(), Err(Fault::Truncated)));
    let first = ptr::with_exposed_provenance::<u64>(address_of(&name));
    // SAFETY: the segment is mapped there, and guarded.
    assert_eq!(unsafe { first.read_volatile() }, 0);
    fs::write(name.path(), &before).unwrap();
    let others = Observer::open(&name).unwrap();
    let status = others.status().unwrap();
    assert!(status.attached.len() == 1 && status.attached[0].alive, "{status:?}");
    let late = Segment::attach(&name).unwrap();
    let refused = late.producer().unwrap_err();
    assert!(matches!(refused, JoinError::RoleTaken { .. }), "{refused:?}");
    drop((tx, victim));
    eventually("its token is free", || {
        let alive = others.status().unwrap().attached.iter().filter(|one| one.alive).count();
        (alive == 1).then_some(())
    });
    eventually("its role is free", || late.producer().ok());
}

/// Catches damage that is taken for a cut, and a cut that is taken for damage.
#[test]
fn corruption_and_truncation_are_distinguished() {
    let name = Name::new();
    drop(name.create(&Config::spsc().capacity_bytes(4096)));
    let segment = guarded(&name);
    let mut rx = segment.consumer().unwrap();
    let len = fs::metadata(name.path()).unwrap().len();
    let file = OpenOptions::new().write(true).open(name.path()).unwrap();
    file.write_all_at(&[0xFF; 8], len - 4096).unwrap();
    let damaged = rx.try_recv();
    assert!(
        matches!(damaged, Err(TryRecvError::Failed(Fault::Corrupt(Corrupt { .. })))),
        "{damaged:?}"
    );
    segment.status().unwrap();
}

/// Catches a cut that is taken for damage, by the very verb that meets it: what it finds
/// instead of the other side's position is zero.
#[test]
fn the_verb_that_meets_a_truncation_does_not_report_corruption() {
    for config in configs() {
        if config.rounded_slots().is_ok_and(|slots| slots.is_some_and(|(_, bytes)| bytes == 8)) {
            continue;
        }
        let name = Name::new();
        let segment = name.create(&config.guard(true));
        let mut tx = segment.producer().unwrap();
        let mut receive: Box<dyn FnMut() -> Result<(), TryRecvError>> = match segment.worker() {
            Ok(worker) => Box::new(move || worker.try_take().map(|job| assert!(job.acknowledge()))),
            Err(_) => {
                let mut rx = segment.consumer().unwrap();
                Box::new(move || rx.try_recv().map(drop))
            }
        };
        tx.set_require_consumer(true);
        while tx.try_send(b"first lap").is_ok() {}
        while receive().is_ok() {}
        while tx.try_send(b"second lap").is_ok() {}
        cut(&name, 0);
        assert_eq!(tx.try_send(b"x"), Err(TrySendError::Failed(Fault::Truncated)));
        assert_eq!(receive(), Err(TryRecvError::Failed(Fault::Truncated)));
    }
}
