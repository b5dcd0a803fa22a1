//! Messages that are longer than a slot.

use std::io::{IoSlice, Write};

use shmring::{Config, Consumer, Kind, Producer, Segment, TryRecvError, TrySendError};

use crate::common::payload;

const SLOTS: u64 = 16;
const SLOT_BYTES: u64 = 32;
/// What one slot takes, and half of the ring.
const SLOT_LEN: usize = SLOT_BYTES as usize - 8;
const MAX_LEN: usize = SLOT_LEN * SLOTS as usize / 2;
const KINDS: [Kind; 3] = [Kind::Mpmc, Kind::Mpsc, Kind::Spmc];

fn with_each(check: impl Fn(Kind, Segment, Producer, Consumer)) {
    for kind in KINDS {
        let config = Config::new(kind).slots(SLOTS).slot_bytes(SLOT_BYTES);
        let segment = Segment::create_sealed("spans", &config).unwrap();
        let (tx, rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        check(kind, segment, tx, rx);
    }
}

/// Sends a message in one of the ways that there are.
fn send(tx: &mut Producer, way: usize, message: &[u8]) {
    match way % 5 {
        0 => tx.send(message).unwrap(),
        1 => {
            let (first, rest) = message.split_at(message.len() / 3);
            tx.send_vectored(&[IoSlice::new(first), IoSlice::new(rest)]).unwrap();
        }
        2 => {
            let mut space = tx.reserve(message.len()).unwrap();
            message.chunks(7).for_each(|chunk| space.write_all(chunk).unwrap());
            space.commit();
        }
        3 => {
            // More than is written.
            let mut space = tx.reserve(MAX_LEN).unwrap();
            let middle = message.len() / 2;
            space.write_at(middle, &message[middle..]);
            space.write_at(0, &message[..middle]);
            space.commit();
        }
        _ => tx.send_batch(&[message]).unwrap(),
    }
}

/// Receives a message in one of the ways that there are.
fn receive(rx: &mut Consumer, way: usize) -> Vec<u8> {
    match way % 4 {
        0 => rx.recv().unwrap(),
        1 => {
            let mut buffer = [0; MAX_LEN];
            let len = rx.recv_into(&mut buffer).unwrap();
            buffer[..len].to_vec()
        }
        2 => {
            let mut message = Vec::new();
            assert_eq!(rx.recv_batch(1, |found| message = found.to_vec()).unwrap(), 1);
            message
        }
        _ => match rx.peek() {
            Ok(peek) => {
                let mut message = vec![0; peek.len()];
                assert_eq!(peek.read_at(0, &mut message), peek.len());
                peek.release();
                message
            }
            // Nothing is read in place where consumers compete.
            Err(_) => rx.recv().unwrap(),
        },
    }
}

/// Catches a length at which a byte, a slot or a message is lost, at any place in the ring.
#[test]
fn every_length_arrives_whole_in_every_way() {
    with_each(|kind, _segment, mut tx, mut rx| {
        assert_eq!(tx.max_message_bytes(), MAX_LEN, "{kind}");
        for len in 0..=MAX_LEN {
            for way in 0..20 {
                let message = payload((len * 20 + way) as u64, len);
                send(&mut tx, way, &message);
                assert_eq!(receive(&mut rx, way / 5), message, "{kind}: {len} bytes, way {way}");
            }
        }
        assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)), "{kind}");
    });
}

/// Catches a message that is taken although it is longer than the ring allows.
#[test]
fn a_longer_message_is_refused() {
    with_each(|kind, _segment, mut tx, mut rx| {
        let refused = tx.try_send(&[0; MAX_LEN + 1]);
        let expected = TrySendError::TooLong { len: MAX_LEN + 1, max: MAX_LEN };
        assert_eq!(refused, Err(expected), "{kind}");
        assert!(tx.try_reserve(MAX_LEN + 1).is_err(), "{kind}");
        assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)), "{kind}");
    });
}

/// Catches a batch whose lengths are counted as one slot each, and one that is sent in part.
#[test]
fn batches_of_mixed_lengths_arrive_in_order() {
    with_each(|kind, _segment, mut tx, mut rx| {
        for round in 0..100_u64 {
            let lens = [3, SLOT_LEN * 2 + 1, SLOT_LEN, SLOT_LEN + 1, 0, SLOT_LEN * 4];
            let messages: Vec<_> =
                (0..).zip(lens).map(|(i, len)| payload(round * 10 + i, len)).collect();
            tx.send_batch(&messages).unwrap();
            // 1 + 3 + 1 + 2 + 1 + 4 slots are in use: 4 are left.
            assert!(tx.try_send_batch(&[[0; SLOT_LEN + 1]; 3]).is_err(), "{kind}");
            tx.try_send_batch(&[[1; SLOT_LEN + 1]; 2]).unwrap();
            assert_eq!(rx.len(), 8, "{kind}");
            let mut found = Vec::new();
            while found.len() < 8 {
                rx.recv_batch(8 - found.len(), |message| found.push(message.to_vec())).unwrap();
            }
            assert_eq!(found[..6], messages, "{kind}");
            assert_eq!(found[6..], [[1; SLOT_LEN + 1]; 2], "{kind}");
        }
        let refused = tx.try_send_batch(&[[0; MAX_LEN]; 3]);
        assert_eq!(refused, Err(TrySendError::TooMany { count: 24, max: 16 }), "{kind}");
    });
}

/// Catches space of a reservation that is left in the ring, or that a consumer sees.
#[test]
fn a_reservation_that_is_dropped_leaves_nothing() {
    with_each(|kind, _segment, mut tx, mut rx| {
        for round in 0..100 {
            let mut space = tx.reserve(MAX_LEN).unwrap();
            assert_eq!(space.capacity(), MAX_LEN);
            assert!(space.as_mut_ptr().is_none(), "{kind}: it lies in several slots");
            space.write_at(round, b"never sent");
            drop(space);
            tx.send(&payload(round as u64, round)).unwrap();
            assert_eq!(rx.recv().unwrap(), payload(round as u64, round), "{kind}");
        }
    });
}

/// Catches a pointer to one slot that is said to be valid for all, and pieces that do not add up.
#[test]
fn a_message_in_several_slots_is_read_in_pieces() {
    let config = Config::mpsc().slots(SLOTS).slot_bytes(SLOT_BYTES);
    let segment = Segment::create_sealed("spans", &config).unwrap();
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    for len in 0..=MAX_LEN {
        let message = payload(len as u64, len);
        tx.send(&message).unwrap();
        let peek = rx.peek().unwrap();
        assert_eq!((peek.as_ptr().is_some(), peek.len()), (len <= SLOT_LEN, len));
        // SAFETY: nobody writes to a message that was committed, and this process does not fork.
        let (whole, pieces) = unsafe { (peek.as_slice(), peek.as_slices().collect::<Vec<_>>()) };
        assert_eq!(pieces.concat(), message);
        assert_eq!(pieces.len(), len.div_ceil(SLOT_LEN).max(1));
        assert_eq!(whole.is_some_and(|whole| whole == message), len <= SLOT_LEN);
        let mut tail = vec![0; len.div_ceil(2)];
        assert_eq!(peek.read_at(len / 2, &mut tail), tail.len());
        assert_eq!(tail, message[len / 2..]);
        peek.release();
    }
}

/// Catches a message that is taken by a buffer that is too small for it.
#[test]
fn a_message_that_is_longer_than_the_buffer_stays() {
    with_each(|kind, _segment, mut tx, mut rx| {
        let message = payload(1, MAX_LEN);
        tx.send(&message).unwrap();
        assert!(rx.recv_into(&mut [0; MAX_LEN - 1]).is_err(), "{kind}");
        assert_eq!(rx.recv().unwrap(), message, "{kind}");
    });
}
