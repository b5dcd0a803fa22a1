//! What a handle shares with those who wait for it from elsewhere.
//!
//! A handle's algorithm has private state, and belongs to one thread. A wait set has only what the
//! segment shows, and what the handle notes here when a verb has to: why a send found no room, and
//! which end of the stream means something to it. Where a wake is spent on a handle that shares its
//! role, the debt (see [`wake::hand_off`]) is noted here too, and paid by the handle's next verb,
//! or by the next wait or the end of the set, whatever comes first.

use std::fmt;
use std::mem;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::endpoint::flavor::front;
use crate::endpoint::liveness::{Consumers, Eof, Producers};
use crate::endpoint::recv;
use crate::error::Fault;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::membership::Role;
use crate::ring::wake::{self, Armed};
use crate::sync::{AtomicU32, AtomicU64, Ordering, WaitWord};

const NO: u32 = 0;
const YES: u32 = 1;
const OWES: u32 = 1;
const LENT: u32 = 2;
/// No [`Keeper`].
const NOBODY: u64 = 0;

/// Counts what happens in this process to handles whose bits were left set, beside what wakers do.
static CHANGES: AtomicU64 = AtomicU64::new(0);

/// Returns a number that is another one after a verb of a handle has changed what a wait set
/// knows of it, or the handle was dropped.
pub(crate) fn changes() -> u64 {
    CHANGES.load(Ordering::Relaxed)
}

/// Tells the wait sets of this process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keeper(NonZeroU64);

impl Keeper {
    /// Returns one that no other set has.
    pub(crate) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(NOBODY);
        let next = LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        Self(NonZeroU64::new(next).unwrap_or(NonZeroU64::MAX))
    }

    fn get(self) -> u64 {
        self.0.get()
    }
}

/// A handle, as a wait set sees it.
///
/// ORDERING: Relaxed in this type. The set and the handle are most often of one thread, and
/// otherwise what is read here decides only when a verb is tried.
pub(crate) struct Watch {
    mapped: MappedRing,
    role: Role,
    handle: usize,
    /// Whether a wake may be spent on this handle that another one of its role needs.
    competes: bool,
    /// Whether the handle was dropped, and its index may be another one's.
    is_retired: AtomicU32,
    /// Held while the handle is retired, and while others change its bit.
    bit: Mutex<()>,
    /// Which set left the bit set; nobody since anyone else has set it or taken it back.
    keeper: AtomicU64,
    /// Whether the handle has failed, so that every verb returns at once.
    has_failed: AtomicU32,
    /// The holders of the other role whose going means nothing to the handle.
    past: AtomicU64,
    /// Whether the going of the others ends what the handle can do.
    ends: AtomicU32,
    /// Whether the last send found no room before head reaches `need`.
    is_full: AtomicU32,
    need: AtomicU64,
    /// Whether the handle has closed the ring and waits until head reaches `need`.
    drains: AtomicU32,
    /// Whether a wake was spent on the handle, and it has not looked for more since ([`OWES`]), and
    /// whether it is armed, so that a waker that takes its bit spends a wake ([`LENT`]).
    owes: AtomicU32,
}

impl Watch {
    pub(super) fn new(
        mapped: MappedRing,
        role: Role,
        handle: usize,
        (past, ends): (u64, bool),
    ) -> Arc<Self> {
        let competes = mapped.shape().kind().competes(role);
        Arc::new(Self {
            mapped,
            role,
            handle,
            competes,
            is_retired: AtomicU32::new(NO),
            bit: Mutex::new(()),
            keeper: AtomicU64::new(NOBODY),
            has_failed: AtomicU32::new(NO),
            past: AtomicU64::new(past),
            ends: AtomicU32::new(u32::from(ends)),
            is_full: AtomicU32::new(NO),
            need: AtomicU64::new(0),
            drains: AtomicU32::new(NO),
            owes: AtomicU32::new(0),
        })
    }

    /// Notes which end means something to the handle.
    pub(super) fn set_end(&self, (past, ends): (u64, bool)) {
        self.past.store(past, Ordering::Relaxed);
        self.ends.store(u32::from(ends), Ordering::Relaxed);
        self.forget_keeper();
    }

    /// Notes that a send found no room before head reaches `need`.
    pub(super) fn set_full(&self, need: u64) {
        self.need.store(need, Ordering::Relaxed);
        self.is_full.store(YES, Ordering::Relaxed);
    }

    /// Notes that a producer has closed the ring and waits until head reaches `end`.
    #[cfg(feature = "tokio")]
    pub(super) fn set_drains(&self, end: u64) {
        self.set_full(end);
        self.drains.store(YES, Ordering::Relaxed);
    }

    pub(super) fn set_failed(&self) {
        self.has_failed.store(YES, Ordering::Relaxed);
        self.forget_keeper();
    }

    fn lock_bit(&self) -> MutexGuard<'_, ()> {
        self.bit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the handle is dropped. Then its bit may be another one's.
    pub(super) fn retire(&self) {
        let _bit = self.lock_bit();
        self.settle_loan(self.has_bit());
        self.is_retired.store(YES, Ordering::Relaxed);
        self.forget_keeper();
    }

    /// Returns `true` if the handle was dropped.
    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed) != NO
    }

    /// Returns the ring of the handle.
    pub(crate) fn mapped(&self) -> &MappedRing {
        &self.mapped
    }

    /// Returns `true` if this is a fork child, in which nothing of the segment is mapped.
    pub(crate) fn is_forked(&self) -> bool {
        self.mapped.attach().mapping().is_forked()
    }

    /// Returns `true` if a `try_` verb would do something else than find nothing: there is a
    /// message, or room, or an end, or an error.
    pub(crate) fn is_ready(&self) -> bool {
        if self.has_failed.load(Ordering::Relaxed) != NO {
            return true;
        }
        let ready = match self.role {
            Role::Consumer => front::has_message(&self.mapped, self.handle) || self.has_ended(),
            Role::Producer => self.has_room() || self.is_refused(),
        };
        ready || self.mapped.attach().mapping().check().is_err()
    }

    fn has_ended(&self) -> bool {
        let (past, eof) = (self.past.load(Ordering::Relaxed), self.ends.load(Ordering::Relaxed));
        let eof = if eof == NO { Eof::NextProducer } else { Eof::Final };
        Producers::is_end(&self.mapped.control().roles, past, eof)
            && front::is_finished(&self.mapped)
    }

    fn has_room(&self) -> bool {
        self.is_full.load(Ordering::Relaxed) == NO
            || front::has_room(&self.mapped, self.need.load(Ordering::Relaxed))
    }

    fn is_refused(&self) -> bool {
        let past = self.past.load(Ordering::Relaxed);
        let required = self.ends.load(Ordering::Relaxed) != NO;
        let (consumers, roles) = (Consumers { past, required }, &self.mapped.control().roles);
        if self.drains.load(Ordering::Relaxed) != NO {
            return consumers.are_gone(roles);
        }
        consumers.refusal(roles).is_some()
    }

    /// Sets the bit of the handle for one who may be its keeper; see [`wake::set_bit`]. `None` if
    /// the handle was dropped.
    pub(crate) fn set_bit(&self, keeper: Option<Keeper>) -> Option<Armed<'_>> {
        let _bit = self.lock_bit();
        if self.is_retired() {
            return None;
        }
        let need = match self.role {
            // ORDERING: Relaxed. Any commit moves the tail past any head.
            Role::Consumer => {
                self.mapped.control().consumer.head.load(Ordering::Relaxed).wrapping_add(1)
            }
            Role::Producer => self.need.load(Ordering::Relaxed),
        };
        if self.keeper.load(Ordering::Relaxed) != keeper.map_or(NOBODY, Keeper::get) {
            self.forget_keeper();
        }
        wake::set_bit(self.mapped.sleepers(self.role), self.mapped.handles(), self.handle, need)
    }

    /// Returns `true` if `keeper` [left the bit set](Self::disarm), and nothing came since.
    pub(crate) fn is_kept(&self, keeper: Keeper, seen: u32) -> bool {
        // ORDERING: Relaxed. Where the word has moved, the ring is looked at, and once more after
        // the bit is set again.
        self.keeper.load(Ordering::Relaxed) == keeper.get()
            && self.park_word().is_some_and(|park| park.load(Ordering::Relaxed) == seen)
            && self.mapped.attach().mapping().check().is_ok()
    }

    /// Takes back a bit that was left set.
    pub(crate) fn release(&self, keeper: Keeper) {
        let _bit = self.lock_bit();
        if self.keeper.load(Ordering::Relaxed) == keeper.get() {
            self.keeper.store(NOBODY, Ordering::Relaxed);
            if !self.is_retired() {
                self.mapped.sleepers(self.role).disarm(self.handle);
            }
        }
    }

    /// Tells a set that left the bit set to look at the handle: someone else sets the bit and
    /// takes it back, or a verb has changed what the set knows.
    pub(super) fn forget_keeper(&self) {
        if self.keeper.swap(NOBODY, Ordering::Relaxed) != NOBODY {
            CHANGES.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes the bit back after a sleep, and notes the debt if a waker has taken it.
    ///
    /// With a `keeper`, after a check that found nothing, it leaves the bit set if it can, and
    /// returns what the park word holds as long as nothing comes. It cannot where others would
    /// want the wake, where not every publish sees the bit, and for a producer, whose next
    /// message may need less room.
    pub(crate) fn disarm(&self, armed: Armed<'_>, keeper: Option<Keeper>) -> Option<u32> {
        let can_keep = self.role == Role::Consumer && !self.competes && armed.is_ordered();
        let _bit = self.lock_bit();
        if self.is_retired() {
            // The bit may be another handle's by now.
            mem::forget(armed);
            return None;
        }
        if let Some(keeper) = keeper.filter(|_| can_keep) {
            self.keeper.store(keeper.get(), Ordering::Relaxed);
            return Some(armed.keep());
        }
        if armed.disarm() && self.competes {
            self.owe();
        }
        None
    }

    /// Sets the bit, and orders, until [`disarm_kept`](Self::disarm_kept): for the reactor, whose
    /// sleep is not the caller's. Returns what the park word held before, and whether every
    /// publish is [ordered](Armed::is_ordered); `None` if the handle was dropped.
    pub(super) fn arm(&self) -> Option<(u32, bool)> {
        let mut armed = [self.set_bit(None)?];
        wake::order(&mut armed);
        let [armed] = armed;
        if self.competes {
            self.owes.fetch_or(LENT, Ordering::Relaxed);
        }
        let is_ordered = armed.is_ordered();
        Some((armed.keep(), is_ordered))
    }

    /// Takes the bit back, and notes the debt if a waker has taken it, after [`arm`](Self::arm).
    pub(super) fn disarm_kept(&self) {
        let _bit = self.lock_bit();
        if self.is_retired() {
            return;
        }
        let had_bit = self.mapped.sleepers(self.role).disarm(self.handle);
        self.settle_loan(had_bit);
    }

    /// Notes the debt of a handle that was armed if a waker has taken its bit, unless it is paid.
    fn settle_loan(&self, had_bit: bool) {
        let was_lent = self.owes.fetch_and(!LENT, Ordering::Relaxed) & LENT != 0;
        if was_lent && !had_bit {
            self.owe();
        }
    }

    /// Returns `true` if no waker has taken the bit.
    pub(super) fn has_bit(&self) -> bool {
        self.mapped.sleepers(self.role).is_armed(self.handle)
    }

    pub(crate) fn park_word(&self) -> Option<&WaitWord> {
        self.mapped.handles().get(self.handle).map(|handle| &handle.park)
    }

    pub(super) fn owe(&self) {
        self.owes.fetch_or(OWES, Ordering::Relaxed);
    }

    /// Returns `true` if a wake was spent on the handle.
    pub(super) fn is_owing(&self) -> bool {
        match self.owes.load(Ordering::Relaxed) {
            0 => false,
            LENT => self.is_taken(),
            _ => true,
        }
    }

    /// Returns `true` if a waker has taken the bit, or the handle was not armed. In a fork child, in
    /// which the bit cannot be read, it is the parent's.
    fn is_taken(&self) -> bool {
        !self.is_forked() && !self.has_bit()
    }

    /// Takes the debt, so that it is paid once.
    pub(super) fn take_debt(&self) -> bool {
        if !self.is_owing() {
            return false;
        }
        let owed = if self.is_taken() { OWES | LENT } else { OWES };
        self.owes.fetch_and(!owed, Ordering::Relaxed) & owed != 0
    }

    /// Wakes another one who waits for what this handle was woken for, if the handle has not
    /// looked since.
    pub(crate) fn pay(&self) {
        if self.take_debt() {
            let sleepers = self.mapped.sleepers(self.role);
            wake::hand_off(sleepers, self.mapped.handles(), || {
                let head = self.mapped.control().consumer.head.load(Ordering::Relaxed);
                match self.role {
                    Role::Consumer => front::has_message(&self.mapped, self.handle)
                        .then_some(head.wrapping_add(1)),
                    Role::Producer => Some(head),
                }
            });
        }
    }

    /// Closes a ticket at head if its owner is dead.
    ///
    /// # Errors
    /// What a consumer's own check returns.
    pub(crate) fn resolve(&self) -> Result<(), Fault> {
        if self.role == Role::Consumer
            && let Some(position) = front::unfinished(&self.mapped)
        {
            // Damage is found by the consumer's next verb, whose handle it ends.
            match recv::resolve(&self.mapped, position) {
                Ok(()) => {}
                Err(recv::ResolveError::Corrupt(_)) => self.set_failed(),
                Err(recv::ResolveError::Failed(fault)) => return Err(fault),
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("role", &self.role)
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}
