//! The routines for 64-bit ARM.

#![allow(unsafe_code)]

use core::arch::naked_asm;
use core::ffi::c_void;

use super::{Choice, LIBC, Plan, Routine};

pub(crate) static ROUTINES: &[&Routine] = &[&PAIRS_32, &LIBC];

static PAIRS_32: Routine = Routine {
    name: "32-byte pairs of registers",
    copy: pairs_32,
    is_available: || true,
    aliases: false,
};

/// libc knows which CPUs have wider registers, or instructions for copying.
pub(crate) static PLANS: [Plan; 1] = [Plan {
    store: Choice { medium: &PAIRS_32, long: &LIBC, long_min: 4096 },
    load: Choice { medium: &PAIRS_32, long: &LIBC, long_min: 4096 },
    reason: "a CPU that was not measured",
}];

/// The index of the plan for this CPU.
pub(crate) fn choose() -> usize {
    0
}

/// Copies by pairs of 16-byte registers.
///
/// # Safety
/// As for [`Copier`](super::Copier).
#[unsafe(naked)]
unsafe extern "C" fn pairs_32(to: *mut c_void, from: *const c_void, len: usize) -> *mut c_void {
    naked_asm!(
        "mov x3, x0",
        "subs x2, x2, #64",
        "b.lo 3f",
        "2:",
        "ldp q0, q1, [x1]",
        "ldp q2, q3, [x1, #32]",
        "add x1, x1, #64",
        "stp q0, q1, [x3]",
        "stp q2, q3, [x3, #32]",
        "add x3, x3, #64",
        "subs x2, x2, #64",
        "b.hs 2b",
        "3:",
        // 16 bytes at a time stays below the length; the last 16 end there.
        "adds x2, x2, #48",
        "b.mi 5f",
        "4:",
        "ldr q0, [x1], #16",
        "str q0, [x3], #16",
        "subs x2, x2, #16",
        "b.pl 4b",
        "5:",
        "ldr q0, [x1, x2]",
        "str q0, [x3, x2]",
        "ret",
    )
}

/// Copies by libc's `memcpy`.
///
/// # Safety
/// As for [`Copier`](super::Copier).
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn libc(
    to: *mut c_void,
    from: *const c_void,
    len: usize,
) -> *mut c_void {
    naked_asm!("b {memcpy}", memcpy = sym::libc::memcpy)
}
