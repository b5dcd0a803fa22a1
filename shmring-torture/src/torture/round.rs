//! One round: one configuration, and its segments, one after the other under one name.

use std::ops::ControlFlow;
use std::thread::sleep;
use std::time::{Duration, Instant};

use shmring::{AttachError, CreateError, Kind, RecvTimeoutError, Role, Segment, Status};

use super::ledger::{State, Wish};
use super::setup::{Element, Setup};
use super::stage::Stage;
use super::verify::{Books, verify};
use super::{GoOn, Tally, Trouble};
use shmring_bench::name::Name;
use shmring_bench::random::Random;
use shmring_bench::{Error, Options};

/// Interval at which the parent checks the workers.
const TICK: Duration = Duration::from_micros(300);
/// A worker that takes longer than this for one step hangs.
const HANG: Duration = Duration::from_secs(20);
/// The longest time between two actions on workers.
const CALM_US: usize = 12_000;
/// The longest stop.
const STOP_MS: usize = 150;
/// How long the users of a segment continue after its name was removed.
const NAMELESS: Duration = Duration::from_millis(60);
/// Long enough for a waiter to check for dead peers, which it does after 16 ms at the soonest.
const WAIT: Duration = Duration::from_millis(40);
/// Time limit for survivors to make progress.
const LONG: Duration = Duration::from_secs(1);

/// How the use of a segment ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    /// All workers are asked to leave.
    Leave,
    /// All workers are killed at once, and new ones adopt the segment.
    Massacre,
    /// The name is removed and given to the next segment, while this one is in use.
    Unlink,
    /// The ring is closed, while it is in use.
    Close,
}

/// Runs a round, and adds its counts to `tally`.
pub(super) fn run(
    setup: &Setup,
    options: &Options,
    tally: &mut Tally,
    go_on: &mut GoOn<'_>,
) -> Result<(), Trouble> {
    let name = Name::new(&options.segment_prefix);
    let created = Segment::create(&name.0, &setup.config());
    let mut segment = created.map_err(|error| Trouble::Defect(format!("creating: {error}")))?;
    let mut random = Random(setup.seed);
    for life in &setup.lives {
        let place = Place { setup, options, name: &name.0, segment: &segment };
        let next = lead(&place, *life, &mut random, tally, go_on)?;
        tally.segments += 1;
        segment = match next {
            Some(segment) => segment,
            None => replace(segment, &name.0, setup, tally)?,
        };
    }
    Ok(())
}

/// Replaces an unused segment.
fn replace(old: Segment, name: &str, setup: &Setup, tally: &mut Tally) -> Result<Segment, Trouble> {
    match Segment::recreate(name, &setup.config()) {
        Err(CreateError::InUse { .. }) => {}
        other => return Err(Trouble::Defect(format!("a used segment was replaced: {other:?}"))),
    }
    drop(old);
    tally.recreations += 1;
    let segment = Segment::recreate(name, &setup.config());
    segment.map_err(|error| Trouble::Defect(format!("replacing an unused segment: {error}")))
}

/// The segment and its configuration.
struct Place<'a> {
    setup: &'a Setup,
    options: &'a Options,
    name: &'a str,
    segment: &'a Segment,
}

/// Runs one segment. Returns the next one, if it exists already.
fn lead(
    place: &Place<'_>,
    life: Duration,
    random: &mut Random,
    tally: &mut Tally,
    go_on: &mut GoOn<'_>,
) -> Result<Option<Segment>, Trouble> {
    let seed = random.next();
    let mut life = Life {
        stage: Stage::new(place.setup, place.options, place.name, seed, tally),
        segment: place.segment,
        random: Random(seed),
        until: Instant::now() + life,
        pulse: Pulse { received: 0, since: None },
        go_on,
    };
    let endings = [Ending::Leave, Ending::Massacre, Ending::Unlink, Ending::Close];
    let ending = endings[random.below(endings.len())];
    life.work()?;
    let next = life.end(ending, place)?;
    let last = |error: &dyn std::fmt::Display| Trouble::Defect(format!("at the end: {error}"));
    let evictions = life.stage.evictions;
    let books = life.stage.into_books();
    // Attaching reaps the last dead workers.
    let attached = if next.is_none() { Some(Segment::attach(place.name)) } else { None };
    let attached = attached.transpose().map_err(|error| last(&error))?;
    if attached.is_none() {
        clean_up(place)?;
    }
    let here = if attached.is_some() { 2 } else { 1 };
    let status = place.segment.status().map_err(|fault| last(&fault))?;
    nothing_is_left(&status, here)?;
    if status.ring().evictions != evictions {
        let what = format!("{} evictions are counted, not {evictions}", status.ring().evictions);
        return Err(Trouble::Defect(what));
    }
    drop(attached);
    tally.add(&verify(&books).map_err(|defect| Trouble::Defect(defect.to_string()))?);
    tally.takeovers += takeovers(&books);
    Ok(next)
}

/// Reaps the dead in a segment without a name, to which no process can attach: a waiter does so as
/// well.
fn clean_up(place: &Place<'_>) -> Result<(), Trouble> {
    let deadline = Instant::now() + HANG;
    let last = |error: &dyn std::fmt::Display| Trouble::Defect(format!("after the end: {error}"));
    loop {
        let status = place.segment.status().map_err(|fault| last(&fault))?;
        if status.attached.iter().all(|one| one.alive) || Instant::now() > deadline {
            return Ok(());
        }
        // A consumer that got the end is followed by one that waits for another producer.
        let received = if place.setup.of_values {
            let rx = place.segment.value_consumer::<Element>();
            rx.map(|mut rx| rx.recv_timeout(WAIT).map(drop))
        } else if place.setup.kind == Kind::Jobs {
            let worker = place.segment.worker();
            worker.map(|worker| worker.take_timeout(WAIT).map(drop))
        } else {
            place.segment.consumer().map(|mut rx| rx.recv_timeout(WAIT).map(drop))
        };
        match received.map_err(|error| last(&error))? {
            Err(RecvTimeoutError::TimedOut | RecvTimeoutError::Eof) => {}
            other => return Err(Trouble::Defect(format!("a drained ring gives {other:?}"))),
        }
    }
}

/// Checks that all entries, handles and roles were released.
fn nothing_is_left(status: &Status, here: usize) -> Result<(), Trouble> {
    let alive = status.attached.iter().filter(|one| one.alive).count();
    let empty = status.ring().used_bytes == 0
        && status.handles == 0
        && status.ring().sleepers == 0
        && status.ring().producers.is_empty()
        && status.ring().consumers.is_empty()
        && (status.attached.len(), alive) == (here, here);
    let left = || Trouble::Defect(format!("something is left when all have gone: {status:?}"));
    empty.then_some(()).ok_or_else(left)
}

/// Counts how often a sole role passed from a killed worker to another.
fn takeovers(books: &Books) -> u64 {
    let count = |sole: bool, mut holders: Vec<(u64, bool)>| {
        holders.retain(|(joined_ns, _)| *joined_ns > 0);
        holders.sort_unstable();
        let followed = holders.windows(2).filter(|pair| pair[0].1).count() as u64;
        if sole { followed } else { 0 }
    };
    let senders = books.senders.iter().map(|one| (one.joined_ns, one.killed)).collect();
    let receivers = books.receivers.iter().map(|one| (one.joined_ns, one.killed)).collect();
    count(!books.many_senders, senders) + count(!books.many_receivers, receivers)
}

/// Measures the time without progress while messages should arrive.
struct Pulse {
    received: u64,
    /// When a message was received last, or none was expected.
    since: Option<Instant>,
}

struct Life<'a, 'g> {
    stage: Stage<'a>,
    segment: &'a Segment,
    random: Random,
    until: Instant,
    pulse: Pulse,
    go_on: &'g mut GoOn<'a>,
}

impl Life<'_, '_> {
    /// Starts all workers, and acts on them until the time is over.
    fn work(&mut self) -> Result<(), Trouble> {
        for seat in 0..self.stage.seats.len() {
            self.stage.start(seat, Wish::Stay)?;
        }
        let mut next = Instant::now();
        while Instant::now() < self.until {
            self.tick(false)?;
            if Instant::now() >= next {
                self.act()?;
                next = Instant::now() + Duration::from_micros(self.random.below(CALM_US) as u64);
            }
        }
        self.stage.go_on(true);
        Ok(())
    }

    /// Acts on one worker, or fills an empty seat.
    fn act(&mut self) -> Result<(), Trouble> {
        let seat = self.random.below(self.stage.seats.len());
        let what = self.random.below(16);
        let pause = Duration::from_millis(self.random.below(STOP_MS) as u64);
        if self.stage.seats[seat].is_none() {
            return self.stage.start(seat, Wish::Stay);
        }
        match what {
            0..=6 => {
                self.stage.kill(seat)?;
            }
            // A new worker follows at once.
            7..=10 => {
                self.stage.kill(seat)?;
                self.stage.start(seat, Wish::Stay)?;
            }
            11 | 12 => self.stage.stop(seat, pause),
            13 => self.stage.ask(seat, Wish::Leave),
            14 | 15 => self.stage.evict(seat, self.segment)?,
            _ => {}
        }
        Ok(())
    }

    /// Checks all workers, for a moment.
    fn tick(&mut self, closed: bool) -> Result<(), Trouble> {
        if (self.go_on)() == ControlFlow::Break(()) {
            return Err(Trouble::Failed(Error::Stopped));
        }
        sleep(TICK);
        self.stage.go_on(false);
        self.stage.look_after(closed)?;
        self.feel_pulse()
    }

    /// Returns `true` if messages should arrive: both roles have workers, and none is stopped.
    fn feel_pulse(&mut self) -> Result<(), Trouble> {
        let (received, now) = (self.stage.received(), Instant::now());
        let candidate =
            |role| self.stage.workers().any(|worker| worker.role == role && worker.is_candidate());
        let stopped = self.stage.workers().any(|worker| worker.stopped_until.is_some());
        let demanded = !stopped && candidate(Role::Producer) && candidate(Role::Consumer);
        let pause = self.pulse.since.map_or(Duration::ZERO, |since| now - since);
        let advanced = received != self.pulse.received;
        if !demanded || advanced {
            let tally = &mut *self.stage.tally;
            if advanced {
                tally.worst_pause_ms = tally.worst_pause_ms.max(pause.as_secs_f64() * 1e3);
                tally.long_pauses += u64::from(pause > LONG);
            }
            self.pulse = Pulse { received, since: demanded.then_some(now) };
        } else if self.pulse.since.is_none() {
            self.pulse.since = Some(now);
        } else if pause > HANG {
            let scene = self.stage.scene();
            let s = HANG.as_secs();
            return Err(Trouble::Defect(format!("nothing was received for {s} s: {scene}")));
        }
        Ok(())
    }

    /// Ends the use of the segment. Returns the next one, if it has the name already.
    fn end(&mut self, ending: Ending, place: &Place<'_>) -> Result<Option<Segment>, Trouble> {
        let failed =
            |what: &str, error: &dyn std::fmt::Display| Trouble::Defect(format!("{what}: {error}"));
        let mut next = None;
        let mut closed = false;
        match ending {
            Ending::Leave => {}
            Ending::Massacre => {
                for seat in 0..self.stage.seats.len() {
                    self.stage.kill(seat)?;
                }
            }
            Ending::Unlink => {
                // No process can attach to this segment after that.
                self.wait("leave", closed, |stage| {
                    !stage.workers().any(|worker| worker.asked_to_leave)
                })?;
                self.ensure_consumer(Wish::Stay)?;
                self.wait("attach", closed, |stage| {
                    stage.workers().all(|worker| worker.state() != State::Starting)
                })?;
                Segment::unlink(place.name).map_err(|error| failed("unlinking", &error))?;
                match Segment::attach(place.name) {
                    Err(AttachError::NotFound { .. }) => {}
                    other => {
                        let what = format!("a name that was removed is there: {other:?}");
                        return Err(Trouble::Defect(what));
                    }
                }
                let created = Segment::create(place.name, &self.stage.setup.config());
                next = Some(created.map_err(|error| failed("creating anew", &error))?);
                self.stage.tally.unlinks += 1;
                let until = Instant::now() + NAMELESS;
                while Instant::now() < until {
                    self.tick(closed)?;
                }
            }
            Ending::Close => {
                place.segment.close();
                closed = true;
                self.stage.tally.closes += 1;
                self.wait("leave a closed ring", closed, |stage| {
                    stage.workers().all(|worker| worker.role != Role::Producer)
                })?;
            }
        }
        self.leave(closed)?;
        Ok(next)
    }

    /// Makes the producers leave, and then the consumers, which receive the messages left.
    fn leave(&mut self, closed: bool) -> Result<(), Trouble> {
        let producers = 0..self.stage.setup.workers(Role::Producer);
        producers.for_each(|seat| self.stage.ask(seat, Wish::Leave));
        self.wait("leave", closed, |stage| {
            !stage.workers().any(|worker| worker.role == Role::Producer || worker.asked_to_leave)
        })?;
        self.ensure_consumer(Wish::Drain)?;
        (0..self.stage.seats.len()).for_each(|seat| self.stage.ask(seat, Wish::Drain));
        self.wait("drain and leave", closed, |stage| stage.workers().next().is_none())
    }

    /// Starts a consumer if there is none. All consumers were asked to stay so far.
    fn ensure_consumer(&mut self, wish: Wish) -> Result<(), Trouble> {
        if self.stage.workers().any(|worker| worker.role == Role::Consumer) {
            return Ok(());
        }
        self.stage.start(self.stage.setup.workers(Role::Producer), wish)
    }

    /// Checks all workers until `done`.
    fn wait(
        &mut self,
        what: &str,
        closed: bool,
        done: impl Fn(&Stage<'_>) -> bool,
    ) -> Result<(), Trouble> {
        let deadline = Instant::now() + HANG;
        while !done(&self.stage) {
            if Instant::now() > deadline {
                let scene = self.stage.scene();
                return Err(Trouble::Defect(format!("these do not {what}: {scene}")));
            }
            self.tick(closed)?;
        }
        Ok(())
    }
}
