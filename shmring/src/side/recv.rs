//! The consumer's side.

use std::time::Duration;

use crate::error::{Fault, JoinError, RecvError, Role, TryRecvError};
use crate::facts::WakeFences;
use crate::layout::Shape;
use crate::pace::{Pace, Progress};
use crate::peers::Producers;
use crate::ring::slot::{self, Look, Resolved};
use crate::ring::{Corrupt, Place, at_or_past, record};
use crate::seat::Seat;
use crate::segment::View;
use crate::sync::{AtomicU64, Deadline};
use crate::sys::clock;
use crate::wait;

/// How often a receive starts over because other consumers were faster, before it
/// returns to its caller.
const MAX_TRIES: u32 = 64;
/// A consumer that is stuck behind a claimed ticket looks after its owner first after
/// this, then after twice as long, up to the other.
const STUCK_MIN: Duration = Duration::from_micros(50);
const STUCK_MAX: Duration = Duration::from_millis(5);

/// The ring, as a consumer plays it.
#[derive(Debug)]
enum Ring {
    Record(record::Consumer),
    Slot(slot::Consumer),
}

/// A claimed ticket that was not published when it was last looked at.
#[derive(Debug)]
struct Stuck {
    position: u64,
    interval: Duration,
    /// When to look after its owner.
    due: Deadline,
}

/// The consumer's side of a ring of messages.
#[derive(Debug)]
pub(crate) struct RecvSide {
    ring: Ring,
    pub(crate) seat: Seat,
    producers: Producers,
    stuck: Option<Stuck>,
    pace: Pace,
}

impl RecvSide {
    /// Takes a consumer's role; a sole one from where its last holder left it.
    pub(crate) fn join(view: View) -> Result<Self, JoinError> {
        let seat = Seat::take(view, Role::Consumer)?;
        let view = &seat.view;
        let ring =
            match view.shape() {
                Shape::Records { .. } => record::Consumer::take_over(view.record())
                    .map(Ring::Record)
                    .map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?,
                Shape::Slots { .. } => Ring::Slot(slot::Consumer::take_over(view.slot())),
                Shape::Elements { .. } => return Err(JoinError::packed(view.shape().kind())),
            };
        let producers = Producers::of(view.control());
        Ok(Self { ring, seat, producers, stuck: None, pace: Pace::START })
    }

    /// Whether messages may be looked at in place: no other consumer takes them.
    #[inline]
    pub(crate) fn is_exclusive(&self) -> bool {
        !self.seat.is_shared()
    }

    /// # Errors
    /// [`TryRecvError::NotExclusive`] if other consumers may take what is looked at.
    #[inline]
    pub(crate) fn check_exclusive(&self) -> Result<(), TryRecvError> {
        if self.is_exclusive() { Ok(()) } else { Err(TryRecvError::NotExclusive) }
    }

    /// Notes that what lies before `end` is shown in place; whether all of it was before.
    #[inline]
    pub(crate) fn show(&self, end: u64) -> bool {
        at_or_past(self.seat.view.control().consumer.show(end), end)
    }

    /// The payload words of a message.
    #[inline]
    pub(crate) fn payload(&self, place: Place) -> &[AtomicU64] {
        self.seat.view.payload(place)
    }

    /// The position of the oldest message that this consumer knows not to be taken.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        match &self.ring {
            Ring::Record(ring) => ring.head(),
            Ring::Slot(ring) => ring.head(),
        }
    }

    /// Where the message at `from` is, the end of one that was looked at before.
    ///
    /// # Errors
    /// What ends the use of this side.
    #[inline(always)]
    pub(crate) fn look_ahead(&mut self, from: u64) -> Result<Option<Place>, Fault> {
        match self.look_ahead_plainly(from) {
            Some(place) => Ok(Some(place)),
            None => self.look_ahead_otherwise(from),
        }
    }

    /// As [`look_ahead`](Self::look_ahead), if nothing stands in the way that has to be
    /// looked into.
    #[inline(always)]
    fn look_ahead_plainly(&mut self, from: u64) -> Option<Place> {
        if !self.seat.is_clear() {
            return None;
        }
        match &mut self.ring {
            Ring::Record(ring) => ring.peek_plainly(self.seat.view.record(), from),
            Ring::Slot(ring) => ring.look_ahead_plainly(self.seat.view.slot(), from),
        }
    }

    #[cold]
    #[inline(never)]
    fn look_ahead_otherwise(&mut self, from: u64) -> Result<Option<Place>, Fault> {
        self.seat.check()?;
        let place = match &self.ring {
            Ring::Record(ring) => ring.peek(self.seat.view.record(), from),
            Ring::Slot(ring) => ring.look_ahead(self.seat.view.slot(), from),
        };
        place.map_err(|corrupt| self.seat.poison(corrupt))
    }

    /// Where the next message is.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Place, TryRecvError> {
        match self.next_plainly() {
            Some(place) => Ok(place),
            None => self.next_otherwise(),
        }
    }

    /// Where the next message is, if nothing stands in the way that has to be looked into.
    #[inline]
    fn next_plainly(&mut self) -> Option<Place> {
        if !self.seat.is_clear() {
            return None;
        }
        let view = &self.seat.view;
        match &mut self.ring {
            Ring::Record(ring) => ring.peek_plainly(view.record(), ring.head()),
            Ring::Slot(ring) => ring.look_plainly(view.slot()),
        }
    }

    #[cold]
    fn next_otherwise(&mut self) -> Result<Place, TryRecvError> {
        match self.look() {
            Err(TryRecvError::Empty) => self.look_for_end(),
            found => found,
        }
    }

    fn look(&mut self) -> Result<Place, TryRecvError> {
        self.seat.check()?;
        let view = &self.seat.view;
        let look = match &mut self.ring {
            Ring::Record(ring) => match ring.peek(view.record(), ring.head()) {
                Ok(Some(place)) => return Ok(place),
                Ok(None) => Ok(Look::Empty),
                Err(corrupt) => Err(corrupt),
            },
            Ring::Slot(ring) => {
                let look = ring.look(view.slot());
                if ring.take_skipped() {
                    self.seat.notify_producers(ring.head());
                }
                look
            }
        };
        match look {
            Ok(Look::Message(place)) => {
                self.stuck = None;
                Ok(place)
            }
            Ok(Look::InFlight { position }) => {
                self.look_after(position)?;
                Err(TryRecvError::WouldBlock)
            }
            Ok(Look::Empty) => {
                self.stuck = None;
                Err(TryRecvError::Empty)
            }
            Ok(Look::Outrun) => Err(TryRecvError::WouldBlock),
            Err(corrupt) => Err(self.seat.poison(corrupt).into()),
        }
    }

    /// Closes the ticket at `position` if this consumer has been stuck behind it for
    /// some time and its owner is dead.
    #[cold]
    fn look_after(&mut self, position: u64) -> Result<(), Fault> {
        let mut interval = STUCK_MIN;
        if let Some(stuck) = self.stuck.as_ref().filter(|stuck| stuck.position == position) {
            if !stuck.due.passed() {
                return Ok(());
            }
            interval = (stuck.interval * 2).min(STUCK_MAX);
            self.resolve(position)?;
        }
        self.stuck = Some(Stuck { position, interval, due: Deadline::after(interval) });
        Ok(())
    }

    fn resolve(&mut self, position: u64) -> Result<(), Fault> {
        let view = &self.seat.view;
        let is_alive = |attach| view.attach().is_alive(attach);
        match slot::resolve(view.slot(), view.handles(), position, is_alive) {
            // Others may be stuck here as well.
            Ok(Resolved::Closed) => self.seat.notify_own(position.wrapping_add(1)),
            Ok(_) => {}
            Err(corrupt) => return Err(self.seat.poison(corrupt)),
        }
        Ok(())
    }

    /// Tells an empty ring from an ended one. Only a look at the ring after the
    /// look at the producers makes sure that nothing was sent in between.
    #[cold]
    fn look_for_end(&mut self) -> Result<Place, TryRecvError> {
        let Some(ended) = self.ended() else {
            return Err(TryRecvError::Empty);
        };
        let look = self.look();
        let concluded = Producers::conclude(self.seat.view.control(), ended, look);
        // Producers that are gone with the memory they were entered in are not gone.
        self.seat.check()?;
        concluded
    }

    /// How many producers have come and gone, if no more messages can come of them.
    fn ended(&self) -> Option<u64> {
        self.producers.ended(&self.seat.view.control().roles)
    }

    /// As [`next`](Self::next), but waits for a message.
    #[inline]
    pub(crate) fn next_by(&mut self, deadline: Deadline) -> Result<Place, RecvError> {
        match self.next_plainly() {
            Some(place) => Ok(place),
            None => self.retry_by(deadline, Self::next),
        }
    }

    fn progress(&self) -> Progress {
        let view = &self.seat.view;
        match &self.ring {
            Ring::Record(ring) => Progress {
                messages: ring.messages(),
                position: ring.head(),
                capacity: view.shape().capacity_bytes(),
            },
            Ring::Slot(ring) => Progress {
                messages: ring.head(),
                position: ring.head(),
                capacity: view.slot().slots(),
            },
        }
    }

    /// Looks for a message for a few microseconds, at the pace that suits.
    fn glance(&mut self) {
        if self.seat.is_forked() || self.has_message() || !self.seat.mode.looks() {
            return;
        }
        wait::pause(self.pace.lag(self.progress(), clock::now_ns));
        if !wait::glance(|| self.has_message()) {
            self.pace.idle();
        }
    }

    /// Whether a message is at head.
    #[inline]
    fn has_message(&self) -> bool {
        let view = &self.seat.view;
        match &self.ring {
            Ring::Record(ring) => ring.has_message(view.record()),
            Ring::Slot(ring) => ring.has_message(view.slot()).0,
        }
    }

    /// Repeats an attempt to receive, with waits in between. After the deadline it is made
    /// once more at most: where others take what there is, or there is ever more to pass
    /// over, waits end at once and attempts fail.
    #[inline]
    pub(crate) fn retry_by<R>(
        &mut self,
        deadline: Deadline,
        mut attempt: impl FnMut(&mut Self) -> Result<R, TryRecvError>,
    ) -> Result<R, RecvError> {
        let mut waited = false;
        loop {
            self.glance();
            match attempt(self) {
                Err(TryRecvError::Empty | TryRecvError::WouldBlock) => {
                    if waited && deadline.passed() {
                        return Err(RecvError::TimedOut);
                    }
                    self.await_message(deadline)?;
                    waited = true;
                }
                result => return Ok(result?),
            }
        }
    }

    #[cold]
    fn await_message(&mut self, deadline: Deadline) -> Result<(), RecvError> {
        let view = &self.seat.view;
        let has_message = || self.has_message();
        // Any commit moves the tail past head.
        let need = self.head().wrapping_add(1);
        // Who borrows its fence from the claim may not see this consumer asleep.
        let borrowed = view.attach().fences() == WakeFences::Borrowed;
        let in_flight = || match &self.ring {
            Ring::Record(_) => false,
            Ring::Slot(_) => borrowed && view.slot().is_claimed(need),
        };
        let in_time = match &self.stuck {
            // Even at the end of the stream, the owner of the ticket decides.
            Some(stuck) => {
                self.seat.wait_slice(need, stuck.due.min(deadline), deadline, has_message)
            }
            None => {
                let ready = || has_message() || in_flight() || self.ended().is_some();
                self.seat.wait(need, deadline, ready)
            }
        };
        if in_time.map_err(RecvError::Failed)? { Ok(()) } else { Err(RecvError::TimedOut) }
    }

    /// Shows the next message to `copy` and takes it, if nothing stands in the way that has
    /// to be looked into and `copy` agrees; whether it did.
    #[inline(always)]
    pub(crate) fn take_plainly(&mut self, copy: impl FnOnce(Place, &[AtomicU64]) -> bool) -> bool {
        if !self.seat.is_clear() {
            return false;
        }
        let view = &self.seat.view;
        let reached = match &mut self.ring {
            Ring::Record(ring) => {
                let records = view.record();
                match ring.peek_plainly(records, ring.head()) {
                    Some(place) if copy(place, view.payload(place)) => {
                        ring.release(records, place.end, 1);
                        place.end
                    }
                    _ => return false,
                }
            }
            Ring::Slot(ring) => {
                let slots = view.slot();
                match ring.look_plainly(slots) {
                    Some(place)
                        if !self.seat.has_waited()
                            && copy(place, view.payload(place))
                            && ring.take(slots, place.end, 1) =>
                    {
                        place.end
                    }
                    _ => return false,
                }
            }
        };
        self.seat.notify_producers(reached);
        true
    }

    /// Shows up to `max` messages, in order, to `copy`, and then takes all of them at
    /// once; returns how many. `copy` gets the index of a message among them, its place
    /// and its words. Where consumers compete, it may be called for messages that then
    /// turn out to be someone else's; it starts over at index 0.
    ///
    /// # Errors
    /// Those of [`next`](Self::next), and that of `copy` for the first message, which
    /// is not taken then; for another message it ends the batch before it.
    #[inline]
    pub(crate) fn try_take(
        &mut self,
        max: usize,
        mut copy: impl FnMut(usize, Place, &[AtomicU64]) -> Result<(), TryRecvError>,
    ) -> Result<usize, TryRecvError> {
        let result = self.try_take_some(max, &mut copy);
        if let Ring::Slot(ring) = &self.ring {
            // After a wait beside other consumers: wakes one more if there is more.
            self.seat.pass_on(|view| {
                let (message, reached) = ring.has_message(view.slot());
                message.then_some(reached)
            });
        }
        result
    }

    #[inline]
    fn try_take_some(
        &mut self,
        max: usize,
        copy: &mut impl FnMut(usize, Place, &[AtomicU64]) -> Result<(), TryRecvError>,
    ) -> Result<usize, TryRecvError> {
        for _ in 0..MAX_TRIES {
            let mut place = self.next()?;
            let (mut end, mut count) = (place.start, 0);
            loop {
                if let Err(error) = copy(count, place, self.payload(place)) {
                    if count == 0 && self.is_current() {
                        return Err(error);
                    }
                    break;
                }
                (end, count) = (place.end, count + 1);
                if count == max {
                    break;
                }
                match self.look_ahead(end) {
                    Ok(Some(next)) => place = next,
                    _ => break,
                }
            }
            if count > 0 && self.take(end, count as u64) {
                return Ok(count);
            }
        }
        Err(TryRecvError::WouldBlock)
    }

    /// Whether the message at head is still there for this consumer.
    #[cold]
    fn is_current(&self) -> bool {
        match &self.ring {
            Ring::Record(_) => true,
            Ring::Slot(ring) => ring.is_current(self.seat.view.slot()),
        }
    }

    /// Takes everything up to `to`, which is `messages` messages, and wakes a producer
    /// that waits for it. Whether no other consumer had some of it.
    #[inline]
    pub(crate) fn take(&mut self, to: u64, messages: u64) -> bool {
        match &mut self.ring {
            Ring::Record(ring) => ring.release(self.seat.view.record(), to, messages),
            Ring::Slot(ring) => {
                if !ring.take(self.seat.view.slot(), to, messages) {
                    return false;
                }
            }
        }
        self.seat.notify_producers(to);
        true
    }

    /// Ends the use of this side: what a message holds is not what the ring is for.
    #[cold]
    pub(crate) fn poison(&mut self, corrupt: Corrupt) -> Fault {
        self.seat.poison(corrupt)
    }
}
