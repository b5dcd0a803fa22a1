//! The parent's side: a segment, the parties that use it, and the kill.

use std::ops::ControlFlow;
use std::time::Duration;

use shmring::{Config, Kind, Status};

use super::orders::{Answer, Order, Part};
use super::{Case, LIMIT, Waits};
use crate::intercept::Task;
use shmring_bench::name::Named;
use shmring_bench::now_ns;
use shmring_bench::worker::{Crew, Dialog, Silence};
use shmring_bench::{Error, Options, WorkerFailure};

/// Of slot rings. Few, so that messages lap the ring many times in a case.
const SLOTS: u64 = 16;
const SLOT_BYTES: u64 = 64;
/// The smallest record ring.
const CAPACITY_BYTES: u64 = 4096;
/// A party gives up by itself after [`LIMIT`]; one that does not answer for longer than this hangs.
const SILENCE_LIMIT: Duration = Duration::from_secs(LIMIT.as_secs() + 10);

/// Asked whether to go on.
pub(super) type GoOn<'a> = dyn FnMut() -> ControlFlow<()> + 'a;

/// Where a case takes place.
pub(super) struct Stage<'a> {
    named: Named,
    waits: Waits,
    monitor: bool,
    options: &'a Options,
    pub(super) go_on: &'a mut GoOn<'a>,
}

impl<'a> Stage<'a> {
    pub(super) fn set(
        case: &Case,
        options: &'a Options,
        go_on: &'a mut GoOn<'a>,
    ) -> Result<Stage<'a>, Error> {
        let config = Config::new(case.kind);
        let config = match case.kind {
            Kind::Spsc => config.capacity_bytes(CAPACITY_BYTES),
            _ => config.slots(SLOTS).slot_bytes(SLOT_BYTES),
        };
        let named = Named::create(&options.segment_prefix, &config)
            .map_err(|error| Error::Prepare { contender: "a ring", source: error.into() })?;
        Ok(Stage { named, waits: case.waits, monitor: case.monitor, options, go_on })
    }

    /// Starts a party that is to survive.
    pub(super) fn survivor(&mut self, role: &'static str) -> Result<Party, Error> {
        self.start(role, self.monitor)
    }

    /// Starts a party that is to be killed.
    pub(super) fn victim(&mut self) -> Result<Party, Error> {
        self.start("victim", false)
    }

    fn start(&mut self, role: &'static str, monitor: bool) -> Result<Party, Error> {
        let (dialog, theirs) = Dialog::pair().map_err(Error::os("making a socket for a party"))?;
        let part = Part { segment: self.named.name.clone(), waits: self.waits, monitor };
        let mut crew = Crew::new();
        crew.start(role, &self.options.executable, None, &Task::Party(part), vec![theirs])?;
        Ok(Party { role, crew, dialog })
    }

    /// Gives an order, and waits until it is carried out.
    pub(super) fn order(&mut self, party: &mut Party, order: Order) -> Result<Done, Error> {
        party.tell(&order)?;
        self.await_done(party)
    }

    /// Gives an order to wait or to pause, and returns when the party does so, or is about to.
    pub(super) fn order_to_wait(&mut self, party: &mut Party, order: Order) -> Result<(), Error> {
        party.tell(&order)?;
        match party.hear(self.go_on)? {
            Answer::Waits => Ok(()),
            Answer::Done { .. } => Err(party.failed("did not wait".to_owned())),
        }
    }

    pub(super) fn await_done(&mut self, party: &mut Party) -> Result<Done, Error> {
        match party.hear(self.go_on)? {
            Answer::Done { at_ns, next } => Ok(Done { at_ns, next }),
            Answer::Waits => Err(party.failed("waits, where nothing is to wait for".to_owned())),
        }
    }

    /// Returns the state of the ring.
    pub(super) fn status(&self) -> Result<Status, Error> {
        let status = self.named.segment.status();
        status.map_err(|fault| Error::Prepare { contender: "a ring", source: fault.into() })
    }
}

/// An order that was carried out.
pub(super) struct Done {
    pub(super) at_ns: u64,
    pub(super) next: u64,
}

/// A party, as the parent sees it. Dropped, it is killed and reaped.
pub(super) struct Party {
    role: &'static str,
    crew: Crew,
    dialog: Dialog,
}

impl Party {
    /// Gives an order to be carried out after those before it.
    pub(super) fn tell(&mut self, order: &Order) -> Result<(), Error> {
        self.dialog.say(order).map_err(|_| self.end())
    }

    /// Kills the party. Returns the time just before.
    pub(super) fn kill(&mut self) -> Result<u64, Error> {
        let now = now_ns().map_err(|error| Error::os("reading the clock")(error.into()))?;
        self.crew.kill();
        Ok(now)
    }

    fn hear(&mut self, go_on: &mut GoOn<'_>) -> Result<Answer, Error> {
        self.dialog.hear_within(SILENCE_LIMIT, go_on).map_err(|silence| match silence {
            Silence::Ended => self.end(),
            Silence::Stopped => Error::Stopped,
            Silence::TimedOut => Error::TimedOut { roles: vec![self.role], limit: SILENCE_LIMIT },
        })
    }

    /// Returns why the party ended without an order.
    fn end(&mut self) -> Error {
        let crew = std::mem::replace(&mut self.crew, Crew::new());
        let ended = crew.run(Duration::from_secs(1), &mut |_| ControlFlow::Continue(()));
        ended.err().unwrap_or_else(|| self.failed("ended before its time".to_owned()))
    }

    pub(super) fn failed(&self, what: String) -> Error {
        Error::Workers(vec![WorkerFailure { role: self.role, what }])
    }
}
