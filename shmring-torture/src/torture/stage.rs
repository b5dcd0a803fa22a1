//! The parent's part for one segment: its workers, the actions on them, and their ledgers.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use shmring::info::{Holder, SubscriptionMode};
use shmring::{EvictError, Kind, Role, Segment};

use super::ledger::{Ledger, State, Wish};
use super::party::Part;
use super::setup::{Mode, Setup};
use super::verify::{Books, Receiver, Sender};
use super::{Tally, Trouble};
use crate::intercept::Task;
use shmring_bench::random::mix;
use shmring_bench::worker::Crew;
use shmring_bench::{Error, Options};

/// A worker, alive or not yet found to have left. Dropped, it is killed and reaped.
pub(super) struct Worker {
    pub(super) role: Role,
    pub(super) incarnation: u32,
    pub(super) ledger: Ledger,
    crew: Crew,
    pub(super) stopped_until: Option<Instant>,
    pub(super) asked_to_leave: bool,
    /// What it had received when it had been evicted.
    evicted: Option<u64>,
}

impl Worker {
    pub(super) fn state(&self) -> State {
        self.ledger.state()
    }

    /// Whether it has the role, or asks for it.
    pub(super) fn is_candidate(&self) -> bool {
        matches!(self.state(), State::Attached | State::Joined) && !self.asked_to_leave
    }

    fn name(&self) -> String {
        format!("{} {}", self.role, self.incarnation)
    }
}

/// The workers of one segment, in numbered seats, and the books of those that have ended.
pub(super) struct Stage<'a> {
    pub(super) setup: &'a Setup,
    options: &'a Options,
    name: &'a str,
    pub(super) seats: Vec<Option<Worker>>,
    books: Books,
    /// The ledgers of workers that have ended.
    received: u64,
    incarnations: u32,
    seed: u64,
    require_consumer: bool,
    /// Subscribers that were evicted.
    pub(super) evictions: u64,
    pub(super) tally: &'a mut Tally,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        setup: &'a Setup,
        options: &'a Options,
        name: &'a str,
        seed: u64,
        tally: &'a mut Tally,
    ) -> Stage<'a> {
        let books = Books {
            many_senders: setup.kind.shares(Role::Producer),
            many_receivers: setup.kind.shares(Role::Consumer),
            whole_batches: matches!(setup.kind, Kind::Spsc | Kind::Packed | Kind::Broadcast),
            is_broadcast: setup.kind == Kind::Broadcast,
            is_jobs: setup.kind == Kind::Jobs,
            ..Books::default()
        };
        let seats = (0..setup.producers + setup.consumers).map(|_| None).collect();
        Stage {
            setup,
            options,
            name,
            seats,
            books,
            received: 0,
            incarnations: 0,
            seed,
            require_consumer: !seed.is_multiple_of(4),
            evictions: 0,
            tally,
        }
    }

    fn role(&self, seat: usize) -> Role {
        if seat < self.setup.producers { Role::Producer } else { Role::Consumer }
    }

    /// Starts a worker in an empty seat.
    pub(super) fn start(&mut self, seat: usize, wish: Wish) -> Result<(), Trouble> {
        let (role, incarnation) = (self.role(seat), self.incarnations + 1);
        self.incarnations = incarnation;
        let (ledger, fd) = Ledger::new().map_err(Error::os("making a ledger"))?;
        ledger.ask(wish);
        let part = Part {
            segment: self.name.to_owned(),
            produces: role == Role::Producer,
            incarnation,
            seed: mix(self.seed ^ u64::from(incarnation)),
            waits: self.setup.waits,
            monitor: self.setup.has_monitor(incarnation),
            most_in_batch: self.setup.most_in_batch(),
            require_consumer: self.require_consumer,
            mode: Mode::of(mix(self.seed ^ u64::from(incarnation))),
        };
        let mut crew = Crew::new();
        let title = if part.produces { "producer" } else { "consumer" };
        crew.start(title, &self.options.executable, None, &Task::Torture(part), vec![fd])?;
        self.tally.spawned += 1;
        self.seats[seat] = Some(Worker {
            role,
            incarnation,
            ledger,
            crew,
            stopped_until: None,
            asked_to_leave: wish != Wish::Stay,
            evicted: None,
        });
        Ok(())
    }

    pub(super) fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.seats.iter().flatten()
    }

    /// Messages that all consumers have entered so far.
    pub(super) fn received(&self) -> u64 {
        self.received + self.workers().map(|worker| worker.ledger.received()).sum::<u64>()
    }

    /// Kills the worker in a seat, and enters it in the books.
    pub(super) fn kill(&mut self, seat: usize) -> Result<bool, Trouble> {
        let Some(mut worker) = self.seats[seat].take() else { return Ok(false) };
        let name = worker.name();
        let Worker { crew, ledger, .. } = &mut worker;
        let before = std::mem::replace(crew, Crew::new()).kill_all();
        if let Some(fault) = ledger.fault().or(before) {
            return Err(Trouble::Defect(format!("{name}: {fault}")));
        }
        // It may have left just before.
        let killed = ledger.state() != State::Left;
        self.bury(&worker, killed);
        self.tally.kills += u64::from(killed);
        self.tally.clean_exits += u64::from(!killed);
        Ok(killed)
    }

    fn bury(&mut self, worker: &Worker, killed: bool) {
        let &Worker { role, incarnation, ref ledger, evicted, .. } = worker;
        let joined_ns = ledger.joined_ns();
        match role {
            Role::Producer => {
                let (started, sent) = (ledger.started(), ledger.sent());
                self.books.senders.push(Sender { incarnation, joined_ns, started, sent, killed });
            }
            Role::Consumer => {
                let entries = ledger.entries();
                self.received += ledger.received();
                let bracket = ledger.bracket();
                let begun = if killed { self.begun() } else { HashMap::new() };
                let mode = Mode::of(mix(self.seed ^ u64::from(incarnation)));
                let is_drained = !killed && ledger.wish() == Wish::Drain;
                let receiver = Receiver {
                    incarnation,
                    joined_ns,
                    entries,
                    bracket,
                    killed,
                    begun,
                    mode,
                    evicted,
                    is_drained,
                };
                self.books.receivers.push(receiver);
            }
        }
    }

    /// How many messages each producer has begun to send.
    fn begun(&self) -> HashMap<u32, u64> {
        let living = self.workers().filter(|worker| worker.role == Role::Producer);
        let living = living.map(|worker| (worker.incarnation, worker.ledger.started()));
        let gone = self.books.senders.iter().map(|sender| (sender.incarnation, sender.started));
        living.chain(gone).collect()
    }

    /// Stops the worker in a seat for the given time.
    pub(super) fn stop(&mut self, seat: usize, pause: Duration) {
        if let Some(worker) = self.seats[seat].as_mut()
            && worker.stopped_until.is_none()
        {
            worker.crew.signal(Signal::SIGSTOP);
            worker.stopped_until = Some(Instant::now() + pause);
            self.tally.stops += 1;
        }
    }

    /// Evicts the first subscriber that gates, from a seat on.
    pub(super) fn evict(&mut self, seat: usize, segment: &Segment) -> Result<(), Trouble> {
        if self.setup.kind != Kind::Broadcast {
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| Trouble::Defect(format!("evicting: {error}"));
        let status = segment.status().map_err(|fault| failed(&fault))?;
        let holder_of = |worker: &Worker| {
            let mut holders = status.ring().holders_of(Role::Consumer);
            let mode = |holder: &Holder| holder.subscription.as_ref().map(|one| one.mode);
            holders.find(|holder| {
                holder.participant.pid == worker.ledger.pid()
                    && mode(holder) == Some(SubscriptionMode::Gating)
            })
        };
        let (before, from) = self.seats.split_at_mut(seat);
        let mut workers = from.iter_mut().chain(before).flatten();
        let found = workers.find_map(|worker| Some((holder_of(worker)?, worker)));
        let Some((subscriber, worker)) = found else { return Ok(()) };
        match segment.evict(subscriber) {
            Ok(()) => {
                worker.evicted = Some(worker.ledger.received());
                self.evictions += 1;
                self.tally.evictions += 1;
                Ok(())
            }
            // It has left meanwhile.
            Err(EvictError::Gone { .. } | EvictError::NotGating { .. }) => Ok(()),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Continues the workers whose pause is over, or all.
    pub(super) fn go_on(&mut self, all: bool) {
        for worker in self.seats.iter_mut().flatten() {
            if worker.stopped_until.is_some_and(|until| all || until <= Instant::now()) {
                worker.crew.signal(Signal::SIGCONT);
                worker.stopped_until = None;
            }
        }
    }

    pub(super) fn ask(&mut self, seat: usize, wish: Wish) {
        if let Some(worker) = self.seats[seat].as_mut() {
            worker.ledger.ask(wish);
            worker.asked_to_leave = true;
        }
    }

    /// Enters the workers that have left in the books, and detects those that failed.
    pub(super) fn look_after(&mut self, closed: bool) -> Result<(), Trouble> {
        for seat in 0..self.seats.len() {
            let Some(worker) = self.seats[seat].as_mut() else { continue };
            if worker.state() == State::Left {
                let full = worker.role == Role::Consumer || closed;
                if !worker.asked_to_leave && !full {
                    let name = worker.name();
                    return Err(Trouble::Defect(format!("{name} left an open ring by itself")));
                }
                self.kill(seat)?;
            } else if let Some(fault) = worker.ledger.fault().or_else(|| worker.crew.failure()) {
                // Its last output may have arrived meanwhile.
                if worker.state() != State::Left {
                    let fault = worker.ledger.fault().unwrap_or(fault);
                    return Err(Trouble::Defect(format!("{}: {fault}", worker.name())));
                }
            }
        }
        Ok(())
    }

    /// Describes the workers, to diagnose a failure.
    pub(super) fn scene(&self) -> String {
        let scene = |worker: &Worker| {
            let ledger = &worker.ledger;
            let (started, sent) = (ledger.started(), ledger.sent());
            let what = match worker.role {
                Role::Producer => format!("sent {sent}, begun {started}"),
                Role::Consumer => format!("received {}", ledger.received()),
            };
            format!("{} ({:?}, {what})", worker.name(), worker.state())
        };
        self.workers().map(scene).collect::<Vec<_>>().join(", ")
    }

    /// Returns the books, when all workers have ended.
    pub(super) fn into_books(self) -> Books {
        self.books
    }
}
