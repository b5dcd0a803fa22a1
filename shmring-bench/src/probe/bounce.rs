//! The two workers of a probe: one stores a number in its line, the other answers in its own.
#![allow(unsafe_code)]

use std::fs::File;
use std::hint;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;
use memmap2::MmapRaw;
use serde_json::Value;

use crate::contender::BoxError;
use crate::stats::Spread;
use crate::worker::Control;

/// A page. It holds [`Lines`].
pub(crate) const MEMORY_BYTES: usize = 4096;
/// Round trips in a burst: short enough to fit between two disturbances.
const BURST_ROUNDS: u64 = 500;
/// Bursts that are timed, after two that are not.
const BURSTS: u64 = 15;
const WARM_UP_BURSTS: u64 = 2;
/// When the probe gives up because other work holds one of the CPUs.
const TIME_LIMIT: Duration = Duration::from_millis(300);
/// Spins between two looks at the clock.
const SPINS: u32 = 4096;
/// Instead of a number: there will be no more.
const STOP: u64 = u64::MAX;

/// Two lines, each with one writer. Padding to 128 bytes keeps the prefetcher of adjacent lines
/// out.
#[repr(C)]
struct Lines {
    ping: CachePadded<AtomicU64>,
    pong: CachePadded<AtomicU64>,
}

const _: () = assert!(size_of::<Lines>() <= MEMORY_BYTES);

struct Shared {
    map: MmapRaw,
}

impl Shared {
    fn open(fds: Vec<OwnedFd>) -> Result<Shared, BoxError> {
        let file = fds.into_iter().next().map(File::from).ok_or("the memory was not inherited")?;
        let map = MmapRaw::map_raw(&file)?;
        if map.len() < size_of::<Lines>() {
            return Err("the memory is too small".into());
        }
        Ok(Shared { map })
    }

    fn lines(&self) -> &Lines {
        // SAFETY: a mapping starts on a page, holds `Lines` (checked in `open`), lives as long as
        // the reference, starts as zeros, and is touched by both processes through atomics alone.
        unsafe { &*self.map.as_ptr().cast() }
    }
}

/// Waits until `line` holds what is wanted; false if it does not by the deadline.
fn await_value(line: &AtomicU64, wanted: impl Fn(u64) -> bool, deadline: Instant) -> bool {
    loop {
        for _ in 0..SPINS {
            // ORDERING: Relaxed, as nothing but the number itself passes between the two.
            if wanted(line.load(Ordering::Relaxed)) {
                return true;
            }
            hint::spin_loop();
        }
        if Instant::now() >= deadline {
            return false;
        }
    }
}

/// Gives the median one-way time in ns, or null if the other side did not answer for too long.
pub(crate) fn ping(fds: Vec<OwnedFd>, control: &mut Control) -> Result<Value, BoxError> {
    let shared = Shared::open(fds)?;
    let lines = shared.lines();
    control.wait_for_start()?;
    let deadline = Instant::now() + TIME_LIMIT;
    let mut figures = Vec::new();
    'bursts: for burst in 0..WARM_UP_BURSTS + BURSTS {
        let start = Instant::now();
        for round in 1..=BURST_ROUNDS {
            let number = burst * BURST_ROUNDS + round;
            lines.ping.store(number, Ordering::Relaxed);
            if !await_value(&lines.pong, |seen| seen == number, deadline) {
                break 'bursts;
            }
        }
        if burst >= WARM_UP_BURSTS {
            figures.push(start.elapsed().as_nanos() as f64 / (2 * BURST_ROUNDS) as f64);
        }
    }
    lines.ping.store(STOP, Ordering::Relaxed);
    Ok(serde_json::to_value(Spread::of(figures).map(|spread| spread.median))?)
}

/// Answers until stopped.
pub(crate) fn echo(fds: Vec<OwnedFd>, control: &mut Control) -> Result<Value, BoxError> {
    let shared = Shared::open(fds)?;
    let lines = shared.lines();
    control.wait_for_start()?;
    // Long after the other side has given up.
    let deadline = Instant::now() + 10 * TIME_LIMIT;
    let mut last = 0;
    while last != STOP && await_value(&lines.ping, |seen| seen != last, deadline) {
        last = lines.ping.load(Ordering::Relaxed);
        lines.pong.store(last, Ordering::Relaxed);
    }
    Ok(Value::Null)
}
