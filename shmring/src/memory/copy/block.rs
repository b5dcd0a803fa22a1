//! Copies in one block of machine code.

#![allow(unsafe_code)]

pub(crate) use inner::{AVAILABLE, load, store};

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
mod inner {
    use std::arch::asm;

    use super::super::machine::{self, SHORT_MAX};

    pub(crate) const AVAILABLE: bool = true;

    const PIECE: usize = 16;

    /// Copies `len` bytes, at least 16, to the shared side.
    ///
    /// # Safety
    /// `from` is valid for reads and `to` for writes of `len` bytes, and they do not
    /// overlap. Other threads and processes may access the shared side
    /// meanwhile: the compiler sees an opaque block, and the machine defines every load and store
    /// in it.
    #[inline(always)]
    pub(crate) unsafe fn store(from: *const u8, to: *mut u8, len: usize) {
        if len <= SHORT_MAX {
            // SAFETY: as for this function.
            unsafe { copy_short(from, to, len) }
        } else {
            // SAFETY: as for this function.
            unsafe { machine::store(from, to, len) }
        }
    }

    /// Copies `len` bytes, at least 16, from the shared side.
    ///
    /// # Safety
    /// As for [`store`].
    #[inline(always)]
    pub(crate) unsafe fn load(from: *const u8, to: *mut u8, len: usize) {
        if len <= SHORT_MAX {
            // SAFETY: as for this function.
            unsafe { copy_short(from, to, len) }
        } else {
            // SAFETY: as for this function.
            unsafe { machine::load(from, to, len) }
        }
    }

    /// Copies from the end to the start. The caller stores the word in front of the message next,
    /// which is in the line of the message's start, and a CPU drains its stores fastest if those
    /// to one line follow one another.
    ///
    /// # Safety
    /// As for [`store`].
    #[inline(always)]
    unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: from `len` - 16 on there are 16 bytes, and so there are from each smaller
        // multiple of 16 on.
        unsafe {
            move_piece(from.add(len - PIECE), to.add(len - PIECE));
            let mut at = (len - 1) / PIECE * PIECE;
            while at > 0 {
                at -= PIECE;
                move_piece(from.add(at), to.add(at));
            }
        }
    }

    /// # Safety
    /// `from` is valid for reads and `to` for writes of 16 bytes; see [`store`].
    #[inline(always)]
    unsafe fn move_piece(from: *const u8, to: *mut u8) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as the caller promises.
        unsafe {
            asm!(
                "movups {piece}, [{from}]",
                "movups [{to}], {piece}",
                from = in(reg) from,
                to = in(reg) to,
                piece = out(xmm_reg) _,
                options(nostack, preserves_flags),
            );
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as the caller promises.
        unsafe {
            asm!(
                "ldr {piece:q}, [{from}]",
                "str {piece:q}, [{to}]",
                from = in(reg) from,
                to = in(reg) to,
                piece = out(vreg) _,
                options(nostack, preserves_flags),
            );
        }
    }
}

#[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
mod inner {
    pub(crate) const AVAILABLE: bool = false;

    /// # Safety
    /// Never called where it is not available.
    pub(crate) unsafe fn store(_: *const u8, _: *mut u8, _: usize) {}

    /// # Safety
    /// Never called where it is not available.
    pub(crate) unsafe fn load(_: *const u8, _: *mut u8, _: usize) {}
}
