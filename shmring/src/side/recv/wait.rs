//! Waiting for a message.

use super::{RecvSide, Ring};
use crate::error::{RecvError, TryRecvError};
use crate::facts::WakeFences;
use crate::pace::Progress;
use crate::ring::Place;
use crate::sync::Deadline;
use crate::sys::clock;
use crate::wait;

impl RecvSide {
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
        if self.seat.is_forked() || self.has_message() || !self.seat.spins() {
            return;
        }
        wait::pause(self.pace.lag(self.progress(), clock::now_ns));
        if !wait::glance(|| self.has_message()) {
            self.pace.idle();
        }
    }

    /// Whether a message is at head.
    #[inline]
    pub(super) fn has_message(&self) -> bool {
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
    pub(in crate::side) fn await_message(&mut self, deadline: Deadline) -> Result<(), RecvError> {
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
}
