//! Who takes part: the roles that only one handle may have, and what is given up when
//! a handle goes or an attach dies.
//!
//! ```text
//! role    vacant -> held    by CAS
//!         held -> vacant    by its holder, or by the cleaner of its attach
//! ```
//!
//! A handle is claimed before its role and given up after it, and an attach
//! outlives its handles: so a held role always names a held handle, and a held
//! handle an active attach. Each step of a clean-up is idempotent: a cleaner that
//! dies is followed by another.

use super::Control;
use super::tables::Handle;
use crate::sync::{AtomicU64, Ordering};

/// What a handle does in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends messages.
    Producer,
    /// Receives messages.
    Consumer,
}

impl core::fmt::Display for Role {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Role::Producer => "producer",
            Role::Consumer => "consumer",
        })
    }
}

/// Who has a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenure {
    /// Nobody yet.
    Never,
    /// Nobody any more, after `claims` holders.
    Vacant { claims: u64 },
    /// The handle of that index, the `claims`-th holder.
    Held { handle: usize, claims: u64 },
}

impl Tenure {
    /// How often the role was claimed so far.
    pub(crate) fn claims(self) -> u64 {
        match self {
            Tenure::Never => 0,
            Tenure::Vacant { claims } | Tenure::Held { claims, .. } => claims,
        }
    }

    /// A role word: `claims:48 | handle + 1:16`, where a vacant role has handle 0.
    fn decode(word: u64) -> Self {
        match (word >> 16, word & 0xFFFF) {
            (0, 0) => Tenure::Never,
            (claims, 0) => Tenure::Vacant { claims },
            (claims, handle) => Tenure::Held { handle: handle as usize - 1, claims },
        }
    }

    fn encode(self) -> u64 {
        match self {
            Tenure::Never => 0,
            Tenure::Vacant { claims } => claims << 16,
            Tenure::Held { handle, claims } => claims << 16 | (handle as u64 + 1),
        }
    }
}

const CLOSED: u64 = 1;

/// The line of flags and single-owner roles: read often, written rarely.
#[repr(C, align(128))]
pub(crate) struct Roles {
    pub(crate) flags: AtomicU64,
    pub(crate) producer: AtomicU64,
    pub(crate) consumer: AtomicU64,
    /// Dead attaches that were cleaned up, for observers.
    pub(crate) repairs: AtomicU64,
}

impl Roles {
    fn word(&self, role: Role) -> &AtomicU64 {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    /// Takes a role for a handle (I7); whether it was vacant and nobody was faster.
    pub(crate) fn claim(&self, role: Role, handle: usize) -> bool {
        let word = self.word(role);
        let seen = word.load(Ordering::Relaxed);
        let tenure = Tenure::decode(seen);
        if let Tenure::Held { .. } = tenure {
            return false;
        }
        let next = Tenure::Held { handle, claims: tenure.claims().wrapping_add(1) };
        // ORDERING: Acquire, with the Release in vacate: a successor sees all that
        // its predecessor did, and overwrites nothing that it still reads. Release,
        // with the Acquire in tenure: who sees the role held sees the handle held.
        word.compare_exchange(seen, next.encode(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives a role up if the handle holds it; by the handle's owner, or by the
    /// cleaner of its attach.
    pub(crate) fn vacate(&self, role: Role, handle: usize) {
        let word = self.word(role);
        let seen = word.load(Ordering::Relaxed);
        if let Tenure::Held { handle: holder, claims } = Tenure::decode(seen)
            && holder == handle
        {
            // ORDERING: Release, with the Acquire in claim and in tenure: who sees
            // the role vacant sees everything that was sent. A failure means that
            // another cleaner was here.
            let _ = word.compare_exchange(
                seen,
                Tenure::Vacant { claims }.encode(),
                Ordering::Release,
                Ordering::Relaxed,
            );
        }
    }

    /// Who has a role. What a holder did before it gave the role up is visible
    /// to whoever sees the role vacant.
    pub(crate) fn tenure(&self, role: Role) -> Tenure {
        // ORDERING: Acquire, with the Release in vacate and in claim.
        Tenure::decode(self.word(role).load(Ordering::Acquire))
    }

    /// Ends the ring for good: no more sends, and receives end when it is drained.
    pub(crate) fn close(&self) {
        // ORDERING: Release, with the Acquire in is_closed.
        self.flags.fetch_or(CLOSED, Ordering::Release);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        // ORDERING: Acquire, with the Release in close: who sees the ring closed
        // sees everything that was sent before.
        self.flags.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many producers there have been, if none of them can commit another
    /// message: the ring is closed, or the last has gone and was not among the first
    /// `ignored`. All that was sent is visible to a receiver that looks after this:
    /// empty then means the end of the stream.
    pub(crate) fn ended(&self, ignored: u64) -> Option<u64> {
        let tenure = self.tenure(Role::Producer);
        let gone = matches!(tenure, Tenure::Vacant { claims } if claims > ignored);
        (gone || self.is_closed()).then(|| tenure.claims())
    }

    /// Dead attaches that were cleaned up since creation.
    pub(crate) fn repairs(&self) -> u64 {
        self.repairs.load(Ordering::Relaxed)
    }

    /// Whether the consumer has gone, counting only those after the first `ignored`.
    #[inline]
    pub(crate) fn consumer_gone(&self, ignored: u64) -> bool {
        // ORDERING: Relaxed. Nothing that the consumer wrote is used.
        match Tenure::decode(self.consumer.load(Ordering::Relaxed)) {
            Tenure::Vacant { claims } => claims > ignored,
            _ => false,
        }
    }
}

/// Gives up everything that a handle has, in the order that keeps a held role on
/// a held handle.
pub(crate) fn release_handle(control: &Control, handles: &[Handle], index: usize) {
    let Some(handle) = handles.get(index) else {
        return;
    };
    control.receivers.disarm(index);
    control.senders.disarm(index);
    control.roles.vacate(Role::Producer, index);
    control.roles.vacate(Role::Consumer, index);
    handle.free();
}

/// Gives up everything that a dead attach has. The caller holds its token, so
/// nobody else does the same, and frees the entry afterwards.
pub(crate) fn clean_attach(control: &Control, handles: &[Handle], attach: usize) {
    for (index, handle) in handles.iter().enumerate() {
        if handle.attach() == Some(attach) {
            release_handle(control, handles, index);
        }
    }
    control.roles.repairs.fetch_add(1, Ordering::Relaxed);
}
