//! Many reapers at once, while processes come and die.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use shmring::{AttachError, JoinError, Kind, RecvError, RecvTimeoutError, Segment, Status};

use crate::common::child::{self, say};
use crate::common::{Name, eventually, slots, watchdog};

/// Processes that start others, and lives that each of them starts, one after the other.
const STARTERS: usize = 3;
const LIVES: u32 = 50;
/// Messages of each life.
const MESSAGES: u32 = 8;
const REAPERS: usize = 3;
/// Fewer entries than processes that want to attach: a newcomer gets the entry of one just dead.
const ATTACHES: u64 = 3;

/// How many attaches, and how many producers, are listed for this process.
fn own(status: &Status) -> (usize, usize) {
    let pid = std::process::id();
    let count = |list: &[shmring::Participant]| {
        list.iter().filter(|participant| participant.pid == pid && participant.alive).count()
    };
    (count(&status.attached), count(&status.ring().producers))
}

/// Attaches, takes a role, sends, and looks each time whether all that is still there.
fn live(name: &str) -> (Segment, shmring::Producer) {
    let segment = loop {
        match Segment::attach(name) {
            Ok(segment) => break segment,
            Err(AttachError::TableFull { .. }) => thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    };
    let mut tx = segment.producer().unwrap();
    for _ in 0..MESSAGES {
        assert_eq!(own(&segment.status().unwrap()), (1, 1), "the living lost what it had");
        tx.send(b"message").unwrap();
        thread::yield_now();
    }
    assert_eq!(own(&segment.status().unwrap()), (1, 1), "the living lost what it had");
    (segment, tx)
}

/// In a child: forks others that live and die, each in its own way.
pub(crate) fn live_and_die(args: &[String]) {
    for number in 0..LIVES {
        // SAFETY: no other thread of this process is at work, and the child ends in one of
        // the ways below.
        unsafe {
            let pid = libc::fork();
            if pid == 0 {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                let Ok(life) = std::panic::catch_unwind(|| live(&args[0])) else {
                    libc::_exit(1);
                };
                match number % 3 {
                    0 => _ = libc::raise(libc::SIGKILL),
                    1 => drop(life),
                    _ => std::mem::forget(life),
                }
                libc::_exit(0);
            }
            let mut status = -1;
            assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
            assert!(libc::WIFSIGNALED(status) || libc::WEXITSTATUS(status) == 0);
        }
    }
    say("done");
}

/// Catches a clean-up that goes on when another one has ended it, and then takes from a
/// newcomer in the same entry what it has: threads share the description whose lock keeps
/// processes apart.
#[test]
fn threads_that_reap_at_once_take_nothing_from_the_living() {
    let _watchdog = watchdog("threads_that_reap_at_once_take_nothing_from_the_living");
    let name = Name::new();
    let segment =
        name.create(&slots(Kind::Mpsc, 64, 32).max_attachments(ATTACHES).max_handles(252));
    let (mut rx, kept) = (segment.consumer().unwrap(), segment.producer().unwrap());
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for reaper in 0..REAPERS {
            let (segment, ended) = (&segment, &ended);
            scope.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    // A process that is refused a role has checked for dead peers first.
                    assert!(matches!(segment.consumer(), Err(JoinError::RoleTaken { .. })));
                    if reaper == 0 {
                        let tx = segment.producer().unwrap();
                        // A handle that is passed on during the look is counted twice.
                        let (attaches, producers) = own(&segment.status().unwrap());
                        assert!(attaches == 1 && producers >= 2);
                        drop(tx);
                    }
                }
            });
        }
        let starters: Vec<_> =
            (0..STARTERS).map(|_| child::start("live-and-die", &[&name])).collect();
        let waiting = scope.spawn(|| {
            let said: Vec<_> = starters.into_iter().map(|starter| starter.finish()).collect();
            ended.store(true, Ordering::Relaxed);
            said
        });
        let mut received = 0;
        loop {
            match rx.recv_timeout(Duration::from_millis(50)) {
                Ok(message) => received += u32::from(message == b"message"),
                Err(RecvTimeoutError::TimedOut) if ended.load(Ordering::Relaxed) => break,
                Err(RecvTimeoutError::TimedOut) => {}
                Err(error) => panic!("{error}"),
            }
        }
        assert!(waiting.join().unwrap().iter().all(|said| said == &["done"]));
        assert_eq!(received, STARTERS as u32 * LIVES * MESSAGES);
    });
    eventually("the dead are cleaned up", || {
        assert!(segment.consumer().is_err());
        (segment.status().unwrap().attached.len() == 1).then_some(())
    });
    assert_eq!(own(&segment.status().unwrap()), (1, 1));
    drop(kept);
    assert_eq!(rx.recv(), Err(RecvError::Eof));
}
