//! Futures that are dropped, at every point at which they can be.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::Stream;
use shmring::{SendError, TryRecvError};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::common::{LONG, eventually, watchdog};
use crate::stage::{Rx, Tx, Wakes, both_runtimes, configs, current, poll, ring};

/// Where a future is dropped.
#[derive(Clone, Copy, Debug)]
enum Point {
    NeverPolled,
    Pending,
    PolledAgain,
    /// The other side acted, and nothing polled since.
    Woken,
    /// It was polled by two tasks, and the second is woken.
    Moved,
}

const POINTS: [Point; 5] =
    [Point::NeverPolled, Point::Pending, Point::PolledAgain, Point::Woken, Point::Moved];

/// Polls a future up to the point.
fn poll_up_to<F: Future>(point: Point, future: F, mut act: impl FnMut()) {
    let mut future = pin!(future);
    let ((first, one), (second, two)) = (Wakes::new(), Wakes::new());
    if !matches!(point, Point::NeverPolled) {
        assert!(poll(future.as_mut(), &one).is_pending());
    }
    if matches!(point, Point::PolledAgain) {
        assert!(poll(future.as_mut(), &one).is_pending());
        assert_eq!(first.count(), 0);
    }
    if matches!(point, Point::Moved) {
        assert!(poll(future.as_mut(), &two).is_pending());
    }
    if matches!(point, Point::Woken | Point::Moved) {
        act();
        let woken = if matches!(point, Point::Moved) { &second } else { &first };
        eventually("a wake", || (woken.count() == 1).then_some(()));
        assert_eq!(first.count() + second.count(), 1, "the task that polled last, once");
    }
}

/// Catches a receive that took a message, or a wake, and was dropped.
#[test]
fn a_receive_that_is_dropped_has_taken_nothing() {
    let _watchdog = watchdog("a_receive_that_is_dropped_has_taken_nothing");
    for config in configs() {
        let (_segment, mut tx, mut rx) = ring(&config);
        let mut number = 0;
        for round in 0..3 {
            for point in POINTS {
                poll_up_to(point, rx.recv(), || tx.try_send(number).unwrap());
                if !matches!(point, Point::Woken | Point::Moved) {
                    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{point:?}");
                    tx.try_send(number).unwrap();
                }
                if round == 0 {
                    assert_eq!(rx.try_recv(), Ok(number), "{point:?}");
                } else {
                    let (_, waker) = Wakes::new();
                    assert_eq!(poll(pin!(rx.recv()), &waker), Poll::Ready(Ok(number)));
                }
                number += 1;
            }
        }
    }
}

/// Catches a send that sent its message, or keeps a wake, and was dropped.
#[test]
fn a_send_that_is_dropped_has_sent_nothing() {
    let _watchdog = watchdog("a_send_that_is_dropped_has_sent_nothing");
    for config in configs() {
        for point in POINTS {
            let (_segment, mut tx, mut rx) = ring(&config);
            let count = tx.fill();
            let mut taken = 0;
            let mut take = || {
                while rx.try_recv() == Ok(taken) {
                    taken += 1;
                }
            };
            poll_up_to(point, tx.send(count), &mut take);
            take();
            assert_eq!(taken, count, "{point:?}");
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{point:?}");
            tx.try_send(count).unwrap();
            assert_eq!(rx.try_recv(), Ok(count));
        }
    }
}

/// Catches a stream that keeps an arm, or a wake, when its handle is used otherwise.
#[test]
fn a_polled_stream_gives_its_handle_back() {
    let _watchdog = watchdog("a_polled_stream_gives_its_handle_back");
    for config in configs() {
        let (_segment, mut tx, mut rx) = ring(&config);
        let (wakes, waker) = Wakes::new();
        let next = |rx: &mut Rx| {
            std::pin::Pin::new(rx).poll_next(&mut std::task::Context::from_waker(&waker))
        };
        assert!(next(&mut rx).is_pending());
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx.try_send(1).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(wakes.count(), 0, "not armed any more");
        assert_eq!(next(&mut rx), Poll::Ready(Some(Ok(1))));
        assert!(next(&mut rx).is_pending());
        tx.try_send(2).unwrap();
        eventually("a wake", || (wakes.count() == 1).then_some(()));
        assert_eq!(next(&mut rx), Poll::Ready(Some(Ok(2))));
    }
}

/// Catches what `select!` in a loop loses, doubles or reorders when the other branch is ready.
#[test]
fn a_receive_in_a_select_loop_loses_nothing() {
    let _watchdog = watchdog("a_receive_in_a_select_loop_loses_nothing");
    const COUNT: u64 = 3000;
    for runtime in both_runtimes() {
        for config in configs() {
            let (_segment, mut tx, mut rx) = ring(&config);
            runtime.block_on(async {
                let (ping, mut pings) = mpsc::channel(1);
                let sender = tokio::spawn(async move {
                    for number in 0..COUNT {
                        tx.send(number).await.unwrap();
                        if number % 3 == 0 {
                            let _ = ping.try_send(());
                        }
                    }
                });
                let (mut next, mut dropped) = (0, 0);
                while next < COUNT {
                    tokio::select! {
                        received = rx.recv() => {
                            assert_eq!(received, Ok(next));
                            next += 1;
                        }
                        Some(()) = pings.recv() => dropped += 1,
                    }
                }
                assert!(dropped > 0);
                sender.await.unwrap();
                assert!(rx.recv().await.is_err());
            });
        }
    }
}

/// Catches what a send that is dropped in a loop sends nevertheless.
#[test]
fn a_send_in_a_select_loop_sends_once() {
    let _watchdog = watchdog("a_send_in_a_select_loop_sends_once");
    const COUNT: u64 = 3000;
    for runtime in both_runtimes() {
        for config in configs() {
            let (_segment, mut tx, mut rx) = ring(&config);
            runtime.block_on(async {
                let (ping, mut pings) = mpsc::channel(1);
                let receiver = tokio::spawn(async move {
                    for number in 0..COUNT {
                        if number % 3 == 0 {
                            let _ = ping.try_send(());
                        }
                        assert_eq!(rx.recv().await, Ok(number));
                    }
                    assert!(rx.recv().await.is_err());
                });
                let mut next = 0;
                while next < COUNT {
                    tokio::select! {
                        sent = tx.send(next) => {
                            sent.unwrap();
                            next += 1;
                        }
                        Some(()) = pings.recv() => {}
                    }
                }
                drop(tx);
                receiver.await.unwrap();
            });
        }
    }
}

/// Catches a timeout that ends late, or with a message.
#[test]
fn timeouts_drop_waits() {
    let _watchdog = watchdog("timeouts_drop_waits");
    for config in configs() {
        let (_segment, mut tx, mut rx) = ring(&config);
        current().block_on(async {
            for number in 0..20 {
                assert!(timeout(Duration::from_micros(100), rx.recv()).await.is_err());
                let late = async {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    tx.send(number).await.unwrap();
                };
                let (received, ()) = tokio::join!(timeout(LONG, rx.recv()), late);
                assert_eq!(received, Ok(Ok(number)));
            }
        });
        fill_and_time_out(&mut tx);
    }
}

fn fill_and_time_out(tx: &mut Tx) {
    let count = tx.fill();
    current().block_on(async {
        for _ in 0..20 {
            let sent: Result<Result<(), SendError>, _> =
                timeout(Duration::from_micros(100), tx.send(count)).await;
            assert!(sent.is_err());
        }
    });
}
