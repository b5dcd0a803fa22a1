//! Copying in one block of machine code.

#![allow(unsafe_code)]

pub(crate) use machine::{AVAILABLE, copy};

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod machine {
    use std::arch::asm;

    pub(crate) const AVAILABLE: bool = true;

    /// Bytes of a short copy.
    const SHORT_MAX: usize = 128;
    const PIECE: usize = 16;

    /// Copies `len` bytes, at least 16.
    ///
    /// # Safety
    /// `from` is valid for reads and `to` for writes of `len` bytes, and they do not
    /// overlap. Others may access the shared side meanwhile: to the compiler this is
    /// a black box, and to the machine every load and store in it is defined.
    #[inline(always)]
    pub(crate) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        if len <= SHORT_MAX {
            // SAFETY: as for this function.
            unsafe { copy_short(from, to, len) }
        } else {
            // SAFETY: as for this function.
            unsafe { copy_long(from, to, len) }
        }
    }

    /// Copies from the end to the start. What is stored next, the word in front of a message,
    /// is in the line of its start; and a CPU waits least for its stores if those to one line
    /// follow one another.
    ///
    /// # Safety
    /// As for [`copy`].
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
    /// `from` is valid for reads and `to` for writes of 16 bytes; see [`copy`].
    #[inline(always)]
    unsafe fn move_piece(from: *const u8, to: *mut u8) {
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
    }

    /// # Safety
    /// As for [`copy`].
    unsafe fn copy_long(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: 64, then 16 bytes at a time, stays below `len`; the last 16 bytes
        // end exactly at `len`, which is at least 16.
        unsafe {
            asm!(
                "sub {len}, 64",
                "jb 3f",
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "add {from}, 64",
                "add {to}, 64",
                "sub {len}, 64",
                "jae 2b",
                "3:",
                "add {len}, 48",
                "js 5f",
                "4:",
                "movups {a}, [{from}]",
                "movups [{to}], {a}",
                "add {from}, 16",
                "add {to}, 16",
                "sub {len}, 16",
                "jns 4b",
                "5:",
                "movups {a}, [{from} + {len}]",
                "movups [{to} + {len}], {a}",
                from = inout(reg) from => _,
                to = inout(reg) to => _,
                len = inout(reg) len => _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod machine {
    pub(crate) const AVAILABLE: bool = false;

    /// # Safety
    /// Never called where it is not available.
    pub(crate) unsafe fn copy(_: *const u8, _: *mut u8, _: usize) {}
}
