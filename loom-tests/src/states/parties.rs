//! Where each party is: the access that it does next, and what it keeps to itself.

use super::memory::{Message, Position, Stamp};

/// A producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Producer {
    pub(super) at: At,
    pub(super) handle: u8,
    /// A copy of head; may be out of date.
    pub(super) head_cache: Position,
    /// Number of the current batch.
    pub(super) batch: u8,
    /// Messages that were published or given up.
    pub(super) sent: u8,
}

/// The access that comes next, with the private state that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    /// Claims a handle.
    Join,
    /// Loads head for the first copy.
    TakeOver,
    LoadTail,
    /// Possibly full: loads head again.
    MakeRoom {
        tail: Position,
    },
    Announce {
        tail: Position,
    },
    Claim {
        tail: Position,
    },
    /// The claim was lost.
    Withdraw,
    /// Writes a word of the oldest open ticket.
    Write {
        word: u8,
        next: Position,
        end: Position,
    },
    /// Stores the stamp of the oldest open ticket.
    Publish {
        next: Position,
        end: Position,
    },
    /// Writes a word of a message into the slot of `at`, one of several.
    WritePart {
        at: Position,
        next: Position,
        end: Position,
    },
    /// Stores the stamp of the part at `at`, which come from the last to the second.
    StampPart {
        at: Position,
        next: Position,
        end: Position,
    },
    /// Stores the stamp of the first slot.
    Commit {
        next: Position,
        end: Position,
    },
    /// Stores a tombstone on the oldest open ticket.
    Abandon {
        next: Position,
        end: Position,
    },
    LeaveIntent,
    LeaveHandle,
    Gone,
    Dead,
}

impl Producer {
    pub(super) const NEW: Self = Self::at(At::Join);
    pub(super) const GONE: Self = Self::at(At::Gone);
    pub(super) const DEAD: Self = Self::at(At::Dead);

    const fn at(at: At) -> Self {
        Self { at, handle: 0, head_cache: 0, batch: 0, sent: 0 }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.at, At::Gone | At::Dead)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.at == At::Dead
    }

    /// Whether the producer has something that its death leaves behind.
    pub(super) fn can_die(&self) -> bool {
        !matches!(self.at, At::Join | At::Gone | At::Dead)
    }

    /// Whether the producer lives and has claimed `position`, and neither published
    /// it nor given it up.
    pub(super) fn has_open(&self, position: Position) -> bool {
        match self.at {
            At::Write { next, end, .. } | At::Publish { next, end } | At::Abandon { next, end } => {
                (next..end).contains(&position)
            }
            At::WritePart { next, end, .. }
            | At::StampPart { next, end, .. }
            | At::Commit { next, end } => (next..end).contains(&position),
            _ => false,
        }
    }
}

/// A consumer: the access that comes next, with the private state that it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Consumer {
    LoadHead,
    LoadStamp {
        head: Position,
    },
    /// Copies the first word of the message at `from`.
    Copy {
        head: Position,
        from: Position,
        copies: Copies,
    },
    CopyRest {
        head: Position,
        from: Position,
        word: Message,
        copies: Copies,
    },
    /// Loads the stamp behind the messages that were copied.
    LookAhead {
        head: Position,
        from: Position,
        copies: Copies,
    },
    /// Loads the stamp of the part at `at` of the message at head.
    CheckPart {
        head: Position,
        at: Position,
        end: Position,
    },
    /// That stamp was another: loads head again.
    MissedPart {
        head: Position,
    },
    /// Copies the word of the slot of `at`; what the others said.
    CopyPart {
        head: Position,
        at: Position,
        end: Position,
        copy: Option<Message>,
    },
    /// Takes what was copied.
    Take {
        head: Position,
        to: Position,
        copies: Copies,
    },
    /// Takes a tombstone.
    Skip {
        head: Position,
    },
    /// Nothing is there: loads head again.
    HasHeadMoved {
        head: Position,
    },
    /// Nothing is there: loads tail.
    IsClaimed {
        head: Position,
    },
    Resolve {
        ticket: Position,
        resolver: Resolver,
    },
    Dead,
}

/// The messages that a consumer has copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Copies {
    first: Option<Message>,
    second: Option<Message>,
}

impl Copies {
    pub(super) const NONE: Self = Self { first: None, second: None };

    /// A message in several slots, whose words said this.
    pub(super) fn of_parts(copy: Message) -> Self {
        Self { first: Some(copy), second: None }
    }

    pub(super) fn and(self, words: [Message; 2]) -> Self {
        let copy = Some(if words[0] == words[1] { words[0] } else { Message::TORN });
        match self.first {
            None => Self { first: copy, ..self },
            Some(_) => Self { second: copy, ..self },
        }
    }

    pub(super) fn count(self) -> u8 {
        self.iter().count() as u8
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Message> {
        self.first.into_iter().chain(self.second)
    }
}

impl Consumer {
    pub(super) const NEW: Self = Self::LoadHead;

    pub(super) fn is_alive(self) -> bool {
        self != Self::Dead
    }
}

/// A consumer that closes a ticket: the access that comes next, with the private state that it needs. `is_far` tells
/// whether tail was more than the ring's slots past the ticket when it was loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Resolver {
    LoadTail,
    LoadHolder {
        handle: u8,
        is_far: bool,
    },
    LoadIntent {
        handle: u8,
        holder: u8,
        is_far: bool,
    },
    /// Asks the kernel.
    IsAlive {
        handle: u8,
        holder: u8,
        is_far: bool,
    },
    LoadStamp {
        is_far: bool,
    },
    LoadHead {
        seen: Stamp,
        is_far: bool,
    },
    Close {
        seen: Stamp,
    },
}

impl Resolver {
    pub(super) const NEW: Self = Self::LoadTail;
}
