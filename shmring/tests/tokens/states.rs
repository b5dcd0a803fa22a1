//! States in which a process is neither running nor gone.

use std::fs;
use std::mem::zeroed;
use std::ptr;
use std::sync::mpsc;

use shmring::Segment;

use crate::common::child::{self, say};
use crate::common::{eventually, watchdog};
use crate::scene::{Orphans, Scene, lives, serve};

/// Catches a process that is alive until its parent has waited for it.
#[test]
fn a_zombie_is_dead() {
    let _watchdog = watchdog("a_zombie_is_dead");
    let mut scene = Scene::new();
    let mut child = child::start("hold", &[&scene.name]);
    let pid = child.pid();
    assert_eq!(child.hear(), pid.to_string());
    scene.assert_alive(pid, &mut child);
    child.signal(libc::SIGKILL);
    // SAFETY: looks at the child's end and leaves it to be waited for.
    let ended = unsafe {
        let mut info = zeroed();
        libc::waitid(libc::P_PID, pid as u32, &raw mut info, libc::WEXITED | libc::WNOWAIT)
    };
    assert_eq!(ended, 0);
    scene.assert_found_dead(pid);
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert!(stat.contains(") Z "), "it is gone, so the test says nothing: {stat}");
}

/// In a child: forks a process whose first thread ends, before or after another one
/// attaches and serves, as the second argument says.
pub(crate) fn leave_leader(args: &[String]) {
    // SAFETY: no other thread of this process is at work, and the child's threads use
    // nothing of it.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: asks for a signal when the parent is gone; nothing else changes.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        Orphans::say(&[std::process::id() as i32]);
        let (name, after) = (args[0].clone(), args[1] == "after");
        let (attached, leave) = mpsc::channel();
        std::thread::spawn(move || serve_without_leader(&name, after, &attached));
        if after {
            leave.recv().unwrap();
        }
        // SAFETY: ends this thread alone, whose stack the other does not use.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
    // SAFETY: waits for the child just made.
    unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
}

fn serve_without_leader(name: &str, after: bool, attached: &mpsc::Sender<()>) -> ! {
    let left = || {
        let pid = std::process::id() as i32;
        eventually("the first thread has ended", || (!lives(pid)).then_some(()));
    };
    if !after {
        left();
    }
    let segment = Segment::attach(name).unwrap_or_else(|error| {
        say(error);
        std::process::exit(1);
    });
    let tx = segment.producer().unwrap();
    if after {
        attached.send(()).unwrap();
        left();
    }
    say("holds");
    serve(tx)
}

/// Catches a process that is taken for dead, or cannot attach, because its first thread is
/// a zombie.
#[test]
fn a_process_without_its_first_thread_is_alive() {
    let _watchdog = watchdog("a_process_without_its_first_thread_is_alive");
    for when in ["after", "before"] {
        let mut scene = Scene::new();
        let mut child = child::start("leave-leader", &[&scene.name, when]);
        let orphan = Orphans::heard_of(&mut child);
        assert_eq!(child.hear(), "holds", "the first thread ended {when} the attach");
        let pid = orphan.first();
        assert!(!lives(pid), "its first thread is there, so the test says nothing");
        scene.assert_alive(pid, &mut child);
        // SAFETY: the process serves until it is killed, and its parent waits for that end.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
        scene.assert_found_dead(pid);
    }
}

/// In a child: a thread attaches, forgets what it has, and ends.
pub(crate) fn leave_thread(args: &[String]) {
    let name = args[0].clone();
    let thread = std::thread::spawn(move || {
        let segment = Segment::attach(&name).unwrap();
        std::mem::forget(segment.producer().unwrap());
        std::mem::forget(segment);
    });
    thread.join().unwrap();
    say("left");
    child::pause();
}

/// Catches a role that ends with the thread that had it, or that stays taken when the
/// process has ended: a process that forgets a handle keeps it until then.
#[test]
fn a_forgotten_handle_is_held_until_its_process_ends() {
    let _watchdog = watchdog("a_forgotten_handle_is_held_until_its_process_ends");
    for killed in [true, false] {
        let mut scene = Scene::new();
        let mut child = child::start("leave-thread", &[&scene.name]);
        let pid = child.pid();
        assert_eq!(child.hear(), "left");
        scene.assert_held(pid);
        if killed {
            child.kill();
        } else {
            child.go();
            assert!(child.wait().success());
        }
        scene.assert_found_dead(pid);
    }
}

fn threads(pid: i32) -> Vec<i32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let names = tasks.map(|task| task.unwrap().file_name().into_string().unwrap());
    names.map(|name| name.parse().unwrap()).collect()
}

/// Catches a process that is taken for dead while a debugger holds it, and one that its
/// debugger keeps alive after a kill.
#[test]
fn a_process_in_a_debugger_is_alive_until_it_is_killed() {
    let _watchdog = watchdog("a_process_in_a_debugger_is_alive_until_it_is_killed");
    let mut scene = Scene::new();
    let mut child = child::start("hold", &[&scene.name]);
    let pid = child.pid();
    assert_eq!(child.hear(), pid.to_string());
    let nothing = ptr::null_mut::<libc::c_void>();
    for thread in threads(pid) {
        // SAFETY: traces and stops a thread of a child; nothing of this process changes.
        unsafe {
            if libc::ptrace(libc::PTRACE_SEIZE, thread, nothing, nothing) != 0 {
                println!("skipped: no ptrace: {}", std::io::Error::last_os_error());
                return;
            }
            assert_eq!(libc::ptrace(libc::PTRACE_INTERRUPT, thread, nothing, nothing), 0);
            let mut status = 0;
            assert_eq!(libc::waitpid(thread, &raw mut status, libc::__WALL), thread);
            assert!(libc::WIFSTOPPED(status));
        }
    }
    scene.assert_held(pid);
    let all = threads(pid);
    child.signal(libc::SIGKILL);
    scene.assert_found_dead(pid);
    // The first thread's end is told when this one has been told of the others'.
    for thread in all.into_iter().filter(|&thread| thread != pid) {
        // SAFETY: waits for a thread that this one traces.
        assert_eq!(unsafe { libc::waitpid(thread, ptr::null_mut(), libc::__WALL) }, thread);
    }
}
