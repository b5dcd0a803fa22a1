//! What differs between machines: registers and instructions.

use libc::{c_long, user_regs_struct};

#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::*;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::*;

    pub(crate) fn ip(regs: &user_regs_struct) -> u64 {
        regs.rip
    }

    /// Number of the system call at whose entry or exit the child stands.
    pub(crate) fn call(regs: &user_regs_struct) -> c_long {
        regs.orig_rax as c_long
    }

    /// `syscall`
    pub(crate) fn is_call(word: c_long) -> bool {
        word & 0xFFFF == 0x050F
    }

    /// `int3`
    pub(crate) fn with_break(word: c_long) -> c_long {
        word & !0xFF | 0xCC
    }

    /// The trap comes after the instruction.
    pub(crate) fn leave_break(regs: &mut user_regs_struct) {
        regs.rip -= 1;
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::*;

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use super::*;

    pub(crate) fn ip(regs: &user_regs_struct) -> u64 {
        regs.pc
    }

    /// Number of the system call at whose entry or exit the child stands.
    pub(crate) fn call(regs: &user_regs_struct) -> c_long {
        regs.regs[8] as c_long
    }

    /// `svc #0`
    pub(crate) fn is_call(word: c_long) -> bool {
        word & 0xFFFF_FFFF == 0xD400_0001
    }

    /// `brk #0`
    pub(crate) fn with_break(word: c_long) -> c_long {
        word & !0xFFFF_FFFF | 0xD420_0000
    }

    /// The trap comes at the instruction.
    pub(crate) fn leave_break(_: &mut user_regs_struct) {}
}
