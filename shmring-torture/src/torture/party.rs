//! The workers: producers and consumers that go on until they are told to stop, or killed.

use std::os::fd::OwnedFd;
use std::process;
use std::thread::{sleep, yield_now};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shmring::{JoinError, Kind, Segment};

use super::ledger::{Entry, Ledger, MessageId, State, Told, Wish};
use super::setup::{Mode, Waits};
use super::{consuming, jobs, producing};
use shmring_bench::contender::BoxError;
use shmring_bench::message;
use shmring_bench::now_ns;
use shmring_bench::random::Random;

/// How often a worker that stands by asks for its role.
const ROLE_POLL: Duration = Duration::from_micros(300);
/// How long a worker waits that has nobody to send to or receive from.
const LONELY: Duration = Duration::from_micros(500);
/// The longest of the waits that a worker takes now and then, so that others sleep.
const PAUSE_US: usize = 2_000;

/// What a worker is told.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(super) segment: String,
    pub(super) produces: bool,
    pub(super) incarnation: u32,
    pub(super) seed: u64,
    pub(super) waits: Waits,
    pub(super) monitor: bool,
    pub(super) most_in_batch: usize,
    pub(super) require_consumer: bool,
    /// Of a consumer of a broadcast ring.
    pub(super) mode: Mode,
}

/// Whether a worker goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    GoOn,
    Leave,
}

/// A worker at work.
pub(super) struct Party<'a> {
    pub(super) part: &'a Part,
    pub(super) ledger: &'a Ledger,
    pub(super) random: Random,
    /// Whether each consumer receives every message.
    pub(super) is_broadcast: bool,
    /// Whether the last release took nothing: the next verb then says that the subscriber was
    /// evicted.
    pub(super) untaken: bool,
}

/// Does the part, and tells in the ledger how it went.
pub(crate) fn run(part: &Part, fds: Vec<OwnedFd>) -> Result<Value, BoxError> {
    let ledger = Ledger::inherited(fds)?;
    match play(part, &ledger) {
        Ok(()) => ledger.enter_state(State::Left),
        Err(error) => ledger.fail(&error.to_string()),
    }
    Ok(Value::Null)
}

fn play(part: &Part, ledger: &Ledger) -> Result<(), BoxError> {
    let segment = Segment::attach(&part.segment)?;
    ledger.set_pid(process::id());
    ledger.enter_state(State::Attached);
    let _monitor = part.monitor.then(|| segment.monitor()).transpose()?;
    let ring = segment.info().ring();
    let (is_broadcast, of_values) = (ring.kind == Kind::Broadcast, ring.element.is_some());
    let random = Random(part.seed);
    let mut party = Party { part, ledger, random, is_broadcast, untaken: false };
    match (part.produces, of_values) {
        (false, _) if ring.kind == Kind::Jobs => jobs::work(&mut party, &segment),
        (true, false) => producing::messages(&mut party, &segment),
        (true, true) => producing::elements(&mut party, &segment),
        (false, false) => consuming::messages(&mut party, &segment),
        (false, true) => consuming::elements(&mut party, &segment),
    }
}

impl Party<'_> {
    /// Asks for the role until it is there; `None` if there is no use in it any more.
    pub(super) fn join<T>(
        &self,
        claim: impl Fn() -> Result<T, JoinError>,
    ) -> Result<Option<T>, BoxError> {
        while self.ledger.wish() != Wish::Leave {
            match claim() {
                // The parent notices if that does not end.
                Err(JoinError::RoleTaken { .. }) if self.ledger.wish() == Wish::Stay => {
                    sleep(ROLE_POLL);
                }
                // The producer was faster.
                Err(JoinError::Outrun) => {}
                Err(JoinError::RoleTaken { .. } | JoinError::Closed) => return Ok(None),
                joined => {
                    let joined = joined?;
                    self.ledger.set_joined_ns(now_ns()?);
                    self.ledger.enter_state(State::Joined);
                    return Ok(Some(joined));
                }
            }
        }
        Ok(None)
    }

    /// Whether this is a subscriber that receives only the newest message each time.
    pub(super) fn is_latest(&self) -> bool {
        self.is_broadcast && self.part.mode == Mode::Latest
    }

    /// Now and then, a wait.
    pub(super) fn dawdle(&mut self) {
        if self.random.below(200) == 0 {
            let pause_us = self.random.below(PAUSE_US) as u64;
            sleep(Duration::from_micros(pause_us));
        }
    }

    /// Now and then, a wait where a death is to be survived: with a message in hand, or half sent.
    pub(super) fn linger(&mut self) {
        if self.random.below(40) == 0 {
            let pause_us = self.random.below(PAUSE_US) as u64;
            sleep(Duration::from_micros(pause_us));
        }
    }

    /// How long a verb may wait.
    pub(super) fn patience(&mut self) -> Duration {
        Duration::from_millis(1 + self.random.below(60) as u64)
    }

    pub(super) fn lonely(&self) {
        sleep(LONELY);
        yield_now();
    }

    pub(super) fn id(&self, sequence: u64) -> u64 {
        MessageId { incarnation: self.part.incarnation, sequence }.encode()
    }

    /// Enters that messages were missed.
    pub(super) fn miss(&self, messages: u64) {
        let message = MessageId { incarnation: 0, sequence: messages };
        self.ledger.enter(Entry { message, told: Told::Missed });
    }

    /// Enters that the subscriber was told of its eviction.
    pub(super) fn enter_eviction(&self) {
        let message = MessageId { incarnation: 0, sequence: 0 };
        self.ledger.enter(Entry { message, told: Told::Evicted });
    }

    /// Enters a message that was received; its number.
    ///
    /// # Errors
    /// If it is not as it was sent.
    pub(super) fn enter(&self, bytes: &[u8], told: Told) -> Result<(), BoxError> {
        match message::open(bytes) {
            Some(word) => {
                self.ledger.enter(Entry { message: MessageId::decode(word), told });
                Ok(())
            }
            None => {
                let message = MessageId { incarnation: 0, sequence: 0 };
                self.ledger.enter(Entry { message, told: Told::Corrupt });
                let head = &bytes[..bytes.len().min(32)];
                Err(format!("{} bytes that nobody sent: {head:02x?}", bytes.len()).into())
            }
        }
    }
}
