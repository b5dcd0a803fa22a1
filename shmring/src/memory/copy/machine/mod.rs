//! Copies of more than [`SHORT_MAX`] bytes: the routines, and which of them this CPU gets.
//!
//! A peer may store to the source, or load from the destination, while a routine runs. So
//! each routine is machine code behind the C ABI, and the compiler sees neither its loads nor
//! its stores: naked functions are assembled, never optimized, and libc's `memcpy` is reached
//! through one of them. All loads and stores of a routine are ordinary ones, which later
//! stores cannot overtake where a release store follows; `rep movsb` may reorder its own
//! stores only. Routines with non-temporal stores must end with a store fence, as glibc's do.

#![allow(unsafe_code)]

use core::ffi::c_void;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
use aarch64 as arch;
#[cfg(target_arch = "x86_64")]
use x86_64 as arch;

/// The longest copy that is made inline. Routines are called for longer ones only.
pub(crate) const SHORT_MAX: usize = 128;

/// `memcpy(to, from, len)`.
///
/// # Safety
/// `from` is valid for reads and `to` for writes of `len` bytes, they do not overlap, `len` is
/// greater than [`SHORT_MAX`], and the CPU has what the routine needs. Others may access both
/// sides meanwhile.
pub(crate) type Copier = unsafe extern "C" fn(*mut c_void, *const c_void, usize) -> *mut c_void;

/// One way to copy.
#[derive(Debug)]
pub(crate) struct Routine {
    pub(crate) name: &'static str,
    pub(crate) copy: Copier,
    /// Returns `true` if this CPU has what the routine needs.
    #[allow(dead_code)] // for tests and benchmarks
    pub(crate) is_available: fn() -> bool,
    /// Slow if the destination follows the source closely, modulo a page.
    aliases: bool,
}

/// Routines by length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    medium: &'static Routine,
    long: &'static Routine,
    /// The first length for `long`.
    long_min: usize,
}

/// How a process copies.
#[derive(Debug)]
pub(crate) struct Plan {
    /// From private bytes to shared words.
    store: Choice,
    /// From shared words to private bytes.
    load: Choice,
    /// The CPUs that it is for.
    reason: &'static str,
}

/// All routines of this architecture.
#[allow(dead_code)] // for tests and benchmarks
pub(crate) static ROUTINES: &[&Routine] = arch::ROUTINES;

static LIBC: Routine =
    Routine { name: "libc memcpy", copy: arch::libc, is_available: || true, aliases: false };

/// This process's plan; null until the first copy. Threads that choose at the same time choose
/// the same.
static CHOSEN: AtomicPtr<Plan> = AtomicPtr::new(ptr::null_mut());

/// A destination up to so many bytes behind its source, modulo [`PAGE`], slows `rep movsb`
/// down to a seventeenth on AMD family 25 (3.4 instead of 58 GB/s of 64 KiB in the
/// second-level cache, any length from 512 bytes on); 24 bytes cost half, 40 nothing.
const ALIAS_MAX: usize = 32;
const PAGE: usize = 4096;

impl Choice {
    /// One routine for all lengths.
    #[cfg(target_arch = "x86_64")]
    const fn always(routine: &'static Routine) -> Choice {
        Choice { medium: routine, long: routine, long_min: usize::MAX }
    }

    /// The routine for `len` bytes.
    #[inline(always)]
    fn routine(&self, from: *const u8, to: *mut u8, len: usize) -> &'static Routine {
        if len < self.long_min {
            return self.medium;
        }
        let behind = to.addr().wrapping_sub(from.addr()) % PAGE;
        let is_slow = self.long.aliases && behind.wrapping_sub(1) < ALIAS_MAX;
        if is_slow { self.medium } else { self.long }
    }

    /// Copies `len` bytes.
    ///
    /// # Safety
    /// As for [`store`], by a plan for this CPU.
    #[inline(always)]
    unsafe fn copy(&self, from: *const u8, to: *mut u8, len: usize) {
        let routine = self.routine(from, to, len);
        // SAFETY: as the caller promises; the plan holds only what the CPU has.
        unsafe { (routine.copy)(to.cast(), from.cast(), len) };
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} from {} bytes on", self.medium.name, SHORT_MAX + 1)?;
        if self.long_min < usize::MAX {
            write!(f, ", {} from {} bytes on", self.long.name, self.long_min)?;
        }
        Ok(())
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stores by {}; loads by {}; for {}", self.store, self.load, self.reason)
    }
}

/// This process's plan, if there was a copy.
#[inline(always)]
fn chosen() -> Option<&'static Plan> {
    // ORDERING: Relaxed. The plans are constants, the address publishes nothing.
    let plan = CHOSEN.load(Ordering::Relaxed);
    // SAFETY: null, or the address of a static plan: only `choose` stores there.
    unsafe { plan.as_ref() }
}

/// This process's plan.
#[inline]
pub(crate) fn plan() -> &'static Plan {
    chosen().unwrap_or_else(choose)
}

#[cold]
fn choose() -> &'static Plan {
    let plan = &arch::PLANS[arch::choose()];
    CHOSEN.store(ptr::from_ref(plan).cast_mut(), Ordering::Relaxed);
    plan
}

/// Copies `len` bytes, more than [`SHORT_MAX`], to the shared side.
///
/// # Safety
/// `from` is valid for reads and `to` for writes of `len` bytes, and they do not overlap.
#[inline(always)]
pub(crate) unsafe fn store(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { store_to(to, from, len) };
}

/// Copies `len` bytes, more than [`SHORT_MAX`], from the shared side.
///
/// # Safety
/// As for [`store`].
#[inline(always)]
pub(crate) unsafe fn load(from: *const u8, to: *mut u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { load_to(to, from, len) };
}

/// As [`store`]. The arguments are in the order of a [`Copier`]'s, so that it is a jump away.
///
/// # Safety
/// As for [`store`].
#[inline(never)]
unsafe fn store_to(to: *mut u8, from: *const u8, len: usize) {
    match chosen() {
        // SAFETY: as the caller promises.
        Some(plan) => unsafe { plan.store.copy(from, to, len) },
        // SAFETY: as the caller promises.
        None => unsafe { store_first(to, from, len) },
    }
}

/// # Safety
/// As for [`store`].
#[cold]
#[inline(never)]
unsafe fn store_first(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { choose().store.copy(from, to, len) };
}

/// As [`store_to`], for loads.
///
/// # Safety
/// As for [`store`].
#[inline(never)]
unsafe fn load_to(to: *mut u8, from: *const u8, len: usize) {
    match chosen() {
        // SAFETY: as the caller promises.
        Some(plan) => unsafe { plan.load.copy(from, to, len) },
        // SAFETY: as the caller promises.
        None => unsafe { load_first(to, from, len) },
    }
}

/// # Safety
/// As for [`store`].
#[cold]
#[inline(never)]
unsafe fn load_first(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { choose().load.copy(from, to, len) };
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
