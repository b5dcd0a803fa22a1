//! What a consumer does at the end of a stream, if another producer may come.

use std::thread;
use std::time::{Duration, Instant};

use shmring::{Config, Eof, RecvError, RecvTimeoutError, TryRecvError};

use crate::common::{LONG, MODES, Name, SHORT, eventually, watchdog};

fn configs() -> [Config; 4] {
    [Config::spsc(), Config::mpmc(), Config::spmc(), Config::broadcast()]
}

/// Catches an end of stream that a consumer gets though it waits for the next producer: from
/// verbs of each kind, and asleep in each mode when the producer goes.
#[test]
fn a_consumer_waits_through_the_end() {
    let _watchdog = watchdog("a_consumer_waits_through_the_end");
    for config in configs() {
        for mode in MODES {
            let name = Name::new();
            let (segment, mut tx, mut rx) = name.pair_of(&config);
            assert_eq!(rx.eof(), Eof::Final);
            rx.set_eof(Eof::NextProducer);
            rx.set_wait_mode(mode);
            tx.send(b"last").unwrap();
            drop(tx);
            assert_eq!(rx.recv().unwrap(), b"last");
            for _ in 0..2 {
                assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
                assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
            }
            for _ in 0..3 {
                // Attached and gone without a message, and while the consumer waits.
                drop(segment.producer().unwrap());
                thread::scope(|scope| {
                    let received = scope.spawn(|| rx.recv());
                    eventually("the consumer waits", || {
                        (segment.status().unwrap().ring().sleepers > 0
                            || received.is_finished()
                            || mode == shmring::WaitMode::Spin)
                            .then_some(())
                    });
                    drop(segment.producer().unwrap());
                    segment.producer().unwrap().send(b"next").unwrap();
                    assert_eq!(received.join().unwrap().unwrap(), b"next");
                });
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
    }
}

/// Catches a consumer that waits for producers of a ring that takes none any more, and one that
/// a close does not wake.
#[test]
fn a_closed_ring_ends_for_consumers_that_wait_through_the_end() {
    let _watchdog = watchdog("a_closed_ring_ends_for_consumers_that_wait_through_the_end");
    for config in configs() {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&config);
        rx.set_eof(Eof::NextProducer);
        tx.send(b"last").unwrap();
        drop(tx);
        thread::scope(|scope| {
            let received = scope.spawn(|| (rx.recv(), rx.recv(), rx.try_recv(), rx));
            thread::sleep(SHORT);
            segment.close();
            let (last, end, again, mut rx) = received.join().unwrap();
            assert_eq!(last.unwrap(), b"last");
            assert_eq!((end, again), (Err(RecvError::Eof), Err(TryRecvError::Eof)));
            let none = rx.wait_for_producer(LONG);
            assert_eq!(none, Err(RecvTimeoutError::Eof));
        });
    }
}

/// Catches an end that was passed and comes back when the mode is set back, and one that is
/// passed though the mode says it is final.
#[test]
fn the_mode_can_be_changed_between_two_ends() {
    let name = Name::new();
    let (segment, tx, mut rx) = name.pair(4096);
    rx.set_eof(Eof::NextProducer);
    drop(tx);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    rx.set_eof(Eof::Final);
    assert_eq!(rx.eof(), Eof::Final);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(segment.producer().unwrap());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
    rx.set_eof(Eof::NextProducer);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

/// Catches an end that a consumer passed and that its successor does not get, although no consumer
/// got it.
#[test]
fn an_end_that_was_passed_is_reported_to_the_next_consumer() {
    let name = Name::new();
    let (segment, tx, mut rx) = name.pair(4096);
    rx.set_eof(Eof::NextProducer);
    drop(tx);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(rx);
    assert_eq!(segment.consumer().unwrap().try_recv(), Err(TryRecvError::Eof));
}

/// Catches a wait for a producer that overlooks one: there already, come and gone, or dead to
/// the consumer because it got the end.
#[test]
fn a_producer_ends_the_wait_for_one() {
    let _watchdog = watchdog("a_producer_ends_the_wait_for_one");
    for config in configs() {
        let name = Name::new();
        let segment = name.create(&config);
        let mut rx = segment.consumer().unwrap();
        for round in 0..3 {
            assert_eq!(rx.wait_for_producer(SHORT), Err(RecvTimeoutError::TimedOut), "{round}");
            let tx = segment.producer().unwrap();
            assert_eq!(rx.wait_for_producer(Duration::ZERO), Ok(()));
            drop(tx);
            // No consumer got its end yet.
            assert_eq!(rx.wait_for_producer(Duration::ZERO), Ok(()));
            assert_eq!(rx.recv(), Err(RecvError::Eof));
        }
    }
}

/// Catches a producer that comes and wakes no consumer that waits for one: the sleep goes on to the
/// end of its slice, 100 ms when it has lasted that long. The smallest of some rounds counts.
#[test]
fn a_producer_wakes_consumers_that_wait_for_one() {
    let _watchdog = watchdog("a_producer_wakes_consumers_that_wait_for_one");
    for config in configs() {
        let name = Name::new();
        let segment = name.create(&config);
        let mut rx = segment.consumer().unwrap();
        rx.set_wait_mode(shmring::WaitMode::Block);
        let mut smallest = LONG;
        for _ in 0..4 {
            let (producer, came) = thread::scope(|scope| {
                let waiting = scope.spawn(|| {
                    rx.wait_for_producer(LONG).unwrap();
                    Instant::now()
                });
                // Past the short slices at the start of a wait.
                thread::sleep(Duration::from_millis(330));
                let start = Instant::now();
                let producer = segment.producer().unwrap();
                (producer, waiting.join().unwrap().duration_since(start))
            });
            smallest = smallest.min(came);
            drop(producer);
            assert_eq!(rx.recv(), Err(RecvError::Eof));
        }
        assert!(smallest < Duration::from_millis(10), "{config:?}: {smallest:?}");
    }
}
