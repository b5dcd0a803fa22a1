//! Processes of another user, or in namespaces of their own.

use std::fs::{self, Permissions};
use std::io::Error;
use std::os::unix::fs::PermissionsExt;
use std::ptr;

use shmring::{AttachOptions, Config, JoinError, PidNamespace, RecvTimeoutError};

use crate::common::child::{self, Part, pause, say};
use crate::common::{LONG, Name, is_root, watchdog};
use crate::scene::{Scene, hold};

const NOBODY: u32 = 65_534;

pub(crate) fn become_nobody() {
    // SAFETY: changes this process's own identity.
    unsafe {
        assert_eq!(libc::setgroups(0, ptr::null()), 0);
        assert_eq!((libc::setgid(NOBODY), libc::setuid(NOBODY)), (0, 0));
    }
}

/// In a child: becomes a stranger in the way that the second argument names and plays the
/// part that the third names.
pub(crate) fn play(args: &[String]) {
    let act = || match &*args[2] {
        "hold" => hold(args),
        _ => watch(args),
    };
    if args[1] == "user" {
        become_nobody();
        say(std::process::id());
        return act();
    }
    fork_and_wait(|| {
        // SAFETY: gives this process, which has one thread, namespaces of its own.
        if unsafe { libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWPID) } != 0 {
            return say(format!("skipped: no namespaces: {}", Error::last_os_error()));
        }
        fork_and_wait(|| {
            say(std::process::id());
            act();
        });
    });
}

/// Runs `in_child` in a fork child that dies with this process, and waits for its end. To
/// be called in a process with one thread at work only.
fn fork_and_wait(in_child: impl FnOnce()) {
    // SAFETY: no other thread of this process is at work.
    unsafe {
        let pid = libc::fork();
        if pid == 0 {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(in_child));
            libc::_exit(i32::from(result.is_err()));
        }
        let mut status = -1;
        assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
        assert_eq!(status, 0);
    }
}

/// In a child: has the consumer, and sees the producer's process live and die.
fn watch(args: &[String]) {
    let segment = AttachOptions::new().accept_world_writable(true).attach(&args[0]).unwrap();
    let mut rx = segment.consumer().unwrap();
    let taken = segment.producer();
    assert!(
        matches!(&taken, Err(JoinError::RoleTaken { holder: Some(holder), .. }) if holder.alive),
        "{taken:?}"
    );
    say("alive");
    pause();
    assert_eq!(rx.recv_timeout(LONG), Err(RecvTimeoutError::Eof));
    segment.producer().unwrap().send(b"from the successor").unwrap();
    say("found dead");
}

/// A child that became a stranger, and the pid that it sees itself; `None` if that is not
/// possible here.
fn stranger(name: &Name, how: &str, what: &str) -> Option<(Part, i32)> {
    if !is_root() {
        println!("skipped: only root can become another user");
        return None;
    }
    let mut child = child::start("stranger", &[name, how, what]);
    let said = child.hear();
    if said.starts_with("skipped") {
        println!("{said}");
        return None;
    }
    Some((child, said.parse().unwrap()))
}

/// Catches a life or a death that is not seen over the bounds of users or namespaces, or
/// that is told by a pid, which means another process there.
#[test]
fn other_users_are_seen_to_live_and_die() {
    let _watchdog = watchdog("other_users_are_seen_to_live_and_die");
    for how in ["user", "namespaces"] {
        let mut scene = Scene::new();
        fs::set_permissions(scene.name.path(), Permissions::from_mode(0o666)).unwrap();
        let Some((mut child, pid)) = stranger(&scene.name, how, "hold") else {
            continue;
        };
        assert_eq!(child.hear(), pid.to_string());
        assert_eq!(pid == 1, how == "namespaces");
        let listed = &scene.listed(pid)[0];
        assert_eq!(listed.uid, NOBODY);
        // There its number means another process, which must not be named: /proc shows it here
        // under another.
        let elsewhere = how == "namespaces";
        let expected = if elsewhere { PidNamespace::Other } else { PidNamespace::Ours };
        assert_eq!(listed.pid_namespace, expected);
        let here = listed.process().expect("a process that root can see").pid;
        assert_eq!(here as i32 != pid, elsewhere);
        assert_eq!(listed.to_string().contains("another pid namespace"), elsewhere);
        scene.assert_alive(pid, &mut child);
        child.kill();
        scene.assert_found_dead(pid);
    }
}

/// Catches a life or a death that a stranger does not see.
#[test]
fn other_users_see_others_live_and_die() {
    let _watchdog = watchdog("other_users_see_others_live_and_die");
    for how in ["user", "namespaces"] {
        let name = Name::new();
        let _segment = name.create(&Config::spsc().capacity_bytes(4096).mode(0o666));
        let mut holder = child::start("hold", &[&name]);
        assert_eq!(holder.hear(), holder.pid().to_string());
        let Some((mut child, _)) = stranger(&name, how, "watch") else {
            continue;
        };
        assert_eq!(child.hear(), "alive");
        holder.kill();
        child.go();
        assert_eq!(child.hear(), "found dead");
    }
}
