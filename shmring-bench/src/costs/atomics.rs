//! Atomics and fences on lines that no other thread touches.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU64, fence};

use crossbeam_utils::CachePadded;

use super::timing::ns_each;
use crate::contender::BoxError;

/// A line of its own.
type Line = CachePadded<AtomicU64>;

pub(super) fn store() -> Result<f64, BoxError> {
    let line = Line::default();
    ns_each(|count| {
        for number in 1..=count {
            black_box(&line).store(number, Release);
        }
        holds(&line, count)
    })
}

pub(super) fn add() -> Result<f64, BoxError> {
    let line = Line::default();
    ns_each(|count| {
        let before = line.load(Relaxed);
        for _ in 0..count {
            black_box(&line).fetch_add(1, SeqCst);
        }
        holds(&line, before + count)
    })
}

pub(super) fn exchange() -> Result<f64, BoxError> {
    let line = Line::default();
    ns_each(|count| {
        let before = line.load(Relaxed);
        for number in before..before + count {
            // No other thread can make it fail; if it did, the last check would.
            let _ = black_box(&line).compare_exchange(number, number + 1, SeqCst, Relaxed);
        }
        holds(&line, before + count)
    })
}

pub(super) fn store_locked() -> Result<f64, BoxError> {
    let (line, other) = (Line::default(), Line::default());
    ns_each(|count| {
        for number in 1..=count {
            black_box(&line).store(number, Relaxed);
            black_box(&other).fetch_or(1, SeqCst);
        }
        holds(&other, 1)?;
        holds(&line, count)
    })
}

pub(super) fn store_fence() -> Result<f64, BoxError> {
    let line = Line::default();
    ns_each(|count| {
        for number in 1..=count {
            black_box(&line).store(number, Relaxed);
            fence(SeqCst);
        }
        holds(&line, count)
    })
}

#[cfg(target_arch = "x86_64")]
pub(super) fn store_mfence() -> Result<f64, BoxError> {
    let line = Line::default();
    ns_each(|count| {
        for number in 1..=count {
            black_box(&line).store(number, Relaxed);
            mfence();
        }
        holds(&line, count)
    })
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[allow(unsafe_code)]
fn mfence() {
    // SAFETY: every processor of this architecture has the instruction, which touches no memory.
    unsafe { std::arch::x86_64::_mm_mfence() };
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn store_mfence() -> Result<f64, BoxError> {
    Err("this processor has no such instruction".into())
}

pub(super) fn hint() -> Result<f64, BoxError> {
    ns_each(|count| {
        (0..count).for_each(|_| spin_loop());
        Ok(())
    })
}

fn holds(line: &Line, wanted: u64) -> Result<(), BoxError> {
    match line.load(Relaxed) {
        found if found == wanted => Ok(()),
        found => Err(format!("the line holds {found}, not {wanted}").into()),
    }
}
