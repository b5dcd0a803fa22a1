//! Waiting for the other side: spin, then sleep, never longer than a slice at once.

use std::sync::OnceLock;
use std::time::Duration;

use crate::error::{Fault, JoinError, Role};
use crate::ring::roster::{self, Tenure};
use crate::ring::wake;
use crate::segment::View;
use crate::sync::{Deadline, spin_loop};
use crate::sys::process;

/// How a handle waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitMode {
    /// Never sleeps. Fastest, and takes a whole CPU while it waits.
    Spin,
    /// Spins for some tens of microseconds, then sleeps in the kernel.
    #[default]
    Adaptive,
    /// Sleeps at once.
    Block,
}

/// Looks at the ring before an adaptive wait goes to sleep: some 25 us of `pause`
/// instructions, about what it costs to be put to sleep and woken again.
const ADAPTIVE_SPINS: u32 = 1000;
/// Looks at the ring between two looks at the clock.
const SPINS_PER_CLOCK: u32 = 256;
/// The longest sleep. A waker killed between publish and wake, or an owner killed
/// while it holds a role, costs at most this.
const SLICE: Duration = Duration::from_millis(100);

/// What a handle is in the tables of its segment, and how it waits there.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) view: View,
    role: Role,
    handle: usize,
    pub(crate) mode: WaitMode,
    fault: Option<Fault>,
}

impl Seat {
    /// Takes a handle and a role, from their dead owners if need be.
    pub(crate) fn take(view: View, role: Role) -> Result<Self, JoinError> {
        let attach = view.attach();
        if attach.mapping().is_forked() {
            return Err(JoinError::Failed(Fault::Forked));
        }
        if view.control().roles.is_closed() {
            return Err(JoinError::Closed);
        }
        let handles = view.handles();
        let Some(handle) = roster::claim_handle(handles, attach.index()) else {
            return Err(JoinError::TableFull { handles: handles.len() });
        };
        let seat = Self { role, handle, mode: WaitMode::default(), fault: None, view };
        match seat.claim_role() {
            Ok(()) => Ok(seat),
            // Dropping the seat gives the handle back.
            Err(error) => Err(error),
        }
    }

    fn claim_role(&self) -> Result<(), JoinError> {
        let (attach, roles) = (self.view.attach(), &self.view.control().roles);
        // The second look comes after a dead holder was cleaned up.
        for _ in 0..2 {
            if roles.claim(self.role, self.handle) {
                return Ok(());
            }
            attach.sweep();
        }
        let holder = match roles.tenure(self.role) {
            Tenure::Held { handle, .. } => {
                let holder = self.view.handles().get(handle).and_then(|handle| handle.attach());
                holder.and_then(|index| attach.participant(index))
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
        if self.view.attach().mapping().is_forked() {
            return Err(Fault::Forked);
        }
        Ok(())
    }

    /// Ends the use of this handle: nothing in the segment can be trusted any more.
    #[cold]
    pub(crate) fn poison(&mut self, corrupt: crate::ring::Corrupt) -> Fault {
        let fault = Fault::Corrupt(corrupt);
        self.fault = Some(fault);
        fault
    }

    /// Waits until `ready`, someone wakes this handle, or a slice of time is over;
    /// whether there is time left to try again. `need` is the position of the other
    /// side that ends the wait.
    #[cold]
    pub(crate) fn wait(&self, need: u64, deadline: Deadline, ready: impl Fn() -> bool) -> bool {
        let slice = Deadline::after(SLICE).min(deadline);
        let spins = match self.mode {
            WaitMode::Block => 0,
            WaitMode::Adaptive if is_single_cpu() => 0,
            WaitMode::Adaptive => ADAPTIVE_SPINS,
            WaitMode::Spin => u32::MAX,
        };
        for spin in 1..=spins {
            if ready() {
                return true;
            }
            spin_loop();
            if spin % SPINS_PER_CLOCK == 0 && slice.passed() {
                break;
            }
        }
        if self.mode != WaitMode::Spin {
            let (sleepers, handles) = (self.view.sleepers(self.role), self.view.handles());
            wake::sleep(sleepers, handles, self.handle, need, slice, &ready);
        }
        if ready() {
            return true;
        }
        if slice.passed() {
            self.view.attach().sweep();
        }
        !deadline.passed() || ready()
    }

    /// Tells the other side, if it sleeps, that `reached` was published.
    #[inline]
    pub(crate) fn notify(&self, reached: u64) {
        let other = match self.role {
            Role::Producer => Role::Consumer,
            Role::Consumer => Role::Producer,
        };
        wake::notify(self.view.sleepers(other), self.view.handles(), reached);
    }

    /// Closes the ring for good and wakes everyone.
    pub(crate) fn close(&self) {
        if self.check().is_ok() {
            self.view.control().roles.close();
            self.notify_all();
        }
    }

    fn notify_all(&self) {
        for role in [Role::Producer, Role::Consumer] {
            wake::notify_all(self.view.sleepers(role), self.view.handles());
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.view.attach().mapping().is_forked() {
            return;
        }
        let sides = [self.view.sleepers(Role::Producer), self.view.sleepers(Role::Consumer)];
        let roles = &self.view.control().roles;
        roster::release_handle(self.view.handles(), self.handle, roles, sides);
        self.notify_all();
    }
}

/// Whether spinning could only keep the other side from running.
fn is_single_cpu() -> bool {
    static SINGLE: OnceLock<bool> = OnceLock::new();
    *SINGLE.get_or_init(|| process::online_cpus() == 1)
}
