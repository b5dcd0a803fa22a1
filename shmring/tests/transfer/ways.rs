//! All the ways of sending and of receiving one message, by number.

use shmring::{Consumer, Message, Producer};

use crate::common::SHORT;

/// Ways of sending.
pub(crate) const IN: usize = 9;
/// Ways of receiving, and how many of them make copies, which come first.
pub(crate) const OUT: usize = 13;
pub(crate) const OUT_BY_COPY: usize = 9;

pub(crate) fn send(way: usize, tx: &mut Producer, bytes: &[u8]) {
    let len = bytes.len();
    let mut reservation = match way {
        0 => return tx.send(bytes).unwrap(),
        1 => return tx.try_send(bytes).unwrap(),
        2 => return tx.send_timeout(bytes, SHORT).unwrap(),
        3 => return tx.send_batch(&[bytes]).unwrap(),
        4 => return tx.try_send_batch(&[bytes]).unwrap(),
        5 => return tx.send_batch_timeout(&[bytes], SHORT).unwrap(),
        6 => tx.reserve(len).unwrap(),
        7 => tx.try_reserve(len).unwrap(),
        _ => tx.reserve_timeout(len, SHORT).unwrap(),
    };
    assert_eq!((reservation.capacity(), reservation.written()), (len, 0));
    reservation.write_at(0, bytes);
    reservation.commit();
}

/// Receives a message of at most 1500 bytes, which is the only one in the ring.
pub(crate) fn receive(way: usize, rx: &mut Consumer) -> Vec<u8> {
    let mut buffer = vec![0xEE; 1500];
    let mut seen = Vec::new();
    let visit = |message: &Message<'_>| seen.push(message.to_vec());
    match way {
        0 => rx.recv().unwrap(),
        1 => rx.try_recv().unwrap(),
        2 => rx.recv_timeout(SHORT).unwrap(),
        3..=5 => {
            let len = match way {
                3 => rx.recv_into(&mut buffer).unwrap(),
                4 => rx.try_recv_into(&mut buffer).unwrap(),
                _ => rx.recv_into_timeout(&mut buffer, SHORT).unwrap(),
            };
            assert!(buffer[len..].iter().all(|&byte| byte == 0xEE), "written beyond");
            buffer[..len].to_vec()
        }
        6..=8 => {
            let count = match way {
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
            let peek = match way {
                10 => rx.peek().unwrap(),
                11 => rx.try_peek().unwrap(),
                _ => rx.peek_timeout(SHORT).unwrap(),
            };
            let message = peek.to_vec();
            peek.release();
            message
        }
    }
}
