//! The consumer's endpoint.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "counts of messages of one call, and intervals with a limit"
)]

mod jobs;
mod look;
mod peers;
mod wait;

use std::time::Duration;

pub(super) use look::{ResolveError, resolve};

use crate::endpoint::backoff::Backoff;
use crate::endpoint::flavor::{self, RecvFlavor};
use crate::endpoint::liveness::Producers;
use crate::endpoint::registration::Registration;
use crate::endpoint::subscribe::Subscribe;
use crate::error::{Fault, JoinError, Role, TryRecvError};
use crate::info::Kind;
use crate::memory::copy::ElementPlace;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::parts::Parts;
use crate::memory::payload::Payload;
use crate::ring::slot::Spanning;
use crate::ring::{Corrupt, Extent, Place};
use crate::sync::Deadline;

/// How often a receive starts over because another consumer took the message first, before it
/// returns to its caller.
const MAX_TRIES: u32 = 64;

/// A claimed ticket that was not published at the last check.
#[derive(Debug)]
struct Stuck {
    position: u64,
    interval: Duration,
    /// When to check its owner.
    due: Deadline,
}

/// What copies a message before the consumer takes it. The fast path calls it at one place for each
/// kind of ring. A method can be inlined at each, where the compiler knows the length of the buffer;
/// a closure is not.
pub(crate) trait CopyOut {
    /// Returns `false` if the message is to stay.
    fn copy_out(self, place: Place, payload: Payload<'_>) -> bool;
}

/// What copies the messages of a batch, as [`CopyOut`] one.
pub(crate) trait CopyParts<E> {
    /// Copies the message of that index in its batch.
    ///
    /// # Errors
    /// Why the message is to stay.
    fn copy_parts(&mut self, index: usize, parts: Parts<'_>) -> Result<(), E>;
}

/// A closure, which is not inlined where it is called from several places.
struct Calling<F>(F);

impl<E, F: FnMut(usize, Parts<'_>) -> Result<(), E>> CopyParts<E> for Calling<F> {
    #[inline]
    fn copy_parts(&mut self, index: usize, parts: Parts<'_>) -> Result<(), E> {
        self.0(index, parts)
    }
}

/// What copies an element, as [`CopyOut`] a message.
pub(crate) trait CopyElement {
    /// Returns `false` if the element is to stay.
    fn copy_element(self, message: Place, element: ElementPlace<'_>) -> bool;
}

/// The consumer's endpoint of a ring.
#[derive(Debug)]
pub(crate) struct RecvEndpoint {
    pub(super) flavor: RecvFlavor,
    pub(crate) registration: Registration,
    pub(crate) producers: Producers,
    stuck: Option<Stuck>,
    backoff: Backoff,
}

impl RecvEndpoint {
    /// Claims a consumer's role in a ring of messages; see [`join_any`](Self::join_any).
    pub(crate) fn join(mapped: MappedRing, how: Subscribe) -> Result<Self, JoinError> {
        flavor::check_messages(&mapped)?;
        Self::join_any(mapped, how)
    }

    /// Claims a consumer's role; a sole one continues where its last holder ended, and a subscriber
    /// starts as `how` says.
    pub(crate) fn join_any(mapped: MappedRing, how: Subscribe) -> Result<Self, JoinError> {
        let mut registration = Registration::take(mapped, Role::Consumer)?;
        let control = registration.mapped.control();
        // Before it looks for messages: what a producer sent that has gone by then is found.
        let producers = match registration.mapped.shape().kind() {
            Kind::Broadcast => Producers::of_subscriber(&control.roles, how.start),
            _ => Producers::of(control),
        };
        let flavor = RecvFlavor::take_over(&registration, how)?;
        registration.begin_at(flavor.head());
        Ok(Self { flavor, registration, producers, stuck: None, backoff: Backoff::START })
    }

    /// Joins the same ring once more, a broadcast ring at the next message.
    pub(crate) fn another(&self) -> Result<Self, JoinError> {
        Self::join_any(self.registration.mapped.another(), self.flavor.another())
    }

    /// Returns `true` if messages may be read in place: no other consumer takes them, and no
    /// producer overwrites them.
    #[inline]
    pub(crate) fn is_exclusive(&self) -> bool {
        self.flavor.is_exclusive(&self.registration.mapped)
    }

    /// Returns how many messages were lost or skipped since this subscriber joined.
    pub(crate) fn missed(&self) -> u64 {
        self.flavor.missed()
    }

    /// # Errors
    /// [`TryRecvError::NotExclusive`] if other consumers may take what is read in place.
    #[inline]
    pub(crate) fn check_exclusive(&self) -> Result<(), TryRecvError> {
        if self.is_exclusive() { Ok(()) } else { Err(TryRecvError::NotExclusive) }
    }

    /// Notes that what lies before `end` is shown in place; whether all of it was before.
    #[inline]
    pub(crate) fn mark_peeked(&self, end: u64) -> bool {
        let mark = self.registration.peeked();
        mark.set(end, mark.get())
    }

    /// Returns the bytes of a message.
    #[inline]
    pub(crate) fn parts(&self, extent: Extent) -> Parts<'_> {
        Parts::new(&self.registration.mapped, extent)
    }

    /// The position of the oldest message that this consumer knows not to be taken.
    #[inline]
    pub(crate) fn head(&self) -> u64 {
        self.flavor.head()
    }

    /// Passes the next message to `copy` and takes it if `copy` agrees, on the fast path.
    /// Returns `false` if the caller must take the slow one.
    #[inline(always)]
    pub(crate) fn take_fast(&mut self, copy: impl CopyOut) -> bool {
        if !self.registration.is_clear() {
            return false;
        }
        match self.flavor.take_fast(&self.registration, copy) {
            Some(reached) => {
                self.registration.notify_producers(reached);
                true
            }
            None => false,
        }
    }

    /// Shows up to `max` messages, in order, to `copy`, and then takes all of them at
    /// once; returns how many. `copy` gets the index of a message among them and its
    /// bytes. Where consumers compete, it may be called for messages that then
    /// turn out to be someone else's; it starts over at index 0.
    ///
    /// # Errors
    /// Those of [`next`](Self::next), and that of `copy` for the first message, which
    /// is not taken then; for another message it ends the batch before it.
    #[inline]
    pub(crate) fn try_take(
        &mut self,
        max: usize,
        copy: impl FnMut(usize, Parts<'_>) -> Result<(), TryRecvError>,
    ) -> Result<usize, TryRecvError> {
        self.try_take_or(max, copy)
    }

    /// As [`try_take`](Self::try_take), where `copy` can fail in ways of its own.
    #[inline]
    pub(crate) fn try_take_or<E: From<TryRecvError>>(
        &mut self,
        max: usize,
        copy: impl FnMut(usize, Parts<'_>) -> Result<(), E>,
    ) -> Result<usize, E> {
        self.try_take_by(max, Calling(copy))
    }

    /// As [`try_take_or`](Self::try_take_or), with a method in place of a closure.
    #[inline]
    pub(crate) fn try_take_by<E: From<TryRecvError>>(
        &mut self,
        max: usize,
        mut copy: impl CopyParts<E>,
    ) -> Result<usize, E> {
        let result = self.try_take_some(max, &mut copy);
        self.flavor.hand_off(&self.registration);
        result
    }

    #[inline]
    fn try_take_some<E: From<TryRecvError>>(
        &mut self,
        max: usize,
        copy: &mut impl CopyParts<E>,
    ) -> Result<usize, E> {
        for _ in 0..MAX_TRIES {
            let mut place = match self.next()? {
                Extent::Whole(place) => place,
                Extent::Spanning(message) => match self.take_parts(message, copy)? {
                    true => return Ok(1),
                    false => continue,
                },
            };
            let (mut end, mut count) = (place.start, 0);
            loop {
                if let Err(error) = copy.copy_parts(count, self.parts(Extent::Whole(place))) {
                    if count == 0 && self.is_current() {
                        return Err(error);
                    }
                    break;
                }
                (end, count) = (place.end, count + 1);
                if count == max {
                    break;
                }
                // A message in several slots is the first of the next batch.
                match self.look_ahead(end) {
                    Ok(Some(Extent::Whole(next))) => place = next,
                    _ => break,
                }
            }
            if count > 0 && self.take(end, count as u64) {
                return Ok(count);
            }
        }
        Err(TryRecvError::WouldBlock.into())
    }

    /// Shows a message in several slots to `copy`, and takes it. Returns `false` if another consumer
    /// did.
    #[cold]
    #[inline(never)]
    fn take_parts<E>(
        &mut self,
        message: Spanning,
        copy: &mut impl CopyParts<E>,
    ) -> Result<bool, E> {
        match copy.copy_parts(0, self.parts(Extent::Spanning(message))) {
            Ok(()) => Ok(self.take(message.end, 1)),
            Err(error) if self.is_current() => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Whether the message at head is still there for this consumer.
    #[cold]
    fn is_current(&self) -> bool {
        self.flavor.is_current(&self.registration.mapped)
    }

    /// Splits off what takes messages, so that they can be read meanwhile.
    #[inline]
    pub(crate) fn releaser(&mut self) -> Releaser<'_> {
        Releaser { flavor: &mut self.flavor, registration: &self.registration }
    }

    /// As [`Releaser::take`].
    #[inline]
    pub(crate) fn take(&mut self, to: u64, messages: u64) -> bool {
        self.releaser().take(to, messages)
    }

    /// Ends the use of this endpoint: what a message holds is not what the ring is for.
    #[cold]
    pub(crate) fn poison(&mut self, corrupt: Corrupt) -> Fault {
        self.registration.poison(corrupt)
    }
}

/// What takes messages, while they are read through the same registration.
#[derive(Debug)]
pub(crate) struct Releaser<'a> {
    flavor: &'a mut RecvFlavor,
    pub(crate) registration: &'a Registration,
}

impl Releaser<'_> {
    /// Takes everything up to `to`, which is `messages` messages, and wakes a producer
    /// that waits for it. Whether no other consumer had some of it.
    #[inline]
    pub(crate) fn take(self, to: u64, messages: u64) -> bool {
        if !self.flavor.take(&self.registration.mapped, to, messages) {
            return false;
        }
        self.registration.notify_producers(to);
        true
    }
}
