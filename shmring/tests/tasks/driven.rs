//! Tasks that the I/O driver of their runtime wakes.

use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use shmring::{Config, Fault, RecvError, Segment};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::common::child;
use crate::common::{LONG, SHORT, eventually, watchdog};
use crate::stage::{Rx, Tx, Wakes, configs, mpmc, poll, ring, rx};

/// Far above what a wake takes, and far below the 100 ms after which the reactor looks.
const SOON: Duration = Duration::from_millis(25);

fn runtimes() -> [Runtime; 2] {
    let mut builders = [Builder::new_current_thread(), Builder::new_multi_thread()];
    builders[1].worker_threads(3);
    builders.map(|mut builder| builder.enable_all().build().unwrap())
}

/// Within a runtime.
fn drive(tx: &mut Tx, rx: &mut Rx) {
    match tx {
        Tx::Bytes(tx) => tx.use_io_driver().unwrap(),
        Tx::Values(tx) => tx.use_io_driver().unwrap(),
    }
    drive_rx(rx);
}

fn drive_rx(rx: &mut Rx) {
    match rx {
        Rx::Bytes(rx) => rx.use_io_driver().unwrap(),
        Rx::Values(rx) => rx.use_io_driver().unwrap(),
    }
}

/// Catches a message or room that is lost, or that wakes nobody, and an end that is not seen.
#[test]
fn tasks_exchange_messages() {
    const MESSAGES: u64 = 3_000;
    let _watchdog = watchdog("tasks_exchange_messages");
    for runtime in runtimes() {
        for config in configs() {
            runtime.block_on(async {
                let (_segment, mut tx, mut rx) = ring(&config);
                drive(&mut tx, &mut rx);
                let sender = tokio::spawn(async move {
                    for number in 0..MESSAGES {
                        tx.send(number).await.unwrap();
                        if number % 64 == 0 {
                            tokio::time::sleep(Duration::from_micros(50)).await;
                        }
                    }
                });
                let receiver = tokio::spawn(async move {
                    for number in 0..MESSAGES {
                        assert_eq!(rx.recv().await, Ok(number));
                    }
                    assert_eq!(rx.recv().await, Err(RecvError::Eof));
                });
                timeout(LONG, async {
                    sender.await.unwrap();
                    receiver.await.unwrap();
                })
                .await
                .unwrap();
            });
        }
    }
}

/// Catches a wake that comes by a look only, of a task that stays in its thread.
#[test]
fn a_message_wakes_at_once() {
    let _watchdog = watchdog("a_message_wakes_at_once");
    for runtime in runtimes() {
        for config in configs() {
            let (_segment, mut tx, mut rx) = ring(&config);
            let soonest = runtime.block_on(async {
                drive(&mut tx, &mut rx);
                let mut soonest = LONG;
                for number in 0..8 {
                    let wait = async {
                        assert_eq!(rx.recv().await, Ok(number));
                        Instant::now()
                    };
                    let send = async {
                        tokio::task::yield_now().await;
                        let sent = Instant::now();
                        tx.try_send(number).unwrap();
                        sent
                    };
                    let (received, sent) = tokio::join!(wait, send);
                    soonest = soonest.min(received.duration_since(sent));
                }
                soonest
            });
            assert!(soonest < SOON, "{config:?}: {soonest:?}");
        }
    }
}

/// Catches a future that is dropped with the wake of another one, or leaves an event that ends the
/// wait of the next future.
#[test]
fn a_wait_may_be_dropped() {
    let _watchdog = watchdog("a_wait_may_be_dropped");
    for runtime in runtimes() {
        runtime.block_on(async {
            let (segment, mut tx, mut first) = ring(&mpmc());
            let mut second = rx(&segment);
            drive(&mut tx, &mut first);
            drive_rx(&mut second);
            let mut soonest = LONG;
            for number in 0..20 {
                assert!(timeout(Duration::from_millis(1), first.recv()).await.is_err());
                let (wakes, waker) = Wakes::new();
                let mut wait = Box::pin(first.recv());
                assert!(poll(wait.as_mut(), &waker).is_pending());
                let other = async { (second.recv().await, Instant::now()) };
                let give_up = async {
                    tokio::task::yield_now().await;
                    tx.try_send(number).unwrap();
                    let sent = Instant::now();
                    while number % 2 == 0 && wakes.count() == 0 && sent.elapsed() < SOON {
                        tokio::task::yield_now().await;
                    }
                    let start = Instant::now();
                    drop(wait);
                    start
                };
                let ((received, end), start) = tokio::join!(other, give_up);
                assert_eq!(received, Ok(number));
                soonest = soonest.min(end.saturating_duration_since(start));
            }
            assert!(soonest < SOON, "{soonest:?}");
        });
    }
}

/// Catches a handle that waits in vain after its runtime was shut down, or in another executor.
#[test]
fn a_runtime_may_end() {
    let _watchdog = watchdog("a_runtime_may_end");
    for runtime in runtimes() {
        let (_segment, mut tx, mut rx) = ring(&mpmc());
        runtime.block_on(async { drive(&mut tx, &mut rx) });
        drop(runtime);
        for number in 0..3 {
            let (wakes, waker) = Wakes::new();
            let mut wait = pin!(rx.recv());
            assert!(poll(wait.as_mut(), &waker).is_pending());
            thread::sleep(SHORT);
            tx.try_send(number).unwrap();
            eventually("a wake", || (wakes.count() > 0).then_some(()));
            assert_eq!(poll(wait, &waker), Poll::Ready(Ok(number)));
        }
    }
}

/// Catches a handle that loses its wakes when its task goes from thread to thread.
#[test]
fn a_task_may_change_threads() {
    let _watchdog = watchdog("a_task_may_change_threads");
    let [one, other] = runtimes();
    let (_segment, mut tx, mut rx) = ring(&mpmc());
    one.block_on(async { drive(&mut tx, &mut rx) });
    // The driver of the one runtime runs while others poll the futures.
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| one.block_on(stopped));
        for number in 0..40 {
            let mut turn = || {
                other.block_on(async {
                    let send = async {
                        tokio::task::yield_now().await;
                        tx.try_send(number).unwrap();
                    };
                    let (received, ()) = tokio::join!(timeout(LONG, rx.recv()), send);
                    assert_eq!(received, Ok(Ok(number)));
                });
            };
            if number % 3 == 0 {
                turn();
            } else {
                thread::scope(|scope| scope.spawn(turn).join().unwrap());
            }
        }
        stop.send(()).unwrap();
    });
}

/// Catches a handle that stays when its task is aborted.
#[test]
fn what_is_dropped_in_a_wait_is_gone() {
    let _watchdog = watchdog("what_is_dropped_in_a_wait_is_gone");
    for runtime in runtimes() {
        let segment = Segment::create_sealed("driven", &Config::spsc()).unwrap();
        runtime.block_on(async {
            let mut rx = rx(&segment);
            drive_rx(&mut rx);
            let task = tokio::spawn(async move { rx.recv().await });
            tokio::time::sleep(Duration::from_millis(2)).await;
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        });
        drop(runtime);
        assert!(segment.consumer().is_ok(), "the only one may be dropped");
    }
}

/// In the child: forks while a handle is armed, and drops it in the fork child.
pub(crate) fn fork() {
    for runtime in runtimes() {
        let (_segment, mut tx, mut rx) = ring(&mpmc());
        runtime.block_on(async { drive(&mut tx, &mut rx) });
        let (wakes, waker) = Wakes::new();
        let mut armed = Box::pin(async move { rx.recv().await });
        assert!(poll(armed.as_mut(), &waker).is_pending());
        // SAFETY: the child uses nothing that the other threads could have locked.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let received = Err(RecvError::Failed(Fault::Forked));
                assert_eq!(poll(armed.as_mut(), &waker), Poll::Ready(received));
                drop((armed, tx));
            }));
            // SAFETY: ends the child without running what belongs to the parent.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 1 }) }
        }
        let mut status = -1;
        // SAFETY: waits for the child just made, into a valid place.
        assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
        assert_eq!(status, 0);
        tx.try_send(1).unwrap();
        runtime.block_on(async {
            let woken = async {
                while wakes.count() == 0 {
                    tokio::task::yield_now().await;
                }
            };
            timeout(LONG, woken).await.unwrap();
            assert_eq!(poll(armed.as_mut(), &waker), Poll::Ready(Ok(1)));
            let mut next = pin!(tx.send(2));
            assert!(poll(next.as_mut(), &waker).is_ready());
        });
    }
}

/// Catches a fork child that takes its parent's handles out of the driver.
#[test]
fn a_fork_child_leaves_the_driver_alone() {
    let _watchdog = watchdog("a_fork_child_leaves_the_driver_alone");
    child::start("fork-driven", &[]).finish();
}
