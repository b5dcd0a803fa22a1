//! The other side of a ring, as far as its going ends what a handle can do.

use crate::error::{Role, TryRecvError, TrySendError};
use crate::ring::Control;
use crate::ring::membership::{Ownership, Roles};

/// The consumers, as a producer sees them.
#[derive(Debug)]
pub(crate) struct Consumers {
    /// Those that had come before this producer saw one: their going is not its concern.
    past: u64,
    /// Whether their going ends what it can do.
    pub(crate) required: bool,
}

impl Consumers {
    /// What a producer that joins now sees.
    pub(crate) fn of(roles: &Roles) -> Self {
        let past = match roles.ownership(Role::Consumer) {
            Ownership::Held { claims, .. } => claims.saturating_sub(1),
            ownership => ownership.claims(),
        };
        Self { past, required: true }
    }

    /// Why nobody would receive what is sent now.
    #[inline]
    pub(crate) fn refusal(&self, roles: &Roles) -> Option<TrySendError> {
        if roles.is_closed() {
            return Some(TrySendError::Closed);
        }
        let gone = self.required && roles.consumer_gone(self.past);
        gone.then_some(TrySendError::BrokenPipe)
    }
}

/// The producers, as a consumer sees them.
#[derive(Debug)]
pub(crate) struct Producers {
    /// Those whose end an earlier consumer was told: this one waits for another.
    past: u64,
}

impl Producers {
    /// What a consumer that joins now sees.
    pub(crate) fn of(control: &Control) -> Self {
        Self { past: control.consumer.eof_epoch() }
    }

    /// How many have come and gone, if no more messages can come of them. Only a look
    /// at the ring after this makes sure that nothing was sent in between.
    pub(crate) fn ended(&self, roles: &Roles) -> Option<u64> {
        roles.ended(self.past)
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
