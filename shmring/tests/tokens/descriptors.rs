//! Descriptors that the program closes, or that others have copies of.

use shmring::Segment;

use crate::common::child::{self, say};
use crate::common::watchdog;
use crate::scene::{Orphans, Scene, close_all, descriptors, fork_sleeper, serve, start_sleeper};

/// In a child: closes all descriptors, the library's among them, and goes on.
pub(crate) fn close(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let held = (args[1] == "each").then(|| segment.producer().unwrap());
    match &*args[1] {
        "each" => close_all(),
        // SAFETY: this process owns no descriptor that it needs.
        _ => assert_eq!(unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, 0) }, 0),
    }
    assert_eq!(descriptors(), []);
    let tx = held.unwrap_or_else(|| segment.producer().unwrap());
    // It cannot check liveness any more, and takes no peer for dead.
    let status = segment.status().unwrap();
    assert!(status.attached.iter().all(|participant| participant.alive), "{status:?}");
    assert!(segment.consumer().is_err());
    say("holds");
    serve(tx);
}

/// Catches a token that hangs on a descriptor: a program that closes all it finds would be
/// dead to the others.
#[test]
fn a_process_that_closed_all_descriptors_is_alive() {
    let _watchdog = watchdog("a_process_that_closed_all_descriptors_is_alive");
    for (how, killed) in [("each", true), ("range", true), ("each", false), ("range", false)] {
        let mut scene = Scene::new();
        let mut child = child::start("close", &[&scene.name, how]);
        let pid = child.pid();
        assert_eq!(child.hear(), "holds");
        scene.assert_alive(pid, &mut child);
        if killed {
            child.kill();
        } else {
            assert!(child.wait().success());
        }
        scene.assert_found_dead(pid);
    }
}

/// In a child: copies each descriptor in every way, and leaves a fork and a program behind
/// that have them all.
pub(crate) fn duplicate(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let tx = segment.producer().unwrap();
    let numbers = descriptors();
    assert!(!numbers.is_empty());
    for &number in &numbers {
        // SAFETY: each copy has a new number, and none is closed before the process ends.
        unsafe {
            assert!(libc::dup(number) >= 0);
            assert_eq!(libc::dup2(number, 200 + number), 200 + number);
            assert!(libc::fcntl(number, libc::F_DUPFD, 300) >= 300);
            assert_eq!(libc::fcntl(number, libc::F_SETFD, 0), 0);
        }
    }
    Orphans::say(&[start_sleeper(), fork_sleeper()]);
    serve(tx);
}

/// Catches a token that a copy of a descriptor keeps: a child that outlives its parent
/// would keep it alive.
#[test]
fn copies_of_descriptors_keep_no_attachment_alive() {
    let _watchdog = watchdog("copies_of_descriptors_keep_no_attachment_alive");
    let mut scene = Scene::new();
    let mut child = child::start("duplicate", &[&scene.name]);
    let pid = child.pid();
    let orphans = Orphans::heard_of(&mut child);
    scene.assert_alive(pid, &mut child);
    child.kill();
    scene.assert_found_dead(pid);
    orphans.assert_alive();
}
