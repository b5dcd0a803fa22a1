//! What a job ring is supposed to do, as plainly as it can be said.

/// What a position holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A ticket that is neither published nor closed.
    Open,
    Tombstone,
    /// A job of `len` bytes that nobody has.
    Free {
        len: u64,
    },
    /// A job in the hands of that worker.
    Held {
        len: u64,
        worker: usize,
    },
    Done,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) position: u64,
    /// How many slots it takes.
    pub(super) slots: u64,
    pub(super) attempts: u64,
    pub(super) state: State,
}

/// The entries from head on, the oldest first.
#[derive(Debug)]
pub(super) struct Oracle {
    pub(super) entries: Vec<Entry>,
    pub(super) head: u64,
    pub(super) tail: u64,
    pub(super) slots: u64,
}

impl Oracle {
    pub(super) fn new(slots: u64, start: u64) -> Self {
        Self { entries: Vec::new(), head: start, tail: start, slots }
    }

    /// Moves head over what is done or closed.
    pub(super) fn advance(&mut self) {
        let is_over = |entry: &Entry| matches!(entry.state, State::Done | State::Tombstone);
        while self.entries.first().is_some_and(is_over) {
            self.head = self.head.wrapping_add(self.entries.remove(0).slots);
        }
    }

    /// Claims tickets if there is room.
    pub(super) fn claim(&mut self, count: u64) -> Option<u64> {
        self.advance();
        let first = self.tail;
        if first.wrapping_sub(self.head) + count > self.slots {
            return None;
        }
        for ahead in 0..count {
            let position = first.wrapping_add(ahead);
            self.entries.push(Entry { position, slots: 1, attempts: 0, state: State::Open });
        }
        self.tail = first.wrapping_add(count);
        Some(first)
    }

    /// Turns `slots` open tickets from `position` on into a job.
    pub(super) fn publish(&mut self, position: u64, slots: u64, len: u64) {
        let index = self.index(position);
        self.entries.drain(index + 1..index + slots as usize);
        let entry = &mut self.entries[index];
        assert_eq!(entry.state, State::Open);
        (entry.slots, entry.state) = (slots, State::Free { len });
    }

    pub(super) fn index(&self, position: u64) -> usize {
        self.entries.iter().position(|entry| entry.position == position).expect("in the ring")
    }

    pub(super) fn at(&mut self, position: u64) -> &mut Entry {
        let index = self.index(position);
        &mut self.entries[index]
    }

    /// The first ticket that is open.
    pub(super) fn first_open(&self) -> Option<u64> {
        let mut entries = self.entries.iter();
        entries.find(|entry| entry.state == State::Open).map(|entry| entry.position)
    }

    /// The job to take: the oldest that nobody has, unless a ticket before it is open.
    pub(super) fn next(&mut self) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut().take_while(|entry| entry.state != State::Open);
        entries.find(|entry| matches!(entry.state, State::Free { .. }))
    }

    /// How many jobs are not done, with open tickets and what lies behind the first.
    pub(super) fn pending(&self) -> u64 {
        let open = self.first_open();
        let before = self.entries.iter().take_while(|entry| Some(entry.position) != open);
        let known = before
            .filter(|entry| matches!(entry.state, State::Free { .. } | State::Held { .. }))
            .count() as u64;
        known + open.map_or(0, |open| self.tail.wrapping_sub(open))
    }

    /// Gives back what a worker has.
    pub(super) fn return_all(&mut self, who: usize) {
        for entry in &mut self.entries {
            if let State::Held { len, worker } = entry.state
                && worker == who
            {
                entry.state = State::Free { len };
            }
        }
    }
}
