//! Sending and receiving single messages.

use shmring::{
    RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
    WaitMode,
};

use crate::common::{Name, SHORT, payload, watchdog};
use crate::ways;

/// Catches a pair of verbs that loses, changes or reorders messages: each way of sending
/// with each way of receiving.
#[test]
fn every_receiving_verb_takes_every_sending_verb() {
    let _watchdog = watchdog("every_receiving_verb_takes_every_sending_verb");
    let name = Name::new();
    let (_segment, mut tx, mut rx) = name.pair(4096);
    let mut number = 0;
    for way_in in 0..ways::IN {
        for way_out in 0..ways::OUT {
            number += 1;
            let bytes = payload(number, (number * 61 % 1000) as usize);
            ways::send(way_in, &mut tx, &bytes);
            let received = ways::receive(way_out, &mut rx);
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
        let a = tx.send(&bytes);
        assert_eq!(a, Err(SendError::TooLong { len, max: 2032 }));
        let b = tx.send_timeout(&bytes, SHORT);
        assert_eq!(b, Err(SendTimeoutError::TooLong { len, max: 2032 }));
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

/// Catches empty messages that vanish, or that make the ring look empty.
#[test]
fn messages_without_bytes_are_messages() {
    let name = Name::new();
    let (segment, mut tx, mut rx) = name.pair(4096);
    for _ in 0..2000 {
        tx.send(b"").unwrap();
        tx.send(b"").unwrap();
        assert_eq!(rx.try_recv_into(&mut []), Ok(0));
        let peek = rx.try_peek().unwrap();
        assert!(peek.is_empty() && peek.to_vec().is_empty());
        peek.release();
    }
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(segment.status().unwrap().ring().messages_received, 4000);
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
    assert_eq!((sent, segment.status().unwrap().ring().used_bytes), (63, 63 * 64));
    for _ in 0..3 {
        assert_eq!(tx.try_send(&payload(sent, 56)), Err(TrySendError::Full));
        assert_eq!(tx.send_timeout(&payload(sent, 56), SHORT), Err(SendTimeoutError::TimedOut));
        assert!(matches!(tx.try_reserve(56), Err(TrySendError::Full)));
        assert!(matches!(tx.reserve_timeout(56, SHORT), Err(SendTimeoutError::TimedOut)));
        assert_eq!(tx.try_send_batch(&[[0; 8]; 4]), Err(TrySendError::Full));
        assert_eq!(tx.send_batch_timeout(&[[0; 8]; 4], SHORT), Err(SendTimeoutError::TimedOut));
    }
    for received in 0..63 {
        assert_eq!(rx.recv().unwrap(), payload(received, 56));
        assert_eq!(tx.try_send(&payload(sent + received, 56)), Ok(()));
    }
    assert_eq!(segment.status().unwrap().ring().used_bytes, 63 * 64);
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
        assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::TimedOut));
        assert!(start.elapsed() >= SHORT, "{mode:?} gave up early");
        assert_eq!(
            rx.recv_into_timeout(&mut [], SHORT),
            Err(RecvIntoError::Recv(RecvTimeoutError::TimedOut))
        );
        assert_eq!(rx.recv_batch_timeout(1, SHORT, |_| ()), Err(RecvTimeoutError::TimedOut));
        assert!(matches!(rx.peek_timeout(SHORT), Err(RecvTimeoutError::TimedOut)));
        assert_eq!(rx.recv_timeout(std::time::Duration::ZERO), Err(RecvTimeoutError::TimedOut));
        assert!(matches!(rx.try_peek(), Err(TryRecvError::Empty)));
        assert_eq!(rx.try_recv_batch(1, |_| ()), Err(TryRecvError::Empty));
        assert!(rx.lookahead().unwrap().next().is_none());
    }
}
