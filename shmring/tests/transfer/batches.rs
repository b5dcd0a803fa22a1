//! Batches: all or nothing, on both sides.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shmring::{RecvError, SendError, SendTimeoutError, TryRecvError, TrySendError};

use crate::common::{Name, SHORT, payload};

/// Catches a batch that is received in another order, in part, or twice.
#[test]
fn a_batch_arrives_whole_and_in_order() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    for round in 0..300_u64 {
        let count = round % 12;
        let batch: Vec<_> =
            (0..count).map(|i| payload(round * 100 + i, (round * i % 150) as usize)).collect();
        match round % 3 {
            0 => tx.send_batch(&batch).unwrap(),
            1 => tx.try_send_batch(&batch).unwrap(),
            _ => tx.send_batch_timeout(&batch, SHORT).unwrap(),
        }
        let mut received = Vec::new();
        while let Ok(count) = rx.try_recv_batch(5, |message| received.push(message.to_vec())) {
            assert!((1..=5).contains(&count));
        }
        assert_eq!(received, batch);
    }
}

/// Catches a batch of which a part is sent when the rest has no room.
#[test]
fn a_batch_without_room_sends_nothing() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    tx.send(&[0; 1500]).unwrap();
    tx.send(&[0; 1500]).unwrap();
    let used = segment.status().unwrap().ring().used_bytes;
    for _ in 0..3 {
        let batch = [[7; 200]; 8];
        assert_eq!(tx.try_send_batch(&batch), Err(TrySendError::Full));
        assert_eq!(tx.send_batch_timeout(&batch, SHORT), Err(SendTimeoutError::TimedOut));
        assert_eq!(segment.status().unwrap().ring().used_bytes, used);
    }
    assert_eq!((rx.recv().unwrap().len(), rx.recv().unwrap().len()), (1500, 1500));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    tx.try_send_batch(&[[7; 200]; 8]).unwrap();
    assert_eq!(rx.recv_batch(100, |message| assert_eq!(message.to_vec(), [7; 200])), Ok(8));
}

/// Catches a batch that is accepted and then waits for room that never comes, and one
/// refused though it fits.
#[test]
fn the_largest_batch_always_fits_into_an_empty_ring() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    // 2032 bytes as one message are 2040 in the ring: 51 times 40.
    for shift in 0..600 {
        tx.send_batch_timeout(&[[1; 32]; 51], SHORT * 500).unwrap();
        assert_eq!(rx.recv_batch(100, |_| ()), Ok(51));
        let longer = tx.send_batch(&[[1; 32]; 52]).unwrap_err();
        assert_eq!(longer, SendError::TooLong { len: 2072, max: 2032 });
        let longer = tx.try_send_batch(&[[1; 33]; 51]).unwrap_err();
        assert_eq!(longer, TrySendError::TooLong { len: 48 * 51 - 8, max: 2032 });
        // Another offset in the ring each time.
        tx.send(&vec![0; shift % 9 * 8]).unwrap();
        rx.recv().unwrap();
    }
    tx.send_batch::<&[u8]>(&[]).unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

/// A message that panics when it is asked for its bytes the `calls`-th time.
struct Trap<'a> {
    calls: &'a Cell<u32>,
}

impl AsRef<[u8]> for Trap<'_> {
    fn as_ref(&self) -> &[u8] {
        self.calls.set(self.calls.get().wrapping_sub(1));
        assert!(self.calls.get() != 0, "as planned");
        b"staged and never sent"
    }
}

/// Catches messages of a batch that unwound which appear with the next one.
#[test]
fn a_batch_that_panics_midway_leaves_nothing() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    for panic_at in 1..=20 {
        let calls = Cell::new(panic_at);
        let batch: Vec<_> = (0..10).map(|_| Trap { calls: &calls }).collect();
        let result = catch_unwind(AssertUnwindSafe(|| tx.send_batch(&batch)));
        assert!(result.is_err(), "no panic at call {panic_at}");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        match panic_at % 3 {
            0 => tx.send(b"next").unwrap(),
            1 => tx.send_batch(&["next"]).unwrap(),
            _ => {
                let mut reservation = tx.reserve(4).unwrap();
                reservation.write_at(0, b"next");
                reservation.commit();
            }
        }
        assert_eq!(rx.recv().unwrap(), b"next");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches a message that is sent by itself behind what a batch had staged when it unwound:
/// the ring would be corrupt for everybody. The first message of a new producer is staged by
/// itself, before the next one panics.
#[test]
fn a_send_after_a_batch_that_panicked_stands_alone() {
    for verb in 0..2 {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair(4096);
        // Three calls for the lengths, and one for each message.
        let calls = Cell::new(5);
        let batch: Vec<_> = (0..3).map(|_| Trap { calls: &calls }).collect();
        assert!(catch_unwind(AssertUnwindSafe(|| tx.send_batch(&batch))).is_err());
        if verb == 0 {
            tx.send(b"next").unwrap()
        } else {
            tx.try_send(b"next").unwrap()
        }
        assert_eq!(rx.recv().unwrap(), b"next");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches a word taken for cleared that was written to since: in space that was reserved,
/// filled and given up.
#[test]
fn space_that_was_given_up_is_cleared_again() {
    for reserve_by_verb in [true, false] {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair(4096);
        for len in (8..200).step_by(8) {
            tx.send(&vec![1; len]).unwrap();
            let mut reservation = match reserve_by_verb {
                true => tx.reserve(1000).unwrap(),
                false => tx.try_reserve(1000).unwrap(),
            };
            reservation.write_at(0, &[0xFF; 1000]);
            drop(reservation);
            tx.send(&vec![2; len]).unwrap();
            assert_eq!(rx.recv().unwrap(), vec![1; len]);
            assert_eq!(rx.recv().unwrap(), vec![2; len]);
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
    }
}

/// A message whose length is another each time it is asked for.
struct Changing(Cell<usize>);

impl AsRef<[u8]> for Changing {
    fn as_ref(&self) -> &[u8] {
        self.0.set(self.0.get() * 4);
        &[5; 4096][..self.0.get().min(4096)]
    }
}

/// Catches a batch that believes a length which it saw before: room for the old one does
/// not hold the new one.
#[test]
fn a_message_that_changes_its_length_breaks_nothing() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    for first in 1..200 {
        let batch: Vec<_> = (0..2).map(|_| Changing(Cell::new(first))).collect();
        match tx.try_send_batch(&batch) {
            Ok(()) => {
                let check = |message: &shmring::Message<'_>| {
                    assert!(message.to_vec().iter().all(|&byte| byte == 5));
                };
                assert_eq!(rx.recv_batch(9, check), Ok(2));
            }
            Err(error) => assert!(matches!(error, TrySendError::TooLong { .. }), "{error}"),
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches a visitor's panic that loses the messages it saw.
#[test]
fn a_visitor_that_panics_consumes_nothing() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    tx.send_batch(&["one", "two", "three"]).unwrap();
    for panic_at in 1..=3 {
        let mut seen = 0;
        let result = catch_unwind(AssertUnwindSafe(|| {
            rx.recv_batch(9, |_| {
                seen += 1;
                assert!(seen != panic_at, "as planned");
            })
        }));
        assert!(result.is_err());
        assert_eq!(segment.status().unwrap().ring().messages_received, 0);
    }
    let mut received = Vec::new();
    assert_eq!(rx.recv_batch(9, |message| received.push(message.to_vec())), Ok(3));
    assert_eq!(received, [b"one".as_slice(), b"two", b"three"]);
}

/// Catches a limit that is passed or counted wrongly, zero included.
#[test]
fn a_batch_is_no_larger_than_asked_for() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    tx.send_batch(&[[1]; 10]).unwrap();
    assert_eq!(rx.recv_batch(0, |_| panic!("visited")), Ok(0));
    assert_eq!((rx.recv_batch(3, |_| ()), rx.try_recv_batch(3, |_| ())), (Ok(3), Ok(3)));
    assert_eq!(rx.recv_batch(usize::MAX, |_| ()), Ok(4));
    drop(tx);
    assert_eq!(rx.recv_batch(1, |_| ()), Err(RecvError::Eof));
}

/// Catches a lookahead that consumes what was not released, or releases the wrong ones.
#[test]
fn a_lookahead_releases_the_given_messages() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let batch: Vec<_> = (0..10).map(|i| payload(i, 150)).collect();
    for _ in 0..50 {
        tx.send_batch(&batch).unwrap();
        let mut ahead = rx.lookahead().unwrap();
        for expected in &batch {
            assert_eq!(ahead.next().unwrap().to_vec(), *expected);
        }
        assert!(ahead.next().is_none());
        drop(ahead);
        let mut ahead = rx.lookahead().unwrap();
        (0..5).for_each(|_| assert!(ahead.next().is_some()));
        ahead.release_first(3);
        let mut ahead = rx.lookahead().unwrap();
        assert_eq!(ahead.next().unwrap().to_vec(), batch[3]);
        ahead.release_first(0);
        let mut ahead = rx.lookahead().unwrap();
        (0..2).for_each(|_| assert!(ahead.next().is_some()));
        assert_eq!(ahead.release(), 2);
        assert_eq!(rx.recv().unwrap(), batch[5]);
        let ahead = rx.lookahead().unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| ahead.release_first(1))).is_err());
        assert_eq!(rx.recv_batch(9, |_| ()), Ok(4));
    }
}
