//! What a wait set notes of a handle, and when it pays what the handle owes to others.

use std::sync::Arc;

use super::{RecvEndpoint, SendEndpoint};
use crate::endpoint::subscribe::Subscribe;
use crate::endpoint::watch::Watch;
use crate::ring::wake;
use crate::{Config, Segment, WaitSet};

/// A ring of four slots for many on both sides.
fn slots() -> Segment {
    Segment::create_sealed("watch", &Config::mpmc().slots(4).slot_bytes(64)).unwrap()
}

fn receiver(segment: &Segment) -> RecvEndpoint {
    RecvEndpoint::join(segment.view().unwrap(), Subscribe::gating()).unwrap()
}

fn sender(segment: &Segment) -> SendEndpoint {
    SendEndpoint::join(segment.view().unwrap()).unwrap()
}

fn send(endpoint: &mut SendEndpoint) {
    let Ok(place) = endpoint.reserve_place(4, 1) else { panic!("no room") };
    endpoint.fill(place, b"word");
}

/// What a set does around a sleep in which a waker takes the bit.
fn wake_of_set(watch: &Watch, wake: impl FnOnce()) {
    let mut armed = [watch.set_bit(None).unwrap()];
    wake::order(&mut armed);
    wake();
    armed.into_iter().for_each(|armed| _ = watch.disarm(armed, None));
}

/// Catches a debt that is not noted, is paid with no message there, or is paid twice.
#[test]
fn a_wake_of_a_set_is_paid_for_by_whatever_comes_next() {
    type Pay = fn(&Segment, &mut RecvEndpoint, &mut Option<WaitSet>);
    let next: [(&str, Pay); 4] = [
        ("a verb", |_, rx, _| assert!(rx.try_take(1, |_, _| Ok(())).is_ok())),
        ("a wait without a message", |_, rx, _| {
            assert!(rx.wait_readable(crate::sync::Deadline::NEVER).is_ok());
        }),
        ("a wait of the set", |_, _, set| {
            let none = set.as_mut().unwrap().wait(Some(std::time::Duration::ZERO)).map(|_| ());
            assert_eq!(none, Ok(()));
        }),
        ("the end of the set", |_, _, set| drop(set.take())),
    ];
    for (what, pay) in next {
        let segment = slots();
        let (mut tx, other) = (sender(&segment), receiver(&segment));
        let consumer = segment.consumer().unwrap();
        let mut set = Some(WaitSet::new());
        let _key = set.as_mut().unwrap().add(&consumer);
        let mut rx = receiver(&segment);
        let of_set = what.contains("set");
        let watch = Arc::clone(if of_set { consumer.watched() } else { rx.watch() });
        wake_of_set(&watch, || send(&mut tx));
        send(&mut tx);
        other.registration.arm(1);
        pay(&segment, &mut rx, &mut set);
        assert!(!other.registration.is_armed(), "{what} wakes another one");
        other.registration.arm(1);
        watch.pay();
        assert!(other.registration.is_armed(), "{what} pays once");
    }
}

/// Catches a dropped handle that takes its debt with it.
#[test]
fn a_handle_that_is_dropped_pays() {
    let segment = slots();
    let (mut tx, other, rx) = (sender(&segment), receiver(&segment), receiver(&segment));
    wake_of_set(&rx.watch().clone(), || send(&mut tx));
    other.registration.arm(1);
    drop(rx);
    assert!(!other.registration.is_armed());
}

/// Catches a set that changes the bit of a handle which has the index of a dropped one.
#[test]
fn the_bit_of_a_dropped_handle_is_left_alone() {
    let segment = slots();
    let rx = receiver(&segment);
    let watch = rx.watch().clone();
    let armed = watch.set_bit(None).unwrap();
    drop(rx);
    let next = receiver(&segment);
    next.registration.arm(1);
    watch.disarm(armed, None);
    assert!(next.registration.is_armed(), "the index was used again");
    assert!(watch.set_bit(None).is_none());
}

/// Catches a debt without a wake, and one that wakes somebody for nothing.
#[test]
fn nothing_is_owed_for_nothing() {
    let segment = slots();
    let (mut tx, other, mut rx) = (sender(&segment), receiver(&segment), receiver(&segment));
    // Nobody took the bit.
    let watch = rx.watch().clone();
    wake_of_set(&watch, || {});
    send(&mut tx);
    other.registration.arm(1);
    watch.pay();
    assert!(other.registration.is_armed());
    assert!(!rx.registration.has_waited(), "the fast path is open to a handle in a set");
    // The message is gone.
    wake_of_set(&watch, || send(&mut tx));
    assert!(rx.registration.has_waited());
    assert_eq!(rx.try_take(2, |_, _| Ok(())), Ok(2));
    other.registration.arm(3);
    assert!(!rx.registration.has_waited(), "paid by the verb");
    assert!(other.registration.is_armed());
}

/// Catches a sole consumer that takes the slow way for nobody.
#[test]
fn who_is_alone_owes_nothing() {
    let segment = Segment::create_sealed("watch", &Config::spsc()).unwrap();
    let (mut tx, rx) = (sender(&segment), receiver(&segment));
    wake_of_set(&rx.watch().clone(), || send(&mut tx));
    assert!(!rx.registration.has_waited());
}

/// Catches a handle armed for an event loop whose bit was taken, and whose next verb leaves the
/// wake unused; a debt that is paid twice; and one that is paid before there is a wake.
#[test]
fn the_next_verb_pays_for_an_arm() {
    let segment = slots();
    let (mut tx, other, mut rx) = (sender(&segment), receiver(&segment), receiver(&segment));
    let watch = rx.watch().clone();
    watch.pay();
    let armed = watch.arm().unwrap();
    assert!(armed.1, "ordered, or nothing is to be seen here");
    assert!(!rx.registration.has_waited() && !watch.take_debt(), "the bit is set");
    send(&mut tx);
    send(&mut tx);
    other.registration.arm(1);
    assert!(rx.registration.has_waited());
    assert!(rx.try_take(1, |_, _| Ok(())).is_ok());
    assert!(!other.registration.is_armed(), "there is one more message");
    other.registration.arm(1);
    watch.disarm_kept();
    watch.pay();
    assert!(other.registration.is_armed(), "it is paid");
}

/// Catches a handle that is dropped while it is armed, and takes the wake with it.
#[test]
fn a_handle_that_is_dropped_while_armed_pays() {
    let segment = slots();
    let (mut tx, other, rx) = (sender(&segment), receiver(&segment), receiver(&segment));
    assert!(rx.watch().arm().is_some());
    send(&mut tx);
    other.registration.arm(1);
    drop(rx);
    assert!(!other.registration.is_armed());
}
