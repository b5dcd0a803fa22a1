//! What a slot ring must do, told with a queue and plain arithmetic.

use std::collections::VecDeque;

use super::{Many, Refused};

/// What became of a position between head and tail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Claimed, by the sender of that index if it is still known.
    Claimed {
        by: Option<usize>,
    },
    Message(Vec<u8>),
    /// Of the message before it; without one, of a sender that died.
    Part,
    Tombstone,
}

impl State {
    pub(super) fn is_claimed(&self) -> bool {
        matches!(self, Self::Claimed { .. })
    }
}

/// What a consumer must find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Message(u64, Vec<u8>),
    Empty,
    InFlight(u64),
}

#[derive(Debug)]
pub(super) struct Oracle {
    pub(super) many: Many,
    pub(super) slots: u64,
    pub(super) head: u64,
    /// The positions from head to tail.
    pub(super) queue: VecDeque<State>,
    /// Tombstones that were passed, at head or between the messages of a batch.
    pub(super) passed: u64,
    /// Parts that were passed, with their messages or without.
    pub(super) parts: u64,
    /// Tickets of the dead that were closed.
    pub(super) closed: u64,
}

impl Oracle {
    pub(super) fn new(many: Many, slots: u64, start: u64) -> Self {
        let queue = VecDeque::new();
        Self { many, slots, head: start, queue, passed: 0, parts: 0, closed: 0 }
    }

    pub(super) fn used(&self) -> u64 {
        self.queue.len() as u64
    }

    pub(super) fn tail(&self) -> u64 {
        self.head.wrapping_add(self.used())
    }

    /// What became of a position, if it is one between head and tail.
    pub(super) fn at(&self, position: u64) -> Option<&State> {
        self.queue.get(position.wrapping_sub(self.head) as usize)
    }

    pub(super) fn set(&mut self, position: u64, state: State) {
        let index = position.wrapping_sub(self.head) as usize;
        if index == self.queue.len() {
            // A sole producer's: nobody knew of it before.
            assert!(!self.many.producers);
            self.queue.push_back(state);
        } else {
            assert!(matches!(self.queue[index], State::Claimed { .. }));
            self.queue[index] = state;
        }
    }

    /// Sets the positions from `start` to `end` to a message and its parts.
    pub(super) fn publish(&mut self, start: u64, end: u64, message: Vec<u8>) {
        self.set(start, State::Message(message));
        (1..end.wrapping_sub(start)).for_each(|i| self.set(start.wrapping_add(i), State::Part));
    }

    /// The first of `count` tickets for that sender. A sole producer's are known to
    /// nobody else before they are published.
    pub(super) fn claim(&mut self, by: usize, count: u64) -> Result<u64, Refused> {
        let first = self.tail();
        if count > self.slots {
            return Err(Refused::TooLong);
        }
        if self.used() + count > self.slots {
            let need = self.head.wrapping_add(self.used() + count - self.slots);
            return Err(Refused::Full { need });
        }
        if self.many.producers {
            self.queue.extend((0..count).map(|_| State::Claimed { by: Some(by) }));
        }
        Ok(first)
    }

    /// Forgets whose the tickets of a sender are: its handle is another's now.
    pub(super) fn orphan(&mut self, sender: usize) {
        for state in &mut self.queue {
            if *state == (State::Claimed { by: Some(sender) }) {
                *state = State::Claimed { by: None };
            }
        }
    }

    /// The messages between head and tail, with those that are claimed.
    pub(super) fn messages(&self) -> u64 {
        self.queue.iter().filter(|state| **state != State::Part).count() as u64
    }

    /// Passes the tombstones and parts at head; how many, and what comes then.
    pub(super) fn look(&mut self) -> (u64, Found) {
        let mut skipped = 0;
        loop {
            let found = match self.queue.front() {
                Some(State::Tombstone | State::Part) => {
                    self.take_to(self.head.wrapping_add(1));
                    skipped += 1;
                    continue;
                }
                Some(State::Message(bytes)) => Found::Message(self.head, bytes.clone()),
                Some(State::Claimed { .. }) => Found::InFlight(self.head),
                None => Found::Empty,
            };
            return (skipped, found);
        }
    }

    /// The next message from a position on, with nothing but tombstones and parts before it.
    pub(super) fn look_ahead(&self, from: u64) -> Option<(u64, Vec<u8>)> {
        let mut position = from;
        while let Some(State::Tombstone | State::Part) = self.at(position) {
            position = position.wrapping_add(1);
        }
        match self.at(position) {
            Some(State::Message(bytes)) => Some((position, bytes.clone())),
            _ => None,
        }
    }

    /// Takes so many messages, the last of which ends at `end`.
    pub(super) fn take_batch(&mut self, end: u64, messages: u64) {
        let taken = self.take_to(end);
        assert_eq!(taken, messages);
    }

    /// Passes everything up to `end`; how many messages.
    fn take_to(&mut self, end: u64) -> u64 {
        let mut messages = 0;
        for state in self.queue.drain(..end.wrapping_sub(self.head) as usize) {
            match state {
                State::Message(_) => messages += 1,
                State::Tombstone => self.passed += 1,
                State::Part => self.parts += 1,
                State::Claimed { .. } => panic!("a ticket is in flight there"),
            }
        }
        self.head = end;
        messages
    }
}
