//! Child processes that hold something in a slot ring until they are killed.

use std::cell::Cell;

use shmring::{Config, Kind, Segment};

use crate::common::child::{self, Part, pause, say};
use crate::common::{Name, payload, slots};

/// The kinds whose producers compete, and so have tickets.
pub(crate) const KINDS: [Kind; 2] = [Kind::Mpmc, Kind::Mpsc];

pub(crate) fn ring(kind: Kind) -> Config {
    slots(kind, 16, 64)
}

/// A message of a batch that tells the parent, and waits, when it is about to be copied.
struct Pausing<'a> {
    asked: &'a Cell<u32>,
    bytes: &'a [u8],
}

impl AsRef<[u8]> for Pausing<'_> {
    fn as_ref(&self) -> &[u8] {
        self.asked.set(self.asked.get() + 1);
        // Six are asked for their lengths first; the fourth is to be copied.
        if self.asked.get() == 10 {
            say("holds");
            pause();
        }
        self.bytes
    }
}

/// In the child: does what the arguments say, and waits to be killed.
pub(crate) fn hold(args: &[String]) {
    let segment = Segment::attach(&args[0]).unwrap();
    let producer = || segment.producer().unwrap();
    match &*args[1] {
        // One sent, and one reserved and written but not committed.
        "reservation" => {
            let mut tx = producer();
            tx.send(b"sent").unwrap();
            let mut reservation = tx.reserve(40).unwrap();
            reservation.write_at(0, &[0xFF; 40]);
            say("holds");
            pause();
            reservation.commit();
        }
        // Three of six sent.
        "batch" => {
            let asked = Cell::new(0);
            let batch: Vec<_> = [b"1", b"2", b"3", b"4", b"5", b"6"]
                .map(|bytes| Pausing { asked: &asked, bytes })
                .into();
            producer().send_batch(&batch).unwrap();
        }
        "forgotten" => {
            let mut tx = producer();
            std::mem::forget(tx.reserve(40).unwrap());
            say("holds");
            pause();
            tx.send(b"its next verb").unwrap();
            say("closed");
            pause();
        }
        "consumer" => {
            let mut rx = segment.consumer().unwrap();
            assert_eq!(rx.recv().unwrap(), payload(0, 40));
            say("holds");
            pause();
        }
        // One received, and two looked at.
        "peeks" => {
            let mut rx = segment.consumer().unwrap();
            assert_eq!(rx.recv().unwrap(), payload(0, 40));
            let mut ahead = rx.lookahead().unwrap();
            assert!(ahead.next().is_some() && ahead.next().is_some());
            say("holds");
            pause();
        }
        other => panic!("no part {other}"),
    }
}

pub(crate) fn holder(name: &Name, what: &str) -> Part {
    let mut child = child::start("ring-hold", &[name, what]);
    assert_eq!(child.hear(), "holds");
    child
}
