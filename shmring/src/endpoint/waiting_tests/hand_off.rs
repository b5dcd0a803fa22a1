//! Wakes that a handle got and another one can use.

use super::{
    HANG, RecvEndpoint, SHORT, SendEndpoint, Taken, receiver, segment, send, sender, slots,
    value_handles,
};
use crate::Config;
use crate::error::{RecvTimeoutError, SendTimeoutError};
use crate::sync::Deadline;

/// A wait that is over before it begins, after which a handle owes a look for more.
fn wait_in_vain(registration: &crate::endpoint::registration::Registration) {
    assert_eq!(registration.wait(0, Deadline::NEVER, || true), Ok(()));
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
            let run = tx.reserve_elements_by(1, 1, 8, never).unwrap();
            tx.commit_elements(run, 8);
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
