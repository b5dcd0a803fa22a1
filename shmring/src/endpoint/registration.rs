//! The registration of a handle in the tables of its segment: how it is claimed, what ends it,
//! and how it is released.

use std::cell::{Cell, OnceCell};
use std::sync::Arc;

use crate::endpoint::interrupt::{Interrupter, Interruption};
use crate::endpoint::park::{Crowd, Patience, Wait, WaitError, WaitMode};
use crate::endpoint::watch::Watch;
use crate::error::{Corrupt, Fault, JoinError, Role};
use crate::info::Kind;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::PeekedMark;
use crate::ring::membership::{self, Ownership};
use crate::ring::tables::{self, HandleOwn};
use crate::ring::wake::{self, PublishFences};
#[cfg(test)]
use crate::sync::Ordering;
use crate::sync::{AtomicU64, Deadline};

/// A handle and its role, held until this is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) mapped: MappedRing,
    role: Role,
    handle: usize,
    pub(crate) mode: WaitMode,
    /// Whether a wait may put looks at the ring off for more messages at once.
    pub(crate) backoff: bool,
    fault: Option<Fault>,
    is_broadcast: bool,
    /// Of a subscriber, whose successors do not go on where it ends.
    peeked: PeekedMark,
    /// Whether others may have the same role, and take what this handle would get.
    competes: bool,
    /// Whether this handle waited beside others, and owes them a look for more.
    waited: Cell<bool>,
    patience: Cell<Patience>,
    crowd: Cell<Crowd>,
    fences: PublishFences,
    /// What interrupters of this handle share with it, if it was asked for one.
    interruption: OnceCell<Arc<Interruption>>,
    /// What wait sets share with it, if it was added to one.
    watch: OnceCell<Arc<Watch>>,
}

impl Registration {
    /// Takes a handle and a role, from their dead owners if need be.
    pub(crate) fn take(mapped: MappedRing, role: Role) -> Result<Self, JoinError> {
        let attach = mapped.attach();
        attach.mapping().check().map_err(JoinError::Failed)?;
        if role == Role::Producer && mapped.control().roles.is_closed() {
            return Err(JoinError::Closed);
        }
        let competes = mapped.shape().kind().competes(role);
        let handles = mapped.handles();
        let claim = || tables::claim_handle(handles, attach.index(), mapped.ring());
        let mut handle = claim();
        if handle.is_none() {
            // The dead may have some.
            attach.reap().map_err(JoinError::Failed)?;
            handle = claim();
        }
        let Some(handle) = handle else {
            return Err(JoinError::TableFull { handles: handles.len() });
        };
        let registration = Self {
            role,
            handle,
            mode: WaitMode::default(),
            backoff: true,
            fault: None,
            is_broadcast: mapped.shape().kind() == Kind::Broadcast,
            peeked: PeekedMark::new(0),
            competes,
            waited: Cell::new(false),
            patience: Cell::new(Patience::NONE),
            crowd: Cell::new(Crowd::UNKNOWN),
            fences: PublishFences::new(attach.gets_barriers(), handles.len()),
            interruption: OnceCell::new(),
            watch: OnceCell::new(),
            mapped,
        };
        // On failure, dropping the registration releases the handle.
        let claimed = registration.claim_role();
        // What was found in a table that is gone by now says nothing.
        registration.check().map_err(JoinError::Failed)?;
        claimed?;
        if role == Role::Producer {
            // Consumers may be waiting for one.
            wake::notify_all(
                &registration.mapped.control().receivers,
                registration.mapped.handles(),
            );
        }
        Ok(registration)
    }

    fn claim_role(&self) -> Result<(), JoinError> {
        let (attach, roles) = (self.mapped.attach(), &self.mapped.control().roles);
        if self.mapped.shape().kind().shares(self.role) {
            roles.join(self.role, self.handle);
            return Ok(());
        }
        let claim = || roles.claim(self.role, self.handle);
        if claim() {
            return Ok(());
        }
        // The holder may be dead.
        attach.reap().map_err(JoinError::Failed)?;
        if claim() {
            return Ok(());
        }
        let participant = |index| attach.participant(index).map_err(JoinError::Failed);
        let holder = match roles.ownership(self.role) {
            Ownership::Held { handle, .. } => {
                let holder = self.mapped.handles().get(handle).and_then(|handle| handle.attach());
                holder.map(participant).transpose()?.flatten()
            }
            Ownership::Never | Ownership::Vacant { .. } => None,
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
        self.mapped.attach().mapping().check()
    }

    /// Whether [`check`](Self::check) finds nothing.
    #[inline(always)]
    pub(crate) fn is_clear(&self) -> bool {
        self.mapped.is_open()
    }

    /// Whether this is a fork child, in which the segment is not mapped.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.mapped.attach().mapping().is_forked()
    }

    /// Ends the use of this handle: nothing in the segment can be trusted any more.
    #[cold]
    pub(crate) fn poison(&mut self, corrupt: Corrupt) -> Fault {
        // What was cut off reads as zero, and may be taken for damage.
        let whole = self.mapped.attach().mapping().check();
        let fault = whole.err().unwrap_or(Fault::Corrupt(corrupt));
        self.fault = Some(fault);
        if let Some(watch) = self.watch.get() {
            watch.set_failed();
        }
        self.mapped.shut();
        fault
    }

    /// Returns the index of the handle.
    pub(crate) fn handle(&self) -> usize {
        self.handle
    }

    /// Notes that a subscriber starts at that position.
    pub(super) fn begin_at(&mut self, position: u64) {
        self.peeked = PeekedMark::new(position);
    }

    /// Returns up to where messages were shown in place: to this consumer, or in a ring with one
    /// consumer also to its predecessors.
    #[inline]
    pub(crate) fn peeked(&self) -> &PeekedMark {
        if self.is_broadcast { &self.peeked } else { &self.mapped.control().consumer.peeked }
    }

    /// Returns the line that the owner of this handle writes.
    #[inline]
    pub(crate) fn own(&self) -> &HandleOwn {
        self.mapped.own(self.handle)
    }

    /// Returns where this handle announces tickets.
    #[inline]
    pub(crate) fn intent(&self) -> &AtomicU64 {
        &self.own().intent
    }

    /// Whether this handle waited beside others, and owes them a look for more.
    #[inline]
    pub(crate) fn has_waited(&self) -> bool {
        self.waited.get() && self.watch.get().is_none_or(|watch| watch.is_owing())
    }

    /// Notes that this handle owes others a look for more, if others share the role.
    fn owe(&self) {
        if self.competes {
            self.waited.set(true);
            if let Some(watch) = self.watch.get() {
                watch.owe();
            }
        }
    }

    /// Takes what this handle owes. With a watch, a wait set may note more of it at any time.
    fn take_debt(&self) -> bool {
        match self.watch.get() {
            Some(watch) => watch.take_debt(),
            None => self.waited.replace(false),
        }
    }

    /// Returns what wait sets share with this handle, to which the given end of the other role
    /// means something.
    pub(super) fn watch(&self, end: (u64, bool)) -> &Arc<Watch> {
        let new = || Watch::new(self.mapped.another(), self.role, self.handle, end);
        let watch = self.watch.get_or_init(new);
        // From now on the debt is looked up there.
        if self.waited.replace(self.competes) {
            self.owe();
        }
        watch
    }

    /// Returns what wait sets share with this handle, if it was added to one.
    #[inline]
    pub(super) fn watched(&self) -> Option<&Arc<Watch>> {
        self.watch.get()
    }

    fn to_wait(&self, need: u64) -> Wait {
        self.owe();
        if let Some(watch) = self.watch.get() {
            watch.forget_keeper();
        }
        if self.mode != WaitMode::Block {
            self.crowd.set(self.crowd.get().renewed(&self.mapped));
        }
        let crowded = self.crowd.get().crowded;
        let alone = !self.competes && self.watch.get().is_none();
        Wait { role: self.role, handle: self.handle, mode: self.mode, alone, crowded, need }
    }

    /// Whether a wait begins with looks at the ring, rather than with sleep.
    #[inline]
    pub(crate) fn spins(&self) -> bool {
        self.mode != WaitMode::Block && !self.crowd.get().crowded
    }

    /// Something that ends this handle's waits from elsewhere.
    pub(crate) fn interrupter(&self) -> Interrupter {
        let interruption = || Interruption::new(self.mapped.another(), self.handle);
        Interrupter::new(self.interruption.get_or_init(interruption))
    }

    fn is_interrupted(&self) -> bool {
        self.interruption.get().is_some_and(|interruption| interruption.is_pending())
    }

    /// Turns the end of a wait into its result. An interrupt comes first: a peer that ends each
    /// wait at once must not delay it.
    fn conclude(&self, in_time: Result<bool, Fault>) -> Result<(), WaitError> {
        let in_time = in_time.map_err(WaitError::Failed)?;
        if self.interruption.get().is_some_and(|interruption| interruption.take()) {
            return Err(WaitError::Interrupted);
        }
        if in_time { Ok(()) } else { Err(WaitError::TimedOut) }
    }

    /// Waits for the other side to reach `need`; see [`Wait::until`]. A caller that returns for
    /// an interrupt has to hand off the wake that it may have got.
    #[cold]
    pub(crate) fn wait(
        &self,
        need: u64,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<(), WaitError> {
        let ready = || self.is_interrupted() || ready();
        self.conclude(self.to_wait(need).until(&self.mapped, &self.patience, deadline, ready))
    }

    /// Waits for a slice of time at most; see [`Wait::slice`].
    #[cold]
    pub(crate) fn wait_slice(
        &self,
        need: u64,
        slice: Deadline,
        deadline: Deadline,
        ready: impl Fn() -> bool,
    ) -> Result<(), WaitError> {
        let ready = || self.is_interrupted() || ready();
        self.conclude(self.to_wait(need).slice(&self.mapped, slice, deadline, ready))
    }

    /// After a wait beside others, and the attempt that followed: wakes another one who
    /// waits for the position that `reached` tells, if it tells one. Nothing is owed in a fork
    /// child, where the attempt failed: the wait was the parent's, and the ring is not mapped.
    #[inline]
    pub(crate) fn hand_off(&self, reached: impl FnOnce(&MappedRing) -> Option<u64>) {
        if self.waited.get() && self.take_debt() && !self.is_forked() {
            let sleepers = self.mapped.sleepers(self.role);
            wake::hand_off(sleepers, self.mapped.handles(), || reached(&self.mapped));
        }
    }

    /// Wakes a consumer that sleeps until `reached` is published. For a producer.
    #[inline(always)]
    pub(crate) fn notify_consumers(&self, reached: u64) {
        debug_assert_eq!(self.role, Role::Producer);
        if wake::is_due(&self.mapped.control().receivers, &self.fences) {
            self.wake_consumers(reached);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_consumers(&self, reached: u64) {
        let (sleepers, handles) = (&self.mapped.control().receivers, self.mapped.handles());
        if self.is_broadcast {
            wake::notify_each(sleepers, handles, reached, &self.fences);
        } else {
            wake::notify(sleepers, handles, reached, &self.fences);
        }
    }

    /// Wakes a producer that sleeps until `reached` is released. For a consumer.
    #[inline(always)]
    pub(crate) fn notify_producers(&self, reached: u64) {
        debug_assert_eq!(self.role, Role::Consumer);
        if wake::is_due(&self.mapped.control().senders, &self.fences) {
            self.wake_producers(reached);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_producers(&self, reached: u64) {
        let (sleepers, handles) = (&self.mapped.control().senders, self.mapped.handles());
        if self.is_broadcast {
            let gate = || self.mapped.broadcast().gate(handles);
            wake::notify_at(sleepers, handles, gate, &self.fences);
        } else if self.mapped.has_jobs() {
            let head = || Some(self.mapped.jobs().advance());
            wake::notify_at(sleepers, handles, head, &self.fences);
        } else {
            wake::notify(sleepers, handles, reached, &self.fences);
        }
    }

    /// Wakes a worker that sleeps, whatever it waits for: a job came back. For a worker.
    pub(crate) fn notify_workers(&self) {
        let (sleepers, handles) = (&self.mapped.control().receivers, self.mapped.handles());
        wake::notify_at(sleepers, handles, || None, &self.fences);
    }

    /// Wakes all workers. For the worker that acknowledged the last job of a stream that has ended.
    pub(crate) fn notify_all_workers(&self) {
        wake::notify_all(&self.mapped.control().receivers, self.mapped.handles());
    }

    /// Closes the ring for good and wakes everyone.
    pub(crate) fn close(&self) {
        if self.check().is_ok() {
            self.mapped.control().roles.close();
            self.mapped.control().wake_all(self.mapped.handles());
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if self.is_forked() {
            return;
        }
        if let Some(interruption) = self.interruption.get() {
            interruption.retire();
        }
        if let Some(watch) = self.watch.get() {
            watch.retire();
            watch.pay();
        }
        let control = self.mapped.control();
        if membership::release_handle(self.mapped.held(), self.mapped.handles(), self.handle) {
            control.wake_all(self.mapped.handles());
        }
    }
}

#[cfg(test)]
impl Registration {
    /// Sets this handle's bit, as if it slept until the other side reaches `need`.
    pub(crate) fn arm(&self, need: u64) {
        let (word, bit) = self.mapped.sleepers(self.role).bit(self.handle);
        self.mapped.handles()[self.handle].need.store(need, Ordering::Relaxed);
        word.fetch_or(bit, Ordering::Relaxed);
    }

    /// Whether nobody has taken the bit.
    pub(crate) fn is_armed(&self) -> bool {
        self.mapped.sleepers(self.role).is_armed(self.handle)
    }

    /// When this handle looks for the dead.
    pub(crate) fn patience(&self) -> Patience {
        self.patience.get()
    }
}
