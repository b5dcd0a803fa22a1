//! Rings that are never empty, or never full, beside other tasks of the same thread.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use shmring::{AsyncConsumer, AsyncProducer, Config, Segment};

use crate::common::watchdog;
use crate::stage::current;

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
