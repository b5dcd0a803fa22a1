//! Subscribers of a broadcast ring that survive each death, and account for every message that was
//! sent: received in its place and whole, or counted as missed, which a gating one does only after
//! it was told that it was evicted.

use shmring::info::{Holder, SubscriptionMode};
use shmring::{Consumer, Segment, Status, TryRecvError};

use crate::case::{Case, How};
use crate::ends::number_of;

/// What a watcher saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Message(u64),
    Missed(u64),
    Evicted,
}

#[derive(Debug)]
struct Watcher {
    rx: Consumer,
    how: How,
    seen: Vec<Seen>,
}

impl Watcher {
    /// Receives whatever is there.
    fn follow(&mut self) {
        let Self { rx, how, seen } = self;
        loop {
            let before = rx.missed();
            let received = rx.try_recv().map(|bytes| number_of(&bytes));
            let missed = rx.missed() - before;
            if missed > 0 {
                seen.push(Seen::Missed(missed));
            }
            match received {
                Ok(number) => {
                    assert!(missed == 0 || *how == How::Latest, "missed without a word");
                    seen.push(Seen::Message(number));
                }
                Err(TryRecvError::Lagged { missed: told }) => assert_eq!(told, missed),
                Err(TryRecvError::Evicted) => seen.push(Seen::Evicted),
                Err(TryRecvError::Empty | TryRecvError::Eof) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Checks its account, and whether it was told of an eviction if there was one.
    fn check(&self, sent: &[u64], is_evicted: bool) {
        let Self { how, seen, .. } = self;
        let (mut next, mut told, mut holds_up) = (0, 0, *how == How::Gating);
        for seen in seen {
            match *seen {
                Seen::Missed(count) => {
                    assert!(!holds_up, "{how:?}, {:?}, of {sent:?}", self.seen);
                    next += count as usize;
                }
                Seen::Message(number) => {
                    let expected = sent.get(next);
                    assert_eq!(expected, Some(&number), "{how:?}, {:?}, of {sent:?}", self.seen);
                    next += 1;
                }
                Seen::Evicted => (told, holds_up) = (told + 1, false),
            }
        }
        assert_eq!(next, sent.len(), "{how:?}, {seen:?}, of {sent:?}");
        assert_eq!(told, usize::from(is_evicted), "{how:?}, {seen:?}");
    }
}

/// See the module. None where the ring is of another kind.
#[derive(Debug)]
pub(crate) struct Watchers(Vec<Watcher>);

impl Watchers {
    pub(crate) fn join(case: Case, segment: &Segment) -> Self {
        let join = |&how: &How| {
            let rx = segment.subscribe(how.subscribe()).unwrap();
            Watcher { rx, how, seen: Vec::new() }
        };
        Self(case.watchers().iter().map(join).collect())
    }

    /// Before the victim starts: all but the first one receive what is there.
    pub(crate) fn follow_before(&mut self) {
        self.0.iter_mut().skip(1).for_each(Watcher::follow);
    }

    /// Receives what is there.
    pub(crate) fn follow(&mut self) {
        self.0.iter_mut().for_each(Watcher::follow);
    }

    /// Receives the rest. Checks that nothing of what was sent is lacking, is in another place, or
    /// came twice. Leaves then.
    pub(crate) fn check(&mut self, sent: &[u64], status: &Status) {
        self.follow();
        let mode = |holder: &Holder| holder.subscription.as_ref().map(|one| one.mode);
        let mut holders = status.ring().holders.iter();
        let is_evicted = holders.any(|holder| mode(holder) == Some(SubscriptionMode::Evicted));
        for watcher in self.0.drain(..) {
            watcher.check(sent, is_evicted && watcher.how == How::Gating);
        }
    }
}
