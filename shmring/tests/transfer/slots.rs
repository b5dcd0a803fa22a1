//! The verbs on slot rings of each kind: single messages.

use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use shmring::{
    Config, JoinError, Kind, RecvError, RecvIntoError, RecvTimeoutError, Role, SendError,
    SendTimeoutError, TryRecvError, TrySendError, WaitMode,
};

use crate::common::{MODES, Name, SHORT, SLOT_KINDS, payload, slots, watchdog};
use crate::ways;

/// Catches a pair of verbs that loses, changes or reorders messages on one kind of ring:
/// each way of sending with each way of receiving, over many laps.
#[test]
fn every_receiving_verb_takes_every_sending_verb_on_each_kind() {
    let _watchdog = watchdog("every_receiving_verb_takes_every_sending_verb_on_each_kind");
    for kind in SLOT_KINDS {
        for count in [1, 2, 8] {
            let name = Name::new();
            let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, count, 1008));
            let ways_out = if rx.is_exclusive() { ways::OUT } else { ways::OUT_BY_COPY };
            let mut number = 0;
            for way_in in 0..ways::IN {
                for way_out in 0..ways_out {
                    number += 1;
                    let bytes = payload(number, (number * 61 % 1001) as usize);
                    ways::send(way_in, &mut tx, &bytes);
                    let received = ways::receive(way_out, &mut rx);
                    assert_eq!(received, bytes, "{kind}: sent by {way_in}, received by {way_out}");
                    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
                }
            }
        }
    }
}

/// Catches a length at either end that is refused, rounded, or sent in part.
#[test]
fn every_length_up_to_half_the_ring_is_sent() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 4, 136));
        assert_eq!((tx.max_message_bytes(), segment.info().ring().max_message_bytes), (256, 256));
        for len in (0..=256).rev() {
            tx.send(&payload(len as u64, len)).unwrap();
            assert_eq!(rx.recv().unwrap(), payload(len as u64, len));
        }
        for len in [257, 264, 4096, 1 << 21] {
            let bytes = vec![1; len];
            let (never, try_never) =
                (SendError::TooLong { len, max: 256 }, TrySendError::TooLong { len, max: 256 });
            assert_eq!(tx.send(&bytes), Err(never));
            assert_eq!(tx.send_timeout(&bytes, SHORT), Err(never.into()));
            assert_eq!(tx.try_send(&bytes), Err(try_never));
            assert_eq!(tx.try_reserve(len).map(|_| ()), Err(try_never));
            assert_eq!(tx.reserve(len).map(|_| ()), Err(never));
            // In a batch it is the message that is too long, not the batch.
            assert_eq!(tx.try_send_batch(&[b"short", &bytes[..], b""]), Err(try_never));
            assert_eq!(tx.send_batch(&[b"short", &bytes[..], b""]), Err(never));
        }
        assert!(matches!(tx.try_reserve(usize::MAX), Err(TrySendError::TooLong { .. })));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "sent in part");
        assert_eq!(segment.status().unwrap().ring().tombstones, 0, "claimed and given up");
    }
}

/// Catches a length that does not fit into a stamp, and a smallest slot that holds
/// nothing.
#[test]
fn the_smallest_and_the_largest_slots_hold_their_longest_message() {
    for kind in SLOT_KINDS {
        for (slot_bytes, max) in [(16, 8), (24, 16), (1 << 20, (1 << 20) - 8)] {
            let name = Name::new();
            let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 2, slot_bytes));
            assert_eq!(tx.max_message_bytes(), max);
            for len in [0, 1, 7, 8, max - 1, max] {
                tx.send(&payload(1, len)).unwrap();
                tx.send(&payload(2, len)).unwrap();
                assert_eq!(rx.recv().unwrap(), payload(1, len));
                assert_eq!(rx.recv().unwrap(), payload(2, len));
            }
            let too_long = SendError::TooLong { len: max + 1, max };
            assert_eq!(tx.send(&vec![0; max + 1]), Err(too_long));
        }
    }
}

/// Catches empty messages that vanish, or that make the ring look empty.
#[test]
fn messages_without_bytes_are_messages_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 4, 16));
        for _ in 0..1000 {
            tx.send(b"").unwrap();
            tx.send_batch(&["", "x", ""]).unwrap();
            assert_eq!(rx.try_recv_into(&mut []), Ok(0));
            let mut lens = Vec::new();
            assert_eq!(rx.try_recv_batch(9, |message| lens.push(message.len())), Ok(3));
            assert_eq!(lens, [0, 1, 0]);
        }
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(segment.status().unwrap().ring().messages_received, 4000);
    }
}

/// Catches a message that is lost, or cut, because the buffer was too small for it.
#[test]
fn a_message_that_does_not_fit_stays_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&slots(kind, 4, 128));
        let bytes = payload(1, 100);
        tx.send(&bytes).unwrap();
        tx.send(b"behind").unwrap();
        let mut buffer = [0xEE; 99];
        for _ in 0..3 {
            assert_eq!(rx.recv_into(&mut buffer), Err(RecvIntoError::TooSmall { len: 100 }));
            assert_eq!(rx.try_recv_into(&mut buffer), Err(RecvIntoError::TooSmall { len: 100 }));
            let timed = rx.recv_into_timeout(&mut buffer, SHORT);
            assert_eq!(timed, Err(RecvIntoError::TooSmall { len: 100 }));
            assert_eq!(rx.try_recv_into(&mut []), Err(RecvIntoError::TooSmall { len: 100 }));
        }
        assert_eq!(buffer, [0xEE; 99]);
        let mut buffer = [0; 100];
        assert_eq!(rx.recv_into(&mut buffer), Ok(100));
        assert_eq!(buffer[..], bytes);
        assert_eq!(rx.recv().unwrap(), b"behind");
    }
}

/// Catches a ring that holds more or fewer messages than it has slots, that takes one in
/// part when it is full, or that stays full.
#[test]
fn a_ring_holds_as_many_messages_as_it_has_slots() {
    for kind in SLOT_KINDS {
        for count in [1, 2, 16, 64] {
            let name = Name::new();
            let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, count, 64));
            for lap in 0..3 {
                for number in 0..count {
                    tx.try_send(&payload(lap * count + number, 50)).unwrap();
                }
                let status = segment.status().unwrap();
                assert_eq!(
                    (status.ring().used_slots, status.ring().used_bytes),
                    (Some(count), count * 64)
                );
                assert_eq!(tx.try_send(b""), Err(TrySendError::Full));
                assert_eq!(tx.send_timeout(b"", SHORT / 20), Err(SendTimeoutError::TimedOut));
                assert!(matches!(tx.try_reserve(1), Err(TrySendError::Full)));
                assert!(matches!(
                    tx.reserve_timeout(1, SHORT / 20),
                    Err(SendTimeoutError::TimedOut)
                ));
                assert_eq!(tx.try_send_batch(&[b"x"]), Err(TrySendError::Full));
                let timed = tx.send_batch_timeout(&[b"x"], SHORT / 20);
                assert_eq!(timed, Err(SendTimeoutError::TimedOut));
                for number in 0..count {
                    assert_eq!(rx.recv().unwrap(), payload(lap * count + number, 50));
                    // Room for exactly one more, which is taken at once.
                    tx.try_send(&payload(lap * count + number, 40)).unwrap();
                    assert_eq!(tx.try_send(b""), Err(TrySendError::Full));
                }
                for number in 0..count {
                    assert_eq!(rx.recv().unwrap(), payload(lap * count + number, 40));
                }
                assert_eq!(segment.status().unwrap().ring().used_slots, Some(0));
            }
        }
    }
}

/// Catches an empty ring that a verb waits on for ever, or that gives something.
#[test]
fn an_empty_ring_gives_nothing_until_the_timeout_on_each_kind() {
    let _watchdog = watchdog("an_empty_ring_gives_nothing_until_the_timeout_on_each_kind");
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, _tx, mut rx) = name.pair_of(&slots(kind, 4, 64));
        for mode in MODES {
            rx.set_wait_mode(mode);
            let start = std::time::Instant::now();
            assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
            assert!(start.elapsed() >= SHORT, "{kind} {mode:?} gave up early");
            assert_eq!(
                rx.recv_into_timeout(&mut [], SHORT),
                Err(RecvIntoError::Recv(RecvTimeoutError::TimedOut))
            );
            assert_eq!(rx.recv_batch_timeout(1, SHORT, |_| ()), Err(RecvTimeoutError::TimedOut));
            assert_eq!(rx.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::TimedOut));
            assert_eq!(rx.try_recv_batch(1, |_| ()), Err(TryRecvError::Empty));
            assert_eq!(
                rx.try_recv_into(&mut [0; 9]),
                Err(RecvIntoError::Recv(TryRecvError::Empty))
            );
        }
    }
}

/// Catches a producer or consumer more than the kind allows, one less, and a refusal that
/// does not name the holder.
#[test]
fn there_are_as_many_handles_as_the_kind_allows() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let config = slots(kind, 8, 64).max_handles(5);
        let (segment, tx, rx) = name.pair_of(&config);
        let other = shmring::Segment::attach(&name).unwrap();
        let me = std::process::id();
        if kind.shares(Role::Producer) {
            let more = [tx.try_clone().unwrap(), other.producer().unwrap()];
            assert_eq!(segment.status().unwrap().ring().producers.len(), 3);
            drop(more);
            assert_eq!(segment.status().unwrap().ring().producers.len(), 1);
        } else {
            for taken in [tx.try_clone(), other.producer(), segment.producer()] {
                let taken = taken.unwrap_err();
                assert!(
                    matches!(&taken, JoinError::RoleTaken { role: Role::Producer, holder: Some(h) }
                        if h.pid == me && h.alive),
                    "{taken:?}"
                );
            }
        }
        if kind.shares(Role::Consumer) {
            let mut more = vec![rx.try_clone().unwrap(), other.consumer().unwrap()];
            more.push(more[0].try_clone().unwrap());
            assert_eq!(segment.status().unwrap().ring().consumers.len(), 4);
            // Two of each side's five are taken by now, and no role decides any more.
            let full = [rx.try_clone().err(), tx.try_clone().err(), other.consumer().err()];
            for full in full {
                assert!(
                    matches!(full, Some(JoinError::TableFull { handles: 5 })),
                    "{kind}: {full:?}"
                );
            }
        } else {
            for taken in [rx.try_clone(), other.consumer(), segment.consumer()] {
                let taken = taken.unwrap_err();
                assert!(
                    matches!(&taken, JoinError::RoleTaken { role: Role::Consumer, holder: Some(h) }
                        if h.pid == me && h.alive),
                    "{taken:?}"
                );
            }
        }
        drop((tx, rx));
        assert!(segment.producer().is_ok() && other.consumer().is_ok());
    }
}

/// Catches a clone that shares its original's state, or ends with it.
#[test]
fn clones_are_handles_of_their_own() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair_of(&slots(Kind::Mpmc, 8, 64));
    let (mut other_tx, mut other_rx) = (tx.try_clone().unwrap(), rx.try_clone().unwrap());
    // The modes are their own as well.
    tx.set_wait_mode(WaitMode::Block);
    rx.set_wait_mode(WaitMode::Spin);
    for number in 0..100_u64 {
        let (from, to) =
            if number % 2 == 0 { (&mut tx, &mut rx) } else { (&mut other_tx, &mut other_rx) };
        from.send(&payload(number, 10)).unwrap();
        assert_eq!(to.recv().unwrap(), payload(number, 10));
    }
    drop((segment, tx, rx));
    other_tx.send(b"alone").unwrap();
    assert_eq!(other_rx.recv().unwrap(), b"alone");
    drop(other_tx);
    assert_eq!(other_rx.recv(), Err(RecvError::Eof));
}

/// Catches two messages of one position, and positions that go back, over tombstones and
/// through several hands.
#[test]
fn positions_are_unique_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, mut rx) = name.pair_of(&slots(kind, 8, 64));
        let (mut seen, mut last) = (HashSet::new(), 0);
        for round in 0..300_u64 {
            if round % 3 == 0 {
                drop(tx.reserve(10).unwrap());
            }
            tx.send_batch(&[payload(round, 5), payload(round, 6), payload(round, 7)]).unwrap();
            let mut check = |message: &shmring::Message<'_>| {
                let position = message.end_position();
                assert!(position > last && seen.insert(position), "{kind}: {position}");
                last = position;
            };
            assert_eq!(rx.recv_batch(2, &mut check), Ok(2));
            if rx.is_exclusive() {
                let peek = rx.peek().unwrap();
                check(&peek);
                peek.release();
            } else {
                assert_eq!(rx.recv_batch(2, &mut check), Ok(1));
            }
            if round % 50 == 0 {
                drop((tx, rx));
                (tx, rx) = (segment.producer().unwrap(), segment.consumer().unwrap());
            }
        }
    }
}

/// Catches bytes that are lost, doubled or reordered where messages and buffers end at
/// different places.
#[test]
fn bytes_stream_through_each_kind() {
    let _watchdog = watchdog("bytes_stream_through_each_kind");
    let bytes = payload(7, 100_000);
    for kind in SLOT_KINDS {
        for (chunk, buffer_len) in [(1, 8000), (248, 7), (249, 248), (5000, 1000), (100_000, 1)] {
            let name = Name::new();
            let (_segment, tx, rx) = name.pair_of(&slots(kind, 16, 256));
            let sent = if chunk == 1 || buffer_len == 1 { &bytes[..10_000] } else { &bytes };
            let received = std::thread::scope(|scope| {
                scope.spawn(|| {
                    let mut writer = tx.into_writer();
                    sent.chunks(chunk).for_each(|chunk| writer.write_all(chunk).unwrap());
                });
                let (mut reader, mut received) = (rx.into_reader(), Vec::new());
                let mut buffer = vec![0; buffer_len];
                loop {
                    match reader.read(&mut buffer).unwrap() {
                        0 => break received,
                        len => received.extend_from_slice(&buffer[..len]),
                    }
                }
            });
            assert!(received == sent, "{kind}: chunks of {chunk}, buffer of {buffer_len}");
        }
    }
}

/// Catches a reader that loses the rest of a message though it may keep it, or keeps it
/// though another consumer could have it by then; and errors of another kind than a pipe's.
#[test]
fn streams_give_their_handles_back_on_each_kind() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (segment, mut tx, rx) = name.pair_of(&slots(kind, 4, 64));
        tx.send(b"").unwrap();
        tx.send(b"message").unwrap();
        tx.send(b"second").unwrap();
        let mut reader = rx.into_reader();
        let mut part = [0; 3];
        reader.read_exact(&mut part).unwrap();
        let mut rx = reader.into_inner();
        if rx.is_exclusive() {
            assert_eq!(rx.recv().unwrap(), b"message");
        }
        assert_eq!(rx.recv().unwrap(), b"second");
        let mut reader = rx.into_reader();
        reader.set_timeout(Some(SHORT));
        assert_eq!(reader.read(&mut part).unwrap_err().kind(), ErrorKind::TimedOut);
        let mut writer = tx.into_writer();
        writer.set_timeout(Some(SHORT));
        (0..2).for_each(|_| assert_eq!(writer.write(&[1; 199]).unwrap(), 112));
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
        drop(reader);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
        segment.close();
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
}

/// Catches a default that is not what the documentation says.
#[test]
fn slot_rings_have_room_for_ordinary_messages_by_default() {
    for kind in SLOT_KINDS {
        let name = Name::new();
        let (_segment, mut tx, mut rx) = name.pair_of(&Config::new(kind));
        for number in 0..1024 {
            tx.try_send(&payload(number, 248)).unwrap();
        }
        assert_eq!(tx.try_send(b"x"), Err(TrySendError::Full));
        for number in 0..1024 {
            assert_eq!(rx.recv().unwrap(), payload(number, 248));
        }
    }
}
