//! A handle's place in the tables of its segment: how it is taken, what ends it,
//! and how it is given up.

use std::cell::Cell;

use crate::error::{Corrupt, Fault, JoinError, Role};
use crate::ring::roster::{self, Tenure};
use crate::ring::tables;
use crate::ring::wake::{self, WakerFence};
use crate::segment::View;
#[cfg(test)]
use crate::sync::Ordering;
use crate::sync::{AtomicU64, Deadline};
use crate::wait::{Crowd, Patience, Wait, WaitMode};

/// A handle and its role, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) view: View,
    role: Role,
    handle: usize,
    pub(crate) mode: WaitMode,
    fault: Option<Fault>,
    /// Whether others may have the same role.
    shared: bool,
    /// Whether this handle waited beside others, and owes them a look for more.
    waited: Cell<bool>,
    patience: Cell<Patience>,
    crowd: Cell<Crowd>,
    waker_fence: WakerFence,
}

impl Seat {
    /// Takes a handle and a role, from their dead owners if need be.
    pub(crate) fn take(view: View, role: Role) -> Result<Self, JoinError> {
        let attach = view.attach();
        attach.mapping().check().map_err(JoinError::Failed)?;
        if role == Role::Producer && view.control().roles.is_closed() {
            return Err(JoinError::Closed);
        }
        let shared = view.shape().kind().shares(role);
        let handles = view.handles();
        let claim = || tables::claim_handle(handles, attach.index(), view.ring());
        let mut handle = claim();
        if handle.is_none() {
            // The dead may have some.
            attach.sweep().map_err(JoinError::Failed)?;
            handle = claim();
        }
        let Some(handle) = handle else {
            return Err(JoinError::TableFull { handles: handles.len() });
        };
        let seat = Self {
            role,
            handle,
            mode: WaitMode::default(),
            fault: None,
            shared,
            waited: Cell::new(false),
            patience: Cell::new(Patience::NONE),
            crowd: Cell::new(Crowd::UNKNOWN),
            waker_fence: attach.fences().of_waker(shared),
            view,
        };
        // On failure, dropping the seat gives the handle back.
        let claimed = seat.claim_role();
        // What was found in a table that is gone by now says nothing.
        seat.check().map_err(JoinError::Failed)?;
        claimed.map(|()| seat)
    }

    fn claim_role(&self) -> Result<(), JoinError> {
        let (attach, roles) = (self.view.attach(), &self.view.control().roles);
        if self.shared {
            roles.join(self.role, self.handle);
            return Ok(());
        }
        let claim = || roles.claim(self.role, self.handle);
        if claim() {
            return Ok(());
        }
        // The holder may be dead.
        attach.sweep().map_err(JoinError::Failed)?;
        if claim() {
            return Ok(());
        }
        let participant = |index| attach.participant(index).map_err(JoinError::Failed);
        let holder = match roles.tenure(self.role) {
            Tenure::Held { handle, .. } => {
                let holder = self.view.handles().get(handle).and_then(|handle| handle.attach());
                holder.map(participant).transpose()?.flatten()
            }
            Tenure::Never | Tenure::Vacant { .. } => None,
        };
        Err(JoinError::RoleTaken { role: self.role, holder })
    }

    /// # Errors
    /// What ended the use of this handle.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.view.attach().mapping().check()
    }

    /// Whether [`check`](Self::check) finds nothing.
    #[inline(always)]
    pub(crate) fn is_clear(&self) -> bool {
        self.view.is_open()
    }

    /// Whether this is a fork child, in which the segment is not mapped.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.view.attach().mapping().is_forked()
    }

    /// Ends the use of this handle: nothing in the segment can be trusted any more.
    #[cold]
    pub(crate) fn poison(&mut self, corrupt: Corrupt) -> Fault {
        // What was cut off reads as zero, and may be taken for damage.
        let whole = self.view.attach().mapping().check();
        let fault = whole.err().unwrap_or(Fault::Corrupt(corrupt));
        self.fault = Some(fault);
        self.view.shut();
        fault
    }

    /// Whether other handles may have the same role.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Where this handle announces tickets. The handle's index was claimed, so it is in
    /// the table.
    #[inline]
    pub(crate) fn intent(&self) -> &AtomicU64 {
        &self.view.handles()[self.handle].own.intent
    }

    /// Whether this handle waited beside others, and owes them a look for more.
    #[inline]
    pub(crate) fn has_waited(&self) -> bool {
        self.waited.get()
    }

    fn to_wait(&self, need: u64) -> Wait {
        self.waited.set(self.shared);
        if self.mode != WaitMode::Block {
            self.crowd.set(self.crowd.get().renewed(&self.view));
        }
        let crowded = self.crowd.get().crowded;
        Wait { role: self.role, handle: self.handle, mode: self.mode, crowded, need }
    }

    /// Whether a wait begins with looks at the ring, rather than with sleep.
    #[inline]
    pub(crate) fn spins(&self) -> bool {
        self.mode != WaitMode::Block && !self.crowd.get().crowded
    }

    /// Waits for the other side to reach `need`; see [`Wait::until`].
    #[cold]
    pub(crate) fn wait(
        &self,
        need: u64,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        self.to_wait(need).until(&self.view, &self.patience, deadline, ready)
    }

    /// Waits for a slice of time at most; see [`Wait::slice`].
    #[cold]
    pub(crate) fn wait_slice(
        &self,
        need: u64,
        slice: Deadline,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<bool, Fault> {
        self.to_wait(need).slice(&self.view, slice, deadline, ready)
    }

    /// After a wait beside others, and the attempt that followed: wakes another one who
    /// waits for the position that `reached` tells, if it tells one.
    #[inline]
    pub(crate) fn pass_on(&self, reached: impl FnOnce(&View) -> Option<u64>) {
        if self.waited.get() {
            self.waited.set(false);
            let sleepers = self.view.sleepers(self.role);
            wake::pass_on(sleepers, self.view.handles(), || reached(&self.view));
        }
    }

    /// Tells those with the same role, if one sleeps, that `reached` can be had.
    pub(crate) fn notify_own(&self, reached: u64) {
        let sleepers = self.view.sleepers(self.role);
        wake::notify(sleepers, self.view.handles(), reached, WakerFence::Full);
    }

    /// Tells consumers, if one sleeps, that `reached` was published. For a producer's seat.
    #[inline(always)]
    pub(crate) fn notify_consumers(&self, reached: u64) {
        debug_assert_eq!(self.role, Role::Producer);
        let sleepers = &self.view.control().receivers;
        wake::notify(sleepers, self.view.handles(), reached, self.waker_fence);
    }

    /// Tells producers, if one sleeps, that what lies before `reached` was released. For a
    /// consumer's seat.
    #[inline(always)]
    pub(crate) fn notify_producers(&self, reached: u64) {
        debug_assert_eq!(self.role, Role::Consumer);
        let sleepers = &self.view.control().senders;
        wake::notify(sleepers, self.view.handles(), reached, self.waker_fence);
    }

    /// Closes the ring for good and wakes everyone.
    pub(crate) fn close(&self) {
        if self.check().is_ok() {
            self.view.control().roles.close();
            self.view.control().wake_all(self.view.handles());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        let control = self.view.control();
        if roster::release_handle(control, self.view.handles(), self.handle) {
            control.wake_all(self.view.handles());
        }
    }
}

#[cfg(test)]
impl Seat {
    fn bit(&self) -> (&AtomicU64, u64) {
        let bits = &self.view.sleepers(self.role).bits;
        (&bits[self.handle / 64], 1 << (self.handle % 64))
    }

    /// Sets this handle's bit, as if it slept until the other side reaches `need`.
    pub(crate) fn arm(&self, need: u64) {
        let (word, bit) = self.bit();
        self.view.handles()[self.handle].need.store(need, Ordering::Relaxed);
        word.fetch_or(bit, Ordering::Relaxed);
    }

    /// Whether nobody has taken the bit.
    pub(crate) fn is_armed(&self) -> bool {
        let (word, bit) = self.bit();
        word.load(Ordering::Relaxed) & bit != 0
    }

    /// When this handle looks for the dead.
    pub(crate) fn patience(&self) -> Patience {
        self.patience.get()
    }
}
