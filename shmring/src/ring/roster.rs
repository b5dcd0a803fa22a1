//! Who takes part: attaches, handles, and the roles that only one may have.
//!
//! ```text
//! attach  FREE -> ACTIVE    by the holder of its token
//!         ACTIVE -> FREE    by its owner, or by a cleaner that took a dead owner's token
//! handle  FREE -> HELD      by its owner's CAS
//!         HELD -> FREE      by its owner, or by the cleaner of its attach
//! role    vacant -> held    by CAS; held -> vacant  by its holder, or by the cleaner of its attach
//! ```
//!
//! A handle is claimed before its role and given up after it, and an attach
//! outlives its handles: so a held role always names a held handle, and a held
//! handle an active attach. Each step of a clean-up is idempotent: a cleaner that
//! dies is followed by another.

use super::wake::Sleepers;
use crate::sync::{AtomicU32, AtomicU64, Ordering, WaitWord};

/// Set in a state word while the entry is in use. The other bits of the low half
/// say by whom; the high half counts the uses, so that no two look alike.
const IN_USE: u64 = 1;
const GENERATION: u64 = 1 << 32;
const GENERATION_MASK: u64 = !(GENERATION - 1);
const ATTACH_SHIFT: u32 = 8;
const ATTACH_MASK: u64 = 0xFFFF;

/// One mapping of the segment. Only the holder of the entry's token writes it.
#[repr(C)]
pub(crate) struct Attach {
    pub(crate) state: AtomicU64,
    /// The rest is for people to read; nothing is decided by it.
    pub(crate) pid: AtomicU32,
    pub(crate) uid: AtomicU32,
    /// Clock ticks after boot at which the process started.
    pub(crate) start_ticks: AtomicU64,
    /// Inode number of the process's pid namespace.
    pub(crate) pid_namespace: AtomicU64,
    /// Ring words of 64 bytes an entry.
    pub(crate) reserved: [AtomicU64; 4],
}

impl Attach {
    /// Whether the entry is in use, by the living or the dead.
    ///
    /// ORDERING: Relaxed in this type. The kernel's lock behind the token orders
    /// one holder of an entry after the other.
    pub(crate) fn is_active(&self) -> bool {
        self.state.load(Ordering::Relaxed) & IN_USE != 0
    }

    /// Marks the entry as in use. The caller holds its token.
    pub(crate) fn activate(&self) {
        let state = self.state.load(Ordering::Relaxed);
        let next = (state & GENERATION_MASK).wrapping_add(GENERATION) | IN_USE;
        self.state.store(next, Ordering::Relaxed);
    }

    /// Marks the entry as free. The caller holds its token.
    pub(crate) fn free(&self) {
        let state = self.state.load(Ordering::Relaxed);
        self.state.store(state & GENERATION_MASK, Ordering::Relaxed);
    }
}

/// What a handle does in the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Role {
    /// Sends messages.
    Producer = 1,
    /// Receives messages.
    Consumer = 2,
}

impl core::fmt::Display for Role {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Role::Producer => "producer",
            Role::Consumer => "consumer",
        })
    }
}

/// The line of a handle that its owner writes.
#[repr(C, align(128))]
pub(crate) struct HandleOwn {
    /// The ticket that a producer of a slot ring is about to claim.
    pub(crate) intent: AtomicU64,
    /// How far the handle has come, for observers.
    pub(crate) cursor: AtomicU64,
}

/// One producer or consumer. `own` is the owner's line; the rest is shared.
#[repr(C)]
pub(crate) struct Handle {
    pub(crate) own: HandleOwn,
    /// What the owner sleeps on; wakers move it.
    pub(crate) park: WaitWord,
    pub(crate) reserved: AtomicU32,
    pub(crate) state: AtomicU64,
    /// The position of the other side that ends the owner's sleep.
    pub(crate) need: AtomicU64,
}

impl Handle {
    /// Takes a free entry for `attach`; whether it was free.
    fn claim(&self, attach: usize) -> bool {
        let state = self.state.load(Ordering::Relaxed);
        if state & IN_USE != 0 {
            return false;
        }
        let next = (state & GENERATION_MASK).wrapping_add(GENERATION)
            | (attach as u64 & ATTACH_MASK) << ATTACH_SHIFT
            | IN_USE;
        // ORDERING: Acquire, with the Release in free: the entry is as its last
        // owner left it.
        self.state.compare_exchange(state, next, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    fn free(&self) {
        let state = self.state.load(Ordering::Relaxed);
        // ORDERING: Release, with the Acquire in claim.
        self.state.store(state & GENERATION_MASK, Ordering::Release);
    }

    /// The attach that owns the handle, if it is in use.
    pub(crate) fn attach(&self) -> Option<usize> {
        // ORDERING: Relaxed. A held role is read first, with Acquire; a cleaner holds
        // the token of the attach.
        let state = self.state.load(Ordering::Relaxed);
        (state & IN_USE != 0).then_some((state >> ATTACH_SHIFT & ATTACH_MASK) as usize)
    }
}

/// Takes a free handle for `attach`; `None` if the table is full.
pub(crate) fn claim_handle(handles: &[Handle], attach: usize) -> Option<usize> {
    handles.iter().position(|handle| handle.claim(attach))
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
pub(crate) fn release_handle(
    handles: &[Handle],
    index: usize,
    roles: &Roles,
    sleepers: [&Sleepers; 2],
) {
    let Some(handle) = handles.get(index) else {
        return;
    };
    for side in sleepers {
        side.disarm(index);
    }
    roles.vacate(Role::Producer, index);
    roles.vacate(Role::Consumer, index);
    handle.free();
}

/// Gives up everything that a dead attach has. The caller holds its token, so
/// nobody else does the same, and frees the entry afterwards.
pub(crate) fn clean_attach(
    handles: &[Handle],
    attach: usize,
    roles: &Roles,
    sleepers: [&Sleepers; 2],
) {
    for (index, handle) in handles.iter().enumerate() {
        if handle.attach() == Some(attach) {
            release_handle(handles, index, roles, sleepers);
        }
    }
    roles.repairs.fetch_add(1, Ordering::Relaxed);
}
