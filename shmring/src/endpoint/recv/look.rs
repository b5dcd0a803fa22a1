//! Looking: where the next message is, and what to do when there is none.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use crate::endpoint::liveness::{Eof, Producers};
use crate::endpoint::recv::{RecvEndpoint, Stuck};
use crate::endpoint::registration::Registration;
use crate::endpoint::watch::Watch;
use crate::error::{Fault, TryRecvError};
use crate::memory::mapped_ring::MappedRing;
use crate::ring::slot::{self, Resolved};
use crate::ring::{Corrupt, Extent, Look, Place, jobs, wake};
use crate::sync::Deadline;

/// A consumer that is stuck behind a claimed ticket checks the ticket's owner after the first
/// interval, then after twice as long each time, up to the second.
const STUCK_MIN: Duration = Duration::from_micros(50);
const STUCK_MAX: Duration = Duration::from_millis(5);

impl RecvEndpoint {
    /// Returns the message at `from`, the end of an earlier one.
    ///
    /// # Errors
    /// What ends the use of this endpoint.
    #[inline(always)]
    pub(crate) fn look_ahead(&mut self, from: u64) -> Result<Option<Extent>, Fault> {
        match self.look_ahead_fast(from) {
            Some(place) => Ok(Some(Extent::Whole(place))),
            None => self.look_ahead_slow(from),
        }
    }

    /// As [`look_ahead`](Self::look_ahead), on the fast path only.
    #[inline(always)]
    fn look_ahead_fast(&mut self, from: u64) -> Option<Place> {
        if !self.registration.is_clear() {
            return None;
        }
        self.flavor.look_ahead_fast(&self.registration.mapped, from)
    }

    /// Passes up to `max` messages from `from` on to `visit`, on the fast path. Returns the
    /// position after the last one, and how many these are.
    #[inline(always)]
    pub(crate) fn look_through(
        &mut self,
        from: u64,
        max: usize,
        mut visit: impl FnMut(&Registration, Place),
    ) -> (u64, usize) {
        let registration = &self.registration;
        let (mut end, mut count) = (from, 0);
        let next = (max > 0 && registration.is_clear()).then_some(from);
        self.flavor.look_through(&registration.mapped, next, |place| {
            let place = place?;
            visit(registration, place);
            (end, count) = (place.end, count + 1);
            (count < max && registration.is_clear()).then_some(place.end)
        });
        (end, count)
    }

    #[cold]
    #[inline(never)]
    fn look_ahead_slow(&mut self, from: u64) -> Result<Option<Extent>, Fault> {
        self.registration.check()?;
        let place = self.flavor.look_ahead(&self.registration.mapped, from);
        place.map_err(|corrupt| self.registration.poison(corrupt))
    }

    /// Returns the next message.
    ///
    /// # Errors
    /// See [`TryRecvError`].
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Extent, TryRecvError> {
        match self.next_fast() {
            Some(place) => Ok(Extent::Whole(place)),
            None => self.next_slow(),
        }
    }

    /// Returns the next message, on the fast path.
    #[inline]
    pub(crate) fn next_fast(&mut self) -> Option<Place> {
        if !self.registration.is_clear() {
            return None;
        }
        self.flavor.next_fast(&self.registration)
    }

    #[cold]
    fn next_slow(&mut self) -> Result<Extent, TryRecvError> {
        match self.look() {
            Err(TryRecvError::Empty) => self.look_for_end(),
            found => found,
        }
    }

    fn look(&mut self) -> Result<Extent, TryRecvError> {
        self.registration.check()?;
        match self.flavor.look(&self.registration) {
            Ok(Look::Message(place)) => {
                self.stuck = None;
                Ok(Extent::Whole(place))
            }
            Ok(Look::Spanning(message)) => {
                self.stuck = None;
                Ok(Extent::Spanning(message))
            }
            Ok(Look::InFlight { position }) => {
                self.look_after(position)?;
                Err(TryRecvError::WouldBlock)
            }
            Ok(Look::Empty) => {
                self.stuck = None;
                Err(TryRecvError::Empty)
            }
            Ok(Look::Outrun | Look::Held) => Err(TryRecvError::WouldBlock),
            Ok(Look::HandsFull) => Err(TryRecvError::HandsFull { max: jobs::HANDS }),
            Ok(Look::Lagged { missed }) => Err(TryRecvError::Lagged { missed }),
            Ok(Look::Evicted) => Err(TryRecvError::Evicted),
            Err(corrupt) => Err(self.registration.poison(corrupt).into()),
        }
    }

    /// Closes the ticket at `position` if this consumer has been stuck behind it for some time
    /// and its owner is dead.
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
        resolve(&self.registration.mapped, position).map_err(|error| match error {
            ResolveError::Corrupt(corrupt) => self.registration.poison(corrupt),
            ResolveError::Failed(fault) => fault,
        })
    }

    /// Distinguishes an empty ring from an ended one. Only a load of the ring's positions after
    /// that of the producers shows that nothing was sent in between.
    #[cold]
    fn look_for_end(&mut self) -> Result<Extent, TryRecvError> {
        let Some(ended) = self.ended() else {
            return Err(TryRecvError::Empty);
        };
        let look = self.look();
        let control = self.registration.mapped.control();
        let passed =
            matches!(look, Err(TryRecvError::Empty)) && self.producers.pass(&control.roles, ended);
        if passed {
            self.note_end();
        }
        let concluded = if passed { look } else { Producers::conclude(control, ended, look) };
        // Producers that are gone with the memory they were entered in are not gone.
        self.registration.check()?;
        if matches!(concluded, Err(TryRecvError::Eof)) {
            self.producers.seen = ended;
        }
        concluded
    }

    /// Sets what the end of the stream means.
    pub(crate) fn set_eof(&mut self, eof: Eof) {
        self.producers.eof = eof;
        self.note_end();
    }

    fn note_end(&self) {
        if let Some(watch) = self.registration.watched() {
            watch.set_end(self.producers.end());
        }
    }

    /// Returns what wait sets share with this consumer.
    pub(crate) fn watch(&self) -> &Arc<Watch> {
        self.registration.watch(self.producers.end())
    }

    /// Returns how many producers have come and gone, if none of them can send any more.
    pub(crate) fn ended(&self) -> Option<u64> {
        let ended = self.producers.ended(&self.registration.mapped.control().roles)?;
        // A job that somebody has may come back.
        self.flavor.is_finished(&self.registration.mapped).then_some(ended)
    }
}

/// Why a ticket was not checked.
pub(in crate::endpoint) enum ResolveError {
    Corrupt(Corrupt),
    /// The kernel does not say who is alive.
    Failed(Fault),
}

/// Closes the ticket at `position` if its owner is dead, and wakes others that may be stuck there.
pub(in crate::endpoint) fn resolve(mapped: &MappedRing, position: u64) -> Result<(), ResolveError> {
    let refused = Cell::new(None);
    let is_alive = |attach| {
        mapped.attach().is_alive(attach).unwrap_or_else(|fault| {
            refused.set(Some(fault));
            true
        })
    };
    match slot::resolve(mapped.slot(), mapped.ring(), mapped.handles(), position, is_alive) {
        Ok(Resolved::Closed) => {
            let reached = || Some(position.wrapping_add(1));
            wake::hand_off(&mapped.control().receivers, mapped.handles(), reached);
        }
        Ok(_) => {}
        Err(corrupt) => return Err(ResolveError::Corrupt(corrupt)),
    }
    refused.get().map_or(Ok(()), |fault| Err(ResolveError::Failed(fault)))
}
