//! Messages that are longer than a slot.

use std::io::{IoSlice, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use shmring::{
    Config, Consumer, Kind, Producer, Segment, SendTimeoutError, TryRecvError, TrySendError,
};

use crate::common::{SHORT, payload};

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

/// Catches an observer that counts parts which were passed after it looked at head: then fewer
/// messages seem to have been received than were.
#[test]
fn observers_miss_no_message_that_was_received() {
    with_each(|kind, segment, mut tx, mut rx| {
        let (received, most) = (AtomicU64::new(0), 5000);
        thread::scope(|scope| {
            scope.spawn(|| (0..most).for_each(|_| tx.send(&[1; MAX_LEN]).unwrap()));
            scope.spawn(|| {
                let mut buffer = [0; MAX_LEN];
                for count in 1..=most {
                    rx.recv_into(&mut buffer).unwrap();
                    received.store(count, Ordering::Release);
                }
            });
            while received.load(Ordering::Acquire) < most {
                let least = received.load(Ordering::Acquire);
                let found = segment.status().unwrap().ring().messages_received;
                // A part is counted after its message.
                let slots = SLOTS / 2;
                assert!((least..=most + slots).contains(&found), "{kind}: {found} for {least}");
            }
        });
        assert_eq!(segment.status().unwrap().ring().messages_received, most, "{kind}");
    });
}

/// Catches a look ahead into the middle of a message, and a release of half of one.
#[test]
fn a_look_ahead_goes_from_message_to_message() {
    let config = Config::mpsc().slots(SLOTS).slot_bytes(SLOT_BYTES);
    let segment = Segment::create_sealed("spans", &config).unwrap();
    let (mut tx, mut rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
    for round in 0..100 {
        let lens = [SLOT_LEN * 3, 1, SLOT_LEN * 2 + 1, SLOT_LEN + 1, 0];
        let messages = lens.map(|len| payload(round, len));
        tx.send_batch(&messages).unwrap();
        for first in 0..2 {
            let mut ahead = rx.lookahead().unwrap();
            let mut found = Vec::new();
            while let Some(message) = ahead.next() {
                found.push(message.to_vec());
            }
            assert_eq!(found, messages[first * 2..]);
            if first == 0 { ahead.release_first(2) } else { assert_eq!(ahead.release(), 3) }
        }
    }
}

/// Catches lengths that are counted as one slot each where as many are sent as fit, or where a
/// producer waits for room.
#[test]
fn as_many_as_fit_are_sent() {
    with_each(|kind, _segment, mut tx, mut rx| {
        let messages = [MAX_LEN, SLOT_LEN + 1, MAX_LEN, 1].map(|len| payload(1, len));
        for _ in 0..10 {
            assert_eq!(tx.try_send_some(&messages), Ok(2), "{kind}");
            assert_eq!(tx.wait_writable(SLOT_LEN * 6, SHORT), Ok(()), "{kind}");
            let none = Err(SendTimeoutError::TimedOut);
            assert_eq!(tx.wait_writable(SLOT_LEN * 6 + 1, SHORT), none, "{kind}");
            assert_eq!(tx.try_send_some(&messages[2..]), Err(TrySendError::Full), "{kind}");
            for message in &messages[..2] {
                assert_eq!(&rx.recv().unwrap(), message, "{kind}");
            }
            assert_eq!(tx.try_send_some(&messages[2..]), Ok(2), "{kind}");
            assert_eq!(rx.iter().take(2).collect::<Result<Vec<_>, _>>().unwrap(), messages[2..]);
        }
    });
}

/// Catches bytes that a stream loses where it stops inside a message of several slots.
#[test]
fn streams_read_long_messages_in_pieces() {
    with_each(|kind, _segment, tx, rx| {
        let bytes = payload(7, 50 * MAX_LEN + 1);
        let (mut writer, mut reader) = (tx.into_writer(), rx.into_reader());
        thread::scope(|scope| {
            scope.spawn(|| writer.write_all(&bytes).unwrap());
            for piece in bytes.chunks(MAX_LEN / 2 - 5) {
                let mut found = vec![0; piece.len()];
                reader.read_exact(&mut found).unwrap();
                assert!(found == piece, "{kind}");
            }
        });
    });
}
