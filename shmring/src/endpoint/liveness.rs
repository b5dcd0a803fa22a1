//! The other side of a ring, as far as its going ends what a handle can do.

use crate::error::{Role, TryRecvError, TrySendError};
use crate::ring::Control;
use crate::ring::broadcast::Start;
use crate::ring::membership::{Ownership, Roles};

/// The consumers, as a producer sees them.
#[derive(Debug)]
pub(crate) struct Consumers {
    /// Those that had come before this producer saw one: their going is not its concern.
    pub(super) past: u64,
    /// Whether their going ends what it can do.
    pub(crate) required: bool,
}

/// What the end of a stream means to a consumer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Eof {
    /// Verbs return `Eof` when the last producer has gone and the ring is empty, until another
    /// producer attaches.
    #[default]
    Final,
    /// The ring counts as empty, not as ended, while no producer is attached: verbs that wait
    /// go on to wait for the next one. Only a [closed](crate::Producer::close) ring ends.
    NextProducer,
}

impl Consumers {
    /// What a producer that joins now sees.
    pub(crate) fn of(roles: &Roles, required: bool) -> Self {
        let past = match roles.ownership(Role::Consumer) {
            Ownership::Held { claims, .. } => claims.saturating_sub(1),
            ownership => ownership.claims(),
        };
        Self { past, required }
    }

    /// Why nobody would receive what is sent now.
    #[inline]
    pub(crate) fn refusal(&self, roles: &Roles) -> Option<TrySendError> {
        if roles.is_closed() {
            return Some(TrySendError::Closed);
        }
        self.are_gone(roles).then_some(TrySendError::BrokenPipe)
    }

    /// Returns what a [`Watch`](super::watch::Watch) needs to know.
    pub(super) fn end(&self) -> (u64, bool) {
        (self.past, self.required)
    }

    /// Returns `true` if the last consumer has gone and this producer requires one.
    #[inline]
    pub(crate) fn are_gone(&self, roles: &Roles) -> bool {
        self.required && roles.consumer_gone(self.past)
    }
}

/// The producers, as a consumer sees them.
#[derive(Debug)]
pub(crate) struct Producers {
    /// Those whose end an earlier consumer was told: this one waits for another.
    past: u64,
    /// Those whose end this consumer has seen, told or passed.
    pub(crate) seen: u64,
    pub(crate) eof: Eof,
}

impl Producers {
    /// What a consumer that joins now sees.
    pub(crate) fn of(control: &Control) -> Self {
        let past = control.consumer.eof_epoch();
        Self { past, seen: past, eof: Eof::default() }
    }

    /// What a subscriber that joins now sees. One that starts at the next message waits for the
    /// next producer if there is none; to one that starts at messages that were sent, the end of
    /// those who sent them means something.
    pub(crate) fn of_subscriber(roles: &Roles, start: Start) -> Self {
        let past = match (start, roles.ownership(Role::Producer)) {
            (Start::Next, Ownership::Held { claims, .. }) => claims.saturating_sub(1),
            (Start::Next, ownership) => ownership.claims(),
            _ => 0,
        };
        Self { past, seen: past, eof: Eof::default() }
    }

    /// How many have come and gone, if no more messages can come of them. Only a look
    /// at the ring after this makes sure that nothing was sent in between.
    pub(crate) fn ended(&self, roles: &Roles) -> Option<u64> {
        roles.ended(self.past)
    }

    /// Passes the end of the first `ended` producers, if this consumer waits for the next one
    /// and the ring is open. Returns whether it did.
    pub(crate) fn pass(&mut self, roles: &Roles, ended: u64) -> bool {
        let passes = self.eof == Eof::NextProducer && !roles.is_closed();
        if passes {
            self.past = ended;
            self.seen = ended;
        }
        passes
    }

    /// Returns what a [`Watch`](super::watch::Watch) needs to know.
    pub(super) fn end(&self) -> (u64, bool) {
        (self.past, self.eof == Eof::Final)
    }

    /// Returns `true` if an empty ring is the end for a consumer to which the end of the first
    /// `past` producers means nothing.
    pub(super) fn is_end(roles: &Roles, past: u64, eof: Eof) -> bool {
        roles.ended(past).is_some() && (eof == Eof::Final || roles.is_closed())
    }

    /// Returns `true` if a producer is attached, or has come and gone since the last end that
    /// this consumer has seen.
    pub(crate) fn has_next(&self, roles: &Roles) -> bool {
        match roles.ownership(Role::Producer) {
            Ownership::Held { .. } => true,
            ownership => ownership.claims() > self.seen,
        }
    }

    /// What a look at the ring means, after so many producers had ended: empty is now
    /// the end of the stream, which this consumer is told.
    pub(crate) fn conclude<R>(
        control: &Control,
        ended: u64,
        look: Result<R, TryRecvError>,
    ) -> Result<R, TryRecvError> {
        if !matches!(look, Err(TryRecvError::Empty)) {
            return look;
        }
        control.consumer.advance_eof_epoch(ended);
        Err(TryRecvError::Eof)
    }
}
