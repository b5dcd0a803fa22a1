//! All that is shared, and where each party is.

use super::config::Config;
use super::consumer::Consumer;
use super::producer::Producer;

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
    Tombstone(Position),
}

impl Stamp {
    pub(super) fn is_for(self, position: Position) -> bool {
        self == Self::Published(position) || self == Self::Tombstone(position)
    }

    /// Whether the slot held `position`, or a later one.
    pub(super) fn has_reached(self, position: Position) -> bool {
        match self {
            Self::Never => false,
            Self::Published(at) | Self::Tombstone(at) => at >= position,
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) tail: Position,
    pub(super) head: Position,
    slots: [Slot; MAX_SLOTS],
    pub(super) handles: [Handle; MAX_PRODUCERS],
    pub(super) producers: [Producer; MAX_PRODUCERS],
    pub(super) consumers: [Consumer; MAX_CONSUMERS],
    /// A ghost: the messages that were published and not delivered, a bit for each.
    pub(super) pending: u8,
    pub(super) deaths: u8,
}

impl State {
    pub(super) fn new(config: &Config) -> Self {
        let mut state = Self {
            tail: 0,
            head: 0,
            slots: [Slot { stamp: Stamp::Never, words: [Message::NONE; 2] }; MAX_SLOTS],
            handles: [Handle { holder: None, intent: Intent::IDLE }; MAX_PRODUCERS],
            producers: [Producer::GONE; MAX_PRODUCERS],
            consumers: [Consumer::Dead; MAX_CONSUMERS],
            pending: 0,
            deaths: 0,
        };
        state.producers[..config.producers()].fill(Producer::NEW);
        state.consumers[..usize::from(config.consumers)].fill(Consumer::NEW);
        state
    }

    pub(super) fn slot(&self, config: &Config, position: Position) -> &Slot {
        &self.slots[usize::from(position % config.slots)]
    }

    pub(super) fn slot_mut(&mut self, config: &Config, position: Position) -> &mut Slot {
        &mut self.slots[usize::from(position % config.slots)]
    }

    /// Whether everything was delivered and all the living have come to their end.
    pub(super) fn is_end(&self) -> bool {
        self.pending == 0
            && self.head == self.tail
            && self.producers.iter().all(|producer| producer.has_ended())
    }

    /// The same state for all that follows from it: consumers are alike.
    pub(super) fn canonical(mut self) -> Self {
        self.consumers.sort_unstable();
        self
    }
}
