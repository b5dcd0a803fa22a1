//! Monitors: deaths are noticed although no verb checks for them.

#![allow(unsafe_code)]

mod common;

use std::fs;
use std::io::{PipeReader, Read, pipe};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use common::child::{self, Part, pause, say};
use common::{LONG, Name, eventually, watchdog};
use shmring::Fault;
use shmring::{
    Config, Consumer, Kind, Monitor, MonitorError, Observer, RecvTimeoutError, Segment,
    SendTimeoutError, WaitMode, WaitSet,
};

/// The parts that child processes play; nothing in the test run itself.
#[test]
fn child_entry() {
    let Some((part, args)) = child::part() else {
        return;
    };
    let segment = Segment::attach(&args[0]).unwrap();
    match part.as_str() {
        "attached" => {
            say("attached");
            pause();
        }
        "produce" => {
            let _tx = segment.producer().unwrap();
            say("produces");
            pause();
        }
        "consume" => {
            let _rx = segment.consumer().unwrap();
            say("consumes");
            pause();
        }
        "watch" => {
            let monitor = segment.monitor().unwrap();
            // SAFETY: closes what nothing here uses any more, but for what must stand it.
            // By number, as musl has no function for it.
            unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) };
            say("watches");
            pause();
            drop(monitor);
            say("stopped");
        }
        "fork" => fork(&segment),
        "change-user" => change_user(&segment),
        _ => panic!("no part {part}"),
    }
}

/// Forks while watching; the child lives on, the parent stops watching.
fn fork(segment: &Segment) {
    let monitor = segment.monitor().unwrap();
    // SAFETY: the child only calls what is under test, writes a byte and waits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let refused = matches!(segment.monitor(), Err(MonitorError::Failed(Fault::Forked)));
        drop(monitor);
        // SAFETY: asks for a signal when the parent is gone; nothing else changes.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        say(if refused { "refused" } else { "not refused" });
        // Not by reading: what the test writes is for the parent, whose stdin this is.
        loop {
            std::thread::park();
        }
    }
    pause();
    drop(monitor);
    say("stopped");
    pause();
    // SAFETY: the child was not waited for.
    unsafe { libc::kill(child, libc::SIGKILL) };
}

/// Changes to the user `nobody` before and after a monitor was started.
fn change_user(segment: &Segment) {
    let monitor = (segment.monitor().unwrap(), segment.consumer().unwrap());
    // SAFETY: changes this process's own identity.
    unsafe {
        assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
        assert_eq!((libc::setgid(65_534), libc::setuid(65_534)), (0, 0));
    }
    let refused = segment.monitor().unwrap_err();
    assert!(matches!(refused, MonitorError::Denied { .. }), "{refused:?}");
    say(refused);
    pause();
    drop(monitor);
}

/// Catches a monitor that does not outlast a change of the user, and an error that does not
/// say why there is none afterwards.
#[test]
fn a_monitor_is_started_before_the_user_changes() {
    let _watchdog = watchdog("a_monitor_is_started_before_the_user_changes");
    if !common::is_root() {
        println!("skipped: only root can become another user");
        return;
    }
    let (name, segment) = created();
    drop(segment);
    let mut child = child::start("change-user", &[&name]);
    let said = child.hear();
    assert!(said.contains("start the monitor before"), "{said}");
    one_dies(&name);
    child.go();
    child.wait();
}

fn start(part: &str, name: &Name, says: &str) -> Part {
    let mut child = child::start(part, &[name]);
    assert_eq!(child.hear(), says);
    child
}

fn created() -> (Name, Segment) {
    let name = Name::new();
    let segment = name.create(&Config::mpmc().slots(4));
    (name, segment)
}

/// An attached process dies, and no other one waits or attaches.
fn one_dies(name: &Name) {
    let observer = Observer::open(name).unwrap();
    let repairs = observer.status().unwrap().repairs;
    let mut child = start("attached", name, "attached");
    assert!(observer.status().unwrap().attached.iter().any(|who| who.pid == child.pid() as u32));
    child.kill();
    eventually("the dead is cleaned up", || {
        let status = observer.status().unwrap();
        (status.repairs > repairs && status.attached.iter().all(|who| who.alive)).then_some(())
    });
}

/// Catches a monitor that sees one death only, or only those of whom someone waits for.
#[test]
fn dead_processes_are_reaped() {
    let _watchdog = watchdog("dead_processes_are_reaped");
    let (name, segment) = created();
    let monitor = segment.monitor().unwrap();
    for _ in 0..3 {
        one_dies(&name);
    }
    drop(monitor);
    // Another one, after the first has ended.
    let _monitor = segment.monitor().unwrap();
    one_dies(&name);
}

/// Waits until the monitor sleeps, kills an attached process, and waits until it is reaped.
/// Nothing else reaps: `status` does not.
fn is_reaped(segment: &Segment, mut child: Part) {
    std::thread::sleep(Duration::from_millis(100));
    let repairs = segment.status().unwrap().repairs;
    child.kill();
    eventually("the dead is cleaned up", || {
        (segment.status().unwrap().repairs > repairs).then_some(())
    });
}

/// Catches a monitor that ends when the creator of an unlinked segment detaches: the kernel then
/// removes the watches of the file.
#[test]
fn a_monitor_of_an_unlinked_segment_outlasts_its_creator() {
    let _watchdog = watchdog("a_monitor_of_an_unlinked_segment_outlasts_its_creator");
    let (name, creator) = created();
    let segment = Segment::attach(&name).unwrap();
    let children = [(); 2].map(|()| start("attached", &name, "attached"));
    let _monitor = segment.monitor().unwrap();
    Segment::unlink(&name).unwrap();
    drop(creator);
    for child in children {
        is_reaped(&segment, child);
    }
}

/// Catches a monitor that ends, and reaps nobody, when the last of those dies who attached by a
/// name that is gone.
#[test]
fn a_monitor_of_an_unlinked_segment_reaps_the_last_other_process() {
    let _watchdog = watchdog("a_monitor_of_an_unlinked_segment_reaps_the_last_other_process");
    let (name, segment) = created();
    let child = start("attached", &name, "attached");
    let _monitor = segment.monitor().unwrap();
    Segment::unlink(&name).unwrap();
    is_reaped(&segment, child);
}

/// Catches sleepers whom the monitor does not wake, of either side.
#[test]
fn a_monitor_wakes_sleepers() {
    let _watchdog = watchdog("a_monitor_wakes_sleepers");
    for kind in [Kind::Spsc, Kind::Mpmc] {
        let name = Name::new();
        let segment = name.create(&Config::new(kind));
        let _monitor = segment.monitor().unwrap();

        let mut child = start("produce", &name, "produces");
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(WaitMode::Block);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| rx.recv_timeout(LONG));
            child.kill();
            assert_eq!(waiting.join().unwrap(), Err(RecvTimeoutError::Eof), "{kind}");
        });
        drop(rx);

        let mut tx = segment.producer().unwrap();
        tx.set_wait_mode(WaitMode::Block);
        let mut child = start("consume", &name, "consumes");
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                loop {
                    if let Err(error) = tx.send_timeout(&[0; 100], LONG) {
                        return error;
                    }
                }
            });
            child.kill();
            assert_eq!(waiting.join().unwrap(), SendTimeoutError::BrokenPipe, "{kind}");
        });
    }
}

/// Catches a monitor that uses descriptors of the program's table, where others may close
/// them, and one that cannot be stopped any more.
#[test]
fn a_monitor_stands_the_closing_of_all_descriptors() {
    let _watchdog = watchdog("a_monitor_stands_the_closing_of_all_descriptors");
    let (name, segment) = created();
    drop(segment);
    let mut watching = start("watch", &name, "watches");
    watching.go();
    assert_eq!(watching.hear(), "stopped");
}

/// Catches a pipe that does not end because the monitor has a copy of it.
#[test]
fn a_monitor_keeps_no_descriptors_of_the_program() {
    let _watchdog = watchdog("a_monitor_keeps_no_descriptors_of_the_program");
    let (_name, segment) = created();
    let before = descriptors();
    let (mut reader, writer): (PipeReader, _) = pipe().unwrap();
    let _monitor: Monitor = segment.monitor().unwrap();
    drop(writer);
    // A process that is being started meanwhile has a copy for a moment.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    // The pipe's other end and what stops the monitor; other tests open and close theirs.
    let leaked = |start: usize| (descriptors() <= start + 2).then_some(());
    eventually("the descriptors are closed", || leaked(before));
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Catches a fork child that waits for a thread which it does not have, stops the parent's,
/// or keeps it from stopping.
#[test]
fn a_fork_child_has_no_monitor() {
    let _watchdog = watchdog("a_fork_child_has_no_monitor");
    let (name, _segment) = created();
    let mut parent = start("fork", &name, "refused");
    one_dies(&name);
    parent.go();
    assert_eq!(parent.hear(), "stopped");
}

/// A thread that waits for a message which never comes.
struct Sleeper {
    thread: i32,
    waiting: JoinHandle<(Result<Vec<u8>, RecvTimeoutError>, Instant)>,
}

impl Sleeper {
    fn start(mut rx: Consumer) -> Self {
        rx.set_wait_mode(WaitMode::Block);
        let (say, said) = mpsc::channel();
        let waiting = std::thread::spawn(move || {
            // SAFETY: returns a number.
            say.send(unsafe { libc::gettid() }).unwrap();
            (rx.recv_timeout(LONG), Instant::now())
        });
        Self { thread: said.recv().unwrap(), waiting }
    }

    /// How often it went to sleep so far.
    fn sleeps(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/self/task/{}/status", self.thread)).unwrap();
        let count = |line: &str| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok();
        status.lines().find_map(count).unwrap()
    }

    /// How often it went to sleep in a second.
    fn sleeps_in_a_second(&self) -> u64 {
        let before = self.sleeps();
        std::thread::sleep(Duration::from_secs(1));
        self.sleeps() - before
    }

    /// Waits until it is in a sleep of 5 s, of which more than 2 s are left.
    fn sleep_long(&self) {
        eventually("it sleeps for a second", || (self.sleeps_in_a_second() == 0).then_some(()));
    }

    /// Looks for the dead more often than a waiter that relies on a monitor.
    fn goes_on_looking(&self) {
        eventually("it goes on looking", || (self.sleeps() > 25).then_some(()));
        assert!(self.sleeps_in_a_second() > 2);
    }

    /// Returns when the stream ended.
    fn end(self) -> Instant {
        let (result, at) = self.waiting.join().unwrap();
        assert_eq!(result, Err(RecvTimeoutError::Eof));
        at
    }
}

/// Catches a waiter that looks for the dead itself while a monitor does, and a death that such a
/// waiter notices only at its next look.
#[test]
fn a_waiter_beside_a_monitor_sleeps_long() {
    let _watchdog = watchdog("a_waiter_beside_a_monitor_sleeps_long");
    let mut soonest = LONG;
    for _ in 0..3 {
        let name = Name::new();
        let segment = name.create(&Config::spsc());
        let _monitor = segment.monitor().unwrap();
        let mut child = start("produce", &name, "produces");
        let sleeper = Sleeper::start(segment.consumer().unwrap());
        sleeper.sleep_long();
        let killed = Instant::now();
        child.kill();
        soonest = soonest.min(sleeper.end() - killed);
        if soonest < Duration::from_secs(1) {
            break;
        }
    }
    assert!(soonest < Duration::from_secs(1), "{soonest:?} at the soonest");
}

/// Catches a waiter that goes on relying on a monitor which has ended, and one that relies on none
/// though another is left.
#[test]
fn a_waiter_wakes_when_its_monitor_ends() {
    let _watchdog = watchdog("a_waiter_wakes_when_its_monitor_ends");
    let mut soonest = LONG;
    for _ in 0..3 {
        let name = Name::new();
        let segment = name.create(&Config::spsc());
        let (monitor, other) = (segment.monitor().unwrap(), segment.monitor().unwrap());
        let mut child = start("produce", &name, "produces");
        let sleeper = Sleeper::start(segment.consumer().unwrap());
        sleeper.sleep_long();
        drop(monitor);
        // It looks whether the other one is there.
        assert!(sleeper.sleeps_in_a_second() <= 2);
        drop(other);
        let killed = Instant::now();
        child.kill();
        soonest = soonest.min(sleeper.end() - killed);
        if soonest < Duration::from_secs(1) {
            break;
        }
    }
    assert!(soonest < Duration::from_secs(1), "{soonest:?} at the soonest");
}

/// Catches a waiter that sleeps long because another process, which may die, has a monitor.
#[test]
fn a_monitor_elsewhere_is_not_relied_on() {
    let _watchdog = watchdog("a_monitor_elsewhere_is_not_relied_on");
    let name = Name::new();
    let segment = name.create(&Config::spsc());
    let _tx = segment.producer().unwrap();
    let _watching = start("watch", &name, "watches");
    let sleeper = Sleeper::start(segment.consumer().unwrap());
    sleeper.goes_on_looking();
    segment.close();
    sleeper.end();
}

/// Catches a waiter that sleeps long although its wake may go elsewhere: to another consumer, which
/// may be stopped, or to a wait set that has the same handle.
#[test]
fn a_waiter_whose_wake_may_go_elsewhere_goes_on_looking() {
    let _watchdog = watchdog("a_waiter_whose_wake_may_go_elsewhere_goes_on_looking");
    for (kind, in_set) in [(Kind::Mpmc, false), (Kind::Spsc, true)] {
        let name = Name::new();
        let segment = name.create(&Config::new(kind));
        let _monitor = segment.monitor().unwrap();
        let (_tx, rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        let mut set = WaitSet::new();
        if in_set {
            set.add(&rx);
        }
        let sleeper = Sleeper::start(rx);
        sleeper.goes_on_looking();
        segment.close();
        sleeper.end();
    }
}
