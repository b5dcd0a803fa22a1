//! How a stream ends and a pipe breaks.

use shmring::{
    Config, RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};

use crate::common::{Name, SHORT, payload};

/// Catches an end of stream before the first producer came: a receiver that starts first
/// must wait.
#[test]
fn a_consumer_waits_for_the_first_producer() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let mut rx = segment.consumer().unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
    let mut tx = segment.producer().unwrap();
    tx.send(b"first").unwrap();
    assert_eq!(rx.recv().unwrap(), b"first");
}

/// Catches messages that are lost behind the end of the stream, an end that is not reported
/// again, and one that outlasts a new producer.
#[test]
fn the_stream_ends_when_it_is_drained_and_goes_on_with_a_new_producer() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    for round in 0..5 {
        tx.send(&payload(round, 10)).unwrap();
        tx.send(&payload(round, 20)).unwrap();
        drop(tx);
        assert_eq!(rx.recv().unwrap(), payload(round, 10));
        assert_eq!(rx.try_recv().unwrap(), payload(round, 20));
        for _ in 0..2 {
            assert_eq!(rx.recv(), Err(RecvError::Eof));
            assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
            assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::Eof));
            assert_eq!(rx.recv_into(&mut [0; 9]), Err(RecvIntoError::Recv(RecvError::Eof)));
            assert_eq!(rx.recv_batch(1, |_| ()), Err(RecvError::Eof));
            assert!(matches!(rx.peek(), Err(RecvError::Eof)));
        }
        tx = segment.producer().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches a send into a ring without consumers, and a pipe that stays broken
/// when a new consumer comes.
#[test]
fn the_pipe_breaks_when_the_consumer_goes() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    for round in 0..5 {
        tx.send(&payload(round, 10)).unwrap();
        assert_eq!(rx.recv().unwrap(), payload(round, 10));
        drop(rx);
        for _ in 0..2 {
            assert_eq!(tx.send(b"x"), Err(SendError::BrokenPipe));
            assert_eq!(tx.try_send(b"x"), Err(TrySendError::BrokenPipe));
            assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendTimeoutError::BrokenPipe));
            assert_eq!(tx.try_send_batch(&["x"]), Err(TrySendError::BrokenPipe));
            assert_eq!(tx.send_batch(&["x"]), Err(SendError::BrokenPipe));
            assert!(matches!(tx.reserve(1), Err(SendError::BrokenPipe)));
            assert!(matches!(tx.try_reserve(1), Err(TrySendError::BrokenPipe)));
        }
        rx = segment.consumer().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "sent though the pipe was broken");
    }
}

/// Catches a pipe that is broken before it was whole: a producer that joins while no
/// consumer is there waits for one, whether or not there were others before.
#[test]
fn a_producer_that_comes_first_waits_for_a_consumer() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    for round in 0..4 {
        let mut tx = segment.producer().unwrap();
        let mut sent = 0;
        while tx.try_send(&payload(round * 1000 + sent, 100)).is_ok() {
            sent += 1;
        }
        assert_eq!(tx.try_send(&[0; 100]), Err(TrySendError::Full));
        assert_eq!(tx.send_timeout(&[0; 100], SHORT), Err(SendTimeoutError::TimedOut));
        let mut rx = segment.consumer().unwrap();
        for number in 0..sent {
            assert_eq!(rx.recv().unwrap(), payload(round * 1000 + number, 100));
        }
        tx.send(b"whole").unwrap();
        assert_eq!(rx.recv().unwrap(), b"whole");
        drop(rx);
        assert_eq!(tx.send(b"x"), Err(SendError::BrokenPipe));
    }
}

/// Catches an option that is ignored: messages for a later consumer are kept if asked for.
#[test]
fn messages_are_kept_for_a_later_consumer_if_wanted() {
    let name = Name::new();
    let (segment, mut tx, rx) = name.pair(4096);
    drop(rx);
    tx.set_require_consumer(false);
    let mut sent = 0;
    while tx.try_send(&payload(sent, 100)).is_ok() {
        sent += 1;
    }
    assert!(sent > 30);
    assert_eq!(tx.send_timeout(&[0; 100], SHORT), Err(SendTimeoutError::TimedOut));
    tx.set_require_consumer(true);
    assert_eq!(tx.try_send(b"x"), Err(TrySendError::BrokenPipe));
    let mut rx = segment.consumer().unwrap();
    for number in 0..sent {
        assert_eq!(rx.recv().unwrap(), payload(number, 100));
    }
}

/// Catches a close that loses what was sent, lets more through, or can be undone; from
/// the producer, the consumer and the segment.
#[test]
fn a_closed_ring_is_drained_and_then_ends() {
    for closer in 0..3 {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair(4096);
        tx.send(b"before").unwrap();
        match closer {
            0 => tx.close(),
            1 => {
                rx.close();
                for _ in 0..2 {
                    assert_eq!(tx.send(b"x"), Err(SendError::Closed));
                    assert_eq!(tx.try_send(b"x"), Err(TrySendError::Closed));
                    assert_eq!(tx.send_batch(&["x"]), Err(SendError::Closed));
                    assert!(matches!(tx.try_reserve(1), Err(TrySendError::Closed)));
                }
                continue;
            }
            _ => {
                segment.close();
                assert_eq!(tx.send(b"x"), Err(SendError::Closed));
                tx.set_require_consumer(false);
                assert_eq!(tx.try_send(b"x"), Err(TrySendError::Closed));
            }
        }
        assert_eq!(rx.recv().unwrap(), b"before");
        for _ in 0..2 {
            assert_eq!(rx.recv(), Err(RecvError::Eof));
            assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
        }
        assert!(segment.status().unwrap().ring().closed);
    }
}

/// Catches a reservation that was granted before a close and is lost: it was promised.
#[test]
fn a_reservation_before_a_close_can_be_committed() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    let mut reservation = tx.reserve(4).unwrap();
    segment.close();
    reservation.write_at(0, b"last");
    reservation.commit();
    assert_eq!(rx.recv().unwrap(), b"last");
    assert_eq!(rx.recv(), Err(RecvError::Eof));
}

/// Catches a consumer that was there before its producer, and whose going the producer
/// takes for that of someone before its time.
#[test]
fn the_pipe_breaks_also_for_a_producer_that_came_second() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    for _ in 0..3 {
        let rx = segment.consumer().unwrap();
        let mut tx = segment.producer().unwrap();
        tx.send(b"x").unwrap();
        drop(rx);
        assert_eq!(tx.send(b"x"), Err(SendError::BrokenPipe));
    }
}

/// Catches an end that is reported to two consumers, where the second should wait for the
/// next stream, and one that no consumer got and that is lost.
#[test]
fn an_end_is_reported_to_one_consumer() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    for round in 0..4 {
        tx.send(&payload(round, 10)).unwrap();
        drop(tx);
        // The producer left before a consumer got the end: the next consumer gets it, after the
        // rest.
        drop(rx);
        rx = segment.consumer().unwrap();
        assert_eq!(rx.recv().unwrap(), payload(round, 10));
        drop(rx);
        rx = segment.consumer().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
        assert_eq!(rx.recv(), Err(RecvError::Eof));
        // After a consumer got the end, the next one waits, as before the first producer.
        for _ in 0..2 {
            drop(rx);
            rx = segment.consumer().unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
        }
        // A stream without messages ends as well.
        drop(segment.producer().unwrap());
        assert_eq!(rx.recv(), Err(RecvError::Eof));
        tx = segment.producer().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches an end of stream that overtakes the last message: the producer sends and goes
/// between the consumer's look at the ring and its look at the producer. The gap is
/// narrow: a run meets it more often than not, the models always do.
#[test]
fn the_last_message_comes_before_the_end() {
    let name = Name::new();
    let segment = name.create(&Config::spsc().capacity_bytes(4096));
    let mut rx = segment.consumer().unwrap();
    let turn = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..10_000_u64 {
                let mut tx = segment.producer().unwrap();
                turn.wait();
                tx.send(&round.to_ne_bytes()).unwrap();
                drop(tx);
                turn.wait();
            }
        });
        // A panic in between would leave the other waiting.
        let mut received = Vec::new();
        for _ in 0..10_000 {
            turn.wait();
            let end = loop {
                match rx.try_recv() {
                    Ok(message) => received.push(message),
                    Err(TryRecvError::Empty) => {}
                    Err(end) => break end,
                }
            };
            turn.wait();
            received.push(format!("{end:?}").into_bytes());
        }
        let expected =
            (0..10_000_u64).flat_map(|round| [round.to_ne_bytes().to_vec(), b"Eof".to_vec()]);
        assert!(received.into_iter().eq(expected));
    });
}

/// Catches a loop over a stream that ends early, never ends, or hides what went wrong: after an
/// error, asking again would give the same for ever.
#[test]
fn a_loop_ends_with_the_stream_or_with_an_error() {
    /// Where the first record lies in the file, with the default tables.
    const DATA: u64 = 32_768;
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    for round in 0..3 {
        tx.send_batch(&["a", "", "b"]).unwrap();
        drop(tx);
        let messages: Vec<_> = rx.iter().collect();
        assert_eq!(messages, [Ok(b"a".to_vec()), Ok(Vec::new()), Ok(b"b".to_vec())], "{round}");
        assert!(rx.iter().next().is_none());
        tx = segment.producer().unwrap();
    }
    let head = segment.status().unwrap().ring().head;
    tx.send(b"good").unwrap();
    tx.send(b"bad").unwrap();
    name.poke(DATA + head + 16, 7);
    let mut messages = rx.iter();
    assert_eq!(messages.next(), Some(Ok(b"good".to_vec())));
    assert!(matches!(messages.next(), Some(Err(RecvError::Failed(_)))));
    assert_eq!(messages.next(), None);
}
