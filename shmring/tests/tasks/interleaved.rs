//! Many tasks on one ring, and several runtimes in one process.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use shmring::Config;
use tokio::runtime::Builder;

use crate::common::watchdog;
use crate::stage::{both_runtimes, configs, current, mpmc, poll, ring, rx, tx};

/// Catches a message that no task gets, or two get, and a task that sleeps on beside messages.
#[test]
fn many_tasks_share_a_ring() {
    let _watchdog = watchdog("many_tasks_share_a_ring");
    const SENDERS: u64 = 6;
    const EACH: u64 = 1000;
    for runtime in both_runtimes() {
        for config in [mpmc(), Config::mpmc().slots(4).values::<u64>()] {
            let (segment, first, last) = ring(&config);
            let senders: Vec<_> = (0..SENDERS).map(|_| tx(&segment)).collect();
            let receivers: Vec<_> = (0..6).map(|_| rx(&segment)).collect();
            drop((first, last));
            let all = runtime.block_on(async {
                let senders = senders.into_iter().enumerate().map(|(sender, mut tx)| {
                    tokio::spawn(async move {
                        for number in 0..EACH {
                            tx.send(sender as u64 * EACH + number).await.unwrap();
                        }
                    })
                });
                let receivers = receivers.into_iter().enumerate().map(|(index, mut rx)| {
                    tokio::spawn(async move {
                        let mut got = Vec::new();
                        if index % 2 == 0 {
                            while let Some(number) = rx.next().await {
                                got.push(number.unwrap());
                            }
                        } else {
                            while let Ok(number) = rx.recv().await {
                                got.push(number);
                            }
                        }
                        got
                    })
                });
                let tasks: (Vec<_>, Vec<_>) = (senders.collect(), receivers.collect());
                for task in tasks.0 {
                    task.await.unwrap();
                }
                let mut all = Vec::new();
                for task in tasks.1 {
                    let got = task.await.unwrap();
                    for sender in 0..SENDERS {
                        let of_one = got.iter().filter(|&&number| number / EACH == sender);
                        assert!(of_one.is_sorted(), "messages of one sender are in order");
                    }
                    all.extend(got);
                }
                all
            });
            assert_eq!(all.len() as u64, SENDERS * EACH);
            assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len() as u64, SENDERS * EACH);
        }
    }
}

/// Catches a handle that belongs to the runtime in which it was made, or polled.
#[test]
fn a_handle_moves_between_runtimes() {
    let _watchdog = watchdog("a_handle_moves_between_runtimes");
    for config in configs() {
        let (_segment, mut tx, mut rx) = ring(&config);
        let [one, other] = both_runtimes();
        one.block_on(async {
            let (_, waker) = crate::stage::Wakes::new();
            assert!(poll(std::pin::pin!(rx.recv()), &waker).is_pending());
        });
        drop(one);
        let sender = std::thread::spawn(move || {
            current().block_on(async {
                for number in 0..500 {
                    tx.send(number).await.unwrap();
                }
            });
        });
        other.block_on(async {
            for number in 0..250 {
                assert_eq!(rx.recv().await, Ok(number));
            }
        });
        drop(other);
        // Without any driver.
        Builder::new_current_thread().build().unwrap().block_on(async {
            for number in 250..500 {
                assert_eq!(rx.recv().await, Ok(number));
            }
            assert!(rx.recv().await.is_err());
        });
        sender.join().unwrap();
    }
}

/// Catches more handles than the kernel waits for at once.
#[test]
fn there_may_be_any_number_of_tasks() {
    let _watchdog = watchdog("there_may_be_any_number_of_tasks");
    let config = Config::mpmc().slots(2).slot_bytes(64).max_attachments(2).max_handles(2);
    let mut rings: Vec<_> = (0..140).map(|_| ring(&config)).collect();
    current().block_on(async {
        let tasks: Vec<_> = rings
            .drain(..)
            .map(|(_segment, mut tx, mut rx)| {
                let sender = tokio::spawn(async move {
                    for number in 0..20 {
                        tx.send(number).await.unwrap();
                    }
                });
                let receiver = tokio::spawn(async move {
                    for number in 0..20 {
                        assert_eq!(rx.recv().await, Ok(number));
                    }
                    assert!(rx.recv().await.is_err());
                });
                (sender, receiver)
            })
            .collect();
        for (sender, receiver) in tasks {
            sender.await.unwrap();
            receiver.await.unwrap();
        }
    });
}
