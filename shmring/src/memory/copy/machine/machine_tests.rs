//! Every routine that this CPU has, between guard pages; and which one a plan takes.

// A benchmark that compiles this directory has `cfg(test)` and no tests.
#![allow(dead_code, unused_imports)]

use core::ptr;

use super::{ALIAS_MAX, Choice, PAGE, ROUTINES, Routine, SHORT_MAX, arch, load, plan, store};

/// Memory between two pages that nobody may access.
struct Guarded {
    base: *mut u8,
    len: usize,
}

impl Guarded {
    /// Maps `len` bytes, whole pages.
    fn new(len: usize) -> Guarded {
        let map = |len, protection| {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: a new mapping, wherever the kernel places it.
            unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) }
        };
        // Guards of 64 KiB: a page may have so many bytes elsewhere.
        let base = map(len + 2 * Self::GUARD, libc::PROT_NONE);
        assert_ne!(base, libc::MAP_FAILED);
        // SAFETY: inside the mapping.
        let base = unsafe { base.cast::<u8>().add(Self::GUARD) };
        // SAFETY: whole pages of the own mapping.
        let done = unsafe { libc::mprotect(base.cast(), len, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(done, 0);
        Guarded { base, len }
    }

    const GUARD: usize = 1 << 16;

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `len` bytes, mapped for reading and writing, borrowed with the whole.
        unsafe { core::slice::from_raw_parts_mut(self.base, self.len) }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, with its guards, which nobody uses any more.
        unsafe { libc::munmap(self.base.sub(Self::GUARD).cast(), self.len + 2 * Self::GUARD) };
    }
}

/// A source and a destination of the same size.
struct Pair {
    source: Guarded,
    destination: Guarded,
}

/// Neighbours that are compared on each side of a copy.
const MARGIN: usize = 256;

impl Pair {
    fn new(len: usize) -> Pair {
        let mut source = Guarded::new(len);
        for (index, byte) in source.bytes().iter_mut().enumerate() {
            *byte = (index % 251) as u8 | 1;
        }
        Pair { source, destination: Guarded::new(len) }
    }

    /// Copies `len` bytes from the source's offset `from` to the destination's offset `to`.
    fn check(
        &mut self,
        name: &str,
        copy: &dyn Fn(*const u8, *mut u8),
        from: usize,
        to: usize,
        len: usize,
    ) {
        let near = to.saturating_sub(MARGIN)..(to + len + MARGIN).min(self.destination.len);
        self.destination.bytes()[near.clone()].fill(0);
        let source = &self.source.bytes()[from..from + len];
        copy(source.as_ptr(), self.destination.bytes()[to..to + len].as_mut_ptr());
        let bytes = self.destination.bytes();
        let what = || format!("{name}: {len} bytes from {from} to {to}");
        assert!(bytes[to..to + len] == self.source.bytes()[from..from + len], "{}", what());
        let is_clear = |range: core::ops::Range<usize>| bytes[range].iter().all(|&byte| byte == 0);
        assert!(is_clear(near.start..to) && is_clear(to + len..near.end), "beside {}", what());
    }

    /// At every distance of both sides from the guard pages, below and above, up to a line.
    fn check_at_edges(&mut self, routine: &Routine, len: usize) {
        let size = self.source.len;
        // SAFETY: `check` gives two places of `len` bytes each in different mappings.
        let copy = |from: *const u8, to: *mut u8| unsafe {
            (routine.copy)(to.cast(), from.cast(), len);
        };
        for shift in 0..=65 {
            for other in [0, 1, 8, 63] {
                for (from, to) in [(shift, other), (other, shift)] {
                    self.check(routine.name, &copy, from, to, len);
                    self.check(routine.name, &copy, size - len - from, size - len - to, len);
                }
            }
        }
    }
}

fn available() -> impl Iterator<Item = &'static Routine> {
    ROUTINES.iter().copied().filter(|routine| (routine.is_available)())
}

/// The lengths around which plans change their routine, multiples of all block sizes.
fn edges() -> impl Iterator<Item = usize> {
    [512, 1024, 2048, 4096, 16_384].into_iter().flat_map(|edge| [edge - 1, edge, edge + 1])
}

/// Catches bytes that are lost, moved, written beside the destination, or touched beyond
/// either side: by each routine, at each length up to twice its longest round.
#[test]
fn every_routine_is_exact_at_every_length() {
    let mut pair = Pair::new(2 * PAGE);
    for routine in available() {
        for len in SHORT_MAX + 1..=SHORT_MAX + 1 + 2 * 256 {
            let end = pair.source.len - len;
            // SAFETY: as in `check_at_edges`.
            let copy = |from: *const u8, to: *mut u8| unsafe {
                (routine.copy)(to.cast(), from.cast(), len);
            };
            for (from, to) in [(0, 0), (end, end), (0, end), (end, 0), (8, 16), (5, end - 3)] {
                pair.check(routine.name, &copy, from, to, len);
            }
        }
    }
}

/// Catches a routine that is right only for some alignments.
#[test]
fn every_routine_is_exact_at_every_alignment() {
    let mut pair = Pair::new(5 * PAGE);
    for routine in available() {
        for len in
            [129, 160, 191, 192, 193, 255, 256, 257, 320, 383, 385].into_iter().chain(edges())
        {
            pair.check_at_edges(routine, len);
        }
    }
}

/// Catches a routine that counts in less than a whole address.
#[test]
fn every_routine_copies_long_messages() {
    let mut pair = Pair::new(1 << 20);
    for routine in available() {
        for len in [(1 << 16) - 1, 1 << 16, (1 << 17) + 5, (1 << 20) - 65] {
            // SAFETY: as in `check_at_edges`.
            let copy = |from: *const u8, to: *mut u8| unsafe {
                (routine.copy)(to.cast(), from.cast(), len);
            };
            pair.check(routine.name, &copy, 0, 65, len);
            pair.check(routine.name, &copy, 65, 0, len);
        }
    }
}

/// Catches a choice between routines that loses a length: this process's plan, from the
/// shared side and to it.
#[test]
fn the_chosen_plan_is_exact_around_its_thresholds() {
    let mut pair = Pair::new(5 * PAGE);
    for len in (SHORT_MAX + 1..SHORT_MAX + 140).chain(edges()) {
        // SAFETY: as in `check_at_edges`.
        let store = |from: *const u8, to: *mut u8| unsafe { store(from, to, len) };
        // SAFETY: as in `check_at_edges`.
        let load = |from: *const u8, to: *mut u8| unsafe { load(from, to, len) };
        let end = pair.source.len - len;
        for (from, to) in [(0, 0), (0, 8), (8, 0), (16, 8), (8, 16), (24, 64), (0, end), (end, 0)] {
            pair.check("store", &store, from, to, len);
            pair.check("load", &load, from, to, len);
        }
    }
}

/// Catches a choice whose description is not what it does.
#[test]
fn choices_take_the_routine_that_they_name() {
    for plan in &arch::PLANS {
        let text = plan.to_string();
        assert!(text.contains(&plan.store.to_string()) && text.contains(&plan.load.to_string()));
        assert!(text.ends_with(plan.reason));
        check_choice(&plan.store);
        check_choice(&plan.load);
    }
    assert!(ptr::eq(plan(), plan()), "chosen once");
}

fn check_choice(choice: &Choice) {
    let at = |offset: usize| ptr::without_provenance_mut::<u8>((1 << 20) + offset);
    let takes = |to, len| choice.routine(at(0), at(to), len).name;
    let (medium, long) = (choice.medium.name, choice.long.name);
    let text = choice.to_string();
    assert!(text.starts_with(&format!("{medium} from 129 bytes on")), "{text}");
    assert_eq!(takes(0, SHORT_MAX + 1), medium);
    if choice.long_min == usize::MAX {
        assert_eq!(takes(0, 1 << 30), medium);
        return;
    }
    assert!(text.ends_with(&format!("{long} from {} bytes on", choice.long_min)), "{text}");
    assert_eq!(takes(0, choice.long_min - 1), medium);
    assert_eq!(takes(0, choice.long_min), long);
    // The destination follows the source closely, modulo a page.
    for behind in 1..=ALIAS_MAX {
        let expected = if choice.long.aliases { medium } else { long };
        assert_eq!(takes(behind, choice.long_min), expected);
        assert_eq!(takes(7 * PAGE + behind, choice.long_min), expected);
    }
    assert_eq!(takes(ALIAS_MAX + 1, choice.long_min), long);
    assert_eq!(takes(PAGE - 8, choice.long_min), long);
}
