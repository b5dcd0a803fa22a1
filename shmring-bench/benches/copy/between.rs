//! Each routine's curve for messages that cross from one CPU to another: a producer copies
//! them into a ring, a consumer out of it, by the same routine or by those chosen. What is copied was
//! written by the other CPU just before, or is to be taken from it; no buffer is warm but the
//! private ones. Records lie as in a record ring: a word in front, no alignment beyond words.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::error::Error;
use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::machine::{self, ROUTINES, Routine};

const LENS: [usize; 13] =
    [136, 256, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 16_384, 65_536, 262_144];
/// One that a second-level cache may hold, and one that it does not.
const ROOMS: [usize; 2] = [1 << 20, 8 << 20];
/// Odd, so that one round is the median.
const ROUNDS: usize = 9;
/// Copied in one round, and at least two laps.
const ROUND_BYTES: usize = 24 << 20;
const HEADER: usize = 8;
const PAGE: usize = 4096;

/// What went wrong.
pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// A way to copy.
type Copy<'a> = &'a (dyn Fn(*const u8, *mut u8, usize) + Sync);

/// A word with two lines of its own.
#[derive(Default)]
#[repr(align(128))]
struct Word(AtomicU64);

/// Zeroed memory at the start of a page.
struct Memory {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: both threads use it as shared memory, by the routines only.
#[allow(unsafe_code, reason = "stands for the memory of a segment")]
unsafe impl Sync for Memory {}

#[allow(unsafe_code, reason = "stands for the memory of a segment")]
impl Memory {
    fn new(len: usize) -> Result<Memory, Failure> {
        let layout = Layout::from_size_align(len, PAGE)?;
        // SAFETY: the length is not 0.
        Ok(Memory { start: unsafe { alloc_zeroed(layout) }, layout })
    }

    fn at(&self, offset: usize, len: usize) -> *mut u8 {
        assert!(!self.start.is_null() && offset + len <= self.layout.size());
        // SAFETY: inside the allocation.
        unsafe { self.start.add(offset) }
    }
}

#[allow(unsafe_code)]
impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout.
        unsafe { dealloc(self.start, self.layout) };
    }
}

/// The ring of one round.
struct Ring {
    memory: Memory,
    len: usize,
    slots: u64,
    messages: u64,
    head: Word,
    tail: Word,
}

impl Ring {
    fn new(room: usize, len: usize) -> Result<Ring, Failure> {
        let slots = (room / (len + HEADER)) as u64;
        let messages = (ROUND_BYTES / len).max(2 * slots as usize) as u64;
        let (head, tail) = Default::default();
        Ok(Ring { memory: Memory::new(room)?, len, slots, messages, head, tail })
    }

    fn place(&self, position: u64) -> *mut u8 {
        let slot = (position % self.slots) as usize;
        self.memory.at(slot * (self.len + HEADER) + HEADER, self.len)
    }

    /// Returns when the second lap began: the first one maps the pages.
    fn produce(&self, store: Copy<'_>) -> Result<Instant, Failure> {
        let message = Memory::new(self.len + 64)?;
        let (mut released, mut start) = (0, Instant::now());
        for position in 0..self.messages {
            if position == self.slots {
                start = Instant::now();
            }
            while position - released == self.slots {
                released = self.head.0.load(Ordering::Acquire);
                spin_loop();
            }
            // 16 bytes behind a page, as large allocations lie.
            store(message.at(16, self.len), self.place(position), self.len);
            self.tail.0.store(position + 1, Ordering::Release);
        }
        Ok(start)
    }

    /// Returns when the last message had been copied.
    fn consume(&self, load: Copy<'_>) -> Result<Instant, Failure> {
        let message = Memory::new(self.len + 64)?;
        let mut published = 0;
        for position in 0..self.messages {
            while position == published {
                published = self.tail.0.load(Ordering::Acquire);
                spin_loop();
            }
            load(self.place(position), message.at(16, self.len), self.len);
            self.head.0.store(position + 1, Ordering::Release);
        }
        Ok(Instant::now())
    }
}

/// A column.
struct Contender {
    name: &'static str,
    store: Box<dyn Fn(*const u8, *mut u8, usize) + Sync>,
    load: Box<dyn Fn(*const u8, *mut u8, usize) + Sync>,
}

#[allow(unsafe_code)]
impl Contender {
    fn both(routine: &'static Routine) -> Contender {
        let by = |routine: &'static Routine| {
            // SAFETY: `Ring` gives places of `len` bytes each, all lengths are above SHORT_MAX.
            Box::new(move |from: *const u8, to: *mut u8, len| unsafe {
                (routine.copy)(to.cast(), from.cast(), len);
            })
        };
        Contender { name: routine.name, store: by(routine), load: by(routine) }
    }

    fn chosen() -> Contender {
        // SAFETY: as above.
        let store = |from: *const u8, to: *mut u8, len| unsafe { machine::store(from, to, len) };
        // SAFETY: as above.
        let load = |from: *const u8, to: *mut u8, len| unsafe { machine::load(from, to, len) };
        Contender { name: "as chosen", store: Box::new(store), load: Box::new(load) }
    }

    /// Billions of bytes a second in one round.
    fn round(&self, room: usize, len: usize, cpus: [usize; 2]) -> Result<f64, Failure> {
        let ring = Ring::new(room, len)?;
        let (start, stop) = thread::scope(|scope| {
            let consumer = scope.spawn(|| pin(cpus[1]).and_then(|()| ring.consume(&self.load)));
            let producer = scope.spawn(|| pin(cpus[0]).and_then(|()| ring.produce(&self.store)));
            (joined(producer), joined(consumer))
        });
        let seconds = stop?.duration_since(start?).as_secs_f64();
        Ok((ring.messages - ring.slots) as f64 * len as f64 / 1e9 / seconds)
    }
}

/// Both ends have threads of their own: one that is pinned passes its CPU on to its children.
fn joined<T>(thread: thread::ScopedJoinHandle<'_, Result<T, Failure>>) -> Result<T, Failure> {
    thread.join().unwrap_or_else(|_| Err("a thread panicked".into()))
}

/// Two CPUs on which this process may run: the first and the last.
fn cpus() -> Result<Option<[usize; 2]>, Failure> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    let mut allowed = (0..CpuSet::count()).filter(|cpu| set.is_set(*cpu).unwrap_or(false));
    Ok(allowed.next().zip(allowed.next_back()).map(|(first, last)| [first, last]))
}

fn pin(cpu: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// How long a line takes from one CPU to the other, in nanoseconds.
fn line_ns(cpus: [usize; 2]) -> Result<f64, Failure> {
    const TRIPS: u64 = 5000;
    let line = Word::default();
    let turn = |first: u64| {
        for trip in 0..TRIPS {
            while line.0.load(Ordering::Acquire) != 2 * trip + first {
                spin_loop();
            }
            line.0.store(2 * trip + first + 1, Ordering::Release);
        }
    };
    let start = thread::scope(|scope| {
        let other = scope.spawn(|| pin(cpus[1]).map(|()| turn(1)));
        let one = scope.spawn(|| {
            let start = pin(cpus[0]).map(|()| Instant::now());
            turn(0);
            start
        });
        joined(other).and(joined(one))
    });
    Ok(start?.elapsed().as_secs_f64() * 1e9 / (2 * TRIPS) as f64)
}

/// Prints a table for each room: a row for each length, a column for each routine.
pub(crate) fn draw() -> Result<(), Failure> {
    let Some(cpus) = cpus()? else {
        println!("between: skipped, as there are no two CPUs");
        return Ok(());
    };
    println!("Copies between CPUs {} and {}: GB/s, median and middle half.", cpus[0], cpus[1]);
    println!("Chosen here: {}.", machine::plan());
    let available = ROUTINES.iter().filter(|routine| (routine.is_available)());
    let mut contenders: Vec<Contender> =
        available.map(|routine| Contender::both(routine)).collect();
    contenders.push(Contender::chosen());
    for room in ROOMS {
        print!("\n{:>10}  {:>7}", format!("{} MiB", room >> 20), "a line");
        contenders.iter().for_each(|contender| print!("  {:>23}", contender.name));
        println!();
        for len in LENS {
            print!("{len:>10}  {:>7}", format!("{:.0} ns", line_ns(cpus)?));
            let mut speeds = vec![Vec::new(); contenders.len()];
            for _ in 0..ROUNDS {
                for (contender, speeds) in contenders.iter().zip(&mut speeds) {
                    speeds.push(contender.round(room, len, cpus)?);
                }
            }
            for mut speeds in speeds {
                speeds.sort_by(f64::total_cmp);
                let [q1, median, q3] = [1, 2, 3].map(|part| speeds[part * ROUNDS / 4]);
                print!("  {:>23}", format!("{median:.2} ({q1:.2}..{q3:.2})"));
            }
            println!();
        }
    }
    Ok(())
}
