//! Who takes part: which handles have a role, and what is given up when a handle
//! goes or an attach dies.
//!
//! ```text
//! sole role     vacant -> held    by CAS
//!               held -> vacant    by its holder, or by the cleaner of its attach
//! shared role   a bit for each holder, set by it, cleared as a sole role is vacated
//! ```
//!
//! Bits, not counts: a holder that is killed leaves a bit, which its cleaner clears
//! once, however often it tries.
//!
//! A handle is claimed before its role and given up after it, and an attach
//! outlives its handles: so a held role always names a held handle, and a held
//! handle an active attach.
//!
//! A dead attach is cleaned up in two parts. What others may wait for is given up
//! first, in steps that are idempotent: several cleaners may be at it, and one that dies
//! or stops holds nobody up. Its handles and its entry are freed last, by a cleaner that
//! is alone: a slower one would take them from whoever has them next.

use super::Control;
use super::slot;
use super::tables::{Handle, HandleBits, handle_bit, handles_of};
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
pub(crate) enum Ownership {
    /// Nobody yet.
    Never,
    /// Nobody any more, after `claims` holders.
    Vacant { claims: u64 },
    /// The handle of that index, perhaps among others. `claims` have had the role
    /// so far, this one included.
    Held { handle: usize, claims: u64 },
}

impl Ownership {
    /// How often the role was claimed so far.
    pub(crate) fn claims(self) -> u64 {
        match self {
            Ownership::Never => 0,
            Ownership::Vacant { claims } | Ownership::Held { claims, .. } => claims,
        }
    }

    /// A role word: `claims:48 | handle + 1:16`, where a vacant role has handle 0.
    fn decode(word: u64) -> Self {
        match (word >> 16, word & HANDLE_MASK) {
            (0, 0) => Ownership::Never,
            (claims, 0) => Ownership::Vacant { claims },
            (claims, handle) => {
                Ownership::Held { handle: (handle as usize).wrapping_sub(1), claims }
            }
        }
    }

    fn encode(self) -> u64 {
        match self {
            Ownership::Never => 0,
            Ownership::Vacant { claims } => claims << 16,
            Ownership::Held { handle, claims } => claims << 16 | (handle as u64).wrapping_add(1),
        }
    }
}

const CLOSED: u64 = 1;
/// The bits of a role word that name its holder.
const HANDLE_MASK: u64 = 0xFFFF;
/// What one more claim adds to the word of a shared role.
const CLAIM: u64 = 1 << 16;

/// The line of flags and roles: read often, written rarely.
#[repr(C, align(128))]
pub(crate) struct Roles {
    pub(crate) flags: AtomicU64,
    /// A [`Ownership`] each; vacant always where the role is shared.
    pub(crate) producer: AtomicU64,
    pub(crate) consumer: AtomicU64,
    /// Dead attaches that were cleaned up, for observers. Of a segment's rings, the first one
    /// counts for all.
    pub(crate) repairs: AtomicU64,
    /// Tickets of the dead that were closed with a tombstone, for observers.
    pub(crate) resolved: AtomicU64,
    /// Tombstones that consumers passed, for observers.
    pub(crate) tombstones: AtomicU64,
    /// Who has the role where it is shared.
    pub(crate) producers: HandleBits,
    pub(crate) consumers: HandleBits,
}

impl Roles {
    fn word(&self, role: Role) -> &AtomicU64 {
        match role {
            Role::Producer => &self.producer,
            Role::Consumer => &self.consumer,
        }
    }

    fn members(&self, role: Role) -> &HandleBits {
        match role {
            Role::Producer => &self.producers,
            Role::Consumer => &self.consumers,
        }
    }

    /// Takes a shared role for a handle, beside others.
    pub(crate) fn join(&self, role: Role, handle: usize) {
        let (word, bit) = handle_bit(self.members(role), handle);
        // ORDERING: Release, with the Acquire in member: who sees the role held sees
        // the handle held.
        word.fetch_or(bit, Ordering::Release);
        // The bit first: a holder that was counted is seen until it has gone, so its
        // end is told.
        // ORDERING: Release, with the Acquire in vacancy: who sees the claim sees
        // the bit.
        self.word(role).fetch_add(CLAIM, Ordering::Release);
    }

    /// Takes a sole role for a handle (I7); whether it was vacant and nobody was
    /// faster.
    pub(crate) fn claim(&self, role: Role, handle: usize) -> bool {
        let word = self.word(role);
        let seen = word.load(Ordering::Relaxed);
        let ownership = Ownership::decode(seen);
        if let Ownership::Held { .. } = ownership {
            return false;
        }
        let next = Ownership::Held { handle, claims: ownership.claims().wrapping_add(1) };
        // ORDERING: Acquire, with the Release in vacate: a successor sees all that
        // its predecessor did, and overwrites nothing that it still reads. Release,
        // with the Acquire in tenure: who sees the role held sees the handle held.
        word.compare_exchange(seen, next.encode(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Gives a role up if the handle holds it; by the handle's owner, or by the
    /// cleaner of its attach. Returns `true` if it held the role.
    pub(crate) fn vacate(&self, role: Role, handle: usize) -> bool {
        let (members, bit) = handle_bit(self.members(role), handle);
        let is_member = members.load(Ordering::Relaxed) & bit != 0;
        if is_member {
            // ORDERING: Release, with the Acquire in member: who sees the role vacant
            // sees everything that was sent.
            members.fetch_and(!bit, Ordering::Release);
        }
        let word = self.word(role);
        let seen = word.load(Ordering::Relaxed);
        if let Ownership::Held { handle: holder, claims } = Ownership::decode(seen)
            && holder == handle
        {
            // ORDERING: Release, with the Acquire in claim and in tenure: who sees
            // the role vacant sees everything that was sent. A failure means that
            // another cleaner was here.
            let _ = word.compare_exchange(
                seen,
                Ownership::Vacant { claims }.encode(),
                Ordering::Release,
                Ordering::Relaxed,
            );
            return true;
        }
        is_member
    }

    /// Who has a role. What a holder did before it gave the role up is visible
    /// to whoever sees the role vacant.
    pub(crate) fn ownership(&self, role: Role) -> Ownership {
        // ORDERING: Acquire, with the Release in vacate, claim and join.
        let ownership = Ownership::decode(self.word(role).load(Ordering::Acquire));
        match self.member(role) {
            // The holder's claim may be about to be counted.
            Some(handle) => Ownership::Held { handle, claims: ownership.claims().max(1) },
            None => ownership,
        }
    }

    /// The first handle that has a shared role.
    #[inline]
    fn member(&self, role: Role) -> Option<usize> {
        self.members(role).iter().enumerate().find_map(|(index, word)| {
            // ORDERING: Acquire, with the Release in vacate and in join.
            handles_of(index, word.load(Ordering::Acquire)).next()
        })
    }

    /// The handles that have a role, for observers.
    pub(crate) fn holders(&self, role: Role) -> impl Iterator<Item = usize> {
        let sole = match Ownership::decode(self.word(role).load(Ordering::Relaxed)) {
            Ownership::Held { handle, .. } => Some(handle),
            Ownership::Never | Ownership::Vacant { .. } => None,
        };
        let members = self.members(role).iter().enumerate();
        // ORDERING: Relaxed. Each handle is looked at with Acquire.
        let shared =
            members.flat_map(|(index, word)| handles_of(index, word.load(Ordering::Relaxed)));
        sole.into_iter().chain(shared)
    }

    /// How many holders a role has had, if it had some and has none now.
    fn vacancy(&self, role: Role) -> Option<u64> {
        let Ownership::Vacant { claims } = self.ownership(role) else {
            return None;
        };
        // Whoever joined while the bits were read, and may have been missed, is
        // counted by now, or about to be: then the role was vacant before it came.
        let again = Ownership::decode(self.word(role).load(Ordering::Relaxed));
        (again == Ownership::Vacant { claims }).then_some(claims)
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

    /// Whether the ring is open and has a consumer, as far as one look at few words tells.
    #[inline]
    pub(crate) fn takes_messages(&self) -> bool {
        // ORDERING: Relaxed. Nothing is used that anyone wrote before a consumer came, or
        // before the ring was closed.
        let sole = self.consumer.load(Ordering::Relaxed) & HANDLE_MASK;
        let held = || sole != 0 || self.consumers.iter().any(|w| w.load(Ordering::Relaxed) != 0);
        self.flags.load(Ordering::Relaxed) & CLOSED == 0 && held()
    }

    /// How many producers there have been, if none of them can commit another
    /// message: the ring is closed, or the last has gone and was not among the first
    /// `ignored`. All that was sent is visible to a receiver that looks after this:
    /// empty then means the end of the stream.
    pub(crate) fn ended(&self, ignored: u64) -> Option<u64> {
        let gone = self.vacancy(Role::Producer).filter(|&claims| claims > ignored);
        gone.or_else(|| self.is_closed().then(|| self.ownership(Role::Producer).claims()))
    }

    /// Tombstones that consumers passed since creation.
    pub(crate) fn tombstones(&self) -> u64 {
        self.tombstones.load(Ordering::Relaxed)
    }

    /// Tickets of the dead that were closed since creation.
    pub(crate) fn resolved(&self) -> u64 {
        self.resolved.load(Ordering::Relaxed)
    }

    /// Dead attaches that were cleaned up since creation.
    pub(crate) fn repairs(&self) -> u64 {
        self.repairs.load(Ordering::Relaxed)
    }

    /// Whether the consumer has gone, counting only those after the first `ignored`.
    #[inline]
    pub(crate) fn consumer_gone(&self, ignored: u64) -> bool {
        // ORDERING: Relaxed. Nothing that the consumer wrote is used.
        match Ownership::decode(self.consumer.load(Ordering::Relaxed)) {
            Ownership::Vacant { claims } if claims > ignored => {
                self.vacancy(Role::Consumer).is_some_and(|claims| claims > ignored)
            }
            _ => false,
        }
    }
}

/// Gives up everything that a handle has, in the order that keeps a held role on
/// a held handle; by its owner. Returns `true` if a role was among it: others may wait for
/// that, and the caller wakes them.
pub(crate) fn release_handle(control: &Control, handles: &[Handle], index: usize) -> bool {
    let Some(handle) = handles.get(index) else {
        return false;
    };
    let held = reap_handle(control, handle, index);
    handle.free();
    held
}

/// Gives up what a handle has that others may wait for. Every step is idempotent. Returns
/// `true` if a role was among it.
fn reap_handle(control: &Control, handle: &Handle, index: usize) -> bool {
    control.receivers.disarm(index);
    control.senders.disarm(index);
    let sent = control.roles.vacate(Role::Producer, index);
    let received = control.roles.vacate(Role::Consumer, index);
    slot::intent::withdraw(&handle.own.intent);
    sent || received
}

/// The handles of an attach, and the ring that each belongs to.
fn handles_of_attachment(
    handles: &[Handle],
    attach: usize,
) -> impl Iterator<Item = (usize, usize, &Handle)> {
    handles.iter().enumerate().filter_map(move |(index, handle)| {
        let owner = handle.owner().filter(|owner| owner.attach == attach)?;
        Some((index, owner.ring, handle))
    })
}

/// Gives up what a dead attach has that others may wait for. Several cleaners may do
/// so at once, as long as none of them frees the handles: until then they, and so
/// their bits, stay the dead one's. `controls` finds the control block of a ring.
pub(crate) fn reap_attachment<'a>(
    controls: impl Fn(usize) -> Option<&'a Control>,
    handles: &[Handle],
    attach: usize,
) {
    for (index, ring, handle) in handles_of_attachment(handles, attach) {
        // There is nothing to give up in a ring that is none (I6).
        if let Some(control) = controls(ring) {
            reap_handle(control, handle, index);
        }
    }
}

/// Frees the handles of a dead attach, after [`reap_attachment`]. The caller is its only
/// cleaner, and frees the attach afterwards. `first` is the segment's first ring, which
/// counts the repairs of all.
pub(crate) fn free_handles(first: &Control, handles: &[Handle], attach: usize) {
    for (_, _, handle) in handles_of_attachment(handles, attach) {
        handle.free();
    }
    first.roles.repairs.fetch_add(1, Ordering::Relaxed);
}
