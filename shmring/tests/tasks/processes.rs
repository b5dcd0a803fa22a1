//! Peers that are killed while a task waits, and children of a fork.

use std::pin::pin;
use std::task::Poll;

use shmring::{DrainError, Fault, RecvError, Segment, SendError};
use tokio::time::timeout;

use crate::common::child::{self, say};
use crate::common::{LONG, Name, watchdog};
use crate::stage::{Tx, Wakes, configs, current, poll, ring, rx, tx};

/// In the child: takes a role and waits to be killed.
pub(crate) fn hold(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    if args[1] == "producer" {
        let mut tx = tx(&segment);
        tx.try_send(7).unwrap();
        say("holds");
        child::pause();
    } else {
        let _rx = rx(&segment);
        say("holds");
        child::pause();
    }
}

/// Catches a task that waits for a process that was killed, although nobody else looks for it.
#[test]
fn a_killed_peer_ends_the_wait_of_a_task() {
    let _watchdog = watchdog("a_killed_peer_ends_the_wait_of_a_task");
    for config in configs() {
        let name = Name::new();
        let segment = name.create(&config);
        let mut rx = rx(&segment);
        let mut child = child::start("hold", &[&name, "producer"]);
        assert_eq!(child.hear(), "holds");
        current().block_on(async {
            assert_eq!(rx.recv().await, Ok(7));
            let kill = async {
                tokio::task::yield_now().await;
                child.kill();
            };
            let (received, ()) = tokio::join!(timeout(LONG, rx.recv()), kill);
            assert_eq!(received, Ok(Err(RecvError::Eof)));
        });
        drop(rx);

        let mut tx = tx(&segment);
        let mut child = child::start("hold", &[&name, "consumer"]);
        assert_eq!(child.hear(), "holds");
        let count = tx.fill();
        current().block_on(async {
            let kill = async {
                tokio::task::yield_now().await;
                child.kill();
            };
            let (sent, ()) = tokio::join!(timeout(LONG, tx.send(count)), kill);
            assert_eq!(sent, Ok(Err(SendError::BrokenPipe)));
        });
    }
}

/// In the child: forks while handles are armed, and uses them in the fork child.
pub(crate) fn fork() {
    for config in configs() {
        let (_segment, mut tx, mut rx) = ring(&config);
        let (_, waker) = Wakes::new();
        let mut armed = Box::pin(async move { (rx.recv().await, rx.recv().await) });
        assert!(poll(armed.as_mut(), &waker).is_pending());
        // SAFETY: of the other threads one sleeps, the reactor, and the child calls nothing of it.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let fault = Fault::Forked;
                let received = Err(RecvError::Failed(fault));
                assert_eq!(poll(armed.as_mut(), &waker), Poll::Ready((received, received)));
                drop(armed);
                let sent = poll(pin!(tx.send(1)), &waker);
                assert_eq!(sent, Poll::Ready(Err(SendError::Failed(fault))));
                let drained = match tx {
                    Tx::Bytes(tx) => poll(pin!(tx.close_and_drain()), &waker),
                    Tx::Values(tx) => poll(pin!(tx.close_and_drain()), &waker),
                };
                assert_eq!(drained, Poll::Ready(Err(DrainError::Failed(fault))));
            }));
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 1 }) }
        }
        let mut status = -1;
        // SAFETY: waits for the child just made, into a valid place.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0);
        // The parent's wait goes on.
        tx.try_send(1).unwrap();
        drop(tx);
        assert_eq!(current().block_on(armed), (Ok(1), Err(RecvError::Eof)));
    }
}

/// Catches a fork child that polls its parent's futures, waits, or takes the parent's wake.
#[test]
fn a_fork_child_cannot_use_the_handles() {
    let _watchdog = watchdog("a_fork_child_cannot_use_the_handles");
    child::start("fork", &[]).finish();
}
