//! How survivors wait: for the kernel to tell of a death, for messages, and for room.

use std::thread;
use std::time::{Duration, Instant};

use shmring::{JoinError, RecvTimeoutError, SendError};

use crate::common::LONG;
use crate::ends::{Item, Rx, Tx};
use crate::stage::{AFTER, SLEEPERS};

/// Longer than it takes the kernel to tell of a death on the slowest machine.
const SETTLE: Duration = Duration::from_secs(20);
const RETRY: Duration = Duration::from_micros(200);

/// Tries until it succeeds; the last failure, if that takes too long.
pub(crate) fn settle<T>(what: &str, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(why) if start.elapsed() > SETTLE => panic!("{what}: {why}"),
            Err(_) => thread::sleep(RETRY),
        }
    }
}

/// Joins as soon as the kernel has released the tokens of dead processes.
pub(crate) fn join<T>(what: &str, attempt: impl Fn() -> Result<T, JoinError>) -> T {
    settle(what, || match attempt() {
        Ok(end) => Ok(end),
        Err(error @ (JoinError::RoleTaken { .. } | JoinError::TableFull { .. })) => {
            Err(error.to_string())
        }
        Err(error) => panic!("{what}: {error}"),
    })
}

/// Receives up to the last message. While a sole producer is dead, and its successor has
/// not come, the stream has ended.
pub(crate) fn receive_all(rx: &mut Rx, may_end: bool) -> Vec<u64> {
    let mut received = Vec::new();
    while received.last() != AFTER.last() {
        match rx.recv_timeout(LONG) {
            Ok(number) => received.push(number),
            Err(RecvTimeoutError::Eof) if may_end => thread::sleep(RETRY),
            Err(error) => panic!("{error}, after {received:?}"),
        }
    }
    received
}

/// Sends the sleeper's message. While a sole consumer is dead, and its successor has not
/// come, the pipe is broken.
pub(crate) fn send_one(tx: &mut Tx, may_break: bool) {
    loop {
        match tx.send(&Item::new(SLEEPERS)) {
            Ok(()) => return,
            Err(SendError::BrokenPipe) if may_break => thread::sleep(RETRY),
            Err(error) => panic!("{error}"),
        }
    }
}
