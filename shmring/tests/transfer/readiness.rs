//! Waiting without transfer, deadlines, and what handles report of their ring.

use std::thread;
use std::time::{Duration, Instant};

use shmring::{
    Config, Kind, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError, WaitMode,
};

use crate::common::{LONG, MODES, Name, SHORT, broadcast, slots, watchdog};

fn configs() -> [Config; 5] {
    [
        Config::spsc().capacity_bytes(4096),
        slots(Kind::Mpmc, 4, 64),
        slots(Kind::Mpsc, 4, 64),
        slots(Kind::Spmc, 4, 64),
        broadcast(),
    ]
}

/// Catches a wait for a message that takes it, returns without one, or goes on when one comes
/// or the stream ends.
#[test]
fn a_consumer_waits_until_a_message_is_there() {
    let _watchdog = watchdog("a_consumer_waits_until_a_message_is_there");
    for config in configs() {
        for mode in MODES {
            let name = Name::new();
            let (_segment, mut tx, mut rx) = name.pair_of(&config);
            rx.set_wait_mode(mode);
            let start = Instant::now();
            assert_eq!(rx.wait_readable(SHORT), Err(RecvTimeoutError::TimedOut));
            assert!(start.elapsed() >= SHORT);
            thread::scope(|scope| {
                let waiting = scope.spawn(|| rx.wait_readable(LONG));
                thread::sleep(Duration::from_millis(5));
                tx.send(b"there").unwrap();
                assert_eq!(waiting.join().unwrap(), Ok(()));
            });
            for _ in 0..2 {
                assert_eq!(rx.wait_readable(Duration::ZERO), Ok(()));
            }
            assert_eq!(rx.try_recv().unwrap(), b"there");
            drop(tx);
            assert_eq!(rx.wait_readable(LONG), Err(RecvTimeoutError::Eof));
        }
    }
}

/// Catches a wake that ends with a consumer that only looks: the one that would take the message
/// sleeps on.
#[test]
fn a_consumer_that_only_waits_hands_off_its_wake() {
    let _watchdog = watchdog("a_consumer_that_only_waits_hands_off_its_wake");
    let name = Name::new();
    let (_segment, mut tx, mut looking) = name.pair_of(&slots(Kind::Mpmc, 4, 64));
    let mut taking = looking.try_clone().unwrap();
    looking.set_wait_mode(WaitMode::Block);
    taking.set_wait_mode(WaitMode::Block);
    let mut smallest = LONG;
    for _ in 0..4 {
        thread::scope(|scope| {
            let looks = scope.spawn(|| looking.wait_readable(LONG));
            let takes = scope.spawn(|| {
                taking.recv().unwrap();
                Instant::now()
            });
            // Past the short slices at the start of a wait.
            thread::sleep(Duration::from_millis(330));
            let start = Instant::now();
            tx.send(b"one").unwrap();
            smallest = smallest.min(takes.join().unwrap().duration_since(start));
            // The one that looks may have come too late.
            tx.send(b"two").unwrap();
            looks.join().unwrap().unwrap();
        });
        taking.recv().unwrap();
    }
    assert!(smallest < Duration::from_millis(10), "{smallest:?}");
}

/// Catches a wait for room that takes it, returns without any, or goes on when there is some or
/// the pipe breaks; and one for a message that never fits.
#[test]
fn a_producer_waits_until_there_is_room() {
    let _watchdog = watchdog("a_producer_waits_until_there_is_room");
    for config in configs() {
        for mode in MODES {
            let name = Name::new();
            let (_segment, mut tx, mut rx) = name.pair_of(&config);
            tx.set_wait_mode(mode);
            assert_eq!(tx.wait_writable(48, Duration::ZERO), Ok(()));
            let mut sent = 0;
            while tx.try_send(&[1; 48]).is_ok() {
                sent += 1;
            }
            assert_eq!(tx.wait_writable(48, SHORT), Err(SendTimeoutError::TimedOut));
            thread::scope(|scope| {
                let waiting = scope.spawn(|| tx.wait_writable(48, LONG));
                thread::sleep(Duration::from_millis(5));
                for _ in 0..sent {
                    rx.recv().unwrap();
                }
                assert_eq!(waiting.join().unwrap(), Ok(()));
            });
            // All of the room is there still, and nothing in the way of consumers.
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            for _ in 0..3 {
                assert_eq!(tx.wait_writable(48, Duration::ZERO), Ok(()));
            }
            assert_eq!(tx.try_send_batch(&[[2; 48]; 4]), Ok(()));
            let max = tx.max_message_bytes();
            let never = Err(SendTimeoutError::TooLong { len: max + 1, max });
            assert_eq!(tx.wait_writable(max + 1, LONG), never);
            drop(rx);
            assert_eq!(tx.wait_writable(48, LONG), Err(SendTimeoutError::BrokenPipe));
        }
    }
}

/// Catches a deadline that is taken for a timeout, that passes early, or that has passed and
/// hinders what can be done at once.
#[test]
fn a_deadline_is_a_point_in_time() {
    let _watchdog = watchdog("a_deadline_is_a_point_in_time");
    for config in configs() {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&config);
        let deadline = Instant::now() + SHORT;
        for _ in 0..2 {
            assert_eq!(rx.recv_deadline(deadline), Err(RecvTimeoutError::TimedOut));
            assert!(Instant::now() >= deadline);
        }
        assert!(Instant::now() < deadline + LONG / 2);
        let mut sent = 0;
        while tx.send_deadline(&[sent; 48], deadline).is_ok() {
            sent += 1;
        }
        assert!(sent > 2);
        let deadline = Instant::now() + SHORT;
        assert_eq!(tx.send_deadline(&[0; 48], deadline), Err(SendTimeoutError::TimedOut));
        assert!(Instant::now() >= deadline);
        for number in 0..sent {
            assert_eq!(rx.recv_deadline(deadline).unwrap(), [number; 48]);
        }
    }
}

/// Catches a number of messages that is not theirs, at both ends and across the end of the ring,
/// and a capacity or a setting that reads otherwise than it was set.
#[test]
fn handles_report_the_ring_and_their_settings() {
    for config in configs() {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&config);
        let capacity_bytes = segment.info().ring().capacity_bytes;
        assert_eq!((tx.capacity_bytes(), rx.capacity_bytes()), (capacity_bytes, capacity_bytes));
        for round in 0..200 {
            assert_eq!((tx.len(), rx.len()), (0, 0), "{round}");
            assert!(tx.is_empty() && rx.is_empty());
            for count in 1..=4 {
                tx.send(&vec![7; round * 7 % 56]).unwrap();
                assert_eq!((tx.len(), rx.len()), (count, count), "{round}");
                assert!(!tx.is_empty() && !rx.is_empty());
            }
            for count in (0..4).rev() {
                rx.recv().unwrap();
                assert_eq!((tx.len(), rx.len()), (count, count), "{round}");
            }
        }
        assert_eq!((tx.wait_mode(), rx.wait_mode()), (WaitMode::Adaptive, WaitMode::Adaptive));
        tx.set_wait_mode(WaitMode::Spin);
        rx.set_wait_mode(WaitMode::Block);
        assert_eq!((tx.wait_mode(), rx.wait_mode()), (WaitMode::Spin, WaitMode::Block));
        assert!(tx.requires_consumer());
        tx.set_require_consumer(false);
        assert!(!tx.requires_consumer());
        assert_eq!(tx.try_send(&[0; 48]), Ok(()));
        assert!(!matches!(tx.try_send(&[]), Err(TrySendError::BrokenPipe)));
    }
}
