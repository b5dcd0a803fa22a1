//! When waits end, and whose wakes are handed off: what a lost wake hides, as every sleep has
//! a bound. Sleepers are bits that a test sets; a waker clears the bit of one that it wakes.

use std::cell::Cell;
use std::time::Duration;

use super::send::Stop;
use super::{RecvElements, RecvSide, SendElements, SendSide};
use crate::error::{RecvError, Role, SendError, TryRecvError, TrySendError};
use crate::grant::copy;
use crate::ring::tables;
use crate::sync::{Deadline, Ordering};
use crate::wait::WaitMode;
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

fn sender(segment: &Segment) -> SendSide {
    let mut side = SendSide::join(segment.view().unwrap()).unwrap();
    side.seat.mode = WaitMode::Block;
    side
}

fn receiver(segment: &Segment) -> RecvSide {
    let mut side = RecvSide::join(segment.view().unwrap()).unwrap();
    side.seat.mode = WaitMode::Block;
    side
}

fn past() -> Deadline {
    Deadline::after(Duration::ZERO)
}

fn send(side: &mut SendSide, message: &[u8]) {
    let place = side.grant_by(message.len(), 1, Deadline::after(HANG)).unwrap();
    side.fill(place, message);
}

/// A wait that is over before it begins, after which a handle owes a look for more.
fn wait_in_vain(seat: &crate::seat::Seat) {
    assert_eq!(seat.wait(0, Deadline::NEVER, || true), Ok(true));
}

/// Catches a message that wakes nobody: one sent the shortest way or another, or a batch.
#[test]
fn messages_wake_a_receiver() {
    let verbs: [fn(&mut SendSide); 3] = [
        |tx| {
            // The first one finds out how much room there is.
            send(tx, b"x");
            assert!(tx.send_plainly(b"x"));
        },
        |tx| send(tx, b"x"),
        |tx| {
            let batch = [b"x".as_slice(); 2];
            let grant = |side: &mut SendSide, len, count| Ok(side.grant(len, count)?);
            tx.send_all::<TrySendError>(batch.into_iter(), grant).unwrap();
        },
    ];
    for config in [Config::spsc(), Config::spmc().slots(4), Config::mpmc().slots(4)] {
        for (index, verb) in verbs.into_iter().enumerate() {
            let segment = segment(&config);
            let (mut tx, rx) = (sender(&segment), receiver(&segment));
            // Only the last message is far enough for it.
            rx.seat.arm(if index == 1 { 1 } else { 2 });
            verb(&mut tx);
            assert!(!rx.seat.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches room that wakes nobody: of a message taken the shortest way or another.
#[test]
fn room_wakes_a_sender() {
    let verbs: [fn(&mut RecvSide); 2] = [
        |rx| assert!(rx.take_plainly(|_, _| true)),
        |rx| assert_eq!(rx.try_take(1, |_, _, _| Ok(())), Ok(1)),
    ];
    for config in [Config::spsc(), Config::spmc().slots(4), Config::mpmc().slots(4)] {
        for (index, verb) in verbs.into_iter().enumerate() {
            let segment = segment(&config);
            let (mut tx, mut rx) = (sender(&segment), receiver(&segment));
            send(&mut tx, b"x");
            tx.seat.arm(1);
            verb(&mut rx);
            assert!(!tx.seat.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches elements, and room for them, that wake nobody.
#[test]
fn packed_rings_wake_the_other_side() {
    let segment = segment(&Config::packed::<u64>().slots(4));
    let mut tx = SendElements::join(segment.view().unwrap()).unwrap();
    let mut rx = RecvElements::join(segment.view().unwrap()).unwrap();
    rx.seat.arm(1);
    assert!(tx.grant(1, 1).is_ok());
    tx.publish(1);
    assert!(!rx.seat.is_armed());
    tx.seat.arm(1);
    rx.next(1).unwrap();
    rx.take(1);
    assert!(!tx.seat.is_armed());
}

/// Catches a role that is given up, by its owner or behind a dead one, and wakes nobody; and
/// one that was not given up and wakes everybody.
#[test]
fn a_role_that_is_given_up_wakes_everyone() {
    for (config, sole) in [(Config::spsc(), true), (Config::mpmc(), false)] {
        let segment = segment(&config);
        let (tx, rx) = (sender(&segment), receiver(&segment));
        let view = segment.view().unwrap();
        rx.seat.arm(1 << 40);
        // Refused, or dropped at once.
        assert_eq!(SendSide::join(segment.view().unwrap()).is_err(), sole);
        assert_eq!(rx.seat.is_armed(), sole);
        rx.seat.arm(1 << 40);
        drop(tx);
        assert!(!rx.seat.is_armed(), "left without a word");

        // An entry whose token nobody has is a dead one's.
        let dead = view.attach().mapping().attaches().len() - 1;
        view.attach().mapping().attaches()[dead].activate();
        let handle = tables::claim_handle(view.handles(), dead, 0).unwrap();
        let roles = &view.control().roles;
        assert!(roles.claim(Role::Producer, handle));
        rx.seat.arm(1 << 40);
        view.attach().sweep().unwrap();
        assert!(!roles.holders(Role::Producer).any(|holder| holder == handle));
        assert!(!rx.seat.is_armed(), "cleaned up without a word");
    }
}

/// Catches a receiver that keeps a wake to itself: after a wait, whichever verb it uses.
#[test]
fn receivers_hand_a_wake_off() {
    let verbs: [fn(&mut RecvSide); 2] = [
        |rx| {
            let taken = rx.take_plainly(|_, _| true);
            assert!(!taken, "a fast receive forgot the hand-off");
            rx.try_take(1, |_, _, _| Ok(())).unwrap();
        },
        |rx| assert_eq!(rx.try_take(1, |_, _, _| Ok(())), Ok(1)),
    ];
    for verb in verbs {
        let segment = slots();
        let (mut tx, mut rx, other) = (sender(&segment), receiver(&segment), receiver(&segment));
        send(&mut tx, b"one");
        send(&mut tx, b"two");
        wait_in_vain(&rx.seat);
        other.seat.arm(2);
        verb(&mut rx);
        assert!(!other.seat.is_armed(), "kept the wake");
        // Nobody owes anything now.
        other.seat.arm(2);
        assert!(rx.take_plainly(|_, _| true));
        assert!(other.seat.is_armed());
    }
}

/// Catches a sender that keeps a wake to itself after a wait: in its next verb, if that finds
/// room at once, and through the shortest way.
#[test]
fn senders_hand_a_wake_off() {
    let segment = slots();
    let (mut tx, other) = (sender(&segment), sender(&segment));
    let rx = receiver(&segment);
    wait_in_vain(&tx.seat);
    other.seat.arm(0);
    assert!(!tx.send_plainly(b"x"), "a fast send forgot the hand-off");
    send(&mut tx, b"x");
    assert!(!other.seat.is_armed(), "kept the wake");
    other.seat.arm(0);
    assert!(tx.send_plainly(b"x"));
    assert!(other.seat.is_armed());
    drop(rx);
}

/// Catches a sender that keeps a wake to itself when it comes out of a wait for room. If the
/// consumer takes the second bit because the first sender was not asleep yet, a round says
/// nothing.
#[test]
fn senders_hand_a_wake_off_after_the_wait() {
    for _ in 0..5 {
        let segment = slots();
        let (mut tx, other, mut rx) = (sender(&segment), sender(&segment), receiver(&segment));
        (0..4).for_each(|_| send(&mut tx, b"full"));
        other.seat.arm(1);
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| send(&mut tx, b"more"));
            std::thread::sleep(SHORT);
            rx.try_take(2, |_, _, _| Ok(())).unwrap();
            sending.join().unwrap();
        });
        assert!(!other.seat.is_armed(), "kept the wake");
    }
}

/// Catches a ticket that is closed for its dead owner, or given up, and wakes nobody who is
/// stuck there.
#[test]
fn who_is_stuck_is_woken() {
    let segment = slots();
    let (mut rx, other) = (receiver(&segment), receiver(&segment));
    let tail = &rx.seat.view.control().producer.tail;
    // A ticket that nobody announces is a dead one's.
    tail.store(1, Ordering::Relaxed);
    other.seat.arm(1);
    let resolved = || segment.view().unwrap().control().roles.resolved();
    while resolved() == 0 {
        assert_eq!(rx.next().unwrap_err(), TryRecvError::WouldBlock);
    }
    assert!(!other.seat.is_armed(), "closed without a word");
    assert_eq!(rx.next().unwrap_err(), TryRecvError::Empty);

    let mut tx = sender(&segment);
    assert!(tx.grant(1, 1).is_ok());
    other.seat.arm(2);
    tx.abandon();
    assert!(!other.seat.is_armed(), "given up without a word");
}

/// Catches a consumer that passes tombstones and tells no sender of the room.
#[test]
fn passed_tombstones_wake_senders() {
    let segment = slots();
    let (mut tx, other, mut rx) = (sender(&segment), sender(&segment), receiver(&segment));
    assert!(tx.grant(1, 4).is_ok());
    tx.abandon();
    other.seat.arm(1);
    assert_eq!(rx.next().unwrap_err(), TryRecvError::Empty);
    assert!(!other.seat.is_armed(), "passed without a word");
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
            assert_eq!((result, attempts), (Err(RecvError::TimedOut), 2));
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
        assert_eq!(rx.seat.wait(1, past(), ready), Ok(true), "{looks}");
        seen.set(0);
        assert_eq!(rx.seat.wait_slice(1, past(), past(), ready), Ok(true), "{looks}");
    }
    assert_eq!(rx.seat.wait(1, past(), || false), Ok(false));
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
        assert!(!rx.seat.patience().has_looked(), "slept beside the end");

        let segment = self::segment(&config);
        let (mut tx, rx) = (sender(&segment), receiver(&segment));
        while let Ok(place) = tx.grant(tx.max_message_bytes(), 1) {
            tx.fill(place, &[]);
        }
        drop(rx);
        assert_eq!(tx.await_room(1 << 40, Deadline::after(HANG)), Ok(()));
        assert!(!tx.seat.patience().has_looked(), "slept beside the broken pipe");
    }
    let segment = segment(&Config::packed::<u64>().slots(4));
    let tx = SendElements::join(segment.view().unwrap()).unwrap();
    let mut rx = RecvElements::join(segment.view().unwrap()).unwrap();
    rx.seat.mode = WaitMode::Block;
    drop(tx);
    assert_eq!(rx.await_element(Deadline::after(HANG)), Ok(()));
    assert!(!rx.seat.patience().has_looked(), "slept beside the end");
    let mut tx = SendElements::join(segment.view().unwrap()).unwrap();
    tx.seat.mode = WaitMode::Block;
    drop(rx);
    assert_eq!(tx.await_room(1, Deadline::after(HANG)), Ok(()));
    assert!(!tx.seat.patience().has_looked(), "slept beside the broken pipe");
}

/// Catches an error for a message that another consumer took while this one looked at it.
#[test]
fn a_message_that_somebody_else_took_is_not_too_small() {
    let segment = slots();
    let (mut tx, mut rx, mut other) = (sender(&segment), receiver(&segment), receiver(&segment));
    send(&mut tx, b"long");
    let taken = rx.try_take(1, |_, place, _| {
        other.try_take(1, |_, _, _| Ok(())).unwrap();
        Err(TryRecvError::TooSmall { len: place.len as usize })
    });
    assert_eq!(taken, Err(TryRecvError::Empty));
    // One that is there still is.
    send(&mut tx, b"long");
    let taken = rx.try_take(1, |_, _, _| Err(TryRecvError::TooSmall { len: 4 }));
    assert_eq!(taken, Err(TryRecvError::TooSmall { len: 4 }));
    let mut bytes = [0; 4];
    rx.try_take(1, |_, _, words| {
        copy::load(words, &mut bytes);
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
        for (enough, expected) in [(10, Err(SendError::TimedOut)), (2, Ok(()))] {
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
