//! Membership: which handles hold a role, and what is released when a handle is dropped or an
//! attachment dies.
//!
//! ```text
//! sole role     vacant -> held    by CAS
//!               held -> vacant    by its holder, or by whoever reaps its attachment
//! shared role   a bit for each holder, set by it, cleared as a sole role is vacated
//! ```
//!
//! Bits, not counts: a killed holder leaves a bit, which reaping clears once, however often it
//! is tried.
//!
//! A handle is claimed before its role and released after it, and an attachment outlives its
//! handles. So a held role always names a held handle, and a held handle an active attachment.
//!
//! A dead attachment is reaped in two parts. The first releases what others may wait for, in
//! idempotent steps: several processes may do it at once, and one that dies or stops delays no
//! other. The second frees the handles and the entry, and only one process does it: a slower
//! one would free them under their next owner.

use super::tables::{Handle, HandleBits, handle_bit, handles_of};
use super::{Control, broadcast, jobs, slot};
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

/// The owner of a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Never claimed.
    Never,
    /// Vacant again, after `claims` holders.
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
    /// How many dead attachments were reaped, for observers. The first ring of a segment counts
    /// for all.
    pub(crate) repairs: AtomicU64,
    /// Tickets of the dead that were closed with a tombstone, for observers.
    pub(crate) resolved: AtomicU64,
    /// Tombstones that consumers passed, for observers.
    pub(crate) tombstones: AtomicU64,
    /// The holders of the role where it is shared.
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
        // The bit first: a holder that was counted is seen until it has gone, so its end is
        // reported.
        // ORDERING: Release, with the Acquire in vacancy: who sees the claim sees
        // the bit.
        self.word(role).fetch_add(CLAIM, Ordering::Release);
    }

    /// Claims a sole role for a handle (I7). Returns `true` if the role was vacant and no other
    /// handle claimed it first.
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
        // with the Acquire in ownership: who sees the role held sees the handle held.
        word.compare_exchange(seen, next.encode(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Releases a role if the handle holds it. Called by the handle's owner, or by whoever reaps
    /// its attachment. Returns `true` if the handle held the role.
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
            // ORDERING: Release, with the Acquire in claim and in ownership: who sees
            // the role vacant sees everything that was sent. A failure means that
            // another process reaped it first.
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

    /// Returns the owner of a role. A caller that sees the role vacant sees all that its last
    /// holder did before it released the role.
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
        // ORDERING: Relaxed. Each handle is loaded with Acquire.
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

    /// Closes the ring for good: sends fail, and receives end when the ring is drained.
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

    /// Returns `true` if the ring is open and has a consumer, as far as few loads show.
    #[inline]
    pub(crate) fn takes_messages(&self) -> bool {
        // ORDERING: Relaxed. Nothing is used that anyone wrote before a consumer came, or
        // before the ring was closed.
        let sole = self.consumer.load(Ordering::Relaxed) & HANDLE_MASK;
        let held = || sole != 0 || self.consumers.iter().any(|w| w.load(Ordering::Relaxed) != 0);
        self.flags.load(Ordering::Relaxed) & CLOSED == 0 && held()
    }

    /// Returns `true` if the ring is open and has a producer, as far as few loads show, where
    /// producers share the role.
    #[inline]
    pub(crate) fn has_producers(&self) -> bool {
        // ORDERING: Relaxed. Only a hint.
        let held = || self.producers.iter().any(|word| word.load(Ordering::Relaxed) != 0);
        self.flags.load(Ordering::Relaxed) & CLOSED == 0 && held()
    }

    /// Returns the number of producers so far, if none of them can commit another message: the
    /// ring is closed, or the last has gone and was not among the first `ignored`. All that was
    /// sent is visible to a consumer that loads positions after this call: if the ring is empty
    /// then, the stream has ended.
    pub(crate) fn ended(&self, ignored: u64) -> Option<u64> {
        let gone = self.vacancy(Role::Producer).filter(|&claims| claims > ignored);
        gone.or_else(|| self.is_closed().then(|| self.ownership(Role::Producer).claims()))
    }

    /// Returns how many tombstones consumers passed since creation.
    pub(crate) fn tombstones(&self) -> u64 {
        self.tombstones.load(Ordering::Relaxed)
    }

    /// Returns how many tickets of dead producers were closed since creation.
    pub(crate) fn resolved(&self) -> u64 {
        self.resolved.load(Ordering::Relaxed)
    }

    /// Returns how many dead attachments were reaped since creation.
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

/// What a handle of a ring is released from.
#[derive(Clone, Copy)]
pub(crate) struct Held<'a> {
    control: &'a Control,
    /// The ring, if it is one of jobs.
    jobs: Option<jobs::Ring<'a>>,
}

impl<'a> Held<'a> {
    pub(crate) fn new(control: &'a Control, jobs: Option<jobs::Ring<'a>>) -> Self {
        Self { control, jobs }
    }
}

impl<'a> From<&'a Control> for Held<'a> {
    fn from(control: &'a Control) -> Self {
        Self::new(control, None)
    }
}

/// Releases everything that a handle holds, in the order that keeps a held role on a held
/// handle. Called by its owner. Returns `true` if it held a role: others may wait for that, and
/// the caller wakes them.
pub(crate) fn release_handle<'a>(
    held: impl Into<Held<'a>>,
    handles: &[Handle],
    index: usize,
) -> bool {
    let Some(handle) = handles.get(index) else {
        return false;
    };
    let held = reap_handle(held.into(), handle, index);
    handle.free();
    held
}

/// Releases what a handle holds that others may wait for. Every step is idempotent. Returns
/// `true` if it held a role.
fn reap_handle(Held { control, jobs }: Held<'_>, handle: &Handle, index: usize) -> bool {
    if let Some(jobs) = jobs {
        // Before the role: whoever finds the role vacant finds the jobs.
        jobs.return_all(&handle.own, index);
    }
    control.receivers.disarm(index);
    control.senders.disarm(index);
    let sent = control.roles.vacate(Role::Producer, index);
    let received = control.roles.vacate(Role::Consumer, index);
    control.consumer.gates.open(index);
    broadcast::withdraw(&handle.own);
    slot::intent::withdraw(&handle.own.intent);
    sent || received
}

/// The handles of an attachment, and the ring that each belongs to.
fn handles_of_attachment(
    handles: &[Handle],
    attach: usize,
) -> impl Iterator<Item = (usize, usize, &Handle)> {
    handles.iter().enumerate().filter_map(move |(index, handle)| {
        let owner = handle.owner().filter(|owner| owner.attach == attach)?;
        Some((index, owner.ring, handle))
    })
}

/// Releases what a dead attachment holds that others may wait for. Several processes may do so
/// at once, as long as none of them frees the handles: until then the handles and their bits
/// belong to the dead one. `rings` finds a ring.
pub(crate) fn reap_attachment<'a, H: Into<Held<'a>>>(
    rings: impl Fn(usize) -> Option<H>,
    handles: &[Handle],
    attach: usize,
) {
    for (index, ring, handle) in handles_of_attachment(handles, attach) {
        // An index outside the directory names no ring (I6).
        if let Some(held) = rings(ring) {
            reap_handle(held.into(), handle, index);
        }
    }
}

/// Frees the handles of a dead attachment, after [`reap_attachment`]. No other process reaps it
/// now, and the caller frees the attachment afterwards. `first` is the segment's first ring,
/// which counts the repairs of all.
pub(crate) fn free_handles(first: &Control, handles: &[Handle], attach: usize) {
    for (_, _, handle) in handles_of_attachment(handles, attach) {
        handle.free();
    }
    first.roles.repairs.fetch_add(1, Ordering::Relaxed);
}
