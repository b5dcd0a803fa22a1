//! Fork children that go on by themselves.

use std::io::{Read, Write};

use shmring::{JoinError, Segment};

use crate::common::child::{self, pause, say};
use crate::common::watchdog;
use crate::scene::{Orphans, Scene, serve};

/// In a child: forks one that attaches itself and gets rid of what it inherited.
pub(crate) fn attach_in_child(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let tx = segment.producer().unwrap();
    // One of the two speaks at a time.
    let (mut hear, mut tell) = std::io::pipe().unwrap();
    // SAFETY: no other thread of this process is at work.
    let pid = unsafe { libc::fork() };
    if pid > 0 {
        drop(tell);
        hear.read_exact(&mut [0]).unwrap();
        Orphans::say(&[pid]);
        serve(tx);
    }
    // The place of the mapping that was not inherited is free, so this one may get it.
    let own = Segment::attach(&args[0]).unwrap();
    if args[1] == "drop" {
        drop((tx, segment));
    } else {
        std::mem::forget((tx, segment));
    }
    assert!(matches!(own.producer(), Err(JoinError::RoleTaken { .. })));
    tell.write_all(&[0]).unwrap();
    pause();
    let tx = own.producer().unwrap();
    say("holds");
    serve(tx);
}

/// Catches a fork child that unmaps or gives up by its parent's handles what is its own by
/// then, that keeps its dead parent alive, or that dies with it.
#[test]
fn a_fork_child_that_attaches_lives_by_itself() {
    let _watchdog = watchdog("a_fork_child_that_attaches_lives_by_itself");
    for how in ["drop", "forget"] {
        let mut scene = Scene::new();
        let mut child = child::start("fork-and-attach", &[&scene.name, how]);
        let parent = child.pid();
        let orphan = Orphans::heard_of(&mut child);
        let pid = orphan.first();
        scene.assert_held(parent);
        assert!(scene.listed(pid).len() == 1 && scene.listed(pid)[0].alive);
        // Both wait for the same input, so the parent goes first.
        child.signal(libc::SIGKILL);
        scene.assert_found_dead(parent);
        child.go();
        assert_eq!(child.hear(), "holds");
        scene.assert_alive(pid, &mut child);
        drop(orphan);
        scene.assert_found_dead(pid);
    }
}
