//! Wait sets and readiness in processes that die with a wake in their hands, and in fork children.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use shmring::readiness::Arm;
use shmring::{Config, Consumer, Fault, Kind, Readiness, Segment, WaitError, WaitMode, WaitSet};

use crate::common::child::{self, pause, say};
use crate::common::{HANG, LONG, Name, SHORT, slots, watchdog};
use crate::forks::in_fork;

fn ring() -> Config {
    slots(Kind::Mpmc, 16, 64)
}

/// Consumers that a set has besides, of rings in which nothing comes: as many as let the kernel keep
/// the waits of a set, where it can.
fn others(count: usize) -> Vec<Consumer> {
    let consumer = |_| Segment::create_sealed("other", &ring()).unwrap().consumer().unwrap();
    (0..count).map(consumer).collect()
}

fn is_readable(readiness: &Readiness, timeout: Duration) -> bool {
    let mut fds = [PollFd::new(readiness.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::try_from(timeout).unwrap()).unwrap() == 1
}

/// How a process waits for two rings: by a set with so many others in it, or by descriptors.
const WAYS: [&str; 3] = ["0", "10", "readiness"];

/// In the child: waits for two rings, by a set or by armed descriptors, and tells which one it was
/// woken for. It takes nothing, and pays nothing.
pub(crate) fn select(args: &[String]) {
    let segments = [&args[0], &args[1]].map(|name| Segment::attach(name).unwrap());
    let consumers = segments.each_ref().map(|segment| segment.consumer().unwrap());
    if args[2] != "readiness" {
        let mut set = WaitSet::new();
        let others = others(args[2].parse().unwrap());
        let _keys: Vec<_> = others.iter().map(|rx| set.add(rx)).collect();
        let keys = consumers.each_ref().map(|rx| set.add(rx));
        say("waits");
        let ready: Vec<_> = set.wait(None).unwrap().collect();
        say(keys.iter().position(|key| ready == [*key]).unwrap());
        return pause();
    }
    let all = consumers.each_ref().map(|rx| rx.readiness().unwrap());
    for readiness in &all {
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
    }
    say("waits");
    let mut fds = all.each_ref().map(|one| PollFd::new(one.as_fd(), PollFlags::POLLIN));
    poll(&mut fds, PollTimeout::NONE).unwrap();
    say(fds.iter().position(|fd| fd.any() == Some(true)).unwrap());
    pause();
}

/// Catches messages that are lost, doubled or delayed without end among processes that are killed
/// at any moment of their waits.
#[test]
fn processes_that_are_killed_while_they_wait_keep_no_message() {
    const MESSAGES: u32 = 40;
    let _watchdog = watchdog("processes_that_are_killed_while_they_wait_keep_no_message");
    for how in WAYS {
        let names = [Name::new(), Name::new()];
        let segments = names.each_ref().map(|name| name.create(&ring()));
        thread::scope(|scope| {
            let receivers = segments.each_ref().map(|segment| {
                let mut rx = segment.consumer().unwrap();
                rx.set_wait_mode(WaitMode::Block);
                scope.spawn(move || {
                    let received = (0..MESSAGES).map(|_| rx.recv_timeout(LONG).unwrap());
                    received.collect::<Vec<_>>()
                })
            });
            let mut producers = segments.each_ref().map(|segment| segment.producer().unwrap());
            for number in 0..MESSAGES {
                let mut child = child::start("select", &[&names[0], &names[1], how]);
                assert_eq!(child.hear(), "waits");
                let delay = Duration::from_micros(u64::from(number * 71 % 500));
                thread::scope(|scope| {
                    scope.spawn(|| {
                        thread::sleep(delay);
                        child.kill();
                    });
                    thread::sleep(Duration::from_micros(250));
                    for tx in &mut producers {
                        tx.send(&number.to_ne_bytes()).unwrap();
                    }
                });
            }
            let sent: Vec<_> = (0..MESSAGES).map(|number| number.to_ne_bytes().to_vec()).collect();
            for receiver in receivers {
                assert_eq!(receiver.join().unwrap(), sent, "{how}");
            }
        });
    }
}

/// In the child, which has one test thread: forks with a set and an armed readiness. What it says,
/// it says as the parent of those forks.
pub(crate) fn fork(args: &[String]) {
    let others = others(args[2].parse().unwrap());
    let names = [Name::of(args[0].clone()), Name::of(args[1].clone())];
    let [(_one, mut tx, mut rx), (_two, mut other_tx, mut other_rx)] =
        names.each_ref().map(|name| name.pair_of(&ring()));
    let mut set = WaitSet::new();
    let _keys: Vec<_> = others.iter().map(|rx| set.add(rx)).collect();
    let keys = [set.add(&rx), set.add(&other_rx)];
    // From now on, waits may stand.
    assert_eq!(set.wait(Some(SHORT)).unwrap().count(), 0);
    let writable = set.add_writable(&tx);
    assert!(set.remove(writable));
    let (readiness, fired) = (rx.readiness().unwrap(), other_rx.readiness().unwrap());
    assert_eq!((readiness.arm(), fired.arm()), (Ok(Arm::Armed), Ok(Arm::Armed)));
    other_tx.send(b"before").unwrap();
    assert!(is_readable(&fired, HANG));
    assert_eq!(set.wait(Some(HANG)).unwrap().collect::<Vec<_>>(), [keys[1]]);

    let forked = Err(WaitError::Failed(Fault::Forked));
    let (mut owned, mut armed) = (Some(set), Some([readiness, fired]));
    let status = in_fork(|| {
        let set = owned.as_mut().unwrap();
        for timeout in [None, Some(SHORT), Some(Duration::ZERO)] {
            assert_eq!(set.wait(timeout).map(drop), forked);
        }
        set.add(&rx);
        assert!(set.remove(keys[0]));
        assert_eq!(set.wait(None).map(drop), forked);
        for one in armed.as_ref().unwrap() {
            assert_eq!(one.arm(), Err(Fault::Forked));
            one.clear();
            one.disarm();
        }
        assert!(rx.readiness().is_err());
        assert!(!format!("{set:?}{armed:?}").is_empty());
    });
    say(format!("verbs {status}"));
    let status = in_fork(|| drop((owned.take(), armed.take())));
    say(format!("drops {status}"));
    let (mut set, [readiness, fired]) = (owned.unwrap(), armed.unwrap());

    // All that the children did is nothing to the parent's.
    assert!(is_readable(&fired, Duration::ZERO), "a child cleared it");
    assert!(!is_readable(&readiness, SHORT));
    tx.send(b"after").unwrap();
    assert!(is_readable(&readiness, HANG), "a child disarmed it");
    assert_eq!(set.wait(Some(HANG)).unwrap().collect::<Vec<_>>(), keys);
    assert_eq!(rx.recv().unwrap(), b"after");
    assert_eq!(other_rx.recv().unwrap(), b"before");

    // What a child makes anew works, beside what it inherited.
    let status = in_fork(|| {
        let own = Segment::create_sealed("own", &ring()).unwrap();
        let (mut tx, mut rx) = (own.producer().unwrap(), own.consumer().unwrap());
        let mut set = WaitSet::new();
        let key = set.add(&rx);
        let readiness = rx.readiness().unwrap();
        assert_eq!(readiness.arm(), Ok(Arm::Armed));
        tx.send(b"own").unwrap();
        assert!(is_readable(&readiness, HANG));
        assert_eq!(set.wait(Some(HANG)).unwrap().collect::<Vec<_>>(), [key]);
        assert_eq!(rx.recv().unwrap(), b"own");
    });
    say(format!("makes {status}"));
}

/// Catches a fork child that waits in its parent's place, takes its events, or hangs for a thread
/// that it lacks.
#[test]
fn a_forked_child_waits_for_nothing_and_disturbs_nothing() {
    let _watchdog = watchdog("a_forked_child_waits_for_nothing_and_disturbs_nothing");
    for others in ["0", "10"] {
        let names = [Name::new(), Name::new()];
        let said = child::start("fork-selecting", &[&names[0], &names[1], others]).finish();
        assert_eq!(said, ["verbs 0", "drops 0", "makes 0"], "{others} others");
    }
}
