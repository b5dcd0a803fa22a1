//! Sending and receiving single messages.

use shmring::{RecvError, SendError, TryRecvError, TrySendError, WaitMode};

use crate::common::{Name, SHORT, payload, watchdog};

/// Catches a pair of verbs that loses, changes or reorders messages: each way of sending
/// with each way of receiving.
#[test]
fn what_any_verb_sends_any_verb_receives() {
    let _watchdog = watchdog("what_any_verb_sends_any_verb_receives");
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let mut number = 0;
    for way_in in 0..9 {
        for way_out in 0..13 {
            number += 1;
            let bytes = payload(number, (number * 61 % 1000) as usize);
            match way_in {
                0 => tx.send(&bytes).unwrap(),
                1 => tx.try_send(&bytes).unwrap(),
                2 => tx.send_timeout(&bytes, SHORT).unwrap(),
                3 => tx.send_batch(&[&bytes]).unwrap(),
                4 => tx.try_send_batch(&[&bytes]).unwrap(),
                5 => tx.send_batch_timeout(&[&bytes], SHORT).unwrap(),
                _ => {
                    let len = bytes.len();
                    let mut reservation = match way_in {
                        6 => tx.reserve(len).unwrap(),
                        7 => tx.try_reserve(len).unwrap(),
                        _ => tx.reserve_timeout(len, SHORT).unwrap(),
                    };
                    assert_eq!((reservation.len(), reservation.is_empty()), (len, len == 0));
                    reservation.write_at(0, &bytes);
                    reservation.commit();
                }
            }
            let mut buffer = vec![0xEE; 1500];
            let mut seen = Vec::new();
            let received = match way_out {
                0 => rx.recv().unwrap(),
                1 => rx.try_recv().unwrap(),
                2 => rx.recv_timeout(SHORT).unwrap(),
                3..=5 => {
                    let len = match way_out {
                        3 => rx.recv_into(&mut buffer).unwrap(),
                        4 => rx.try_recv_into(&mut buffer).unwrap(),
                        _ => rx.recv_into_timeout(&mut buffer, SHORT).unwrap(),
                    };
                    assert!(buffer[len..].iter().all(|&byte| byte == 0xEE), "written beyond");
                    buffer[..len].to_vec()
                }
                6..=8 => {
                    let visit = |message: &shmring::Message<'_>| seen.push(message.to_vec());
                    let count = match way_out {
                        6 => rx.recv_batch(9, visit).unwrap(),
                        7 => rx.try_recv_batch(9, visit).unwrap(),
                        _ => rx.recv_batch_timeout(9, SHORT, visit).unwrap(),
                    };
                    assert_eq!((count, seen.len()), (1, 1));
                    seen.remove(0)
                }
                9 => {
                    let mut ahead = rx.lookahead().unwrap();
                    let message = ahead.next().unwrap().to_vec();
                    assert!(ahead.next().is_none());
                    assert_eq!(ahead.release(), 1);
                    message
                }
                _ => {
                    let peek = match way_out {
                        10 => rx.peek().unwrap(),
                        11 => rx.try_peek().unwrap(),
                        _ => rx.peek_timeout(SHORT).unwrap(),
                    };
                    let message = peek.message().to_vec();
                    peek.release();
                    message
                }
            };
            assert_eq!(received, bytes, "sent by {way_in}, received by {way_out}");
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
    }
}

/// Catches a length at either end that is refused, rounded, or sent in part.
#[test]
fn every_length_up_to_the_longest_is_sent() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    assert_eq!(tx.max_message_bytes(), 2032);
    for len in (0..=2032).rev() {
        tx.send(&payload(len as u64, len)).unwrap();
        assert_eq!(rx.recv().unwrap(), payload(len as u64, len));
    }
    for len in [2033, 4096, 1 << 20] {
        let bytes = vec![1; len];
        let (a, b) = (tx.send(&bytes), tx.send_timeout(&bytes, SHORT));
        assert_eq!((a, b), (Err(SendError::TooLong { len, max: 2032 }), a));
        let never = Err(TrySendError::TooLong { len, max: 2032 });
        assert_eq!(tx.try_send(&bytes), never);
        assert_eq!(tx.try_reserve(len).map(|_| ()), never);
        assert_eq!(tx.reserve(len).map(|_| ()), a);
        // A batch comes to whole words.
        let len = len.next_multiple_of(8);
        let never = Err(TrySendError::TooLong { len, max: 2032 });
        assert_eq!(tx.try_send_batch(&[&bytes]), never);
    }
    assert!(matches!(tx.try_reserve(usize::MAX), Err(TrySendError::TooLong { .. })));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
}

/// Catches messages without bytes that vanish, or that make the ring look empty.
#[test]
fn messages_without_bytes_are_messages() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    for _ in 0..2000 {
        tx.send(b"").unwrap();
        tx.send(b"").unwrap();
        assert_eq!(rx.try_recv_into(&mut []), Ok(0));
        let peek = rx.try_peek().unwrap();
        assert!(peek.message().is_empty() && peek.message().to_vec().is_empty());
        peek.release();
    }
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(segment.status().unwrap().messages_received, 4000);
}

/// Catches a message that is lost, or cut, because the buffer was too small for it.
#[test]
fn a_message_that_does_not_fit_stays() {
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let bytes = payload(1, 100);
    tx.send(&bytes).unwrap();
    let mut buffer = [0xEE; 99];
    for _ in 0..3 {
        assert_eq!(rx.recv_into(&mut buffer), Err(RecvError::TooSmall { len: 100 }));
        assert_eq!(rx.try_recv_into(&mut buffer), Err(TryRecvError::TooSmall { len: 100 }));
        let timed = rx.recv_into_timeout(&mut buffer, SHORT);
        assert_eq!(timed, Err(RecvError::TooSmall { len: 100 }));
        assert_eq!(rx.try_recv_into(&mut []), Err(TryRecvError::TooSmall { len: 100 }));
    }
    assert_eq!(buffer, [0xEE; 99]);
    let mut buffer = [0; 100];
    assert_eq!(rx.recv_into(&mut buffer), Ok(100));
    assert_eq!(buffer[..], bytes);
}

/// Catches a full ring that takes a message in part, or that stays full.
#[test]
fn a_full_ring_takes_nothing_until_there_is_room() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    let mut sent = 0;
    while tx.try_send(&payload(sent, 56)).is_ok() {
        sent += 1;
    }
    // 64 bytes each, and the last word stays free.
    assert_eq!((sent, segment.status().unwrap().used_bytes), (63, 63 * 64));
    for _ in 0..3 {
        assert_eq!(tx.try_send(&payload(sent, 56)), Err(TrySendError::Full));
        assert_eq!(tx.send_timeout(&payload(sent, 56), SHORT), Err(SendError::TimedOut));
        assert!(matches!(tx.try_reserve(56), Err(TrySendError::Full)));
        assert!(matches!(tx.reserve_timeout(56, SHORT), Err(SendError::TimedOut)));
        assert_eq!(tx.try_send_batch(&[[0; 8]; 4]), Err(TrySendError::Full));
        assert_eq!(tx.send_batch_timeout(&[[0; 8]; 4], SHORT), Err(SendError::TimedOut));
    }
    for received in 0..63 {
        assert_eq!(rx.recv().unwrap(), payload(received, 56));
        assert_eq!(tx.try_send(&payload(sent + received, 56)), Ok(()));
    }
    assert_eq!(segment.status().unwrap().used_bytes, 63 * 64);
}

/// Catches an empty ring that a verb waits on for ever, or that gives something.
#[test]
fn an_empty_ring_gives_nothing_until_the_timeout() {
    let _watchdog = watchdog("an_empty_ring_gives_nothing_until_the_timeout");
    let name = Name::new();
    let (_segment, _tx, mut rx) = name.pair(4096);
    for mode in [WaitMode::Spin, WaitMode::Adaptive, WaitMode::Block] {
        rx.set_wait_mode(mode);
        let start = std::time::Instant::now();
        assert_eq!(rx.recv_timeout(SHORT), Err(RecvError::TimedOut));
        assert!(start.elapsed() >= SHORT, "{mode:?} gave up early");
        assert_eq!(rx.recv_into_timeout(&mut [], SHORT), Err(RecvError::TimedOut));
        assert_eq!(rx.recv_batch_timeout(1, SHORT, |_| ()), Err(RecvError::TimedOut));
        assert!(matches!(rx.peek_timeout(SHORT), Err(RecvError::TimedOut)));
        assert_eq!(rx.recv_timeout(std::time::Duration::ZERO), Err(RecvError::TimedOut));
        assert!(matches!(rx.try_peek(), Err(TryRecvError::Empty)));
        assert_eq!(rx.try_recv_batch(1, |_| ()), Err(TryRecvError::Empty));
        assert!(rx.lookahead().unwrap().next().is_none());
    }
}
