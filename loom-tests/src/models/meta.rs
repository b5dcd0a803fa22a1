//! What loom itself sees and does not see: the reason for the touch.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::frame::{Body, Model};
use crate::sync::{AtomicU64, Ordering};

std::thread_local! {
    /// What A loaded, over all executions.
    static SEEN: RefCell<BTreeSet<u64>> = const { RefCell::new(BTreeSet::new()) };
}

/// A loads a word; B loads it and then stores 1. A starts first.
fn load_beside_load_and_store<W: 'static>(
    word: W,
    load: impl Fn(&W) -> u64 + Copy + 'static,
    store: impl Fn(&W) + 'static,
) {
    let word = Rc::new(word);
    let shared = Rc::clone(&word);
    let a = loom::thread::spawn(move || {
        let value = load(&shared);
        SEEN.with_borrow_mut(|seen| seen.insert(value));
    });
    let b = loom::thread::spawn(move || {
        load(&word);
        store(&word);
    });
    a.join().expect("A ends");
    b.join().expect("B ends");
}

fn touched() {
    load_beside_load_and_store(
        AtomicU64::new(0),
        |word| word.load(Ordering::Relaxed),
        |word| word.store(1, Ordering::Relaxed),
    );
}

fn raw() {
    load_beside_load_and_store(
        loom::sync::atomic::AtomicU64::new(0),
        |word| word.load(Ordering::Relaxed),
        |word| word.store(1, Ordering::Relaxed),
    );
}

const TOUCHED: Model = Model {
    name: "meta::the_touch_shows_both_orders_unbounded",
    bound: None,
    at_least: 2,
    body: Body::Plain(touched),
};

const RAW: Model = Model {
    name: "meta::loom_alone_skips_one_order_unbounded",
    bound: None,
    at_least: 2,
    body: Body::Plain(raw),
};

/// With the touch A sees both values.
#[test]
fn the_touch_shows_both_orders_unbounded() {
    TOUCHED.check();
    assert_eq!(SEEN.take(), BTreeSet::from([0, 1]));
}

/// Without it loom never lets B go first. When this fails loom has been mended,
/// and the touch can go.
#[test]
fn loom_alone_skips_one_order_unbounded() {
    RAW.check();
    assert_eq!(SEEN.take(), BTreeSet::from([0]));
}
