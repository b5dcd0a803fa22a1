//! Packed rings in place: space and elements that lie in up to two pieces.

use std::panic::{AssertUnwindSafe, catch_unwind};

use shmring::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use crate::common::{Name, SHORT};
use crate::elements::{Rgb, Tick, element, elements, same};
use crate::packed::ring;

/// Catches an element that is written to, or read from, another place than its own,
/// wherever in the ring the space begins.
#[test]
fn space_and_elements_lie_around_the_end_of_the_ring() {
    fn check<T: shmring::Element + bytemuck::Pod>() {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = ring::<T>(&name, 8);
        let mut number = 0;
        for round in 0..100 {
            let max = 1 + round % 8;
            let sent = elements::<T>(number, max);
            number += 1 + max as u64;
            let mut space = tx.try_reserve(max).unwrap();
            assert_eq!((space.capacity(), space.written()), (max, 0));
            let [(first, before_end), (start, after)] = space.as_mut_ptrs();
            assert_eq!(before_end + after, max);
            assert!(before_end > 0 && first.is_aligned() && start.is_aligned());
            // One by one or in slices, some of them twice.
            match round % 4 {
                0 => sent.iter().for_each(|&element| space.push(element)),
                1 => (0..max).for_each(|index| {
                    space.write(index, sent[index]);
                    space.write(index / 2, sent[index / 2]);
                }),
                2 => {
                    space.push_slice(&sent[..max / 2]);
                    space.push_slice(&sent[max / 2..]);
                }
                _ => {
                    space.write_slice(0, &vec![T::zeroed(); max / 2]);
                    space.write_slice(max / 2, &sent[max / 2..]);
                    space.write_slice(0, &sent[..max / 2]);
                    space.write_slice(max, &[]);
                }
            }
            assert_eq!(space.written(), max);
            assert_eq!(rx.try_recv().map(|_| ()), Err(TryRecvError::Empty), "not committed");
            space.commit();

            let ahead = rx.peek(usize::MAX).unwrap();
            assert_eq!(ahead.len(), max);
            assert!(same(&ahead.to_vec().unwrap(), &sent));
            let [(first, before_end), (start, after)] = ahead.as_ptrs();
            assert_eq!(before_end + after, max);
            assert!(first.is_aligned() && start.is_aligned());
            // SAFETY: this process wrote the elements and does not write them again
            // before the slices are gone.
            let (one, two) = unsafe { ahead.as_slices() }.unwrap();
            assert!(same(&[one, two].concat(), &sent), "in place");
            for at in 0..max + 2 {
                assert!(same(
                    ahead.get(at).unwrap().as_slice(),
                    sent.get(at..=at).unwrap_or_default()
                ));
                let mut some = [T::zeroed(); 3];
                let count = ahead.read_at(at, &mut some).unwrap();
                let expected = sent.get(at..).unwrap_or_default();
                assert_eq!(count, expected.len().min(3));
                assert!(same(&some[..count], &expected[..count]));
            }
            assert_eq!(ahead.read_at(usize::MAX, &mut [T::zeroed()]), Ok(0));
            ahead.release();
            // Another place to begin with.
            tx.send(&element::<T>(number)).unwrap();
            rx.recv().unwrap();
        }
    }
    check::<u8>();
    check::<Rgb>();
    check::<u32>();
    check::<Tick>();
    check::<u128>();
}

/// Catches space that becomes visible without a commit, and elements that are consumed
/// without a release; by a drop or by nothing at all.
#[test]
#[expect(clippy::forget_non_drop, reason = "a destructor may come, and must not be needed")]
fn dropped_reservations_and_peeks_have_no_effect() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = ring::<u64>(&name, 4);
    for round in 0..100 {
        let mut space = tx.reserve(4).unwrap();
        space.write_slice(0, &[u64::MAX; 4]);
        if round % 2 == 0 {
            drop(space);
        } else {
            std::mem::forget(space);
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx.send_slice(&[round, round + 1, round + 2]).unwrap();
        let ahead = rx.peek(4).unwrap();
        assert_eq!(ahead.to_vec().unwrap(), [round, round + 1, round + 2]);
        if round % 2 == 0 {
            drop(ahead);
        } else {
            std::mem::forget(ahead);
        }
        assert_eq!(segment.status().unwrap().ring().used_slots, Some(3));
        let mut all = [0; 4];
        assert_eq!(rx.recv_slice(&mut all), Ok(3));
        assert_eq!(all[..3], [round, round + 1, round + 2]);
    }
    assert_eq!(segment.status().unwrap().ring().messages_received, 300);
}

/// Catches a commit or release of other elements than the first ones.
#[test]
fn the_first_elements_are_committed_and_released() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = ring::<Rgb>(&name, 8);
    let (mut sent, mut received) = (0, 0);
    for round in 0..300_usize {
        let mut space = tx.try_reserve(8).unwrap();
        let keep = (round % 9).min(space.capacity());
        space.push_slice(&elements::<Rgb>(sent, keep));
        space.commit();
        sent += keep as u64;
        assert_eq!(segment.status().unwrap().ring().used_slots, Some(sent - received));
        let Ok(ahead) = rx.try_peek(5) else {
            continue;
        };
        let take = (1 + round % 6).min(ahead.len());
        assert_eq!(ahead.to_vec().unwrap(), elements::<Rgb>(received, ahead.len()));
        assert!(ahead.len() <= 5);
        ahead.release_first(take);
        received += take as u64;
    }
    tx.send(&element(sent)).unwrap();
    rx.peek(8).unwrap().release_first(0);
    let mut rest = [Rgb([0; 3]); 8];
    let count = rx.recv_slice(&mut rest).unwrap();
    assert_eq!(rest[..count], elements::<Rgb>(received, count));
    assert_eq!(received + count as u64, sent + 1);
}

/// Catches a write, commit or release beyond what was granted: it panics, and nothing is
/// sent or consumed.
#[test]
fn going_beyond_what_was_granted_panics() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = ring::<u16>(&name, 8);
    tx.send_slice(&[1, 2]).unwrap();
    let mut panics = |act: fn(shmring::values::Space<'_, u16>)| {
        let space = tx.reserve(4).unwrap();
        catch_unwind(AssertUnwindSafe(|| act(space))).is_err()
    };
    assert!(panics(|mut space| space.write(4, 9)));
    assert!(panics(|mut space| space.write(usize::MAX, 9)));
    assert!(panics(|mut space| space.write_slice(2, &[9; 3])));
    assert!(panics(|mut space| space.write_slice(5, &[])));
    assert!(panics(|mut space| (0..5).for_each(|_| space.push(9))));
    // SAFETY: it panics and nothing is committed.
    assert!(panics(|mut space| unsafe { space.assume_written(5) }));
    // Behind an element that was not written.
    assert!(panics(|mut space| space.write(1, 9)));
    assert!(panics(|mut space| space.write_slice(4, &[])));
    for count in [3, usize::MAX] {
        let ahead = rx.peek(9).unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| ahead.release_first(count)));
        assert!(result.is_err());
    }
    tx.send(&3).unwrap();
    let mut all = [0; 9];
    assert_eq!(rx.recv_slice(&mut all), Ok(3));
    assert_eq!(all[..3], [1, 2, 3]);
}

/// Catches elements that a change of hands loses or repeats: of the producer, with space
/// that was not committed, and of the consumer, with elements that were not released.
#[test]
fn successors_go_on_where_the_first_left() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = ring::<u64>(&name, 8);
    let (mut sent, mut received) = (0_u64, 0);
    for round in 0..200 {
        while tx.try_send(&sent).is_ok() {
            sent += 1;
        }
        for _ in 0..1 + round % 8 {
            assert_eq!(rx.recv(), Ok(received));
            received += 1;
        }
        if round % 3 == 0 {
            let mut space = tx.reserve(8).unwrap();
            space.write(0, u64::MAX);
            drop(space);
            drop(tx);
            tx = segment.value_producer().unwrap();
        }
        if round % 4 == 0 {
            drop(rx.try_peek(8));
            drop(rx);
            rx = segment.value_consumer().unwrap();
        }
        if round % 7 == 0 {
            drop((tx, rx));
            (tx, rx) = (segment.value_producer().unwrap(), segment.value_consumer().unwrap());
        }
    }
    drop(tx);
    while received < sent {
        assert_eq!(rx.recv(), Ok(received));
        received += 1;
    }
    assert_eq!(rx.recv(), Err(RecvError::Eof));
}

/// Catches an end of stream that comes early, late or not again, and a pipe that breaks
/// when it should not; on the verbs that packed rings alone have.
#[test]
fn streams_of_elements_end_and_their_pipes_break() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = ring::<u64>(&name, 8);
    for round in 0..4 {
        tx.send_slice(&[round, round]).unwrap();
        drop(tx);
        assert_eq!((rx.recv(), rx.try_recv()), (Ok(round), Ok(round)));
        for _ in 0..2 {
            assert_eq!(rx.recv(), Err(RecvError::Eof));
            assert_eq!(rx.try_recv(), Err(TryRecvError::Eof));
            assert_eq!(rx.recv_slice(&mut [0]), Err(RecvError::Eof));
            assert_eq!(rx.recv_slice_timeout(&mut [0], SHORT), Err(RecvTimeoutError::Eof));
            assert!(matches!(rx.peek(1), Err(RecvError::Eof)));
            assert!(matches!(rx.try_peek(1), Err(TryRecvError::Eof)));
        }
        // After a consumer got the end, the next one waits.
        drop(rx);
        rx = segment.value_consumer().unwrap();
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        tx = segment.value_producer().unwrap();
        tx.send(&round).unwrap();
        assert_eq!(rx.recv(), Ok(round));
        drop(rx);
        for _ in 0..2 {
            assert_eq!(tx.send(&1), Err(SendError::BrokenPipe));
            assert_eq!(tx.try_send(&1), Err(TrySendError::BrokenPipe));
            assert_eq!(tx.send_slice(&[1]), Err(SendError::BrokenPipe));
            assert_eq!(tx.try_send_some(&[1]), Err(TrySendError::BrokenPipe));
            assert!(matches!(tx.reserve(1), Err(SendError::BrokenPipe)));
            assert!(matches!(tx.try_reserve(1), Err(TrySendError::BrokenPipe)));
        }
        tx.set_require_consumer(false);
        tx.send_slice(&[7, 8]).unwrap();
        tx.set_require_consumer(true);
        rx = segment.value_consumer().unwrap();
        assert_eq!((rx.recv(), rx.recv()), (Ok(7), Ok(8)));
    }
    let mut space = tx.reserve(2).unwrap();
    segment.close();
    space.write_slice(0, &[5, 6]);
    space.commit();
    assert_eq!(tx.send(&1), Err(SendError::Closed));
    assert_eq!(tx.try_send_slice(&[]), Err(TrySendError::Closed));
    tx.close();
    assert_eq!((rx.recv(), rx.recv(), rx.recv()), (Ok(5), Ok(6), Err(RecvError::Eof)));
    assert!(matches!(segment.value_producer::<u64>(), Err(shmring::JoinError::Closed)));
    rx.close();
    assert_eq!(segment.value_consumer::<u64>().unwrap().recv(), Err(RecvError::Eof));
}

/// Catches a guard or handle that cannot be printed, or that prints payload.
#[test]
fn packed_handles_and_guards_can_be_printed() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = ring::<u64>(&name, 4);
    tx.send(&0x5EC_4E7).unwrap();
    let texts = [
        format!("{:?}", tx.reserve(3).unwrap()),
        format!("{:?}", rx.peek(3).unwrap()),
        format!("{tx:?}"),
        format!("{rx:?}"),
    ];
    let secret = 0x5EC_4E7.to_string();
    assert!(texts.iter().all(|text| !text.is_empty() && !text.contains(&secret)), "{texts:?}");
}
