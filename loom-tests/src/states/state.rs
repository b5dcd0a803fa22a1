//! All that is shared, and where each party is.

use super::config::Config;
use super::memory::{
    Handle, Intent, MAX_CONSUMERS, MAX_PRODUCERS, MAX_SLOTS, Message, Position, Slot, Stamp,
};
use super::parties::{Consumer, Producer};

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
