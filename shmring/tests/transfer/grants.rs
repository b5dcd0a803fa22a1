//! Reservations and peeks.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shmring::{
    Config, Consumer, Message, Observer, Peek, Producer, Reader, Reservation, Segment,
    TryRecvError, Writer,
};

use crate::common::{Name, payload};

/// Catches a reservation that becomes visible without a commit, and space that it keeps.
#[test]
fn a_dropped_reservation_never_was() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    for round in 0..500 {
        let mut reservation = tx.reserve(2000).unwrap();
        reservation.write_at(0, &[0xFF; 2000]);
        drop(reservation);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx.send(&payload(round, 100)).unwrap();
        assert_eq!(rx.recv().unwrap(), payload(round, 100));
    }
    assert_eq!(segment.status().unwrap().ring().messages_received, 500);
}

/// Catches a ring whose health depends on a destructor.
#[test]
#[expect(clippy::forget_non_drop, reason = "a destructor may come, and must not be needed")]
fn a_forgotten_reservation_is_harmless() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    for round in 0..500 {
        let mut reservation = tx.try_reserve(1000).unwrap();
        reservation.write_at(8, &[0xFF; 900]);
        std::mem::forget(reservation);
        std::mem::forget(rx.try_peek());
        tx.send_batch(&[payload(round, 10), payload(round, 11)]).unwrap();
        std::mem::forget(rx.peek());
        std::mem::forget(rx.lookahead());
        assert_eq!(rx.recv().unwrap(), payload(round, 10));
        assert_eq!(rx.recv().unwrap(), payload(round, 11));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Catches a write that misses its place or changes its neighbours, and a commit of more
/// than was written.
#[test]
fn a_reservation_is_written_in_pieces_and_in_part() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let bytes = payload(9, 300);
    for piece in [1, 2, 3, 7, 8, 9, 31, 64, 299] {
        for keep in [0, 1, 8, 150, 299, 300] {
            let mut reservation = tx.reserve(300).unwrap();
            // From the end, so that a piece that reaches too far is seen.
            for start in (0..keep).step_by(piece).rev() {
                reservation.write_at(start, &bytes[start..keep.min(start + piece)]);
            }
            reservation.write_at(300, &[]);
            assert_eq!((reservation.written(), reservation.capacity()), (keep, 300));
            reservation.commit();
            assert_eq!(rx.recv().unwrap(), bytes[..keep]);
        }
    }
}

/// Catches a write or commit beyond the reservation: it panics, and nothing is sent.
#[test]
fn writing_beyond_a_reservation_panics() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let mut beyond = |offset: usize, len: usize| {
        let mut reservation = tx.reserve(10).unwrap();
        catch_unwind(AssertUnwindSafe(|| reservation.write_at(offset, &vec![1; len]))).is_err()
    };
    assert!(beyond(0, 11) && beyond(10, 1) && beyond(11, 0) && beyond(usize::MAX, 2));
    let mut reservation = tx.reserve(10).unwrap();
    // SAFETY: it panics and nothing is committed.
    let announce = || unsafe { reservation.assume_written(11) };
    assert!(catch_unwind(AssertUnwindSafe(announce)).is_err());
    drop(reservation);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    tx.send(b"sound").unwrap();
    assert_eq!(rx.recv().unwrap(), b"sound");
}

/// Catches a pointer that is not where the message is, or not aligned.
#[test]
fn pointers_lead_to_the_payload() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    for len in [0, 1, 8, 100, 2032] {
        let mut reservation = tx.reserve(len).unwrap();
        assert_eq!(reservation.as_mut_ptr().unwrap() as usize % 8, 0);
        reservation.write_at(0, &payload(3, len));
        reservation.commit();
        let peek = rx.peek().unwrap();
        assert_eq!(peek.as_ptr().unwrap() as usize % 8, 0);
        drop(peek);
        assert_eq!(rx.recv().unwrap(), payload(3, len));
    }
}

/// Catches a peek that consumes, or a release that does not.
#[test]
fn a_peek_leaves_the_message_until_it_is_released() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    tx.send(&payload(1, 20)).unwrap();
    tx.send(&payload(2, 30)).unwrap();
    for _ in 0..3 {
        let peek = rx.peek().unwrap();
        assert_eq!(peek.to_vec(), payload(1, 20));
    }
    assert_eq!(segment.status().unwrap().ring().messages_received, 0);
    // A new consumer finds what the old one only looked at.
    drop(rx);
    let mut rx = segment.consumer().unwrap();
    rx.peek().unwrap().release();
    assert_eq!(rx.recv().unwrap(), payload(2, 30));
    assert_eq!(segment.status().unwrap().ring().messages_received, 2);
}

/// Catches a message that comes again and is not marked, and one that says so and was
/// never shown, or was shown and released.
#[test]
fn redelivered_messages_are_marked() {
    for config in [Config::spsc(), Config::mpsc()] {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&config);
        (0..6).for_each(|number| tx.send(&payload(number, 40)).unwrap());
        let flags = |rx: &mut Consumer| {
            let mut ahead = rx.lookahead().unwrap();
            let next = || ahead.next().map(|message| message.is_redelivered());
            std::iter::from_fn(next).collect::<Vec<_>>()
        };
        assert!(!rx.peek().unwrap().is_redelivered());
        assert!(rx.peek().unwrap().is_redelivered());
        rx.peek().unwrap().release();
        // Not shown, so not marked.
        assert_eq!(rx.recv().unwrap(), payload(1, 40));
        let mut shown = Vec::new();
        rx.recv_batch(2, |message| shown.push(message.is_redelivered())).unwrap();
        assert_eq!(shown, [false, false]);
        assert_eq!(flags(&mut rx), [false, false]);
        assert_eq!(flags(&mut rx), [true, true]);
        tx.send(&payload(6, 40)).unwrap();
        drop(rx);
        let mut rx = segment.consumer().unwrap();
        assert_eq!(flags(&mut rx), [true, true, false]);
        assert_eq!(rx.recv().unwrap(), payload(4, 40));
        assert_eq!(flags(&mut rx), [true, true]);
    }
}

/// Catches a part of a message that is read from elsewhere, or beyond its end.
#[test]
fn a_message_is_read_in_parts() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let bytes = payload(5, 100);
    tx.send(&bytes).unwrap();
    let peek = rx.peek().unwrap();
    let message: &Message<'_> = &peek;
    assert_eq!((message.len(), message.is_empty()), (100, false));
    for offset in [0, 1, 7, 8, 50, 99, 100, 101, 5000, usize::MAX - 7] {
        for len in [0, 1, 8, 48, 100, 200] {
            let mut buffer = vec![0xEE; len];
            let count = message.read_at(offset, &mut buffer);
            let expected = bytes.get(offset..).unwrap_or_default();
            assert_eq!(count, expected.len().min(len));
            assert_eq!(buffer[..count], expected[..count]);
            assert!(buffer[count..].iter().all(|&byte| byte == 0xEE));
        }
    }
    let (mut short, mut long) = ([0; 60], [0xEE; 120]);
    assert_eq!((message.copy_to(&mut short), message.copy_to(&mut long)), (60, 100));
    assert_eq!((&short[..], &long[..100], long[100]), (&bytes[..60], &bytes[..], 0xEE));
    let mut appended = b"before".to_vec();
    message.append_to(&mut appended);
    assert_eq!(appended, [b"before".as_slice(), &bytes].concat());
}

/// Catches a position that comes twice or goes back, also over a change of hands and at
/// the end of the ring.
#[test]
fn positions_are_unique_and_grow() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    let mut last = 0;
    for round in 0..300_u64 {
        let len = (round * 13 % 700) as usize;
        tx.send_batch(&[&payload(1, len), &payload(2, len / 2)]).unwrap();
        for _ in 0..2 {
            let (first, again) =
                (rx.peek().unwrap().end_position(), rx.peek().unwrap().end_position());
            assert!(first == again && first > last);
            rx.peek().unwrap().release();
            last = first;
        }
        if round % 50 == 0 {
            drop((tx, rx));
            (tx, rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
        }
    }
}

/// Whether a type may be shared between threads, without needing it to be.
trait MaybeSync<Marker> {
    fn probe() {}
}
struct IsSync;
impl<T: ?Sized> MaybeSync<()> for T {}
impl<T: ?Sized + Sync> MaybeSync<IsSync> for T {}

fn assert_send<T: Send>() {}
fn assert_sync<T: Sync>() {}

/// Catches a handle that two threads could use at once (the first lines do not compile
/// then), or that cannot move to another.
#[test]
fn handles_move_between_threads_and_are_not_shared() {
    // Ambiguous, and so an error, if the type is Sync.
    let _ = [<Producer as MaybeSync<_>>::probe, <Consumer as MaybeSync<_>>::probe];
    let _ = [<Writer as MaybeSync<_>>::probe, <Reader as MaybeSync<_>>::probe];
    let _ = [<Cell<u8> as MaybeSync<_>>::probe];
    assert_send::<(Producer, Consumer, Writer, Reader, Segment, Observer)>();
    assert_sync::<(Segment, Observer, Config)>();
}

/// Catches a public type that cannot be printed, or that prints payload.
#[test]
fn everything_can_be_printed() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    let mut texts = vec![format!("{segment:?}{:?}", segment.info())];
    texts.push(format!("{:?}{:?}", segment.status(), segment.obtained()));
    texts.push(format!("{:?}{:?}", Observer::open(&name), Config::spsc()));
    tx.send(b"secret").unwrap();
    let reservation: Reservation<'_> = tx.reserve(5).unwrap();
    texts.push(format!("{reservation:?}"));
    drop(reservation);
    let peek: Peek<'_> = rx.peek().unwrap();
    let message: &Message<'_> = &peek;
    texts.push(format!("{peek:?}{message:?}"));
    texts.push(format!("{:?}", rx.lookahead()));
    texts.push(format!("{tx:?}{rx:?}"));
    texts.push(format!("{:?}{:?}", tx.into_writer(), rx.into_reader()));
    assert!(texts.iter().all(|text| !text.is_empty() && !text.contains("secret")));
}

/// Catches an offset that overflows: far beyond the end there is nothing to read.
#[test]
fn reading_far_beyond_the_end_gives_nothing() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    tx.send(b"message").unwrap();
    for offset in [usize::MAX, usize::MAX - 1, usize::MAX - 6] {
        assert_eq!(rx.peek().unwrap().read_at(offset, &mut [0; 16]), 0);
    }
}
