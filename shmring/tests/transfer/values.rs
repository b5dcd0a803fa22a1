//! What handles of values do on every kind of ring that holds them.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use shmring::{
    Config, DrainError, Element, Eof, JoinError, Kind, RecvError, RecvTimeoutError, Segment,
    SendTimeoutError, TryRecvError, TrySendError, values,
};

use crate::common::{Name, SHORT, SLOT_KINDS};

const SLOTS: usize = 8;

/// One ring of each kind, for eight values of a type.
fn configs<T: Element>() -> Vec<(Kind, Config)> {
    let slots = SLOT_KINDS.map(|kind| (kind, Config::new(kind).values::<T>()));
    let all = slots.into_iter().chain([(Kind::Packed, Config::packed::<T>())]);
    all.map(|(kind, config)| (kind, config.slots(SLOTS as u64))).collect()
}

/// Runs a scenario on a new ring of each kind.
fn on_each<T: Element>(scenario: impl Fn(Kind, Segment, values::Producer<T>, values::Consumer<T>)) {
    for (kind, config) in configs::<T>() {
        let name = Name::new();
        let segment = name.create(&config);
        let (tx, rx) = (segment.value_producer().unwrap(), segment.value_consumer().unwrap());
        scenario(kind, segment, tx, rx);
    }
}

/// Catches a verb that has no arm for a kind of ring.
#[test]
fn values_go_through_each_kind_of_ring() {
    on_each::<u32>(|kind, _, mut tx, mut rx| {
        assert_eq!((tx.capacity(), rx.capacity()), (SLOTS, SLOTS), "{kind}");
        assert!(tx.is_empty() && rx.is_empty());
        tx.try_send(&1).unwrap();
        tx.send(&2).unwrap();
        tx.send_timeout(&3, SHORT).unwrap();
        tx.send_deadline(&4, Instant::now()).unwrap();
        tx.send_slice(&[5, 6]).unwrap();
        assert_eq!((tx.len(), rx.len()), (6, 6), "{kind}");
        assert_eq!(tx.try_send_some(&[7, 8, 9, 10]), Ok(2), "{kind}");
        assert_eq!(tx.try_send_some(&[9]), Err(TrySendError::Full), "{kind}");
        let late = Instant::now() + SHORT;
        assert_eq!(tx.send_deadline(&9, late), Err(SendTimeoutError::TimedOut), "{kind}");
        assert!(Instant::now() >= late);
        assert_eq!(tx.wait_writable(SHORT), Err(SendTimeoutError::TimedOut), "{kind}");
        let too_many = TrySendError::TooMany { count: SLOTS + 1, max: SLOTS };
        assert_eq!(tx.try_send_slice(&[0; SLOTS + 1]), Err(too_many), "{kind}");

        assert_eq!(rx.try_recv(), Ok(1), "{kind}");
        tx.wait_writable(SHORT).unwrap();
        assert_eq!(rx.recv(), Ok(2), "{kind}");
        assert_eq!(rx.recv_timeout(SHORT), Ok(3), "{kind}");
        assert_eq!(rx.recv_deadline(Instant::now()), Ok(4), "{kind}");
        rx.wait_readable(SHORT).unwrap();
        let mut some = [0; 3];
        assert_eq!((rx.recv_slice(&mut some), some), (Ok(3), [5, 6, 7]), "{kind}");
        assert_eq!((rx.try_recv_slice(&mut some), some[0]), (Ok(1), 8), "{kind}");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind}");
        assert_eq!(rx.wait_readable(SHORT), Err(RecvTimeoutError::TimedOut), "{kind}");
        assert_eq!(rx.recv_deadline(Instant::now()), Err(RecvTimeoutError::TimedOut), "{kind}");
    });
}

/// Catches space that publishes what was not written, or is not given up.
#[test]
fn values_are_written_in_place() {
    on_each::<[u16; 3]>(|kind, _, mut tx, mut rx| {
        for round in 0..3 * SLOTS as u16 {
            // Given up: as a whole, and after something was written.
            drop(tx.try_reserve(SLOTS).unwrap());
            let mut space = tx.reserve(SLOTS).unwrap();
            space.push([round; 3]);
            drop(space);
            tx.try_reserve(1).unwrap().commit();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind}: given up");

            let mut space = tx.reserve_timeout(2, SHORT).unwrap();
            let capacity = if kind == Kind::Packed { 2 } else { 1 };
            assert_eq!((space.capacity(), space.written()), (capacity, 0), "{kind}");
            let [(first, _), (rest, _)] = space.as_mut_ptrs();
            assert!(first.is_aligned() && rest.is_aligned());
            space.write(0, [round; 3]);
            space.write_slice(0, &[[round, 1, 2]]);
            assert_eq!(space.written(), 1);
            space.commit();
            assert_eq!(rx.recv(), Ok([round, 1, 2]), "{kind}");
        }
        assert_eq!(tx.len(), 0, "{kind}");
    });
}

/// Catches space that was forgotten and is taken for what the next verb reserves, or holds
/// consumers up after it.
#[test]
fn forgotten_space_is_given_up_by_the_next_verb() {
    let verbs: [fn(&mut values::Producer<u32>); 6] = [
        |tx| tx.send(&1).unwrap(),
        |tx| tx.try_send_slice(&[1]).unwrap(),
        |tx| assert_eq!(tx.try_send_some(&[1]), Ok(1)),
        |tx| {
            let mut space = tx.try_reserve(1).unwrap();
            space.push(1);
            space.commit();
        },
        |tx| {
            let mut space = tx.reserve(1).unwrap();
            space.push(1);
            space.commit();
        },
        |tx| {
            let mut space = tx.reserve_timeout(1, SHORT).unwrap();
            space.push(1);
            space.commit();
        },
    ];
    for verb in verbs {
        on_each::<u32>(|kind, _, mut tx, mut rx| {
            let mut space = tx.reserve(1).unwrap();
            space.push(9);
            std::mem::forget(space);
            verb(&mut tx);
            tx.send(&2).unwrap();
            assert_eq!((rx.recv_timeout(SHORT), rx.recv_timeout(SHORT)), (Ok(1), Ok(2)), "{kind}");
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind}");
        });
    }
}

/// Catches no values that find no room, or that make something visible.
#[test]
fn no_values_are_sent_at_once() {
    on_each::<u32>(|kind, _, mut tx, mut rx| {
        for fill in [0, SLOTS] {
            tx.send_slice(&vec![1; fill]).unwrap();
            assert_eq!(tx.try_send_slice(&[]), Ok(()), "{kind}");
            assert_eq!(tx.send_slice_timeout(&[], SHORT), Ok(()), "{kind}");
            assert_eq!(tx.try_send_some(&[]), Ok(0), "{kind}");
            assert_eq!(rx.recv_slice(&mut []), Ok(0), "{kind}");
            assert_eq!(tx.len(), fill, "{kind}");
        }
    });
}

/// Catches values in place that are others, are not aligned, or are consumed unasked.
#[test]
fn values_are_read_in_place_by_a_sole_consumer() {
    on_each::<u128>(|kind, _, mut tx, mut rx| {
        if !rx.is_exclusive() {
            tx.send(&1).unwrap();
            assert_eq!(rx.try_peek(1).map(|_| ()), Err(TryRecvError::NotExclusive), "{kind}");
            assert_eq!(rx.peek(1).map(|_| ()), Err(RecvError::NotExclusive), "{kind}");
            let timed = rx.peek_timeout(1, SHORT).map(|_| ());
            assert_eq!(timed, Err(RecvTimeoutError::NotExclusive), "{kind}");
            return;
        }
        for round in 0..3 * SLOTS as u128 {
            tx.send_slice(&[round, round + 1]).unwrap();
            let some = rx.peek(2).unwrap();
            let len = if kind == Kind::Packed { 2 } else { 1 };
            assert_eq!((some.len(), some.redelivered()), (len, 0), "{kind}");
            assert_eq!((some.get(0), some.get(len)), (Ok(Some(round)), Ok(None)), "{kind}");
            let [(first, _), (rest, _)] = some.as_ptrs();
            assert!(first.is_aligned() && rest.is_aligned(), "{kind}");
            drop(some);
            let some = rx.try_peek(1).unwrap();
            assert_eq!((some.redelivered(), some.to_vec()), (1, Ok(vec![round])), "{kind}");
            // Aligned as the type is, wherever the ring begins.
            // SAFETY: this process wrote the values and does not write them again before the
            // slices are gone.
            let (one, two) = unsafe { some.as_slices() }.unwrap();
            assert_eq!((one, two), (&[round][..], &[][..]), "{kind}");
            some.release();
            assert_eq!(rx.recv(), Ok(round + 1), "{kind}");
        }
    });
}

/// Catches an end of the stream that a kind of ring does not have.
#[test]
fn streams_of_values_end() {
    on_each::<i64>(|kind, segment, mut tx, mut rx| {
        tx.send_slice(&[1, 2, 3]).unwrap();
        drop(tx);
        let all: Result<Vec<_>, _> = (&mut rx).into_iter().collect();
        assert_eq!(all, Ok(vec![1, 2, 3]), "{kind}");
        assert_eq!(rx.recv(), Err(RecvError::Eof), "{kind}");
        let none = rx.wait_for_producer(SHORT);
        assert_eq!(none, Err(RecvTimeoutError::TimedOut), "{kind}");

        rx.set_eof(Eof::NextProducer);
        assert_eq!(rx.eof(), Eof::NextProducer);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "{kind}");
        let mut tx = segment.value_producer::<i64>().unwrap();
        rx.wait_for_producer(Duration::from_secs(10)).unwrap();
        tx.send(&4).unwrap();
        assert_eq!(tx.close_and_drain(SHORT), Err(DrainError::TimedOut { unreceived: 1 }));
        assert_eq!(rx.iter().collect::<Result<Vec<_>, _>>(), Ok(vec![4]), "{kind}");
        assert!(matches!(segment.value_producer::<i64>(), Err(JoinError::Closed)), "{kind}");
    });
}

/// Catches a handle that a ring has no room for, or none where it has.
#[test]
fn handles_of_values_are_cloned_where_the_role_is_shared() {
    on_each::<u8>(|kind, _, tx, rx| {
        let (many_tx, many_rx) = match kind {
            Kind::Mpmc => (true, true),
            Kind::Mpsc => (true, false),
            Kind::Spmc => (false, true),
            _ => (false, false),
        };
        assert_eq!((tx.try_clone().is_ok(), rx.try_clone().is_ok()), (many_tx, many_rx), "{kind}");
    });
}
