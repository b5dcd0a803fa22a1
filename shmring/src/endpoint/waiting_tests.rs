//! When waits end, and whose wakes are handed off: what a lost wake hides, as every sleep has
//! a bound. Sleepers are bits that a test sets; a waker clears the bit of one that it wakes.

use std::cell::Cell;
use std::time::Duration;

use super::send::Stop;
use super::{CopyElement, CopyOut, RecvEndpoint, SendEndpoint};
use crate::endpoint::backoff::Backoff;
use crate::endpoint::park::{Patience, WaitError, WaitMode};
use crate::endpoint::subscribe::Subscribe;
use crate::error::{
    RecvIntoError, RecvTimeoutError, Role, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::info::Kind;
use crate::memory::copy::ElementPlace;
use crate::memory::payload::Payload;
use crate::ring::Place;
use crate::ring::tables;
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

/// A wait that is over before it begins, after which a handle owes a look for more.
fn wait_in_vain(registration: &crate::endpoint::registration::Registration) {
    assert_eq!(registration.wait(0, Deadline::NEVER, || true), Ok(()));
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

/// Catches a message that wakes nobody: one sent the shortest way or another, or a batch.
#[test]
fn messages_wake_a_receiver() {
    let verbs: [fn(&mut SendEndpoint); 3] = [
        |tx| {
            // The first one finds out how much room there is.
            send(tx, b"x");
            assert!(tx.send_fast(b"x"));
        },
        |tx| send(tx, b"x"),
        |tx| {
            let batch = [b"x".as_slice(); 2];
            let reserve_place =
                |endpoint: &mut SendEndpoint, len, count| Ok(endpoint.reserve_place(len, count)?);
            tx.send_all::<TrySendError>(batch.into_iter(), reserve_place).unwrap();
        },
    ];
    for config in [Config::spsc(), Config::spmc().slots(4), Config::mpmc().slots(4)] {
        for (index, verb) in verbs.into_iter().enumerate() {
            let segment = segment(&config);
            let (mut tx, rx) = (sender(&segment), receiver(&segment));
            // Only the last message is far enough for it.
            rx.registration.arm(if index == 1 { 1 } else { 2 });
            verb(&mut tx);
            assert!(!rx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches room that wakes nobody: of a message taken the shortest way or another.
#[test]
fn room_wakes_a_sender() {
    let verbs: [fn(&mut RecvEndpoint); 2] =
        [|rx| assert!(rx.take_fast(Taken)), |rx| assert_eq!(rx.try_take(1, |_, _| Ok(())), Ok(1))];
    for config in [Config::spsc(), Config::spmc().slots(4), Config::mpmc().slots(4)] {
        for (index, verb) in verbs.into_iter().enumerate() {
            let segment = segment(&config);
            let (mut tx, mut rx) = (sender(&segment), receiver(&segment));
            send(&mut tx, b"x");
            tx.registration.arm(1);
            verb(&mut rx);
            assert!(!tx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// A ring of four values of eight bytes, of each kind that holds values.
fn values() -> impl Iterator<Item = (Config, Segment)> {
    let kinds = [Config::mpmc(), Config::mpsc(), Config::spmc(), Config::new(Kind::Packed)];
    kinds.into_iter().map(|config| {
        let config = config.slots(4).values::<u64>();
        (config.clone(), segment(&config))
    })
}

/// A handle of values on each side.
fn value_handles(segment: &Segment) -> (SendEndpoint, RecvEndpoint) {
    let mut tx = SendEndpoint::join(segment.view().unwrap()).unwrap();
    let mut rx = RecvEndpoint::join_any(segment.view().unwrap(), Subscribe::gating()).unwrap();
    (tx.registration.mode, rx.registration.mode) = (WaitMode::Block, WaitMode::Block);
    (tx, rx)
}

/// Catches elements that wake nobody: each verb that sends them, in each kind of ring.
#[test]
fn elements_wake_a_receiver() {
    let verbs: [fn(&mut SendEndpoint); 4] = [
        |tx| assert!(tx.send_element_fast(&[1; 8])),
        |tx| tx.try_send_elements(&[1; 8], 8).unwrap(),
        |tx| assert_eq!(tx.send_some_elements(&[1; 8], 8), Ok(1)),
        |tx| {
            assert!(tx.reserve_elements(1, 1, 8).is_ok());
            tx.commit_elements(1, 8);
        },
    ];
    for (config, segment) in values() {
        let (mut tx, rx) = value_handles(&segment);
        for (index, verb) in verbs.into_iter().enumerate() {
            rx.registration.arm(index as u64 + 1);
            verb(&mut tx);
            assert!(!rx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches room that wakes nobody: of an element taken by each verb, in each kind of ring.
#[test]
fn elements_that_are_taken_wake_a_sender() {
    let verbs: [fn(&mut RecvEndpoint); 2] = [
        |rx| assert!(rx.take_element_fast(8, Taken)),
        |rx| {
            let run = rx.next_elements(1, 8).unwrap();
            rx.take_elements(run, 1);
        },
    ];
    for (config, segment) in values() {
        let (mut tx, mut rx) = value_handles(&segment);
        tx.try_send_elements(&[1; 32], 8).unwrap();
        // A consumer that has not looked yet does not take the fast path.
        assert!(rx.next_elements(4, 8).is_ok());
        for (index, verb) in verbs.into_iter().enumerate() {
            tx.registration.arm(index as u64 + 1);
            verb(&mut rx);
            assert!(!tx.registration.is_armed(), "{config:?} {index}");
        }
    }
}

/// Catches a role that is given up, by its owner or behind a dead one, and wakes nobody; and
/// one that was not given up and wakes everybody.
#[test]
fn a_role_that_is_given_up_wakes_everyone() {
    for (config, sole) in [(Config::spsc(), true), (Config::mpmc(), false)] {
        let segment = segment(&config);
        let (tx, rx) = (sender(&segment), receiver(&segment));
        let mapped = segment.view().unwrap();
        rx.registration.arm(1 << 40);
        // Refused, or dropped at once.
        assert_eq!(SendEndpoint::join(segment.view().unwrap()).is_err(), sole);
        assert_eq!(rx.registration.is_armed(), sole);
        rx.registration.arm(1 << 40);
        drop(tx);
        assert!(!rx.registration.is_armed(), "left without a word");

        // An entry whose token nobody has is a dead one's.
        let dead = mapped.attach().mapping().attachments().len() - 1;
        mapped.attach().mapping().attachments()[dead].activate();
        let handle = tables::claim_handle(mapped.handles(), dead, 0).unwrap();
        let roles = &mapped.control().roles;
        assert!(roles.claim(Role::Producer, handle));
        rx.registration.arm(1 << 40);
        mapped.attach().reap().unwrap();
        assert!(!roles.holders(Role::Producer).any(|holder| holder == handle));
        assert!(!rx.registration.is_armed(), "cleaned up without a word");
    }
}

/// Catches a receiver that keeps a wake to itself: after a wait, whichever verb it uses.
#[test]
fn receivers_hand_a_wake_off() {
    let verbs: [fn(&mut RecvEndpoint); 2] = [
        |rx| {
            let taken = rx.take_fast(Taken);
            assert!(!taken, "a fast receive forgot the hand-off");
            rx.try_take(1, |_, _| Ok(())).unwrap();
        },
        |rx| assert_eq!(rx.try_take(1, |_, _| Ok(())), Ok(1)),
    ];
    for verb in verbs {
        let segment = slots();
        let (mut tx, mut rx, other) = (sender(&segment), receiver(&segment), receiver(&segment));
        send(&mut tx, b"one");
        send(&mut tx, b"two");
        wait_in_vain(&rx.registration);
        other.registration.arm(2);
        verb(&mut rx);
        assert!(!other.registration.is_armed(), "kept the wake");
        // Nobody owes anything now.
        other.registration.arm(2);
        assert!(rx.take_fast(Taken));
        assert!(other.registration.is_armed());
    }
}

/// Catches a sender that keeps a wake to itself after a wait: in its next verb, if that finds
/// room at once, and through the shortest way.
#[test]
fn senders_hand_a_wake_off() {
    let segment = slots();
    let (mut tx, other) = (sender(&segment), sender(&segment));
    let rx = receiver(&segment);
    wait_in_vain(&tx.registration);
    other.registration.arm(0);
    assert!(!tx.send_fast(b"x"), "a fast send forgot the hand-off");
    send(&mut tx, b"x");
    assert!(!other.registration.is_armed(), "kept the wake");
    other.registration.arm(0);
    assert!(tx.send_fast(b"x"));
    assert!(other.registration.is_armed());
    drop(rx);
}

/// Catches handles of values that keep a wake to themselves, after a wait: in whichever verb
/// comes next.
#[test]
fn handles_of_values_hand_a_wake_off() {
    let never = Deadline::NEVER;
    let sending: [fn(&mut SendEndpoint, Deadline); 3] = [
        |tx, never| tx.send_elements_by(&[1; 8], 8, never).unwrap(),
        |tx, never| {
            assert!(tx.reserve_elements_by(1, 1, 8, never).is_ok());
            tx.commit_elements(1, 8);
        },
        |tx, never| tx.wait_writable(8, never).unwrap(),
    ];
    for verb in sending {
        let segment = segment(&Config::mpsc().slots(4).values::<u64>());
        let ((mut tx, _rx), other) = (value_handles(&segment), sender(&segment));
        wait_in_vain(&tx.registration);
        other.registration.arm(0);
        assert!(!tx.send_element_fast(&[1; 8]), "a fast send forgot the hand-off");
        verb(&mut tx, never);
        assert!(!other.registration.is_armed(), "kept the wake");
    }
    let segment = segment(&Config::spmc().slots(4).values::<u64>());
    let (mut tx, mut rx) = value_handles(&segment);
    let other = receiver(&segment);
    tx.try_send_elements(&[1; 16], 8).unwrap();
    wait_in_vain(&rx.registration);
    other.registration.arm(1);
    assert!(!rx.take_element_fast(8, Taken), "a fast receive forgot the hand-off");
    assert!(other.registration.is_armed());
    rx.wait_readable(never).unwrap();
    assert!(!other.registration.is_armed(), "kept the wake");
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
        other.registration.arm(1);
        std::thread::scope(|scope| {
            let sending = scope.spawn(|| send(&mut tx, b"more"));
            std::thread::sleep(SHORT);
            rx.try_take(2, |_, _| Ok(())).unwrap();
            sending.join().unwrap();
        });
        assert!(!other.registration.is_armed(), "kept the wake");
    }
}

/// Catches a ticket that is closed for its dead owner, or given up, and wakes nobody who is
/// stuck there.
#[test]
fn who_is_stuck_is_woken() {
    let segment = slots();
    let (mut rx, other) = (receiver(&segment), receiver(&segment));
    let tail = &rx.registration.mapped.control().producer.tail;
    // A ticket that nobody announces is a dead one's.
    tail.store(1, Ordering::Relaxed);
    other.registration.arm(1);
    let resolved = || segment.view().unwrap().control().roles.resolved();
    while resolved() == 0 {
        assert_eq!(rx.next().unwrap_err(), TryRecvError::WouldBlock);
    }
    assert!(!other.registration.is_armed(), "closed without a word");
    assert_eq!(rx.next().unwrap_err(), TryRecvError::Empty);

    let mut tx = sender(&segment);
    assert!(tx.reserve_place(1, 1).is_ok());
    other.registration.arm(2);
    tx.abandon();
    assert!(!other.registration.is_armed(), "given up without a word");
}

/// Catches a consumer that passes tombstones and tells no sender of the room.
#[test]
fn passed_tombstones_wake_senders() {
    let segment = slots();
    let (mut tx, other, mut rx) = (sender(&segment), sender(&segment), receiver(&segment));
    assert!(tx.reserve_place(1, 4).is_ok());
    tx.abandon();
    other.registration.arm(1);
    assert_eq!(rx.next().unwrap_err(), TryRecvError::Empty);
    assert!(!other.registration.is_armed(), "passed without a word");
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

/// Catches an interrupted wait that keeps the wake which was meant for somebody who can use it.
#[test]
fn an_interrupted_wait_hands_its_wake_off() {
    let segment = slots();
    let (mut tx, mut rx) = (sender(&segment), receiver(&segment));
    let (other_tx, other_rx) = (sender(&segment), receiver(&segment));
    send(&mut tx, b"for somebody");
    other_rx.registration.arm(1);
    rx.registration.interrupter().interrupt();
    assert_eq!(rx.await_message(Deadline::after(HANG)), Err(RecvTimeoutError::Interrupted));
    assert!(!other_rx.registration.is_armed(), "kept the wake");
    other_tx.registration.arm(0);
    tx.registration.interrupter().interrupt();
    assert_eq!(tx.await_room(1 << 40, Deadline::after(HANG)), Err(SendTimeoutError::Interrupted));
    assert!(!other_tx.registration.is_armed(), "kept the wake");
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
