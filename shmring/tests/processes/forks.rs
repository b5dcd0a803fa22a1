//! Fork children: they inherit the handles and must not be able to use them.

use std::process::Command;

use shmring::{
    Config, Consumer, Fault, JoinError, Observer, Producer, RecvError, RecvIntoError,
    RecvTimeoutError, Segment, SendError, SendTimeoutError, TryRecvError, TrySendError,
};

use crate::common::child::{self, pause, say};
use crate::common::{Name, SHORT, eventually, payload, watchdog};

/// Forks, runs `in_child` there, ends it the hard way, and returns its exit status. To be
/// called in a process with one thread at work only.
pub(crate) fn in_fork(in_child: impl FnOnce()) -> i32 {
    // SAFETY: no other thread of this process is at work, so no lock is held by one that
    // the child lacks.
    match unsafe { libc::fork() } {
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(in_child));
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 1 }) }
        }
        pid => {
            assert!(pid > 0);
            let mut status = -1;
            // SAFETY: waits for the child just made, into a valid place.
            assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
            status
        }
    }
}

pub(crate) fn assert_forked(tx: &mut Producer, rx: &mut Consumer) {
    let fault = Fault::Forked;
    assert_eq!(tx.send(b"x"), Err(SendError::Failed(fault)));
    assert_eq!(tx.try_send(b"x"), Err(TrySendError::Failed(fault)));
    assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendTimeoutError::Failed(fault)));
    assert_eq!(tx.send_batch(&["x"]), Err(SendError::Failed(fault)));
    assert_eq!(tx.send_batch::<&[u8]>(&[]), Err(SendError::Failed(fault)));
    assert_eq!(tx.try_send_batch::<&[u8]>(&[]), Err(TrySendError::Failed(fault)));
    assert_eq!(tx.reserve(1).map(|_| ()), Err(SendError::Failed(fault)));
    assert_eq!(tx.try_reserve(1).map(|_| ()), Err(TrySendError::Failed(fault)));
    assert_eq!(rx.recv(), Err(RecvError::Failed(fault)));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Failed(fault)));
    assert_eq!(rx.recv_into(&mut [0; 9]), Err(RecvIntoError::Recv(RecvError::Failed(fault))));
    assert_eq!(rx.recv_batch(1, |_| ()), Err(RecvError::Failed(fault)));
    assert_eq!(rx.peek().map(|_| ()), Err(RecvError::Failed(fault)));
    assert_eq!(rx.try_peek().map(|_| ()), Err(TryRecvError::Failed(fault)));
    assert!(rx.lookahead().unwrap().next().is_none());
    assert_eq!(rx.lookahead().unwrap().release(), 0);
    assert_eq!(tx.try_send_some(&["x"]), Err(TrySendError::Failed(fault)));
    assert_eq!(tx.send_vectored(&[]), Err(SendError::Failed(fault)));
    assert_eq!(tx.wait_writable(1, SHORT), Err(SendTimeoutError::Failed(fault)));
    assert_eq!(rx.recv_into_vec(&mut Vec::new()), Err(RecvError::Failed(fault)));
    assert_eq!(rx.wait_readable(SHORT), Err(RecvTimeoutError::Failed(fault)));
    assert_eq!(rx.wait_for_producer(SHORT), Err(RecvTimeoutError::Failed(fault)));
    assert_eq!((tx.len(), rx.len()), (0, 0));
    assert!(tx.is_empty() && rx.is_empty());
}

/// In the child, which has one test thread: forks in several ways. What it says, it says
/// as the parent of those forks.
pub(crate) fn fork(args: &[String]) {
    let name = Name::of(args[0].clone());
    let (segment, mut tx, mut rx) = name.pair(4096);
    let observer = Observer::open(&name).unwrap();
    tx.send(b"before").unwrap();

    let status = in_fork(|| {
        assert_forked(&mut tx, &mut rx);
        assert!(matches!(segment.status(), Err(Fault::Forked)));
        assert!(matches!(observer.status(), Err(Fault::Forked)));
        for join in [segment.producer().err(), segment.consumer().err()] {
            assert!(matches!(join, Some(JoinError::Failed(Fault::Forked))));
        }
        segment.close();
        assert!(!format!("{segment:?}{tx:?}{rx:?}{observer:?}").is_empty());
    });
    say(format!("verbs {status}"));
    assert!(!segment.status().unwrap().ring().closed, "the child closed the ring");

    // What a child drops, returns or closes is the parent's.
    let mut owned = Some((tx, rx));
    let status = in_fork(|| {
        let (tx, rx) = owned.take().unwrap();
        tx.close();
        drop(rx.into_reader());
    });
    say(format!("drops {status}"));
    let (mut tx, mut rx) = owned.take().unwrap();
    let status = segment.status().unwrap();
    assert!(
        status.ring().producers.len() == 1
            && status.ring().consumers.len() == 1
            && !status.ring().closed
    );
    assert_eq!((status.attached.len(), rx.recv().unwrap()), (1, b"before".to_vec()));
    for number in 0..100 {
        tx.send(&payload(number, 500)).unwrap();
        assert_eq!(rx.recv().unwrap(), payload(number, 500));
    }

    // A child that attaches anew is a process like any other.
    let status = in_fork(|| {
        let own = Segment::attach(&name).unwrap();
        assert_eq!(own.status().unwrap().attached.len(), 2);
        assert!(matches!(own.producer(), Err(JoinError::RoleTaken { .. })));
    });
    say(format!("attaches {status}"));
    drop((tx, rx));
    assert!(segment.producer().is_ok());
}

/// Catches a fork child that acts as its parent, or that dies of a handle it inherited.
#[test]
fn a_forked_child_is_refused_and_disturbs_nothing() {
    let _watchdog = watchdog("a_forked_child_is_refused_and_disturbs_nothing");
    let name = Name::new();
    let said = child::start("fork", &[&name]).finish();
    assert_eq!(said, ["verbs 0", "drops 0", "attaches 0"]);
}

/// In the child: attaches, leaves a fork and a program behind that live on, and waits.
pub(crate) fn fork_holding(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let _tx = segment.producer().unwrap();
    let mut program = Command::new("sleep").arg("40").spawn().unwrap();
    // SAFETY: no other thread of this process is at work.
    let fork = unsafe { libc::fork() };
    if fork == 0 {
        // SAFETY: waits to be killed, not for ever, and runs nothing of the parent's.
        unsafe {
            libc::sleep(40);
            libc::_exit(0);
        }
    }
    say(format!("{} {fork}", program.id()));
    pause();
    let _ = program.kill();
    let _ = program.wait();
}

/// Catches children that keep a dead process alive: neither a fork nor a program that it
/// started holds its token.
#[test]
fn children_do_not_keep_a_dead_process_alive() {
    let _watchdog = watchdog("children_do_not_keep_a_dead_process_alive");
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let mut child = child::start("fork-holding", &[&name]);
    let said = child.hear();
    let orphans: Vec<i32> = said.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(matches!(segment.producer(), Err(JoinError::RoleTaken { .. })));
    child.kill();
    let alive = || orphans.iter().all(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(alive());
    let taken = eventually("the role is free", || segment.producer().ok());
    assert!(alive(), "the children ended, so this says nothing");
    drop(taken);
    for pid in orphans {
        // SAFETY: the orphan was alive a moment ago and no other process ends it.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
}

/// In the child: forks while it holds what leads to the payload.
pub(crate) fn fork_with_grants(args: &[String]) {
    let name = Name::of(args[0].clone());
    let (_segment, mut tx, mut rx) = name.pair(4096);
    tx.send(b"message").unwrap();
    let mut reservation = Some(tx.reserve(100).unwrap());
    let mut peek = Some(rx.peek().unwrap());
    say(format!("write {}", in_fork(|| reservation.as_mut().unwrap().write_at(0, b"x"))));
    say(format!("commit {}", in_fork(|| reservation.take().unwrap().commit())));
    say(format!("read {}", in_fork(|| drop(peek.as_ref().unwrap().to_vec()))));
    say(format!("release {}", in_fork(|| peek.take().unwrap().release())));
}

/// Catches a fork child that dies of, or writes through, a reservation or a peek that it
/// inherited: the address may belong to another mapping by then.
#[test]
fn a_forked_child_cannot_use_reservations_and_peeks() {
    let _watchdog = watchdog("a_forked_child_cannot_use_reservations_and_peeks");
    let name = Name::new();
    let said = child::start("fork-with-grants", &[&name]).finish();
    // A panic (256) or nothing at all (0), but no signal.
    assert!(said.iter().all(|fact| fact.ends_with(" 0") || fact.ends_with(" 256")), "{said:?}");
}
