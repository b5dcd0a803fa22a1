//! Rings that are never empty, or never full, beside other tasks of the same thread.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use shmring::{AsyncConsumer, AsyncProducer, Config, Segment};

use crate::common::{HANG, eventually, watchdog};
use crate::stage::{Wakes, configs, current, poll, rx, tx};

/// A ring that a task keeps busy by itself.
fn busy(config: &Config) -> (AsyncProducer, AsyncConsumer) {
    let segment = Segment::create_sealed("busy", config).unwrap();
    let mut tx = segment.producer().unwrap().into_async().unwrap();
    let rx = segment.consumer().unwrap().into_async().unwrap();
    tx.get_mut().send(b"one").unwrap();
    (tx, rx)
}

/// Catches a verb that does not count against the budget of its task.
#[test]
fn a_busy_ring_does_not_starve_other_tasks() {
    let _watchdog = watchdog("a_busy_ring_does_not_starve_other_tasks");
    for config in [Config::spsc().capacity_bytes(4096), Config::mpmc().slots(8).slot_bytes(64)] {
        // The root of `block_on` has a budget as each task has.
        for way in ["recv", "batch", "stream", "send", "sink"] {
            let (mut tx, mut rx) = busy(&config);
            current().block_on(async {
                let timer = tokio::spawn(tokio::time::sleep(Duration::from_millis(5)));
                while !timer.is_finished() {
                    match way {
                        "send" => tx.send(b"next").await.unwrap(),
                        "sink" => SinkExt::send(&mut tx, b"next".to_vec()).await.unwrap(),
                        _ => tx.get_mut().try_send(b"next").unwrap(),
                    }
                    match way {
                        "recv" => drop(rx.recv().await.unwrap()),
                        "batch" => assert_eq!(rx.recv_batch(1, |_| ()).await, Ok(1)),
                        "stream" => drop(rx.next().await.unwrap().unwrap()),
                        _ => drop(rx.get_mut().try_recv().unwrap()),
                    }
                }
            });
        }
    }
}

/// Catches a spin that takes the thread from other tasks, that arms at once, or that never arms.
#[test]
fn a_spin_gives_others_their_turns_and_ends() {
    let _watchdog = watchdog("a_spin_gives_others_their_turns_and_ends");
    for config in configs() {
        let segment = Segment::create_sealed("spin", &config).unwrap();
        let (mut tx, mut rx) = (tx(&segment), rx(&segment));
        rx.set_spin(HANG);
        current().block_on(async {
            // Only the other task ends the wait, in the same thread.
            let send = async {
                tokio::task::yield_now().await;
                tx.try_send(1).unwrap();
            };
            assert_eq!(tokio::join!(rx.recv(), send), (Ok(1), ()));
        });
        let (wakes, waker) = Wakes::new();
        {
            let mut wait = pin!(rx.recv());
            for turn in 1..4 {
                assert!(poll(wait.as_mut(), &waker).is_pending());
                assert_eq!(wakes.count(), turn, "it has another turn");
            }
            tx.try_send(2).unwrap();
            std::thread::sleep(Duration::from_millis(5));
            assert_eq!(wakes.count(), 3, "it was not armed");
            assert_eq!(poll(wait, &waker), Poll::Ready(Ok(2)));
        }
        rx.set_spin(Duration::from_millis(2));
        let (wakes, waker) = Wakes::new();
        let mut wait = pin!(rx.recv());
        assert!(poll(wait.as_mut(), &waker).is_pending());
        std::thread::sleep(Duration::from_millis(3));
        assert!(poll(wait.as_mut(), &waker).is_pending());
        assert_eq!(wakes.count(), 1, "it is armed");
        tx.try_send(3).unwrap();
        eventually("a wake", || (wakes.count() == 2).then_some(()));
        assert_eq!(poll(wait, &waker), Poll::Ready(Ok(3)));
    }
}
