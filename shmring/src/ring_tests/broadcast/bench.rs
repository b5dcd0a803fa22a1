//! A ring, its parties, and what must be true of them, told with a list of all messages.

use super::super::oracle::size_of;
use super::{
    HANDLES, Memory, Mode, Place, Producer, RELAXED, Refusal, Refused, Start, Subscriber,
    assert_inside, header,
};
use crate::ring::Look;
use crate::ring::broadcast::{Point, Subscribed, SubscriberState, max_len};

/// A message that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where a walk finds it: the header of the pad before it, if there is one.
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct Bench {
    pub(super) memory: Memory,
    pub(super) producer: Producer,
    /// By handle.
    pub(super) subscribers: [Option<Subscriber>; HANDLES],
    /// How many messages each is past, and how many of them it missed.
    seen: [(usize, u64); HANDLES],
    /// Which were evicted, and whether they have learned it.
    evicted: [Option<bool>; HANDLES],
    evictions: u64,
    /// Every message that was sent.
    pub(super) log: Vec<Record>,
    staged: Vec<Record>,
    start: u64,
}

impl Bench {
    pub(super) fn new(capacity: u64, start: u64, align: u64) -> Self {
        let memory = Memory::new(capacity, start, align);
        let producer = Producer::take_over(memory.ring()).unwrap();
        let (log, staged) = (Vec::new(), Vec::new());
        let (subscribers, seen, evicted) = Default::default();
        let evictions = 0;
        Self { memory, producer, subscribers, seen, evicted, evictions, log, staged, start }
    }

    pub(super) fn tail(&self) -> u64 {
        self.log.last().map_or(self.start, |record| record.end)
    }

    /// The position after so many messages.
    fn boundary(&self, messages: usize) -> u64 {
        messages.checked_sub(1).map_or(self.start, |last| self.log[last].end)
    }

    /// Whether the message after so many others starts there, with the pad before it or without.
    fn is_boundary(&self, position: u64, messages: usize) -> bool {
        let record = |record: &Record| {
            let size = size_of(record.bytes.len() as u64, self.memory.align);
            record.end.wrapping_sub(size) == position
        };
        position == self.boundary(messages) || self.log.get(messages).is_some_and(record)
    }

    /// The cursor of the slowest gating subscriber.
    fn gate(&self) -> Option<u64> {
        let tail = self.tail();
        let gating = (0..HANDLES).filter(|&handle| self.is_gating(handle));
        let cursors = gating.filter_map(|handle| self.subscribers[handle].as_ref());
        cursors.map(Subscriber::position).max_by_key(|&cursor| tail.wrapping_sub(cursor))
    }

    /// Whether a subscriber holds the producer up.
    fn is_gating(&self, handle: usize) -> bool {
        let is_gating = |subscriber: &Subscriber| subscriber.mode() == Mode::Gating;
        self.subscribers[handle].as_ref().is_some_and(is_gating) && self.evicted[handle].is_none()
    }

    /// Whether anybody holds the producer up.
    pub(super) fn is_gated(&self) -> bool {
        (0..HANDLES).any(|handle| self.is_gating(handle))
    }

    /// Where a message goes, and which position the floor must have reached before.
    fn plan(&self, len: u64) -> (u64, u64, u64) {
        let (capacity, align) = (self.memory.capacity(), self.memory.align);
        let from = self.staged.last().map_or(self.tail(), |record| record.end);
        let room = capacity - from % capacity;
        let pad = if size_of(len, align) > room { room } else { 0 };
        let end = from.wrapping_add(pad + size_of(len, align) + 8);
        (from, from.wrapping_add(pad), end.wrapping_sub(capacity))
    }

    /// Reserves, if and only if gating subscribers let it.
    pub(super) fn reserve(&mut self, len: u64) -> Option<Place> {
        let (capacity, align) = (self.memory.capacity(), self.memory.align);
        let result = self.producer.reserve(self.memory.ring(), &self.memory.handles, len);
        let (_, position, need) = self.plan(len);
        let ahead = |gate: u64| need.wrapping_sub(gate).cast_signed() > 0;
        match result {
            Ok(place) => {
                assert_inside(place, capacity);
                assert_eq!((place.start, place.len()), (position, len));
                assert!(!self.gate().is_some_and(ahead), "overwrites what a gate holds");
                assert!(!ahead(self.memory.floor()), "overwrites what is not before the floor");
                return Some(place);
            }
            Err(Refused::Full { need: found }) => {
                assert_eq!(found, need);
                assert!(self.gate().is_some_and(ahead), "full without a gate");
                assert!(!self.memory.ring().has_room(&self.memory.handles, need));
            }
            Err(Refused::TooLong) => {
                assert!(len > max_len(capacity, align) || !self.staged.is_empty());
            }
            Err(other) => panic!("{other:?}"),
        }
        None
    }

    /// Bytes that are a valid header for the lap after, wherever they lie.
    fn payload(&self, place: Place, len: u64) -> Vec<u8> {
        let words = (0..len.div_ceil(8)).map(|i| {
            let next_lap = place.start.wrapping_add(8 + 8 * i).wrapping_add(self.memory.capacity());
            // And different from what other laps leave there.
            header(next_lap, 1, self.log.len() as u64 % 16)
        });
        words.flat_map(u64::to_ne_bytes).take(len as usize).collect()
    }

    pub(super) fn stage(&mut self, place: Place, len: u64) {
        let bytes = self.payload(place, len);
        let (start, ..) = self.plan(place.len());
        self.memory.write(place, &bytes);
        self.producer.stage(self.memory.ring(), place, len);
        let end = place.start.wrapping_add(size_of(len, self.memory.align));
        self.staged.push(Record { start, end, bytes });
    }

    pub(super) fn publish(&mut self) {
        self.producer.publish(self.memory.ring());
        self.log.append(&mut self.staged);
    }

    pub(super) fn abort(&mut self) {
        self.producer.abort();
        self.staged.clear();
    }

    /// Sends in one go, if that is possible. Returns whether it was.
    pub(super) fn send_at_once(&mut self, len: u64) -> bool {
        let Some(place) = self.producer.begin(self.memory.ring(), len) else {
            return false;
        };
        let (start, position, need) = self.plan(len);
        assert_eq!((place.start, place.len()), (position, len));
        assert!(self.gate().is_none_or(|gate| need.wrapping_sub(gate).cast_signed() <= 0));
        let bytes = self.payload(place, len);
        self.memory.write(place, &bytes);
        self.producer.finish(self.memory.ring(), place);
        self.log.push(Record { start, end: place.end, bytes });
        true
    }

    /// Joins with a handle that is free.
    pub(super) fn join(&mut self, handle: usize, mode: Mode, start: Start) {
        let joined = match self.memory.join(handle, mode, start) {
            Ok(joined) => joined,
            Err(refusal) => {
                let Start::Position(position) = start else { panic!("{refusal:?} at {start:?}") };
                assert_eq!(refusal, Refusal::Gone);
                let messages = (0..=self.log.len()).find(|&m| self.boundary(m) == position);
                // A boundary is refused only if no mark leads there.
                let past = |mark: u64| position.wrapping_sub(mark).cast_signed() >= 0;
                let from = if mode == Mode::Gating {
                    self.memory.join_from()
                } else {
                    self.memory.floor()
                };
                let reached = self.laid().any(|(mark, _)| past(mark) && !past_by(from, mark));
                assert!(messages.is_none() || !reached, "{position} is a boundary");
                return;
            }
        };
        assert_eq!(joined.missed(), 0);
        let messages = joined.messages() as usize;
        assert!(self.is_boundary(joined.position(), messages), "not a boundary");
        match start {
            Start::Next => assert_eq!(messages, self.log.len()),
            Start::Position(position) => assert_eq!(joined.position(), position),
            Start::Oldest => {
                let from = if mode == Mode::Gating {
                    self.memory.join_from()
                } else {
                    self.memory.floor()
                };
                assert!(!past_by(from, joined.position()));
                let older = self
                    .laid()
                    .any(|(mark, _)| !past_by(from, mark) && past_by(joined.position(), mark));
                assert!(!older, "an older mark is kept");
            }
        }
        assert_eq!(self.memory.is_gating(handle), mode == Mode::Gating);
        self.seen[handle] = (messages, 0);
        self.subscribers[handle] = Some(joined);
    }

    /// Evicts whoever has the handle, if it gates.
    pub(super) fn evict(&mut self, handle: usize) {
        let is_gating = self.is_gating(handle);
        assert_eq!(self.memory.ring().evict(handle), is_gating);
        if is_gating {
            self.evicted[handle] = Some(false);
            self.evictions += 1;
        }
    }

    /// A look of a subscriber that was evicted, and is to learn it.
    fn learn(&mut self, handle: usize, mut subscriber: Subscriber) {
        let (ring, own) = (self.memory.ring(), &self.memory.handles[handle].own);
        let before = (subscriber.position(), subscriber.messages(), subscriber.missed());
        assert!(subscriber.has_message(ring) && !subscriber.is_whole(ring));
        assert_eq!(subscriber.look_fast(ring), None);
        if let Some(place) = subscriber.peek_fast(ring) {
            assert!(!subscriber.take(ring, own, place.end, 1), "it may be torn");
        }
        assert_eq!(subscriber.look(ring, own), Ok(Look::Evicted));
        let after = (subscriber.position(), subscriber.messages(), subscriber.missed());
        assert_eq!((before, subscriber.mode()), (after, Mode::Lossy));
        self.evicted[handle] = Some(true);
        self.subscribers[handle] = Some(subscriber);
    }

    pub(super) fn leave(&mut self, handle: usize) {
        self.subscribers[handle] = None;
        self.evicted[handle] = None;
        self.memory.leave(handle);
        assert!(!self.memory.is_gating(handle));
    }

    /// The marks that were laid, with their counts.
    fn laid(&self) -> impl Iterator<Item = (u64, u64)> {
        let (capacity, chunk) = (self.memory.capacity(), self.memory.chunk());
        self.memory.marks().into_iter().enumerate().filter_map(move |(index, mark)| {
            (mark.0 % 8 == 0 && mark.0 % capacity / chunk == index as u64).then_some(mark)
        })
    }

    /// One look of a subscriber, which receives what it finds. Returns whether it found anything.
    pub(super) fn receive(&mut self, handle: usize) -> bool {
        let Some(mut subscriber) = self.subscribers[handle].take() else {
            return false;
        };
        if self.evicted[handle] == Some(false) {
            self.learn(handle, subscriber);
            return true;
        }
        let (ring, own) = (self.memory.ring(), &self.memory.handles[handle].own);
        let at = subscriber.position();
        let (past, missed) = self.seen[handle];
        let kept = !past_by(self.memory.floor(), subscriber.position());
        assert!(self.is_boundary(subscriber.position(), past));
        let is_there = past < self.log.len();
        // The newest message may be gone, for one that is reserved, or no mark may lead there.
        let floor = self.memory.floor();
        let leads = |from: u64, last: &Record| !past_by(floor, from) && !past_by(from, last.start);
        let newest_kept = self
            .log
            .last()
            .is_some_and(|last| leads(at, last) || self.laid().any(|(mark, _)| leads(mark, last)));
        let at_end = !is_there || subscriber.mode() != Mode::Latest;
        assert_eq!(subscriber.has_message(ring), is_there);
        let fast = subscriber.look_fast(ring);
        let look = subscriber.look(ring, own).unwrap();
        self.seen[handle] = match look {
            Look::Empty => {
                assert!(subscriber.mode() == Mode::Latest || !is_there, "a message is there");
                assert!(at_end || !newest_kept, "a message is there");
                let past_now = if at_end { past } else { self.log.len() };
                (past_now, missed + (past_now - past) as u64)
            }
            Look::Message(place) => {
                let index = match subscriber.mode() {
                    Mode::Latest => self.log.len() - 1,
                    Mode::Gating | Mode::Lossy => past,
                };
                // What a lossy one copies may be anything, and it must not count.
                let whole = subscriber.is_whole(ring);
                assert!(whole || !kept, "what is kept is whole");
                if whole {
                    let record = &self.log[index];
                    assert!(self.is_boundary(subscriber.position(), index));
                    assert_eq!(place.end, record.end);
                    assert_eq!(self.memory.read(place), record.bytes);
                    let expected =
                        (subscriber.mode() != Mode::Latest && place.start == at).then_some(place);
                    assert_eq!(fast, expected);
                    assert!(subscriber.take(ring, own, place.end, 1));
                    (index + 1, missed + (index - past) as u64)
                } else {
                    assert!(!subscriber.take(ring, own, place.end, 1));
                    (past, missed)
                }
            }
            Look::InFlight { .. }
            | Look::Spanning(_)
            | Look::Held
            | Look::HandsFull
            | Look::Outrun
            | Look::Evicted => {
                panic!("{look:?}")
            }
            Look::Lagged { missed: count } => {
                assert!(!kept && subscriber.mode() != Mode::Gating);
                let next = past + count as usize;
                assert_eq!(subscriber.position(), self.boundary(next));
                assert!(!past_by(self.memory.floor(), subscriber.position()));
                (next, missed + count)
            }
        };
        let (past, missed) = self.seen[handle];
        assert_eq!((subscriber.messages(), subscriber.missed()), (past as u64, missed));
        let shown =
            (own.cursor.load(RELAXED), own.messages.load(RELAXED), own.missed.load(RELAXED));
        assert_eq!(shown, (subscriber.position(), past as u64, missed));
        self.subscribers[handle] = Some(subscriber);
        is_there
    }

    /// Receives up to `count` messages at once with a gating or lossy subscriber.
    pub(super) fn receive_batch(&mut self, handle: usize, count: usize) {
        let Some(mut subscriber) = self.subscribers[handle].take() else {
            return;
        };
        let (ring, own) = (self.memory.ring(), &self.memory.handles[handle].own);
        let past = self.seen[handle].0;
        if self.evicted[handle] == Some(false) {
            let ahead = subscriber.look_ahead(ring, subscriber.position());
            if let Some(place) = ahead.expect("lost, not corrupt") {
                assert_inside(place, self.memory.capacity());
                assert!(!subscriber.take(ring, own, place.end, 1), "it may be torn");
            }
        } else if subscriber.mode() != Mode::Latest && subscriber.is_whole(ring) {
            let (mut from, mut taken) = (subscriber.position(), 0);
            while taken < count
                && let Some(place) = subscriber.look_ahead(ring, from).unwrap()
            {
                let record = &self.log[past + taken];
                assert_eq!(self.memory.read(place), record.bytes);
                let fast = subscriber.look_ahead_fast(ring, from);
                assert_eq!(fast, (place.start == from).then_some(place));
                (from, taken) = (place.end, taken + 1);
            }
            assert_eq!(taken, count.min(self.log.len() - past));
            assert!(subscriber.take(ring, own, from, taken as u64));
            self.seen[handle].0 += taken;
        }
        self.subscribers[handle] = Some(subscriber);
    }

    pub(super) fn succeed(&mut self) {
        self.staged.clear();
        self.producer = Producer::take_over(self.memory.ring()).unwrap();
    }

    /// What must be true at any time.
    pub(super) fn check(&self) {
        let (memory, tail) = (&self.memory, self.tail());
        assert_eq!(self.producer.tail(), tail);
        assert_eq!(self.producer.messages(), self.log.len() as u64);
        assert_eq!(memory.at(tail).load(RELAXED), 0, "rule Z");
        let (hint, join_from) = (memory.hint(), memory.join_from());
        assert!(!past_by(join_from, hint) && !past_by(hint, tail), "the hint is out of bounds");
        assert!(!self.gate().is_some_and(|gate| past_by(memory.floor(), gate)), "overrun");
        for (position, messages) in self.laid() {
            assert_eq!(self.boundary(messages as usize), position, "a mark is none");
        }
        let at_hint = self.laid().filter(|&(position, _)| position == hint);
        assert_eq!(at_hint.count(), 1, "no mark at the hint");
        let used = tail.wrapping_sub(memory.floor());
        assert_eq!(memory.ring().observe(), (used, self.log.len() as u64));
        assert_eq!(memory.ring().evictions(), self.evictions);
        (0..HANDLES).for_each(|handle| self.check_observed(handle));
    }

    /// What observers see of a subscriber.
    fn check_observed(&self, handle: usize) {
        let (ring, handles) = (self.memory.ring(), &self.memory.handles);
        let found = ring.subscription(handles, handle);
        let Some(subscriber) = &self.subscribers[handle] else {
            assert_eq!(found, None);
            return;
        };
        let state = match (subscriber.mode(), self.evicted[handle]) {
            (Mode::Gating, None) => SubscriberState::Gating,
            (Mode::Gating, Some(_)) => SubscriberState::Evicted,
            (Mode::Lossy, None) => SubscriberState::Lossy,
            (Mode::Lossy, Some(_)) => SubscriberState::LossyEvicted,
            (Mode::Latest, _) => SubscriberState::Latest,
        };
        let (past, missed) = self.seen[handle];
        let (cursor, messages) = (subscriber.position(), past as u64);
        assert_eq!(found, Some(Subscribed { state, cursor, messages, missed }));
        let (tail, sent) = (self.tail(), self.log.len() as u64);
        let point = ring.tail_point();
        assert_eq!(point, Point { position: tail, messages: sent });
        let lag = found.map(|subscribed| subscribed.lag(point));
        assert_eq!(lag, Some((tail.wrapping_sub(cursor), sent - messages)));
    }
}

/// Whether `a` is past `b`.
pub(super) fn past_by(a: u64, b: u64) -> bool {
    a.wrapping_sub(b).cast_signed() > 0
}
