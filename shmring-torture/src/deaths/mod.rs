//! Measures how soon survivors continue after a process is killed.
//!
//! In each case two processes survive and a third, the *victim*, is killed; then there is a new
//! victim. One survivor, the *waiter*, waits in the ring for what the death brings about; the
//! other, the *successor*, has or takes the victim's role where the case needs one. The time is
//! taken just before `kill(2)` by the parent and just after the waiter's verb returned by the
//! waiter, on the clock that all processes share. Every message is checked: each must come once,
//! whole and in order, over all kills of a case.

mod orders;
mod party;
mod report;
mod scenes;
mod stage;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shmring::{Kind, Role, WaitMode};

pub(crate) use orders::Part;
pub(crate) use party::run as party;
pub use report::text;

use shmring_bench::stats::Percentiles;
use shmring_bench::{Error as Harness, Options};

use crate::Error;
use orders::Order;
use scenes::Cast;
use stage::{GoOn, Stage};

/// Time limit of an order; a party that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);
/// Interval at which a successor tries to take a role from its dead holder.
const ROLE_POLL: Duration = Duration::from_micros(100);
/// A survivor that waits longer than this is worth a warning.
const LONG_MS: f64 = 1_000.0;

/// The victim, and what the waiter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A producer at rest; another one sends a message after the death.
    NextMessage,
    /// The last producer; the consumer's stream ends.
    End,
    /// A producer that has claimed space and not committed. Where producers compete, another one's
    /// message lies behind; else the next one sends after that.
    Window,
    /// The last consumer of a full ring; the sender's pipe breaks.
    BrokenPipe,
    /// A consumer of a full ring; another one receives a message, so that there is room.
    Room,
    /// A consumer that peeks at a message; its successor receives it again.
    Redelivery,
}

impl Scene {
    fn dies(self) -> Role {
        match self {
            Scene::NextMessage | Scene::End | Scene::Window => Role::Producer,
            Scene::BrokenPipe | Scene::Room | Scene::Redelivery => Role::Consumer,
        }
    }

    /// Describes the victim.
    fn victim(self) -> &'static str {
        match self {
            Scene::NextMessage => "a producer at rest",
            Scene::End => "the last producer",
            Scene::Window => "a producer before its commit",
            Scene::BrokenPipe => "the last consumer",
            Scene::Room => "a consumer of a full ring",
            Scene::Redelivery => "a consumer that peeks",
        }
    }

    /// Describes what ends the wait.
    fn until(self) -> &'static str {
        match self {
            Scene::NextMessage => "another's message",
            Scene::Window => "the message behind",
            Scene::End => "end of stream",
            Scene::BrokenPipe => "broken pipe",
            Scene::Room => "room for a message",
            Scene::Redelivery => "its message again",
        }
    }
}

/// How the waiter waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Waits {
    /// [`WaitMode::Block`].
    Sleeping,
    /// [`WaitMode::Spin`].
    Spinning,
    /// Tries to take a role every 0.1 ms.
    Asking,
}

impl Waits {
    fn mode(self) -> WaitMode {
        match self {
            Waits::Spinning => WaitMode::Spin,
            Waits::Sleeping | Waits::Asking => WaitMode::Block,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Waits::Sleeping => "sleeping",
            Waits::Spinning => "spinning",
            Waits::Asking => "asking",
        }
    }
}

/// A case: the victim, the ring, and the waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// The victim, and what the waiter waits for.
    pub scene: Scene,
    /// The ring.
    pub kind: Kind,
    /// How the waiter waits.
    pub waits: Waits,
    /// Whether the survivors have monitors of the segment.
    pub monitor: bool,
}

impl Case {
    const fn new(scene: Scene, kind: Kind, waits: Waits) -> Case {
        Case { scene, kind, waits, monitor: false }
    }

    const fn monitored(scene: Scene, kind: Kind, waits: Waits) -> Case {
        Case { scene, kind, waits, monitor: true }
    }

    /// The victim's first order.
    fn join(&self) -> Order {
        match self.scene.dies() {
            Role::Producer => Order::Produce { require_consumer: true },
            Role::Consumer => Order::Consume,
        }
    }

    /// Whether each death leaves a ticket that a consumer has to close.
    fn closes_tickets(&self) -> bool {
        self.scene == Scene::Window && self.kind.shares(Role::Producer)
    }

    /// Whether a waiter may notice the death only at the end of a slice of sleep.
    fn may_take_a_slice(&self) -> bool {
        matches!(self.scene, Scene::End | Scene::BrokenPipe) && !self.monitor
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (victim, until) = (self.scene.victim(), self.scene.until());
        write!(f, "{} ring, {victim}, {} for {until}", self.kind, self.waits.name())?;
        f.write_str(if self.monitor { ", monitored" } else { "" })
    }
}

/// All cases.
pub const ALL: [Case; 24] = {
    use Kind::{Mpmc, Mpsc, Spsc};
    use Scene::{BrokenPipe, End, NextMessage, Redelivery, Room, Window};
    use Waits::{Asking, Sleeping, Spinning};
    [
        Case::new(NextMessage, Spsc, Sleeping),
        Case::new(NextMessage, Spsc, Spinning),
        Case::new(NextMessage, Mpmc, Sleeping),
        Case::new(NextMessage, Mpmc, Spinning),
        Case::new(End, Spsc, Sleeping),
        Case::new(End, Spsc, Spinning),
        Case::new(End, Mpmc, Sleeping),
        Case::new(End, Mpmc, Spinning),
        Case::monitored(End, Spsc, Sleeping),
        Case::monitored(End, Spsc, Spinning),
        Case::monitored(End, Mpmc, Sleeping),
        Case::monitored(End, Mpmc, Spinning),
        Case::new(Window, Spsc, Sleeping),
        Case::new(Window, Spsc, Spinning),
        Case::new(Window, Mpmc, Sleeping),
        Case::new(Window, Mpmc, Spinning),
        Case::new(BrokenPipe, Spsc, Sleeping),
        Case::new(BrokenPipe, Mpmc, Sleeping),
        Case::monitored(BrokenPipe, Spsc, Sleeping),
        Case::monitored(BrokenPipe, Mpmc, Sleeping),
        Case::new(Room, Spsc, Sleeping),
        Case::new(Room, Mpmc, Sleeping),
        Case::new(Redelivery, Spsc, Asking),
        Case::new(Redelivery, Mpsc, Asking),
    ]
};

/// The results of a run; a run with a wrong message has none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Deaths {
    /// Kills in each case.
    pub kills: u32,
    /// One for each case, in the order given.
    pub cases: Vec<Figures>,
    /// Warnings about the survivors.
    pub warnings: Vec<Warning>,
}

/// One case's figures.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// The case's description.
    pub case: String,
    /// The ring's kind.
    pub ring: String,
    /// The victim.
    pub victim: String,
    /// What the waiter waited for.
    pub until: String,
    /// How the waiter waited.
    pub waits: Waits,
    /// Whether the survivors had monitors of the segment.
    pub monitor: bool,
    /// From just before each kill to the end of the wait.
    pub waited_ms: Percentiles,
}

/// A warning about the survivors; `Display` is a sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Warning {
    /// A survivor waited long.
    Long {
        /// The case.
        case: String,
        /// The longest wait.
        max_ms: f64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::Long { case, max_ms } => write!(
                f,
                "{case}: a survivor was held up for {:.1} s by a death, which is more than a second",
                max_ms / 1e3
            ),
        }
    }
}

/// Kills the given number of processes in each case. Calls `go_on` several times a second; when it
/// breaks, all parties are killed, the segment is removed, and the call returns
/// [`Harness::Stopped`]. Of `options`, the executable, the prefix and the seed count.
pub fn deaths(
    cases: &[Case],
    options: &Options,
    kills: u32,
    go_on: &mut GoOn<'_>,
) -> Result<Deaths, Error> {
    if cases.is_empty() || kills == 0 {
        let what = String::from("there is nothing to measure: no cases, or no kills");
        return Err(Harness::Options { what }.into());
    }
    let mut figures = Vec::new();
    for case in cases {
        figures.push(measure(case, options, kills, go_on)?);
    }
    Ok(Deaths { kills, warnings: warnings(&figures), cases: figures })
}

fn measure(
    case: &Case,
    options: &Options,
    kills: u32,
    go_on: &mut GoOn<'_>,
) -> Result<Figures, Error> {
    let at = |kill| {
        move |source| match source {
            Harness::Stopped => Error::from(Harness::Stopped),
            source => Error::Death { case: case.to_string(), kill, source },
        }
    };
    let mut waited_ms = Vec::new();
    let mut cast = Stage::set(case, options, go_on)
        .and_then(|stage| Cast::join(case, stage, options.seed))
        .map_err(at(0))?;
    for kill in 1..=kills {
        waited_ms.push(cast.kill().map_err(at(kill))? as f64 / 1e6);
    }
    cast.close_the_books(kills).map_err(at(kills))?;
    let nothing = || Harness::Options { what: String::from("there were no kills") };
    Ok(Figures {
        case: case.to_string(),
        ring: case.kind.to_string(),
        victim: case.scene.victim().to_owned(),
        until: case.scene.until().to_owned(),
        waits: case.waits,
        monitor: case.monitor,
        waited_ms: Percentiles::of(waited_ms).ok_or_else(nothing)?,
    })
}

fn warnings(figures: &[Figures]) -> Vec<Warning> {
    let long = figures.iter().filter(|figures| figures.waited_ms.max > LONG_MS);
    long.map(|figures| Warning::Long { case: figures.case.clone(), max_ms: figures.waited_ms.max })
        .collect()
}
