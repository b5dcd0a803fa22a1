//! What shared memory is made of.

pub(super) const MAX_SLOTS: usize = 2;
pub(super) const MAX_PRODUCERS: usize = 3;
pub(super) const MAX_CONSUMERS: usize = 2;

pub(super) type Position = u8;

/// A message by its number, or what a payload word holds where none was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Message(pub(super) u8);

impl Message {
    pub(super) const NONE: Self = Self(u8::MAX);
    /// What two words of different messages make.
    pub(super) const TORN: Self = Self(u8::MAX - 1);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Stamp {
    Never,
    Published(Position),
    /// A message that goes on in the slots up to the second position.
    Spanning(Position, Position),
    Part(Position),
    Tombstone(Position),
}

impl Stamp {
    pub(super) fn is_for(self, position: Position) -> bool {
        self.position() == Some(position)
    }

    /// Whether the slot held `position`, or a later one.
    pub(super) fn has_reached(self, position: Position) -> bool {
        self.position().is_some_and(|at| at >= position)
    }

    fn position(self) -> Option<Position> {
        match self {
            Self::Never => None,
            Self::Published(at) | Self::Spanning(at, _) => Some(at),
            Self::Part(at) | Self::Tombstone(at) => Some(at),
        }
    }
}

/// A slot with two words of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Slot {
    pub(super) stamp: Stamp,
    pub(super) words: [Message; 2],
}

/// The tickets that a producer announces; none if `count` is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Intent {
    pub(super) first: Position,
    pub(super) count: u8,
}

impl Intent {
    pub(super) const IDLE: Self = Self { first: 0, count: 0 };

    pub(super) fn contains(self, position: Position) -> bool {
        (self.first..self.first + self.count).contains(&position)
    }
}

/// A producer's entry in the handle table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Handle {
    /// The producer, which stands for its attach.
    pub(super) holder: Option<u8>,
    pub(super) intent: Intent,
}
