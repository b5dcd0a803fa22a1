//! The verbs of packed rings.

use bytemuck::Pod;
use shmring::{
    Config, Element, JoinError, Kind, RecvTimeoutError, Role, Segment, SendError, SendTimeoutError,
    TryRecvError, TrySendError, values,
};

use crate::common::{Name, SHORT, payload, slots};
use crate::elements::{LongTick, LooseTick, Quote, Rgb, Tick, element, elements, same};

pub(crate) fn ring<T: Element>(
    name: &Name,
    count: u64,
) -> (Segment, values::Producer<T>, values::Consumer<T>) {
    let segment = name.create(&Config::packed::<T>().slots(count));
    let (tx, rx) = (segment.value_producer().unwrap(), segment.value_consumer().unwrap());
    (segment, tx, rx)
}

/// Sends and receives elements of a type in each way, over several laps: single ones, and
/// slices of all lengths from all places in the ring.
fn round_trips<T: Element + Pod>() {
    for count in [1, 2, 8, 64] {
        let name = Name::new();
        let (segment, mut tx, mut rx) = ring::<T>(&name, count);
        let description = segment.info();
        let size = size_of::<T>() as u64;
        assert_eq!(description.ring().capacity_bytes, count * size);
        assert_eq!(
            (description.ring().slots, description.ring().slot_bytes),
            (Some(count), Some(size))
        );
        let mut number = 0;
        for way in 0..60_u64 {
            number += 1;
            let sent = element::<T>(number);
            match way % 6 {
                0 => tx.send(&sent).unwrap(),
                1 => tx.try_send(&sent).unwrap(),
                2 => tx.send_timeout(&sent, SHORT).unwrap(),
                3 => assert_eq!(tx.try_send_some(&[sent]), Ok(1)),
                _ => {
                    let mut space = match way % 12 {
                        4 => tx.reserve(1).unwrap(),
                        5 => tx.try_reserve(1).unwrap(),
                        _ => tx.reserve_timeout(1, SHORT).unwrap(),
                    };
                    space.write(0, sent);
                    space.commit();
                }
            }
            let received = match way % 5 {
                0 => rx.recv().unwrap(),
                1 => rx.try_recv().unwrap(),
                2 => rx.recv_timeout(SHORT).unwrap(),
                _ => {
                    let ahead = match way % 10 {
                        3 => rx.peek(9).unwrap(),
                        4 => rx.try_peek(9).unwrap(),
                        _ => rx.peek_timeout(0, SHORT).unwrap(),
                    };
                    let element = ahead.get(0).unwrap().unwrap();
                    assert!(ahead.get(1).unwrap().is_none());
                    ahead.release();
                    element
                }
            };
            assert!(same(&[received], &[sent]), "{count} of {}", T::TYPE);
            assert_eq!(rx.try_recv().map(|_| ()), Err(TryRecvError::Empty));
        }
        for round in 0..200_u64 {
            let sent = elements::<T>(number, (round * 7 % (count + 1)) as usize);
            number += sent.len() as u64;
            match round % 3 {
                0 => tx.send_slice(&sent).unwrap(),
                1 => tx.try_send_slice(&sent).unwrap(),
                _ => tx.send_slice_timeout(&sent, SHORT).unwrap(),
            }
            assert_eq!(segment.status().unwrap().ring().used_slots, Some(sent.len() as u64));
            let mut buffer = vec![T::zeroed(); 1 + (round * 5 % 17) as usize];
            let mut received = Vec::new();
            while received.len() < sent.len() {
                let count = match round % 3 {
                    0 => rx.recv_slice(&mut buffer).unwrap(),
                    1 => rx.try_recv_slice(&mut buffer).unwrap(),
                    _ => rx.recv_slice_timeout(&mut buffer, SHORT).unwrap(),
                };
                assert_eq!(count, buffer.len().min(sent.len() - received.len()));
                received.extend_from_slice(&buffer[..count]);
            }
            assert!(same(&received, &sent), "{count} of {}, round {round}", T::TYPE);
        }
        assert_eq!(segment.status().unwrap().ring().messages_received, number);
    }
}

/// Catches elements that are changed, lost, or take each other's place: of sizes that fill
/// words, that share them, and that lie across them.
#[test]
fn elements_of_any_size_arrive() {
    round_trips::<u8>();
    round_trips::<u16>();
    round_trips::<Rgb>();
    round_trips::<u32>();
    round_trips::<f64>();
    round_trips::<[u32; 3]>();
    round_trips::<[u64; 2]>();
    round_trips::<u128>();
    round_trips::<[u16; 7]>();
    round_trips::<Tick>();
    round_trips::<[Tick; 2]>();
    round_trips::<[u8; 5]>();
    round_trips::<[u64; 100]>();
}

/// Catches a write that spoils neighbours that share a word with it, which the other side
/// may be reading or not have released yet.
#[test]
fn neighbours_in_one_word_are_left_alone() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = ring::<u8>(&name, 16);
    let bytes = payload(1, 2000);
    let (mut sent, mut received) = (0, 0);
    while received < bytes.len() {
        let count = tx.try_send_some(&bytes[sent..bytes.len().min(sent + 5)]).unwrap_or(0);
        sent += count;
        let mut some = [0; 3];
        let count = rx.try_recv_slice(&mut some).unwrap();
        assert_eq!(some[..count], bytes[received..received + count]);
        received += count;
    }
}

/// Catches a ring that holds more or fewer elements than it has slots, a slice that is
/// sent in part, and one refused though it fits.
#[test]
fn a_full_packed_ring_takes_nothing_until_there_is_room() {
    for count in [1_u64, 2, 8, 256] {
        let name = Name::new();
        let (segment, mut tx, mut rx) = ring::<Rgb>(&name, count);
        let max = count as usize;
        for lap in 0..3 {
            let sent = elements::<Rgb>(lap, max);
            sent.iter().for_each(|element| tx.try_send(element).unwrap());
            assert_eq!(segment.status().unwrap().ring().used_slots, Some(count));
            for _ in 0..2 {
                assert_eq!(tx.try_send(&sent[0]), Err(TrySendError::Full));
                assert_eq!(tx.send_timeout(&sent[0], SHORT / 10), Err(SendTimeoutError::TimedOut));
                assert_eq!(tx.try_send_slice(&sent[..1]), Err(TrySendError::Full));
                assert_eq!(tx.try_send_some(&sent), Err(TrySendError::Full));
                let timed = tx.send_slice_timeout(&sent, SHORT / 10);
                assert_eq!(timed, Err(SendTimeoutError::TimedOut));
                assert!(matches!(tx.try_reserve(9), Err(TrySendError::Full)));
                assert!(matches!(
                    tx.reserve_timeout(9, SHORT / 10),
                    Err(SendTimeoutError::TimedOut)
                ));
            }
            let longer = elements::<Rgb>(0, max + 1);
            let (many, try_many) = (
                SendError::TooMany { count: max + 1, max },
                TrySendError::TooMany { count: max + 1, max },
            );
            assert_eq!(tx.try_send_slice(&longer), Err(try_many));
            assert_eq!(tx.send_slice(&longer), Err(many));
            assert_eq!(tx.send_slice_timeout(&longer, SHORT), Err(many.into()));
            assert_eq!(rx.recv().unwrap(), sent[0]);
            // Room for exactly one.
            let two = &longer[..2.min(max)];
            if max > 1 {
                assert_eq!(tx.try_send_slice(two), Err(TrySendError::Full));
            }
            assert_eq!(tx.try_send_some(&longer), Ok(1));
            let mut all = vec![Rgb([0; 3]); max + 5];
            assert_eq!(rx.recv_slice(&mut all), Ok(max));
            assert_eq!((&all[..max - 1], all[max - 1]), (&sent[1..], longer[0]));
            assert_eq!(tx.try_send_some(&longer), Ok(max));
            assert_eq!(rx.recv_slice(&mut all), Ok(max));
        }
    }
}

/// Catches a verb that waits, or fails, though it was asked for nothing.
#[test]
fn nothing_is_sent_and_received_at_once() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = ring::<u64>(&name, 4);
    for _ in 0..2 {
        assert_eq!(rx.recv_slice(&mut []), Ok(0));
        assert_eq!(rx.try_recv_slice(&mut []), Ok(0));
        assert_eq!(tx.send_slice(&[]), Ok(()));
        assert_eq!(tx.try_send_slice(&[]), Ok(()));
        assert_eq!(tx.try_send_some(&[]), Ok(0));
        while tx.try_send(&1).is_ok() {}
    }
    assert_eq!(segment.status().unwrap().ring().used_slots, Some(4));
    let mut all = [0; 9];
    assert_eq!(rx.recv_slice(&mut all), Ok(4));
    assert_eq!(rx.recv_slice_timeout(&mut all, SHORT), Err(RecvTimeoutError::TimedOut));
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
    assert!(matches!(rx.peek_timeout(9, SHORT), Err(RecvTimeoutError::TimedOut)));
    assert!(matches!(rx.try_peek(9), Err(TryRecvError::Empty)));
}

/// Catches a second owner of a role, and a refusal that does not name the first.
#[test]
fn a_packed_ring_has_one_producer_and_one_consumer() {
    let name = Name::new();
    let (segment, tx, rx) = ring::<u64>(&name, 4);
    let other = Segment::attach(&name).unwrap();
    let me = std::process::id();
    for taken in [segment.value_producer::<u64>(), other.value_producer::<u64>()] {
        let taken = taken.unwrap_err();
        assert!(
            matches!(&taken, JoinError::RoleTaken { role: Role::Producer, holder: Some(holder) }
                if holder.pid == me),
            "{taken:?}"
        );
    }
    for taken in [segment.value_consumer::<u64>(), other.value_consumer::<u64>()] {
        let taken = taken.unwrap_err();
        assert!(
            matches!(&taken, JoinError::RoleTaken { role: Role::Consumer, holder: Some(holder) }
                if holder.pid == me),
            "{taken:?}"
        );
    }
    drop((tx, rx));
    assert!(other.value_producer::<u64>().is_ok() && segment.value_consumer::<u64>().is_ok());
}

/// Catches a handle of another type or for another kind of ring, and an error that does
/// not say which.
#[test]
fn packed_handles_are_for_packed_rings_of_their_type() {
    let name = Name::new();
    name.create(&Config::packed::<Tick>().slots(4));
    let segment = Segment::attach(&name).unwrap();
    let text = |error: JoinError, wrong_type: bool| {
        assert_eq!(matches!(error, JoinError::WrongType { .. }), wrong_type, "{error:?}");
        assert_eq!(matches!(error, JoinError::WrongKind { .. }), !wrong_type, "{error:?}");
        error.to_string()
    };
    for refused in [
        segment.value_producer::<Quote>().err(),
        segment.value_producer::<LongTick>().err(),
        segment.value_producer::<LooseTick>().err(),
        segment.value_consumer::<Quote>().map(|_| ()).err(),
        segment.producer().map(|_| ()).err(),
    ] {
        let text = text(refused.unwrap(), true);
        assert!(text.contains(&format!("holds {}, not ", Tick::TYPE)), "{text}");
    }
    let text_of_bytes = text(segment.consumer().map(|_| ()).err().unwrap(), false);
    let expected = "the ring is of kind packed, and this takes a record ring or a slot ring";
    assert_eq!(text_of_bytes, expected);
    // The refused took no role and no handle.
    assert!(segment.value_producer::<Tick>().is_ok());
    assert!(segment.value_consumer::<Tick>().is_ok());

    let (bytes, records) = (Name::new(), Name::new());
    for segment in [
        bytes.create(&slots(Kind::Mpmc, 4, 64)),
        records.create(&Config::spsc().capacity_bytes(4096)),
    ] {
        let text = text(segment.value_producer::<u8>().map(|_| ()).unwrap_err(), true);
        let start = "the ring holds bytes, not `u8` (1 bytes aligned to 1, type id 0x101); ";
        assert!(text.starts_with(start), "{text}");
    }
}
