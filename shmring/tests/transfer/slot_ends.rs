//! How a stream ends and a pipe breaks where there are several producers or consumers.

use shmring::{
    Config, Consumer, Kind, Producer, RecvError, RecvIntoError, RecvTimeoutError, Role, SendError,
    SendTimeoutError, TryRecvError, TrySendError,
};

use crate::common::{Name, SHORT, SLOT_KINDS, payload, slots, watchdog};

fn ring(kind: Kind) -> Config {
    slots(kind, 8, 64)
}

fn assert_ended(rx: &mut Consumer) {
    for _ in 0..2 {
        assert_eq!(rx.recv(), Err(RecvError::Eof));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
        assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::Eof));
        assert_eq!(rx.recv_into(&mut [0; 9]), Err(RecvIntoError::Recv(RecvError::Eof)));
        assert_eq!(rx.recv_batch(1, |_| ()), Err(RecvError::Eof));
    }
}

fn assert_waits(rx: &mut Consumer) {
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(rx.recv_timeout(SHORT / 20), Err(RecvTimeoutError::TimedOut));
}

fn assert_broken(tx: &mut Producer) {
    for _ in 0..2 {
        assert_eq!(tx.send(b"x"), Err(SendError::BrokenPipe));
        assert_eq!(tx.try_send(b"x"), Err(TrySendError::BrokenPipe));
        assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendTimeoutError::BrokenPipe));
        assert_eq!(tx.try_send_batch(&["x"]), Err(TrySendError::BrokenPipe));
        assert_eq!(tx.send_batch(&["x"]), Err(SendError::BrokenPipe));
        assert!(matches!(tx.reserve(1), Err(SendError::BrokenPipe)));
        assert!(matches!(tx.try_reserve(1), Err(TrySendError::BrokenPipe)));
    }
}

/// Catches an end of stream before the first producer came, one that is reported while a
/// producer is left, messages lost behind it, and one that outlasts a new producer.
#[test]
fn the_stream_ends_with_the_last_producer() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&ring(kind));
        let mut rx = segment.consumer().unwrap();
        assert_waits(&mut rx);
        for round in 0..5 {
            let mut producers = vec![segment.producer().unwrap()];
            if kind.shares(Role::Producer) {
                producers.push(producers[0].try_clone().unwrap());
                producers.push(segment.producer().unwrap());
            }
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind}: an old end");
            // In another order each time.
            producers.rotate_left(round % 2);
            while let Some(mut tx) = producers.pop() {
                assert_waits(&mut rx);
                tx.send(&payload(producers.len() as u64, 20)).unwrap();
                drop(tx);
                assert_eq!(rx.recv().unwrap(), payload(producers.len() as u64, 20));
            }
            assert_ended(&mut rx);
        }
    }
}

/// Catches a consumer that does not get the end because another one did, or gets it
/// before the ring is empty.
#[test]
fn each_consumer_gets_the_end() {
    for kind in [Kind::Mpmc, Kind::Spmc] {
        let name = Name::new();
        let (segment, mut tx, rx) = name.pair_of(&ring(kind));
        let mut consumers = vec![rx.try_clone().unwrap(), segment.consumer().unwrap(), rx];
        for round in 0..5 {
            (0..3).for_each(|number| tx.send(&payload(number, 10)).unwrap());
            drop(tx);
            for (number, rx) in (0..).zip(&mut consumers) {
                assert_eq!(rx.recv().unwrap(), payload(number, 10), "{kind} {round}");
            }
            consumers.iter_mut().for_each(assert_ended);
            tx = segment.producer().unwrap();
            for rx in &mut consumers {
                assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind} {round}");
            }
        }
    }
}

/// Catches a consumer that gets an end which others got before it came, and
/// one that does not get an end which no consumer got.
#[test]
fn a_consumer_that_joins_after_the_end_waits_for_the_next() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&ring(kind));
        for round in 0..4 {
            tx.send(&payload(round, 10)).unwrap();
            drop(tx);
            drop(rx);
            // No consumer got the end yet.
            rx = segment.consumer().unwrap();
            assert_eq!(rx.recv().unwrap(), payload(round, 10), "{kind}");
            assert_ended(&mut rx);
            if kind.shares(Role::Consumer) {
                let mut late = rx.try_clone().unwrap();
                assert_waits(&mut late);
                // A consumer that got the end still gets it.
                assert_ended(&mut rx);
                drop(segment.producer().unwrap());
                assert_ended(&mut late);
            } else {
                drop(rx);
                rx = segment.consumer().unwrap();
                assert_waits(&mut rx);
                drop(segment.producer().unwrap());
            }
            assert_ended(&mut rx);
            tx = segment.producer().unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
    }
}

/// Catches a pipe that breaks while a consumer is left, does not break when the last has
/// gone, or stays broken when a new one comes; for each of the producers.
#[test]
fn the_pipe_breaks_with_the_last_consumer() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&ring(kind));
        let mut producers = vec![segment.producer().unwrap()];
        if kind.shares(Role::Producer) {
            producers.push(producers[0].try_clone().unwrap());
        }
        for round in 0..5 {
            let mut consumers = vec![segment.consumer().unwrap()];
            if kind.shares(Role::Consumer) {
                consumers.push(consumers[0].try_clone().unwrap());
                consumers.push(segment.consumer().unwrap());
            }
            consumers.rotate_left(round % 2);
            while let Some(mut rx) = consumers.pop() {
                for tx in &mut producers {
                    tx.send(&payload(7, 30)).unwrap();
                    assert_eq!(rx.recv().unwrap(), payload(7, 30), "{kind}");
                }
            }
            producers.iter_mut().for_each(assert_broken);
            assert_eq!(
                segment.status().unwrap().ring().used_slots,
                Some(0),
                "{kind}: sent nonetheless"
            );
        }
    }
}

/// Catches a pipe that is broken before it was whole: a producer that joins while no
/// consumer is there waits for one, also beside others whose pipe is broken.
#[test]
fn a_producer_that_comes_first_waits_for_a_consumer_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&ring(kind));
        for round in 0..4 {
            let mut tx = segment.producer().unwrap();
            (0..8).for_each(|number| tx.try_send(&payload(round * 8 + number, 40)).unwrap());
            assert_eq!(tx.try_send(b"x"), Err(TrySendError::Full));
            assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendTimeoutError::TimedOut));
            let mut rx = segment.consumer().unwrap();
            for number in 0..8 {
                assert_eq!(rx.recv().unwrap(), payload(round * 8 + number, 40));
            }
            drop(rx);
            assert_broken(&mut tx);
            if kind.shares(Role::Producer) {
                let mut late = tx.try_clone().unwrap();
                late.try_send(b"kept").unwrap();
                assert_broken(&mut tx);
                let mut rx = segment.consumer().unwrap();
                assert_eq!(rx.recv().unwrap(), b"kept");
                drop(rx);
                assert_broken(&mut late);
            }
        }
    }
}

/// Catches an option that is ignored, or that one producer sets for another.
#[test]
fn messages_are_kept_for_a_later_consumer_if_wanted_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, rx) = name.pair_of(&ring(kind));
        let other = tx.try_clone().ok();
        drop(rx);
        tx.set_require_consumer(false);
        (0..8).for_each(|number| tx.send(&payload(number, 40)).unwrap());
        assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendTimeoutError::TimedOut));
        if let Some(mut other) = other {
            assert_broken(&mut other);
        }
        tx.set_require_consumer(true);
        assert_broken(&mut tx);
        let mut rx = segment.consumer().unwrap();
        for number in 0..8 {
            assert_eq!(rx.recv().unwrap(), payload(number, 40), "{kind}");
        }
        tx.send(b"whole again").unwrap();
    }
}

/// Catches a close that loses what was sent, lets more through, leaves one of several
/// handles out, or can be undone; from the producer, the consumer and the segment.
#[test]
fn a_closed_ring_is_drained_and_then_ends_on_each_kind() {
    for kind in SLOT_KINDS {
        for closer in ["producer", "consumer", "segment"] {
            let name = Name::new();
            let (segment, mut tx, rx) = name.pair_of(&ring(kind));
            let (mut other_tx, mut other_rx) = (tx.try_clone().ok(), rx.try_clone().ok());
            tx.send_batch(&["one", "two"]).unwrap();
            let (mut tx, mut rx) = (Some(tx), Some(rx));
            match closer {
                "producer" => tx.take().unwrap().close(),
                "consumer" => rx.take().unwrap().close(),
                _ => segment.close(),
            }
            for tx in tx.iter_mut().chain(&mut other_tx) {
                assert_eq!(tx.send(b"x"), Err(SendError::Closed), "{kind}, {closer}");
                assert_eq!(tx.try_send(b"x"), Err(TrySendError::Closed));
                assert_eq!(tx.send_batch(&["x"]), Err(SendError::Closed));
                tx.set_require_consumer(false);
                assert!(matches!(tx.try_reserve(1), Err(TrySendError::Closed)));
                assert!(matches!(tx.try_clone(), Err(shmring::JoinError::Closed)));
            }
            assert!(matches!(segment.producer(), Err(shmring::JoinError::Closed)));
            let mut late = rx.is_none().then(|| segment.consumer().unwrap());
            let mut consumers: Vec<&mut Consumer> =
                rx.iter_mut().chain(&mut other_rx).chain(&mut late).collect();
            assert_eq!(consumers[0].recv().unwrap(), b"one", "{kind}, {closer}");
            let last = consumers.len() - 1;
            assert_eq!(consumers[last].recv().unwrap(), b"two", "{kind}, {closer}");
            consumers.into_iter().for_each(assert_ended);
            assert!(segment.status().unwrap().ring().closed);
        }
    }
}

/// Catches an end that is reported though a message is still to come: the producer that goes
/// last sends last, between the look of one of several consumers at the ring and its look
/// at the producers. The gap is narrow: a run meets it more often than not, the models
/// always do.
#[test]
fn the_last_message_comes_before_the_end_on_each_kind() {
    const ROUNDS: u64 = 3000;
    let _watchdog = watchdog("the_last_message_comes_before_the_end_on_each_kind");
    for kind in SLOT_KINDS {
        let name = Name::new();
        let segment = name.create(&ring(kind));
        let rx = segment.consumer().unwrap();
        let mut consumers: Vec<_> = rx.try_clone().ok().into_iter().chain([rx]).collect();
        let turn = std::sync::Barrier::new(1 + consumers.len());
        let (segment, turn) = (&segment, &turn);
        let received: Vec<u64> = std::thread::scope(|scope| {
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let mut tx = segment.producer().unwrap();
                    let mut other = tx.try_clone().ok();
                    turn.wait();
                    tx.send(&(2 * round).to_ne_bytes()).unwrap();
                    drop(tx);
                    if let Some(other) = &mut other {
                        other.send(&(2 * round + 1).to_ne_bytes()).unwrap();
                    }
                    drop(other);
                    turn.wait();
                }
            });
            let receive = |rx: &mut Consumer| {
                // A panic in between would leave the others waiting.
                let mut received = Vec::new();
                for _ in 0..ROUNDS {
                    turn.wait();
                    loop {
                        match rx.try_recv() {
                            Ok(message) => received.push(message),
                            Err(TryRecvError::Empty | TryRecvError::WouldBlock) => {}
                            Err(_) => break,
                        }
                    }
                    turn.wait();
                }
                received
            };
            let waiting: Vec<_> =
                consumers.iter_mut().map(|rx| scope.spawn(move || receive(rx))).collect();
            let received = waiting.into_iter().flat_map(|thread| thread.join().unwrap());
            received.map(|bytes| u64::from_ne_bytes(bytes.try_into().unwrap())).collect()
        });
        let mut received = received;
        received.sort_unstable();
        let step = if kind.shares(Role::Producer) { 1 } else { 2 };
        assert!(received.into_iter().eq((0..2 * ROUNDS).step_by(step)), "{kind}");
    }
}

/// Catches a handle that works only in the thread that made it, and threads that end
/// without their handles doing so.
#[test]
fn handles_are_handed_to_other_threads() {
    let _watchdog = watchdog("handles_are_handed_to_other_threads");
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&ring(kind));
        for round in 0..20_u64 {
            let sending = std::thread::spawn(move || {
                (0..50).for_each(|number| tx.send(&payload(round * 50 + number, 30)).unwrap());
                tx
            });
            let receiving = std::thread::spawn(move || {
                for number in 0..50 {
                    assert_eq!(rx.recv().unwrap(), payload(round * 50 + number, 30));
                }
                rx
            });
            (tx, rx) = (sending.join().unwrap(), receiving.join().unwrap());
        }
        std::thread::spawn(move || drop(tx)).join().unwrap();
        assert_ended(&mut rx);
    }
}
