//! Accounts for every message of one segment, from the ledgers of all its workers.
//!
//! Each message must arrive once, whole, and in the order of its producer, except:
//! - If a producer was killed in a send, its messages may have arrived or not: the first ones in order,
//!   or all or none where a batch appears at once.
//! - If a consumer was killed in a receive that consumes before it returns, up to as many messages as
//!   the receive asked for may be missing, of those that it could have received then.
//! - If a sole consumer was killed before it released messages that it peeked at, they arrive again,
//!   marked as redelivered.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use super::ledger::{Bracket, Entry, MessageId, Told};
use super::setup::Mode;
use super::{jobs, subscribers};

/// A producer that has ended.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) incarnation: u32,
    pub(super) joined_ns: u64,
    /// Messages that it had begun to send, and those that it had sent for certain.
    pub(super) started: u64,
    pub(super) sent: u64,
    pub(super) killed: bool,
}

/// A consumer that has ended.
#[derive(Clone, Debug)]
pub(super) struct Receiver {
    pub(super) incarnation: u32,
    pub(super) joined_ns: u64,
    pub(super) entries: Vec<Entry>,
    /// The receive that was open when it was killed.
    pub(super) bracket: Option<Bracket>,
    pub(super) killed: bool,
    /// Messages that each producer had begun to send when this one was dead.
    pub(super) begun: HashMap<u32, u64>,
    /// Of a subscriber of a broadcast ring.
    pub(super) mode: Mode,
    /// What such a one had entered when it had been evicted.
    pub(super) evicted: Option<u64>,
    /// Whether it left after it had received what was left, and all producers had gone before.
    pub(super) is_drained: bool,
}

/// All workers of a segment, in any order.
#[derive(Clone, Debug, Default)]
pub(super) struct Books {
    pub(super) senders: Vec<Sender>,
    pub(super) receivers: Vec<Receiver>,
    /// Whether producers compete, and consumers.
    pub(super) many_senders: bool,
    pub(super) many_receivers: bool,
    /// Whether a batch appears at once.
    pub(super) whole_batches: bool,
    /// Whether each consumer receives every message.
    pub(super) is_broadcast: bool,
    /// Whether the messages are jobs, which are acknowledged.
    pub(super) is_jobs: bool,
}

/// The number of messages by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Certainly sent, or received although in doubt.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// In doubt at a producer's death: arrived, and not arrived.
    pub(super) in_doubt_received: u64,
    pub(super) in_doubt_unsent: u64,
    /// Held by a consumer that was killed in a receive.
    pub(super) in_hand: u64,
    /// Redelivered after a sole consumer was killed.
    pub(super) redelivered: u64,
    /// Of a broadcast ring: sent, received by all subscribers together, and missed by them.
    pub(super) broadcast: u64,
    pub(super) delivered: u64,
    pub(super) missed: u64,
    /// How often a subscriber was told that it was evicted.
    pub(super) evictions_told: u64,
}

/// A defect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// Not received, and not held by a killed consumer.
    Lost { messages: u64, first: MessageId },
    /// Received twice without a reason.
    Twice { message: MessageId, by: u32 },
    /// Redelivered without the mark.
    Untold { message: MessageId, by: u32 },
    /// Marked as redelivered, although no consumer can have peeked at it.
    ToldInVain { message: MessageId, by: u32 },
    /// Received after a later one of its producer, or of a later sole producer.
    Disordered { message: MessageId, after: MessageId, by: u32 },
    /// Between two messages, or at the end, a subscriber counted others than were sent.
    Miscounted { by: u32, missed: u64, least: u64, most: u64, before: Option<MessageId> },
    /// A subscriber was told of an eviction that there was not, or once more.
    EvictedInVain { by: u32, entry: usize },
    /// A subscriber went on after its eviction, and was not told of it before.
    EvictionUntold { by: u32 },
    /// A job does not count how often it was taken.
    Attempts { message: MessageId, attempts: u64, known: u64 },
    /// Contents that no producer sent.
    Corrupt { by: u32, entry: usize },
    /// A message that no producer began to send.
    NeverSent { message: MessageId, by: u32 },
    /// A producer that was not killed, and does not know what it sent.
    Unfinished { by: u32 },
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of producer {}", self.sequence, self.incarnation)
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lost { messages, first } => write!(
                f,
                "{messages} messages were lost that no kill explains, the first one is {first}"
            ),
            Self::Twice { message, by } => write!(f, "{message} came twice, to consumer {by}"),
            Self::Untold { message, by } => {
                write!(f, "{message} came again to consumer {by}, which was not told so")
            }
            Self::ToldInVain { message, by } => {
                write!(f, "{message} came for the first time, but consumer {by} was told otherwise")
            }
            Self::Disordered { message, after, by } => {
                write!(f, "{message} came after {after}, to consumer {by}")
            }
            Self::Miscounted { by, missed, least, most, before } => {
                write!(
                    f,
                    "subscriber {by} counted {missed} messages as missed, not {least} to {most}, "
                )?;
                match before {
                    Some(message) => write!(f, "before {message}"),
                    None => f.write_str("at the end"),
                }
            }
            Self::EvictedInVain { by, entry } => write!(
                f,
                "receipt {entry} of subscriber {by} is of an eviction, and there was none, or that \
                 one was told before"
            ),
            Self::EvictionUntold { by } => {
                write!(f, "subscriber {by} was evicted, and went on without being told")
            }
            Self::Attempts { message, attempts, known } => {
                write!(f, "{message} counts {attempts} attempts, and {known} are known")
            }
            Self::Corrupt { by, entry } => {
                write!(f, "receipt {entry} of consumer {by} is of contents that nobody sent")
            }
            Self::NeverSent { message, by } => {
                write!(f, "{message} came to consumer {by}, and was not even begun")
            }
            Self::Unfinished { by } => {
                write!(f, "producer {by} left by itself in the middle of a send")
            }
        }
    }
}

/// Accounts for every message.
pub(super) fn verify(books: &Books) -> Result<Account, Defect> {
    if books.is_broadcast {
        return subscribers::verify(books);
    }
    if books.is_jobs {
        return jobs::verify(books);
    }
    let mut verifier = Verifier::new(books)?;
    let mut receivers: Vec<&Receiver> = books.receivers.iter().collect();
    receivers.sort_by_key(|receiver| receiver.joined_ns);
    for receiver in receivers {
        verifier.receipts(receiver)?;
    }
    verifier.close()
}

/// A producer's messages, as far as they were received.
struct Stream<'a> {
    sender: &'a Sender,
    /// Its place among the producers, in the order in which they joined.
    rank: usize,
    came: Vec<bool>,
}

struct Verifier<'a> {
    books: &'a Books,
    streams: HashMap<u32, Stream<'a>>,
    account: Account,
    /// Of a ring with one consumer: what the last one had entered and perhaps not released.
    open: VecDeque<MessageId>,
    /// Of the same: how many more messages a dead consumer may have peeked at.
    shown: u64,
    /// The last message in the order of receipt, of each producer and of all.
    last: HashMap<u32, u64>,
    last_of_all: Option<MessageId>,
}

impl<'a> Verifier<'a> {
    fn new(books: &'a Books) -> Result<Self, Defect> {
        let mut senders: Vec<&Sender> = books.senders.iter().collect();
        senders.sort_by_key(|sender| sender.joined_ns);
        let mut streams = HashMap::new();
        for (rank, sender) in senders.into_iter().enumerate() {
            if !sender.killed && sender.started != sender.sent {
                return Err(Defect::Unfinished { by: sender.incarnation });
            }
            let came = vec![false; sender.started as usize];
            streams.insert(sender.incarnation, Stream { sender, rank, came });
        }
        Ok(Self {
            books,
            streams,
            account: Account::default(),
            open: VecDeque::new(),
            shown: 0,
            last: HashMap::new(),
            last_of_all: None,
        })
    }

    fn receipts(&mut self, receiver: &Receiver) -> Result<(), Defect> {
        if self.books.many_receivers {
            // Each has an order of its own.
            self.last.clear();
            self.last_of_all = None;
        }
        for (index, entry) in receiver.entries.iter().enumerate() {
            self.receipt(entry, index, receiver)?;
        }
        let bracket = receiver.bracket.filter(|_| receiver.killed);
        if let Some(bracket) = bracket.filter(|bracket| bracket.in_place) {
            let entered = &receiver.entries[bracket.start.min(receiver.entries.len())..];
            for entry in entered.iter().rev() {
                self.open.push_front(entry.message);
            }
            self.shown = self.shown.max(bracket.most.saturating_sub(entered.len() as u64));
        }
        Ok(())
    }

    fn receipt(&mut self, entry: &Entry, index: usize, by: &Receiver) -> Result<(), Defect> {
        let Entry { message, told } = *entry;
        let by = by.incarnation;
        if told == Told::Corrupt {
            return Err(Defect::Corrupt { by, entry: index });
        }
        let came = self.streams.get_mut(&message.incarnation);
        let came = came.and_then(|stream| stream.came.get_mut(message.sequence as usize));
        let came = came.ok_or(Defect::NeverSent { message, by })?;
        if std::mem::replace(came, true) {
            return self.again(message, told, by);
        }
        // The open receive had been released.
        self.open.clear();
        if told == Told::Redelivered && self.shown == 0 {
            return Err(Defect::ToldInVain { message, by });
        }
        self.shown = self.shown.saturating_sub(1);
        self.in_order(message, by)?;
        self.account.received += 1;
        Ok(())
    }

    fn again(&mut self, message: MessageId, told: Told, by: u32) -> Result<(), Defect> {
        let Some(at) = self.open.iter().position(|open| *open == message) else {
            return Err(Defect::Twice { message, by });
        };
        if told == Told::New {
            return Err(Defect::Untold { message, by });
        }
        self.open.drain(..=at);
        self.account.redelivered += 1;
        Ok(())
    }

    fn in_order(&mut self, message: MessageId, by: u32) -> Result<(), Defect> {
        let before = self.last.insert(message.incarnation, message.sequence);
        if let Some(sequence) = before.filter(|before| *before > message.sequence) {
            let after = MessageId { sequence, ..message };
            return Err(Defect::Disordered { message, after, by });
        }
        let before = self.last_of_all.replace(message);
        let rank = |message: MessageId| self.streams[&message.incarnation].rank;
        match before {
            Some(after) if !self.books.many_senders && rank(after) > rank(message) => {
                Err(Defect::Disordered { message, after, by })
            }
            _ => Ok(()),
        }
    }

    /// Finds an explanation for each message that did not arrive.
    fn close(mut self) -> Result<Account, Defect> {
        let mut missing = Vec::new();
        for stream in self.streams.values() {
            let Sender { incarnation, started, sent, .. } = *stream.sender;
            let in_doubt = sent as usize..started as usize;
            let came = stream.came[in_doubt.clone()].iter().filter(|came| **came).count() as u64;
            let last = stream.came[in_doubt.clone()].iter().rposition(|came| *came);
            let owed = match last {
                None => sent,
                Some(_) if self.books.whole_batches => started,
                Some(last) => sent + last as u64 + 1,
            };
            self.account.sent += owed;
            self.account.in_doubt_received += came;
            self.account.in_doubt_unsent += started - owed;
            let absent = (0..owed).filter(|sequence| !stream.came[*sequence as usize]);
            missing.extend(absent.map(|sequence| MessageId { incarnation, sequence }));
        }
        missing.sort_unstable();
        self.account.in_hand = missing.len() as u64;
        let unexplained = unexplained(&missing, &self.books.receivers);
        match unexplained.first() {
            None => Ok(self.account),
            Some(first) => Err(Defect::Lost { messages: unexplained.len() as u64, first: *first }),
        }
    }
}

/// A consumer's last receive, which may have consumed messages that it did not enter.
struct Hand<'a> {
    receiver: &'a Receiver,
    room: usize,
    /// The last message that it entered, of each producer.
    last: HashMap<u32, u64>,
    holds: Vec<usize>,
}

impl<'a> Hand<'a> {
    fn of(receiver: &'a Receiver) -> Option<Self> {
        let bracket = receiver.bracket.filter(|bracket| receiver.killed && !bracket.in_place)?;
        let entered = receiver.entries.len().saturating_sub(bracket.start) as u64;
        let room = bracket.most.saturating_sub(entered) as usize;
        let last = |entry: &Entry| (entry.message.incarnation, entry.message.sequence);
        let last = receiver.entries.iter().map(last).collect();
        Some(Self { receiver, room, last, holds: Vec::new() })
    }

    /// Whether it can hold a message: one that had been begun, and not one before those that it
    /// had entered of the same producer.
    fn can_hold(&self, message: &MessageId) -> bool {
        let begun = self.receiver.begun.get(&message.incarnation).copied().unwrap_or(0);
        let after = self.last.get(&message.incarnation);
        message.sequence < begun && after.is_none_or(|last| *last < message.sequence)
    }
}

/// The messages for which there is no hand, if each hand holds as many as it can have held.
fn unexplained(missing: &[MessageId], receivers: &[Receiver]) -> Vec<MessageId> {
    let mut hands: Vec<Hand<'_>> = receivers.iter().filter_map(Hand::of).collect();
    let mut left = Vec::new();
    for index in 0..missing.len() {
        let mut tried = vec![false; hands.len()];
        if !place(index, missing, &mut hands, &mut tried) {
            left.push(missing[index]);
        }
    }
    left
}

/// Finds a hand for a message, moving others if need be (an augmenting path).
fn place(index: usize, missing: &[MessageId], hands: &mut [Hand<'_>], tried: &mut [bool]) -> bool {
    for hand in 0..hands.len() {
        if tried[hand] || !hands[hand].can_hold(&missing[index]) {
            continue;
        }
        tried[hand] = true;
        if hands[hand].holds.len() < hands[hand].room {
            hands[hand].holds.push(index);
            return true;
        }
        for at in 0..hands[hand].holds.len() {
            let other = hands[hand].holds[at];
            if place(other, missing, hands, tried) {
                hands[hand].holds[at] = index;
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;
