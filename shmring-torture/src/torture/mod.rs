//! Processes that use a ring while they are killed, stopped and replaced at random, and an account
//! of every message.
//!
//! A *round* is one configuration: a ring of some kind and size, producers and consumers as
//! processes, their way of waiting, monitors. Under one name, a few segments follow each
//! other. The users of each are killed, stopped for a while, asked to leave and replaced, without a
//! pause; in the end all leave, or are killed, or the name is given to the next segment, or the ring
//! is closed. Each of them writes what it does into memory that outlives it (`ledger`), from which
//! every message is accounted for (`verify`): delivered once, whole and in order, or in the hands of
//! somebody who was killed at that moment. Then nothing may be left in the segment.
//!
//! Who is killed when, and what the next round is like, is a function of the seed; what happens then
//! depends on the machine as well.

mod consuming;
mod jobs;
mod ledger;
mod party;
mod producing;
mod report;
mod round;
mod setup;
mod stage;
mod subscribers;
mod verify;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

pub(crate) use party::{Part, run as party};
pub use report::text;

use shmring_bench::Options;

use crate::Error;
use setup::Setup;
use verify::Account;

/// Rounds that are skipped in a row before nothing is taken to have that description.
const MAX_SKIPPED: u32 = 10_000;

/// Asked whether to go on.
type GoOn<'a> = dyn FnMut() -> ControlFlow<()> + 'a;

/// Which rounds there are to be.
#[derive(Clone, Debug)]
pub struct Rounds {
    /// Decides them all.
    pub seed: u64,
    /// The first one, from 1.
    pub first: u32,
    /// No further one is begun after this time.
    pub time: Duration,
    /// Only those whose description contains this.
    pub only: String,
}

/// What was done and found. There is none of it if a message was lost or came twice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Torture {
    /// Decides all rounds.
    pub seed: u64,
    /// How long it took.
    pub seconds: f64,
    /// Rounds.
    pub rounds: u32,
    /// Different ones among them.
    pub configurations: u32,
    /// The rest.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What was done and found, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Segments.
    pub segments: u64,
    /// Processes.
    pub spawned: u64,
    /// Of them, those that were killed while they used a segment, or were about to.
    pub kills: u64,
    /// Those that left by themselves.
    pub clean_exits: u64,
    /// How often one was stopped for a while.
    pub stops: u64,
    /// How often a sole role went from one that was killed to another.
    pub takeovers: u64,
    /// Segments that were replaced by [`shmring::Segment::recreate`].
    pub recreations: u64,
    /// Segments that lost their name to another while they were in use.
    pub unlinks: u64,
    /// Rings that were closed while they were in use.
    pub closes: u64,
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that were received, once each.
    pub received: u64,
    /// Messages that a consumer had in its hands when it was killed.
    pub in_hand: u64,
    /// Messages that a producer was about to send when it was killed, and that came.
    pub in_doubt_received: u64,
    /// Such messages that did not come.
    pub in_doubt_unsent: u64,
    /// Messages that came again after a sole consumer was killed that had looked at them.
    pub redelivered: u64,
    /// Messages that were sent to the subscribers of broadcast rings, and are in none of the above.
    pub broadcast: u64,
    /// How often a subscriber received one of them.
    pub delivered: u64,
    /// How often a subscriber missed one, and said so.
    pub missed: u64,
    /// How often a gating subscriber was evicted.
    pub evictions: u64,
    /// How often one was told so: not if it was killed before, or left.
    pub evictions_told: u64,
    /// Messages that came to nobody, and of which no kill tells why: always 0, else there is an
    /// error instead of this.
    pub lost: u64,
    /// Messages that came twice, and not as a redelivery: as for `lost`.
    pub duplicated: u64,
    /// The longest time in which nothing was received, of those in which both roles were asked for
    /// or held and nobody was stopped.
    pub worst_pause_ms: f64,
    /// How many of those times were longer than a second.
    pub long_pauses: u64,
}

impl Tally {
    fn add(&mut self, account: &Account) {
        self.sent += account.sent;
        self.received += account.received;
        self.in_hand += account.in_hand;
        self.in_doubt_received += account.in_doubt_received;
        self.in_doubt_unsent += account.in_doubt_unsent;
        self.redelivered += account.redelivered;
        self.broadcast += account.broadcast;
        self.delivered += account.delivered;
        self.missed += account.missed;
        self.evictions_told += account.evictions_told;
    }
}

/// What ended a round.
enum Trouble {
    /// Something is wrong with what is tortured.
    Defect(String),
    /// It could not be gone through.
    Failed(shmring_bench::Error),
}

impl From<shmring_bench::Error> for Trouble {
    fn from(error: shmring_bench::Error) -> Self {
        Trouble::Failed(error)
    }
}

/// Goes through rounds until the time is over. `go_on` is asked many times a second; when it breaks,
/// all workers are killed, the segment is removed, and the call returns [`shmring_bench::Error::Stopped`]. Of
/// `options`, the executable and the prefix count.
pub fn torture(rounds: &Rounds, options: &Options, go_on: &mut GoOn<'_>) -> Result<Torture, Error> {
    let begin = Instant::now();
    let mut torture = Torture { seed: rounds.seed, ..Torture::default() };
    let mut setups = BTreeSet::new();
    let mut skipped = 0;
    for round in rounds.first.max(1).. {
        if torture.rounds > 0 && begin.elapsed() >= rounds.time {
            break;
        }
        let setup = Setup::of(rounds.seed, round);
        if !setup.to_string().contains(&rounds.only) {
            skipped += 1;
            if skipped > MAX_SKIPPED {
                let what = format!("no round's description contains {:?}", rounds.only);
                return Err(shmring_bench::Error::Options { what }.into());
            }
            continue;
        }
        skipped = 0;
        round::run(&setup, options, &mut torture.tally, go_on).map_err(
            |trouble| match trouble {
                Trouble::Failed(error) => error.into(),
                Trouble::Defect(what) => {
                    Error::Defect { setup: setup.to_string(), seed: rounds.seed, round, what }
                }
            },
        )?;
        torture.rounds += 1;
        setups.insert(setup.to_string());
    }
    torture.configurations = setups.len() as u32;
    torture.seconds = begin.elapsed().as_secs_f64();
    Ok(torture)
}
