//! When waits end, who is woken, and whose wakes are handed off: what a lost wake hides, as every
//! sleep has a bound. Sleepers are bits that a test sets; a waker clears the bit of one that it
//! wakes.

mod hand_off;
mod jobs;
mod waking;

use std::cell::Cell;
use std::time::Duration;

use super::send::Stop;
use super::{CopyElement, CopyOut, RecvEndpoint, SendEndpoint};
use crate::endpoint::backoff::Backoff;
use crate::endpoint::park::{Patience, WaitError, WaitMode};
use crate::endpoint::subscribe::Subscribe;
use crate::error::{RecvIntoError, RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crate::memory::copy::ElementPlace;
use crate::memory::payload::Payload;
use crate::ring::Place;
use crate::sync::{Deadline, Ordering};
use crate::{Config, Segment};

/// Longer than anything takes on the slowest machine.
const HANG: Duration = Duration::from_secs(120);
const SHORT: Duration = Duration::from_millis(20);

fn segment(config: &Config) -> Segment {
    Segment::create_sealed("waiting", config).unwrap()
}

/// A ring of four slots for many on both sides.
fn slots() -> Segment {
    segment(&Config::mpmc().slots(4).slot_bytes(64))
}

fn sender(segment: &Segment) -> SendEndpoint {
    let mut endpoint = SendEndpoint::join(segment.view().unwrap()).unwrap();
    endpoint.registration.mode = WaitMode::Block;
    endpoint
}

fn receiver(segment: &Segment) -> RecvEndpoint {
    let mut endpoint = RecvEndpoint::join(segment.view().unwrap(), Subscribe::gating()).unwrap();
    endpoint.registration.mode = WaitMode::Block;
    endpoint
}

fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn send(endpoint: &mut SendEndpoint, message: &[u8]) {
    let place = endpoint.reserve_place_by(message.len(), 1, Deadline::after(HANG)).unwrap();
    endpoint.fill(place, message);
}

/// Takes a message without a copy.
struct Taken;

impl CopyOut for Taken {
    fn copy_out(self, _: Place, _: Payload<'_>) -> bool {
        true
    }
}

impl CopyElement for Taken {
    fn copy_element(self, _: Place, _: ElementPlace<'_>) -> bool {
        true
    }
}

/// A handle of values on each side.
fn value_handles(segment: &Segment) -> (SendEndpoint, RecvEndpoint) {
    let mut tx = SendEndpoint::join(segment.view().unwrap()).unwrap();
    let mut rx = RecvEndpoint::join_any(segment.view().unwrap(), Subscribe::gating()).unwrap();
    (tx.registration.mode, rx.registration.mode) = (WaitMode::Block, WaitMode::Block);
    (tx, rx)
}

/// Catches attempts to receive that go on after the deadline, as long as a peer lets each wait
/// end at once, and a deadline that leaves no attempt after the wait.
#[test]
fn one_attempt_follows_the_deadline() {
    for config in [Config::spsc(), Config::mpmc()] {
        let segment = segment(&config);
        let (mut tx, mut rx) = (sender(&segment), receiver(&segment));
        send(&mut tx, b"for somebody");
        for error in [TryRecvError::Empty, TryRecvError::WouldBlock] {
            let mut attempts = 0;
            let result: Result<(), _> = rx.retry_by(past(), |_| {
                attempts += 1;
                if attempts < 10 { Err(error) } else { Ok(()) }
            });
            assert_eq!((result, attempts), (Err(RecvTimeoutError::TimedOut), 2));
            let mut attempts = 0;
            let result = rx.retry_by(past(), |_| {
                attempts += 1;
                if attempts < 2 { Err(error) } else { Ok(()) }
            });
            assert_eq!((result, attempts), (Ok(()), 2));
        }
    }
}

/// Catches a wait without a last look: what came while its deadline passed counts.
#[test]
fn the_last_look_counts() {
    let segment = slots();
    let rx = receiver(&segment);
    for looks in 1..=3 {
        let seen = Cell::new(0);
        let ready = || {
            seen.set(seen.get() + 1);
            seen.get() >= looks
        };
        assert_eq!(rx.registration.wait(1, past(), ready), Ok(()), "{looks}");
        seen.set(0);
        assert_eq!(rx.registration.wait_slice(1, past(), past(), ready), Ok(()), "{looks}");
    }
    assert_eq!(rx.registration.wait(1, past(), || false), Err(WaitError::TimedOut));
}

/// Catches the end of a stream, a close and a broken pipe that do not end a wait which begins
/// after them, in each kind of ring.
#[test]
fn what_has_ended_is_not_waited_for() {
    for config in [Config::spsc(), Config::mpmc()] {
        let segment = segment(&config);
        let (tx, mut rx) = (sender(&segment), receiver(&segment));
        drop(tx);
        assert_eq!(rx.await_message(Deadline::after(HANG)), Ok(()));
        assert!(!rx.registration.patience().has_looked(), "slept beside the end");

        let segment = self::segment(&config);
        let (mut tx, rx) = (sender(&segment), receiver(&segment));
        while let Ok(place) = tx.reserve_place(tx.max_message_bytes(), 1) {
            tx.fill(place, &[]);
        }
        drop(rx);
        assert_eq!(tx.await_room(1 << 40, Deadline::after(HANG)), Ok(()));
        assert!(!tx.registration.patience().has_looked(), "slept beside the broken pipe");
    }
    let segment = segment(&Config::packed::<u64>().slots(4));
    let tx = SendEndpoint::join(segment.view().unwrap()).unwrap();
    let mut rx = RecvEndpoint::join_any(segment.view().unwrap(), Subscribe::gating()).unwrap();
    rx.registration.mode = WaitMode::Block;
    drop(tx);
    assert_eq!(rx.await_message(Deadline::after(HANG)), Ok(()));
    assert!(!rx.registration.patience().has_looked(), "slept beside the end");
    let mut tx = SendEndpoint::join(segment.view().unwrap()).unwrap();
    tx.registration.mode = WaitMode::Block;
    drop(rx);
    assert_eq!(tx.await_room(1, Deadline::after(HANG)), Ok(()));
    assert!(!tx.registration.patience().has_looked(), "slept beside the broken pipe");
}

/// Catches an error for a message that another consumer took while this one looked at it.
#[test]
fn a_message_that_somebody_else_took_is_not_too_small() {
    let segment = slots();
    let (mut tx, mut rx, mut other) = (sender(&segment), receiver(&segment), receiver(&segment));
    send(&mut tx, b"long");
    let taken = rx.try_take_or(1, |_, message| {
        other.try_take(1, |_, _| Ok(())).unwrap();
        Err(RecvIntoError::TooSmall { len: message.len() })
    });
    assert_eq!(taken, Err(RecvIntoError::Recv(TryRecvError::Empty)));
    // One that is there still is.
    send(&mut tx, b"long");
    let taken = rx.try_take_or(1, |_, _| Err(RecvIntoError::<TryRecvError>::TooSmall { len: 4 }));
    assert_eq!(taken, Err(RecvIntoError::TooSmall { len: 4 }));
    let mut bytes = [0; 4];
    rx.try_take(1, |_, message| {
        message.load(&mut bytes);
        Ok(())
    })
    .unwrap();
    assert_eq!(&bytes, b"long");
}

/// Catches attempts to send that go on after the deadline, where others take what room there
/// is and each wait ends at once, and a deadline that leaves no attempt after the wait.
#[test]
fn one_attempt_to_send_follows_the_deadline() {
    for config in [Config::spsc(), Config::mpmc()] {
        let segment = segment(&config);
        let (mut tx, _rx) = (sender(&segment), receiver(&segment));
        for (enough, expected) in [(10, Err(SendTimeoutError::TimedOut)), (2, Ok(()))] {
            let mut attempts = 0;
            let result = tx.retry_by(past(), |_| {
                attempts += 1;
                // Head has come so far.
                if attempts < enough { Err(Stop::Full { need: 0 }) } else { Ok(()) }
            });
            assert_eq!((result, attempts), (expected, 2));
        }
    }
}

/// Catches a handle that backs off though it was told not to: a consumer that puts looks off,
/// and a producer that waits for more room than it needs.
#[test]
fn without_backoff_nothing_is_put_off() {
    for backoff in [true, false] {
        let segment = slots();
        let (mut tx, mut rx) = (sender(&segment), receiver(&segment));
        (tx.registration.mode, rx.registration.mode) = (WaitMode::Spin, WaitMode::Spin);
        (tx.registration.backoff, rx.registration.backoff) = (backoff, backoff);
        let result: Result<(), _> = rx.retry_by(past(), |_| Err(TryRecvError::Empty));
        assert_eq!(result, Err(RecvTimeoutError::TimedOut));
        let untouched = format!("{rx:?}").contains(&format!("{:?}", Backoff::START));
        assert_eq!(untouched, !backoff, "the consumer");
        // There is more room than the low-water mark.
        tx.await_room(0, Deadline::after(HANG)).unwrap();
        let waited = tx.registration.patience() != Patience::NONE;
        assert_eq!(waited, !backoff, "the producer");
    }
}

/// Catches a handle that is made from one that had failed, and says that it sent what it did not.
#[test]
fn a_clone_of_a_failed_handle_sends() {
    let segment = segment(&Config::mpmc().slots(4).values::<u64>());
    let (mut tx, mut rx) = value_handles(&segment);
    let mapped = segment.view().unwrap();
    let head = &mapped.control().consumer.head;
    tx.try_send_elements(&[1; 32], 8).unwrap();
    head.store(1 << 40, Ordering::Relaxed);
    assert!(matches!(tx.try_send_elements(&[1; 8], 8), Err(TrySendError::Failed(_))));
    head.store(4, Ordering::Relaxed);
    let mut again = SendEndpoint::join(tx.registration.mapped.another()).unwrap();
    assert!(again.registration.is_clear());
    again.try_send_elements(&[2; 16], 8).unwrap();
    assert!(rx.next_elements(1, 8).is_ok(), "lost");
}
