//! Processes that are started while another thread is in the middle of an attach: for a
//! moment it has a descriptor that holds the token or the lifecycle lock.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use shmring::{AttachError, Config, CreateError, Segment};

use crate::common::child::{self, pause};
use crate::common::{Name, eventually, watchdog};
use crate::scene::{Orphans, fork_sleeper, start_sleeper};

/// Enough that some are started inside a window of one part in ten.
const STARTED: u32 = 100;
const ATTACHES: u64 = 16;

fn smallest() -> Config {
    Config::spsc().capacity_bytes(4096)
}

/// Starts processes in one thread while another repeats `meanwhile`, each at another moment
/// of it.
fn start_many(how: &str, meanwhile: impl Fn() + Sync) -> Vec<i32> {
    let (rounds, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                meanwhile();
                rounds.fetch_add(1, Ordering::Relaxed);
            }
        });
        let next_round = || {
            let seen = rounds.load(Ordering::Relaxed);
            while rounds.load(Ordering::Relaxed) == seen {
                thread::yield_now();
            }
            Instant::now()
        };
        let start = |number| {
            let begin = next_round();
            let round = next_round() - begin;
            let begin = next_round();
            while begin.elapsed() < round * number / STARTED {
                std::hint::spin_loop();
            }
            match how {
                "fork" => fork_sleeper(),
                _ => start_sleeper(),
            }
        };
        let pids = (0..STARTED).map(start).collect();
        ended.store(true, Ordering::Relaxed);
        pids
    })
}

/// In a child: attaches over and over while another thread starts processes.
pub(crate) fn start_while_attaching(args: &[String]) {
    let kept: Vec<Segment> = (0..4).map(|_| Segment::attach(&args[0]).unwrap()).collect();
    // A table that is full of tokens held by copies for a moment is no failure yet.
    let pids = start_many(&args[1], || drop(Segment::attach(&args[0])));
    Orphans::say(&pids);
    pause();
    drop(kept);
}

/// Catches a token that a process started in the middle of an attach keeps after the death
/// of the one that attached.
#[test]
fn a_process_started_during_an_attach_keeps_no_token() {
    let _watchdog = watchdog("a_process_started_during_an_attach_keeps_no_token");
    for how in ["fork", "spawn"] {
        let name = Name::new();
        let segment = name.create(&smallest().max_attachments(ATTACHES));
        let mut child = child::start("start-while-attaching", &[&name, how]);
        let pid = child.pid();
        let orphans = Orphans::heard_of(&mut child);
        child.kill();
        let attached = || segment.status().unwrap().attached;
        eventually("all are dead", || {
            attached().iter().all(|other| other.alive != (other.pid as i32 == pid)).then_some(())
        });
        // An attach that ended in time left no entry, but perhaps a token.
        let fill = || -> Vec<Segment> {
            std::iter::from_fn(|| Segment::attach(&name).ok()).take(ATTACHES as usize).collect()
        };
        assert_eq!(fill().len() as u64, ATTACHES - 1, "{how}: tokens are held");
        orphans.assert_alive();
    }
}

/// In a child: is refused over and over, while it has the lifecycle lock of one segment
/// alone and shares that of the other, and another thread forks.
pub(crate) fn fork_while_refused(args: &[String]) {
    let (replace, attach) =
        (|| Segment::recreate(&args[0], &smallest()), || Segment::attach(&args[1]));
    assert!(matches!(replace(), Err(CreateError::InUse { .. })));
    assert!(matches!(attach(), Err(AttachError::TableFull { .. })));
    let pids = start_many("fork", || drop((replace(), attach())));
    Orphans::say(&pids);
    pause();
}

/// Catches a lock on the life of a segment that a process keeps which was forked off while
/// another thread had it: no process could attach or replace any more.
#[test]
fn a_process_forked_during_a_refusal_keeps_no_lock() {
    let _watchdog = watchdog("a_process_forked_during_a_refusal_keeps_no_lock");
    let (used, full) = (Name::new(), Name::new());
    let segments = [used.create(&smallest()), full.create(&smallest().max_attachments(1))];
    let mut child = child::start("fork-while-refused", &[&used, &full]);
    let orphans = Orphans::heard_of(&mut child);
    child.kill();
    let attached = Segment::attach(&used);
    assert!(attached.is_ok(), "{attached:?}");
    drop((attached, segments));
    for name in [&used, &full] {
        eventually("nobody is attached", || match Segment::recreate(name, &smallest()) {
            Err(CreateError::InUse { .. }) => None,
            result => Some(result.unwrap()),
        });
    }
    orphans.assert_alive();
}
