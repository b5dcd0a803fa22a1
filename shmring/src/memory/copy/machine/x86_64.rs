//! The routines for x86-64.

#![allow(unsafe_code)]

use core::arch::naked_asm;
use core::arch::x86_64::{__cpuid, __cpuid_count, __get_cpuid_max};
use core::ffi::c_void;
use std::arch::is_x86_feature_detected;

use super::{Choice, LIBC, Plan, Routine};

pub(crate) static ROUTINES: &[&Routine] = &[&BLOCKS_16, &BLOCKS_32, &LINES_64, &STRING, &LIBC];

static BLOCKS_16: Routine =
    Routine { name: "16-byte blocks", copy: blocks_16, is_available: || true, aliases: false };
static BLOCKS_32: Routine = Routine {
    name: "32-byte blocks (AVX)",
    copy: blocks_32,
    is_available: || is_x86_feature_detected!("avx"),
    aliases: false,
};
static LINES_64: Routine = Routine {
    name: "64-byte lines (AVX-512)",
    copy: lines_64,
    is_available: || is_x86_feature_detected!("avx512f"),
    aliases: false,
};
static STRING: Routine =
    Routine { name: "rep movsb", copy: string, is_available: || true, aliases: true };

const ZEN_5: usize = 0;
const ZEN_5_AVX: usize = 1;
const ZEN_4: usize = 2;
const ZEN_3: usize = 3;
const OTHER: usize = 4;

/// `rep movsb` spares the reads for ownership of whole lines on Zen 5. On Zen 4 it is the faster
/// way to load what lies in another CPU's caches, and the slower one where both share a cache,
/// for less than 16 KiB. shmring-bench/PERFORMANCE.md has the figures.
pub(crate) static PLANS: [Plan; 5] = [
    Plan {
        store: Choice { medium: &LINES_64, long: &STRING, long_min: 2048 },
        load: Choice { medium: &LINES_64, long: &STRING, long_min: 2048 },
        reason: "AMD family 26 or later with AVX-512 and fast short rep movsb",
    },
    Plan {
        store: Choice { medium: &BLOCKS_32, long: &STRING, long_min: 2048 },
        load: Choice { medium: &BLOCKS_32, long: &STRING, long_min: 2048 },
        reason: "AMD family 26 or later with AVX and fast short rep movsb",
    },
    Plan {
        store: Choice::always(&LINES_64),
        load: Choice { medium: &LINES_64, long: &STRING, long_min: 16_384 },
        reason: "AMD family 25 with AVX-512 and enhanced rep movsb",
    },
    Plan {
        store: Choice::always(&BLOCKS_16),
        load: Choice::always(&BLOCKS_16),
        reason: "AMD family 25 without AVX-512",
    },
    Plan {
        store: Choice { medium: &BLOCKS_16, long: &LIBC, long_min: 4096 },
        load: Choice { medium: &BLOCKS_16, long: &LIBC, long_min: 4096 },
        reason: "a CPU that was not measured",
    },
];

/// What the choice depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    is_amd: bool,
    family: u32,
    has_enhanced_string: bool,
    has_fast_short_string: bool,
    has_avx: bool,
    has_avx512: bool,
}

/// The index of the plan for this CPU.
pub(crate) fn choose() -> usize {
    choose_for(Cpu::this())
}

fn choose_for(cpu: Cpu) -> usize {
    match cpu.family {
        26.. if cpu.is_amd && cpu.has_fast_short_string && cpu.has_avx512 => ZEN_5,
        26.. if cpu.is_amd && cpu.has_fast_short_string && cpu.has_avx => ZEN_5_AVX,
        25 if cpu.is_amd && cpu.has_enhanced_string && cpu.has_avx512 => ZEN_4,
        25 if cpu.is_amd => ZEN_3,
        _ => OTHER,
    }
}

impl Cpu {
    // `cpuid` is an unsafe function in older compilers.
    #[allow(unused_unsafe)]
    fn this() -> Cpu {
        // SAFETY: every CPU of the architecture has the instruction, with leaves 0 and 1.
        let (vendor, signature, (last, _)) =
            unsafe { (__cpuid(0), __cpuid(1).eax, __get_cpuid_max(0)) };
        // SAFETY: as above; leaf 7 is asked for where it exists.
        let features = (last >= 7).then(|| unsafe { __cpuid_count(7, 0) });
        let has = |bits: Option<u32>, bit: u32| bits.is_some_and(|bits| bits >> bit & 1 == 1);
        Cpu {
            is_amd: [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes).as_flattened()
                == b"AuthenticAMD",
            family: family(signature),
            has_enhanced_string: has(features.map(|leaf| leaf.ebx), 9),
            has_fast_short_string: has(features.map(|leaf| leaf.edx), 4),
            has_avx: (BLOCKS_32.is_available)(),
            has_avx512: (LINES_64.is_available)(),
        }
    }
}

/// The family in the signature of `cpuid` leaf 1: the base, and an extension to the largest.
fn family(signature: u32) -> u32 {
    match signature >> 8 & 0xF {
        0xF => 0xF + (signature >> 20 & 0xFF),
        base => base,
    }
}

/// Copies by 16 bytes (SSE2).
///
/// # Safety
/// As for [`Copier`](super::Copier).
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn blocks_16(
    to: *mut c_void,
    from: *const c_void,
    len: usize,
) -> *mut c_void {
    naked_asm!(
        "mov rax, rdi",
        "sub rdx, 64",
        "jb 3f",
        ".p2align 5",
        "2:",
        "movups xmm0, [rsi]",
        "movups xmm1, [rsi + 16]",
        "movups xmm2, [rsi + 32]",
        "movups xmm3, [rsi + 48]",
        "movups [rdi], xmm0",
        "movups [rdi + 16], xmm1",
        "movups [rdi + 32], xmm2",
        "movups [rdi + 48], xmm3",
        "add rsi, 64",
        "add rdi, 64",
        "sub rdx, 64",
        "jae 2b",
        "3:",
        // 16 bytes at a time stays below the length; the last 16 end there.
        "add rdx, 48",
        "js 5f",
        "4:",
        "movups xmm0, [rsi]",
        "movups [rdi], xmm0",
        "add rsi, 16",
        "add rdi, 16",
        "sub rdx, 16",
        "jns 4b",
        "5:",
        "movups xmm0, [rsi + rdx]",
        "movups [rdi + rdx], xmm0",
        "ret",
    )
}

/// Copies by 32 bytes (AVX), to multiples of 32.
///
/// # Safety
/// As for [`Copier`](super::Copier), on a CPU with AVX.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn blocks_32(
    to: *mut c_void,
    from: *const c_void,
    len: usize,
) -> *mut c_void {
    naked_asm!(
        "mov rax, rdi",
        // The first 32 bytes reach the next multiple of 32 or beyond.
        "vmovdqu ymm0, [rsi]",
        "vmovdqu [rdi], ymm0",
        "lea rcx, [rdi + 32]",
        "and rcx, -32",
        "sub rcx, rdi",
        "add rsi, rcx",
        "add rdi, rcx",
        "sub rdx, rcx",
        "sub rdx, 128",
        "jb 3f",
        ".p2align 5",
        "2:",
        "vmovdqu ymm0, [rsi]",
        "vmovdqu ymm1, [rsi + 32]",
        "vmovdqu ymm2, [rsi + 64]",
        "vmovdqu ymm3, [rsi + 96]",
        "vmovdqa [rdi], ymm0",
        "vmovdqa [rdi + 32], ymm1",
        "vmovdqa [rdi + 64], ymm2",
        "vmovdqa [rdi + 96], ymm3",
        "add rsi, 128",
        "add rdi, 128",
        "sub rdx, 128",
        "jae 2b",
        "3:",
        // 32 bytes at a time stays below the length; the last 32 end there.
        "add rdx, 96",
        "js 5f",
        "4:",
        "vmovdqu ymm0, [rsi]",
        "vmovdqa [rdi], ymm0",
        "add rsi, 32",
        "add rdi, 32",
        "sub rdx, 32",
        "jns 4b",
        "5:",
        "vmovdqu ymm0, [rsi + rdx]",
        "vmovdqu [rdi + rdx], ymm0",
        "vzeroupper",
        "ret",
    )
}

/// Copies by 64 bytes (AVX-512), to whole lines.
///
/// # Safety
/// As for [`Copier`](super::Copier), on a CPU with AVX-512F.
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn lines_64(
    to: *mut c_void,
    from: *const c_void,
    len: usize,
) -> *mut c_void {
    naked_asm!(
        "mov rax, rdi",
        // The first 64 bytes reach the next line or beyond.
        "vmovdqu64 zmm0, [rsi]",
        "vmovdqu64 [rdi], zmm0",
        "lea rcx, [rdi + 64]",
        "and rcx, -64",
        "sub rcx, rdi",
        "add rsi, rcx",
        "add rdi, rcx",
        "sub rdx, rcx",
        "sub rdx, 256",
        "jb 3f",
        ".p2align 6",
        "2:",
        "vmovdqu64 zmm0, [rsi]",
        "vmovdqu64 zmm1, [rsi + 64]",
        "vmovdqu64 zmm2, [rsi + 128]",
        "vmovdqu64 zmm3, [rsi + 192]",
        "vmovdqa64 [rdi], zmm0",
        "vmovdqa64 [rdi + 64], zmm1",
        "vmovdqa64 [rdi + 128], zmm2",
        "vmovdqa64 [rdi + 192], zmm3",
        "add rsi, 256",
        "add rdi, 256",
        "sub rdx, 256",
        "jae 2b",
        "3:",
        // 64 bytes at a time stays below the length; the last 64 end there.
        "add rdx, 192",
        "js 5f",
        "4:",
        "vmovdqu64 zmm0, [rsi]",
        "vmovdqa64 [rdi], zmm0",
        "add rsi, 64",
        "add rdi, 64",
        "sub rdx, 64",
        "jns 4b",
        "5:",
        "vmovdqu64 zmm0, [rsi + rdx]",
        "vmovdqu64 [rdi + rdx], zmm0",
        "vzeroupper",
        "ret",
    )
}

/// Copies by one string instruction.
///
/// # Safety
/// As for [`Copier`](super::Copier).
#[unsafe(naked)]
pub(crate) unsafe extern "C" fn string(
    to: *mut c_void,
    from: *const c_void,
    len: usize,
) -> *mut c_void {
    // The ABI has the direction flag clear.
    naked_asm!("mov rax, rdi", "mov rcx, rdx", "rep movsb", "ret")
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
    naked_asm!("jmp qword ptr [rip + {memcpy}@GOTPCREL]", memcpy = sym::libc::memcpy)
}

#[cfg(test)]
mod tests {
    // As in the tests of the module above.
    #![allow(dead_code, unused_imports)]

    use super::*;

    const ZEN_5_CPU: Cpu = Cpu {
        is_amd: true,
        family: 26,
        has_enhanced_string: true,
        has_fast_short_string: true,
        has_avx: true,
        has_avx512: true,
    };

    #[test]
    fn families_are_decoded() {
        assert_eq!(family(0x00A1_0F11), 25); // EPYC 9004: model 17, stepping 1
        assert_eq!(family(0x00B0_0F21), 26);
        assert_eq!(family(0x0005_0654), 6);
    }

    /// Catches a CPU that gets a plan with instructions that it lacks.
    #[test]
    fn no_plan_needs_what_the_cpu_lacks() {
        for bits in 0..1 << 5 {
            for family in [6, 15, 23, 24, 25, 26, 27] {
                let has = |bit: u32| bits >> bit & 1 == 1;
                let cpu = Cpu {
                    is_amd: has(0),
                    family,
                    has_enhanced_string: has(1),
                    has_fast_short_string: has(2),
                    has_avx: has(3),
                    has_avx512: has(4),
                };
                let plan = &PLANS[choose_for(cpu)];
                for routine in [plan.store, plan.load].iter().flat_map(|it| [it.medium, it.long]) {
                    let needs = |other: &Routine| std::ptr::eq(routine, other);
                    assert!(!needs(&BLOCKS_32) || cpu.has_avx, "{cpu:?}");
                    assert!(!needs(&LINES_64) || cpu.has_avx512, "{cpu:?}");
                    assert!(
                        !needs(&STRING) || cpu.has_enhanced_string || cpu.has_fast_short_string
                    );
                }
            }
        }
    }

    #[test]
    fn each_family_gets_its_plan() {
        let zen_4 = Cpu { family: 25, ..ZEN_5_CPU };
        let plans = [
            (ZEN_5_CPU, ZEN_5),
            (Cpu { family: 27, ..ZEN_5_CPU }, ZEN_5),
            (Cpu { has_avx512: false, ..ZEN_5_CPU }, ZEN_5_AVX),
            (Cpu { has_fast_short_string: false, ..ZEN_5_CPU }, OTHER),
            (zen_4, ZEN_4),
            (Cpu { has_avx512: false, ..zen_4 }, ZEN_3),
            (Cpu { family: 23, ..zen_4 }, OTHER),
            (Cpu { is_amd: false, ..ZEN_5_CPU }, OTHER),
        ];
        for (cpu, plan) in plans {
            assert_eq!(choose_for(cpu), plan, "{cpu:?}");
        }
    }

    /// Catches a plan for this machine that its own test of features refuses.
    #[test]
    fn this_cpu_has_what_its_plan_needs() {
        let plan = super::super::plan();
        for choice in [plan.store, plan.load] {
            assert!((choice.medium.is_available)() && (choice.long.is_available)(), "{plan}");
        }
    }
}
