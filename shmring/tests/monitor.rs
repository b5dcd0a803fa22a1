//! Monitors: deaths are noticed although no verb checks for them.

#![allow(unsafe_code)]

mod common;

use std::fs;
use std::io::{PipeReader, Read, pipe};

use common::child::{self, Part, pause, say};
use common::{LONG, Name, eventually, watchdog};
use shmring::Fault;
use shmring::{
    Config, Kind, Monitor, MonitorError, Observer, RecvTimeoutError, Segment, SendTimeoutError,
    WaitMode,
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
