//! Subscribers of a broadcast ring that survive each death, hold nobody up, and account for every
//! message that was sent: received in its place and whole, or counted as missed.

use shmring::{Consumer, Kind, Segment, TryRecvError};

use crate::case::How;
use crate::ends::number_of;

/// How many there are.
pub(crate) const WATCHERS: usize = 3;

/// What a watcher saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Message(u64),
    Missed(u64),
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
                Err(TryRecvError::Empty | TryRecvError::Eof) => return,
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn check(&self, sent: &[u64]) {
        let mut next = 0;
        for seen in &self.seen {
            match *seen {
                Seen::Missed(count) => next += count as usize,
                Seen::Message(number) => {
                    assert_eq!(sent.get(next), Some(&number), "{self:?}, of {sent:?}");
                    next += 1;
                }
            }
        }
        assert_eq!(next, sent.len(), "{self:?}, of {sent:?}");
    }
}

/// See the module. None where the ring is of another kind.
#[derive(Debug, Default)]
pub(crate) struct Watchers(Vec<Watcher>);

impl Watchers {
    pub(crate) fn join(segment: &Segment) -> Self {
        let is_broadcast = segment.info().ring().kind == Kind::Broadcast;
        let hows = if is_broadcast { &[How::Lossy, How::Lossy, How::Latest][..] } else { &[] };
        let join = |&how: &How| {
            let rx = segment.subscribe(how.subscribe()).unwrap();
            Watcher { rx, how, seen: Vec::new() }
        };
        Self(hows.iter().map(join).collect())
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
    /// came twice.
    pub(crate) fn check(mut self, sent: &[u64]) {
        self.follow();
        self.0.iter().for_each(|watcher| watcher.check(sent));
    }
}
