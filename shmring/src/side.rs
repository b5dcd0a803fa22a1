//! One side of a ring: the algorithm's private state and the seat it is played from.
//! What the public handles and the guards they lend out have in common.

use crate::error::{Fault, JoinError, Role};
use crate::ring::record::{self, Place};
use crate::seat::Seat;
use crate::segment::View;
use crate::sync::AtomicU64;

/// The producer's side.
#[derive(Debug)]
pub(crate) struct SendSide {
    pub(crate) ring: record::Producer,
    pub(crate) seat: Seat,
}

impl SendSide {
    /// Takes the producer's role, from where its last holder left it.
    pub(crate) fn join(view: View) -> Result<Self, JoinError> {
        let seat = Seat::take(view, Role::Producer)?;
        let ring = record::Producer::take_over(seat.view.record())
            .map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?;
        Ok(Self { ring, seat })
    }

    /// The payload words of a granted record.
    #[inline]
    pub(crate) fn payload(&self, place: Place) -> &[AtomicU64] {
        self.seat.view.payload(place)
    }

    /// Makes a granted record visible, `len` bytes long.
    #[inline]
    pub(crate) fn commit(&mut self, place: Place, len: u64) {
        self.ring.stage(self.seat.view.record(), place, len);
        self.publish();
    }

    /// Makes all staged records visible, and wakes the consumer if it waits for them.
    #[inline]
    pub(crate) fn publish(&mut self) {
        self.ring.publish(self.seat.view.record());
        self.seat.notify(self.ring.tail());
    }
}

impl Drop for SendSide {
    fn drop(&mut self) {
        if self.seat.check().is_ok() {
            self.ring.hint(self.seat.view.record());
        }
    }
}

/// The consumer's side.
#[derive(Debug)]
pub(crate) struct RecvSide {
    pub(crate) ring: record::Consumer,
    pub(crate) seat: Seat,
}

impl RecvSide {
    /// Takes the consumer's role, from where its last holder left it.
    pub(crate) fn join(view: View) -> Result<Self, JoinError> {
        let seat = Seat::take(view, Role::Consumer)?;
        let ring = record::Consumer::take_over(seat.view.record())
            .map_err(|corrupt| JoinError::Failed(Fault::Corrupt(corrupt)))?;
        Ok(Self { ring, seat })
    }

    /// The payload words of a message.
    #[inline]
    pub(crate) fn payload(&self, place: Place) -> &[AtomicU64] {
        self.seat.view.payload(place)
    }

    /// Where the message at position `from` is, if it was committed.
    ///
    /// # Errors
    /// What ends the use of this side.
    #[inline]
    pub(crate) fn place_at(&mut self, from: u64) -> Result<Option<Place>, Fault> {
        self.seat.check()?;
        let place = self.ring.peek(self.seat.view.record(), from);
        place.map_err(|corrupt| self.seat.poison(corrupt))
    }

    /// Hands back everything up to `to`, and wakes the producer if it waits for it.
    #[inline]
    pub(crate) fn release(&mut self, to: u64, messages: u64) {
        self.ring.release(self.seat.view.record(), to, messages);
        self.seat.notify(to);
    }
}
