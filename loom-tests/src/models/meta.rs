//! The tools themselves: what loom sees and does not see, which is the reason for
//! the touch; and when death comes.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use crate::frame::{Body, Model};
use crate::sync::crash::killed_at;
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
    at_least: 33,
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

/// The victim stores 1, 2 and 3. Another thread does so too, and lives.
///
/// Accepted: what the victim did before the operation that killed it, and nothing
/// after. Would catch a death that comes early, late, to another thread, or in a
/// later execution.
fn three_stores(kill_at: u64) {
    let words = Rc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let shared = Rc::clone(&words);
    let count = |word: &AtomicU64| (1..=3).for_each(|value| word.store(value, Ordering::Relaxed));
    let victim = loom::thread::spawn(move || killed_at(kill_at, || count(&shared[0])).is_some());
    count(&words[1]);
    let survived = victim.join().expect("the victim ends");
    assert_eq!(survived, kill_at >= 3);
    assert_eq!(words[0].load(Ordering::Relaxed), kill_at.min(3));
    assert_eq!(words[1].load(Ordering::Relaxed), 3);
}

const THREE_STORES: Model = Model {
    name: "meta::death_comes_at_every_operation_unbounded",
    bound: None,
    at_least: 4,
    body: Body::Deadly(three_stores),
};

/// A victim of three operations has three kill points.
#[test]
fn death_comes_at_every_operation_unbounded() {
    THREE_STORES.check();
    assert_eq!(THREE_STORES.explore(None).kill_points, 3);
}
