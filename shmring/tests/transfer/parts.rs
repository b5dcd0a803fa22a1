//! Messages from parts, as much of a batch as fits, vectors that are used again, loops over a
//! consumer, and draining.

use std::cell::Cell;
use std::io::IoSlice;
use std::thread;
use std::time::{Duration, Instant};

use shmring::{
    Config, DrainError, Kind, RecvError, RecvTimeoutError, SendError, SendTimeoutError,
    TryRecvError, TrySendError,
};

use crate::common::{LONG, MODES, Name, SHORT, broadcast, payload, slots, watchdog};

fn configs() -> [Config; 5] {
    [
        Config::spsc().capacity_bytes(4096),
        slots(Kind::Mpmc, 4, 1024),
        slots(Kind::Mpsc, 4, 1024),
        slots(Kind::Spmc, 4, 1024),
        broadcast(),
    ]
}

/// Catches a message from parts that is torn at a part whose bounds are no word's, that keeps
/// bytes of an earlier message, or that is sent though it is too long.
#[test]
fn parts_make_one_message() {
    for config in configs() {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        for round in 0..300_usize {
            let lens = [round % 13, round * 7 % 31, 0, round % 3, round * 5 % 200];
            let parts: Vec<_> =
                (0..).zip(lens).map(|(part, len)| payload(round as u64 * 8 + part, len)).collect();
            let whole = parts.concat();
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            match round % 3 {
                0 => tx.send_vectored(&slices).unwrap(),
                1 => tx.try_send_vectored(&slices).unwrap(),
                _ => tx.send_vectored_timeout(&slices, SHORT).unwrap(),
            }
            assert_eq!(rx.try_recv().unwrap(), whole, "{round}");
        }
        tx.send_vectored(&[]).unwrap();
        assert_eq!(rx.try_recv().unwrap(), b"");
        let (max, half) = (tx.max_message_bytes(), vec![0; tx.max_message_bytes() / 2 + 1]);
        let halves = [IoSlice::new(&half), IoSlice::new(&half)];
        let len = half.len() * 2;
        assert_eq!(tx.send_vectored(&halves), Err(SendError::TooLong { len, max }));
        assert_eq!(tx.try_send_vectored(&halves), Err(TrySendError::TooLong { len, max }));
        while tx.try_send_vectored(&halves[..1]).is_ok() {}
        assert_eq!(tx.try_send_vectored(&halves[..1]), Err(TrySendError::Full));
        let timed = tx.send_vectored_timeout(&halves[..1], SHORT);
        assert_eq!(timed, Err(SendTimeoutError::TimedOut));
        drop(rx);
        assert_eq!(tx.send_vectored(&halves[..1]), Err(SendError::BrokenPipe));
    }
}

/// Catches part of a batch that is less than fits, is not the first of it, or is counted wrong.
#[test]
fn as_much_of_a_batch_is_sent_as_fits() {
    for config in configs() {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        assert_eq!(tx.try_send_some::<&[u8]>(&[]), Ok(0));
        let (mut next, mut expected) = (0, 0);
        for round in 0..100_u64 {
            let batch: Vec<_> = (next..next + 1 + round % 150).map(|n| payload(n, 40)).collect();
            match tx.try_send_some(&batch) {
                Ok(sent) => {
                    assert!(sent > 0);
                    next += sent as u64;
                    if sent < batch.len() {
                        assert_eq!(tx.try_send(&batch[sent]), Err(TrySendError::Full));
                    }
                }
                Err(error) => {
                    assert_eq!(error, TrySendError::Full);
                    assert_eq!(tx.try_send(&batch[0]), Err(TrySendError::Full));
                }
            }
            assert_eq!(rx.len() as u64, next - expected);
            for _ in 0..round % 5 {
                match rx.try_recv() {
                    Ok(message) => assert_eq!(message, payload(expected, 40)),
                    Err(error) => {
                        assert_eq!((error, expected), (TryRecvError::Empty, next));
                        break;
                    }
                }
                expected += 1;
            }
        }
        while let Ok(message) = rx.try_recv() {
            assert_eq!(message, payload(expected, 40));
            expected += 1;
        }
        assert_eq!(expected, next);
        // A message that never fits ends what is sent before it, and is the error by itself.
        let (short, long) = (vec![1; 40], vec![2; tx.max_message_bytes() + 1]);
        assert_eq!(tx.try_send_some(&[&short, &short, &long, &short]), Ok(2));
        let (len, max) = (long.len(), tx.max_message_bytes());
        let never = Err(TrySendError::TooLong { len, max });
        assert_eq!(tx.try_send_some(&[&long, &short]), never);
        assert_eq!((rx.recv().unwrap(), rx.recv().unwrap()), (short.clone(), short.clone()));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        drop(rx);
        assert_eq!(tx.try_send_some(&[&short]), Err(TrySendError::BrokenPipe));
    }
}

/// Catches part of a batch that stays behind when the caller's code panics, and is sent by the
/// next verb.
#[test]
fn a_batch_that_panics_leaves_nothing_staged() {
    struct Bomb(Cell<u32>);
    impl AsRef<[u8]> for Bomb {
        fn as_ref(&self) -> &[u8] {
            self.0.set(self.0.get() + 1);
            assert!(self.0.get() < 3, "the caller's code panics");
            b"bomb"
        }
    }
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let batch = [Bomb(Cell::new(0)), Bomb(Cell::new(2))];
    let sent = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| tx.try_send_some(&batch)));
    assert!(sent.is_err());
    tx.send(b"after").unwrap();
    assert_eq!(rx.try_recv().unwrap(), b"after");
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

/// Catches a vector that keeps bytes of the message before, or of one that was not received.
#[test]
fn a_vector_is_used_again() {
    for config in configs() {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        let mut message = vec![9; 500];
        for round in 0..60 {
            let bytes = payload(round, (round * 37 % 300) as usize);
            tx.send(&bytes).unwrap();
            let len = match round % 3 {
                0 => rx.recv_into_vec(&mut message).unwrap(),
                1 => rx.try_recv_into_vec(&mut message).unwrap(),
                _ => rx.recv_into_vec_timeout(&mut message, SHORT).unwrap(),
            };
            assert_eq!((len, &message), (bytes.len(), &bytes));
        }
        assert!(message.capacity() >= 500);
        message = vec![9; 5];
        assert_eq!(rx.try_recv_into_vec(&mut message), Err(TryRecvError::Empty));
        assert!(message.is_empty());
        message = vec![9; 5];
        let timed = rx.recv_into_vec_timeout(&mut message, SHORT);
        assert_eq!((timed, message.len()), (Err(RecvTimeoutError::TimedOut), 0));
        message = vec![9; 5];
        drop(tx);
        assert_eq!(rx.recv_into_vec(&mut message), Err(RecvError::Eof));
        assert!(message.is_empty());
    }
}

/// Catches a loop over the consumer itself that differs from one over its iterator, and an
/// iterator that receives again after it has ended.
#[test]
fn a_consumer_is_looped_over() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    tx.send_batch(&["a", "b"]).unwrap();
    drop(tx);
    let mut seen = Vec::new();
    for message in &mut rx {
        seen.push(message.unwrap());
    }
    assert_eq!(seen, [b"a", b"b"]);
    let mut iter: shmring::Iter<'_> = rx.iter();
    assert!(iter.next().is_none());
    segment.producer().unwrap().send(b"c").unwrap();
    assert!(iter.next().is_none());
    assert_eq!((&mut rx).into_iter().next(), Some(Ok(b"c".to_vec())));
}

/// Catches a drain that returns while messages are left, or stays when the last one was received
/// or the consumer has gone; and one that miscounts what is left.
#[test]
fn a_producer_waits_until_everything_was_received() {
    let _watchdog = watchdog("a_producer_waits_until_everything_was_received");
    for config in configs() {
        for mode in MODES {
            let name = Name::new();
            let (_segment, mut tx, mut rx) = name.pair_of(&config);
            tx.set_wait_mode(mode);
            tx.send_batch(&["one", "two", "three"]).unwrap();
            let start = thread::scope(|scope| {
                let draining = scope.spawn(|| {
                    tx.close_and_drain(LONG).unwrap();
                    Instant::now()
                });
                let mut last = Instant::now();
                for expected in ["one", "two", "three"] {
                    thread::sleep(Duration::from_millis(5));
                    assert!(!draining.is_finished(), "{expected} is left");
                    last = Instant::now();
                    assert_eq!(rx.recv().unwrap(), expected.as_bytes());
                }
                assert_eq!(rx.recv(), Err(RecvError::Eof));
                assert!(draining.join().unwrap() >= last);
                last
            });
            assert!(start.elapsed() < LONG / 2);
        }
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&config);
        tx.send_batch(&["one", "two", "three"]).unwrap();
        rx.recv().unwrap();
        assert_eq!(tx.close_and_drain(SHORT), Err(DrainError::TimedOut { unreceived: 2 }));
        assert!(segment.status().unwrap().ring().closed);
        assert_eq!((rx.recv().unwrap(), rx.recv().unwrap()), (b"two".to_vec(), b"three".to_vec()));
        assert_eq!(rx.recv(), Err(RecvError::Eof));

        let name = Name::new();
        let (segment, mut tx, rx) = name.pair_of(&config);
        tx.send_batch(&["one", "two"]).unwrap();
        thread::scope(|scope| {
            let draining = scope.spawn(|| tx.close_and_drain(LONG));
            thread::sleep(Duration::from_millis(5));
            drop(rx);
            let left = draining.join().unwrap();
            // A subscriber that has gone lacks nothing.
            let is_broadcast = segment.info().ring().kind == Kind::Broadcast;
            let pipe = Err(DrainError::BrokenPipe { unreceived: 2 });
            assert_eq!(left, if is_broadcast { Ok(()) } else { pipe });
        });
    }
}
