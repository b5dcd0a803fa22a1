//! Who takes part in a search.

use std::fmt;

use super::memory::{MAX_CONSUMERS, MAX_PRODUCERS, MAX_SLOTS, Message};

/// A rule of the algorithm that a search can leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A consumer that is stuck behind a ticket resolves it.
    Resolve,
    /// Who lost the claim withdraws its announcement.
    Withdraw,
    /// A ticket that was published or closed is left alone.
    SettledCheck,
    /// A ticket that the living announce is left alone.
    LivenessCheck,
    /// A ticket that head has passed is left alone.
    PassedCheck,
    /// A ticket is announced before it is claimed.
    AnnounceFirst,
    /// Consumers pass over tombstones.
    SkipTombstones,
    /// Consumers pass over parts of messages without the first slot.
    SkipParts,
    /// The stamp of a message's first slot comes after those of its parts.
    CommitLast,
    /// Who misses a part of a message reports that only if head has not moved.
    PartsOfALaterLap,
    /// A message is copied before it is taken.
    CopyFirst,
    /// A ticket that is given up gets a tombstone.
    AbandonCloses,
    /// The cleaner withdraws what the dead announced.
    CleanerWithdraws,
    /// Who leaves withdraws before others can have its handle.
    WithdrawBeforeFree,
}

/// A configuration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Config {
    pub(super) slots: u8,
    /// For each producer the sizes of its batches.
    producers: &'static [&'static [u8]],
    pub(super) consumers: u8,
    /// Messages that a consumer takes at once if they are there.
    pub(super) takes: u8,
    /// Handles for producers.
    pub(super) handles: u8,
    /// Whether somebody cleans up after dead producers.
    pub(super) has_cleaner: bool,
    /// Whether producers may give open tickets up.
    pub(super) abandons: bool,
    /// Whether a batch is one message that takes so many slots.
    pub(super) spans: bool,
    /// Producers and consumers that may die.
    pub(super) deaths: u8,
    without: Option<Rule>,
}

impl Config {
    /// A handle for each producer and nobody dies.
    pub(super) const fn new(slots: u8, producers: &'static [&'static [u8]], consumers: u8) -> Self {
        assert!(slots.is_power_of_two() && slots as usize <= MAX_SLOTS);
        assert!(producers.len() <= MAX_PRODUCERS && consumers as usize <= MAX_CONSUMERS);
        Self {
            slots,
            producers,
            consumers,
            takes: 1,
            handles: producers.len() as u8,
            has_cleaner: false,
            abandons: false,
            spans: false,
            deaths: 0,
            without: None,
        }
    }

    /// Up to `deaths` die.
    pub(super) const fn deaths(self, deaths: u8) -> Self {
        Self { deaths, ..self }
    }

    /// Consumers take two messages at once if they are there.
    pub(super) const fn takes_two(self) -> Self {
        Self { takes: 2, ..self }
    }

    /// Producers may give open tickets up.
    pub(super) const fn abandons(self) -> Self {
        Self { abandons: true, ..self }
    }

    /// Each batch is one message, which takes as many slots.
    pub(super) const fn spans(self) -> Self {
        Self { spans: true, ..self }
    }

    /// There are that many handles for producers, and a cleaner who frees those of
    /// the dead.
    pub(super) const fn shared_handles(self, handles: u8) -> Self {
        Self { handles, has_cleaner: true, ..self }
    }

    pub(super) const fn without(self, rule: Rule) -> Self {
        Self { without: Some(rule), ..self }
    }

    pub(super) fn has(&self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    pub(super) fn producers(&self) -> usize {
        self.producers.len()
    }

    /// Size of a producer's batch of that number; `None` after the last.
    pub(super) fn batch(&self, producer: usize, batch: u8) -> Option<u8> {
        self.producers[producer].get(usize::from(batch)).copied()
    }

    /// The message that a producer sends after `sent` others.
    pub(super) fn message(&self, producer: usize, sent: u8) -> Message {
        let earlier: u8 = self.producers[..producer].iter().copied().flatten().sum();
        Message(earlier + sent)
    }

    /// The messages that the producer of this one sends before it.
    pub(super) fn earlier(&self, message: Message) -> impl Iterator<Item = Message> {
        let firsts = (0..self.producers()).map(|producer| self.message(producer, 0).0);
        let first = firsts.take_while(|&first| first <= message.0).last().unwrap_or_default();
        (first..message.0).map(Message)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { slots, producers, consumers, handles, deaths, .. } = self;
        write!(f, "slots {slots}, producers {producers:?}, consumers {consumers}")?;
        write!(f, ", handles {handles}, deaths {deaths}")?;
        if self.takes > 1 {
            write!(f, ", takes {}", self.takes)?;
        }
        if self.abandons {
            write!(f, ", abandons")?;
        }
        if self.spans {
            write!(f, ", spans")?;
        }
        match self.without {
            Some(rule) => write!(f, ", without {rule:?}"),
            None => Ok(()),
        }
    }
}
