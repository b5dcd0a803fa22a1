//! Programs that are started, by processes that become them or share their memory.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};

use shmring::Segment;

use crate::common::child::{self, pause, say};
use crate::common::{Name, eventually, watchdog};
use crate::scene::{Orphans, Scene, descriptors, hold, lives, serve};

/// In a child: becomes another program, which inherits all descriptors.
pub(crate) fn exec(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let _tx = segment.producer().unwrap();
    for number in descriptors() {
        // SAFETY: lets the next program have the descriptor; nothing else changes.
        assert_eq!(unsafe { libc::fcntl(number, libc::F_SETFD, 0) }, 0);
    }
    say("holds");
    pause();
    panic!("{}", Command::new("sleep").arg("30").exec());
}

/// Catches a process that stays alive to the others though the program that was attached
/// has ended.
#[test]
fn a_process_that_became_another_program_is_dead() {
    let _watchdog = watchdog("a_process_that_became_another_program_is_dead");
    let mut scene = Scene::new();
    let mut child = child::start("exec", &[&scene.name]);
    let pid = child.pid();
    assert_eq!(child.hear(), "holds");
    scene.assert_held(pid);
    child.go();
    scene.assert_found_dead(pid);
    assert!(lives(pid), "it ended, so the test says nothing");
}

const AGAIN: &str = "SHMRING_TEST_AGAIN";

/// In a child: becomes this program once more, which attaches anew.
pub(crate) fn exec_itself(args: &[String]) {
    if std::env::var_os(AGAIN).is_some() {
        return hold(args);
    }
    let segment = Segment::attach(&args[0]).unwrap();
    let mut tx = segment.producer().unwrap();
    tx.send(b"from the first").unwrap();
    say("holds");
    pause();
    let program = std::env::current_exe().unwrap();
    let mut program = Command::new(program);
    panic!("{}", program.args(std::env::args_os().skip(1)).env(AGAIN, "1").exec());
}

/// Catches an attach that is taken for another one because the process is the same.
#[test]
fn a_process_that_executed_itself_attaches_again() {
    let _watchdog = watchdog("a_process_that_executed_itself_attaches_again");
    let mut scene = Scene::new();
    let mut child = child::start("exec-itself", &[&scene.name]);
    let pid = child.pid();
    assert_eq!(child.hear(), "holds");
    assert_eq!(scene.rx.recv().unwrap(), b"from the first");
    scene.assert_held(pid);
    assert_eq!(scene.segment.status().unwrap().repairs, 0);
    child.go();
    assert_eq!(child.hear(), pid.to_string());
    assert_eq!(scene.segment.status().unwrap().repairs, 1);
    scene.assert_alive(pid, &mut child);
    child.kill();
    scene.assert_found_dead(pid);
}

static SHARER: AtomicI32 = AtomicI32::new(0);

/// What the process that shares the memory needs: where it waits, and what it becomes.
struct Share {
    fifo: CString,
    program: CString,
    args: [*const libc::c_char; 3],
}

/// In a process that shares its parent's memory: waits for the FIFO, then becomes a
/// program.
extern "C" fn share(arg: *mut libc::c_void) -> i32 {
    // SAFETY: the parent leaked it; the strings are valid, and only system calls are made.
    unsafe {
        let share = &*arg.cast::<Share>();
        SHARER.store(libc::getpid(), Ordering::Release);
        libc::open(share.fifo.as_ptr(), libc::O_RDONLY);
        libc::execv(share.program.as_ptr(), share.args.as_ptr());
        libc::_exit(1)
    }
}

/// In a child: attaches, and starts a program as `vfork` does, which waits before it execs.
pub(crate) fn share_memory(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let tx = segment.producer().unwrap();
    let fifo = CString::new(args[1].as_str()).unwrap();
    std::thread::spawn(|| {
        let program = c"/bin/sleep".to_owned();
        let list = [program.as_ptr(), c"30".as_ptr(), std::ptr::null()];
        let share_with = Box::leak(Box::new(Share { fifo, program, args: list }));
        let stack = Vec::leak(vec![0_u128; 4096]);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack and the argument are never freed, and this thread waits until
        // the other process has memory of its own.
        unsafe {
            let top = stack.as_mut_ptr_range().end.cast();
            libc::clone(share, top, flags, std::ptr::from_mut(share_with).cast())
        };
    });
    let pid = eventually("it shares the memory", || match SHARER.load(Ordering::Acquire) {
        0 => None,
        pid => Some(pid),
    });
    Orphans::say(&[pid]);
    serve(tx);
}

/// Catches a mapping that is taken for gone while a process that shares it could store
/// through it, and a token that lasts longer than the memory.
#[test]
fn memory_that_is_shared_keeps_its_token_until_the_last_has_left_it() {
    let _watchdog = watchdog("memory_that_is_shared_keeps_its_token_until_the_last_has_left_it");
    let (mut scene, fifo) = (Scene::new(), Name::new());
    let path = fifo.path();
    let made = CString::new(path.to_str().unwrap()).unwrap();
    // SAFETY: makes a file; the path is valid.
    assert_eq!(unsafe { libc::mkfifo(made.as_ptr(), 0o600) }, 0);
    let mut child = child::start("share-memory", &[&scene.name, path.to_str().unwrap()]);
    let pid = child.pid();
    let sharer = Orphans::heard_of(&mut child);
    scene.assert_alive(pid, &mut child);
    child.kill();
    scene.assert_held(pid);
    sharer.assert_alive();
    // It becomes a program, and so leaves the memory.
    drop(OpenOptions::new().write(true).open(&path).unwrap());
    scene.assert_found_dead(pid);
    assert!(lives(sharer.first()));
}
