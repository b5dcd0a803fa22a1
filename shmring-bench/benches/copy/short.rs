//! From which length on a block of machine code copies faster than a loop over words, on one
//! CPU. The shared side is a ring of slots, larger than the first-level cache, so that the
//! copies do not always meet the same lines.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion};

use crate::sync::AtomicU64;
use crate::{block, words};

const RING_WORDS: usize = 1 << 15;
/// Lengths in bytes, around where the two cross and far beyond.
const LENS: [usize; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 96, 128, 256, 512, 1024, 4096];

/// Positions in the ring, one after the other, for slots of `len` bytes.
fn next(position: &mut usize, len: usize) -> usize {
    *position += len.div_ceil(8) + 1;
    if *position + len.div_ceil(8) > RING_WORDS {
        *position = 0;
    }
    *position
}

/// What is copied, and how.
#[derive(Clone, Copy)]
enum Case {
    /// Into the ring.
    Store,
    /// Into the ring, from a message that was written word by word just before: a block
    /// reads two words at once, which the machine cannot forward from two stores.
    StoreFresh,
    /// Out of the ring.
    Load,
}

/// Writes a message word by word.
#[allow(unsafe_code)]
fn write(message: &mut [u64], value: u64) {
    for word in message {
        // SAFETY: a valid reference.
        unsafe { std::ptr::write_volatile(word, value) };
    }
}

#[allow(unsafe_code)]
fn bytes(message: &mut [u64]) -> &mut [u8] {
    // SAFETY: words are bytes, eight each.
    unsafe { std::slice::from_raw_parts_mut(message.as_mut_ptr().cast(), message.len() * 8) }
}

/// Prints what criterion has to say.
#[allow(unsafe_code)]
pub(crate) fn compare(criterion: &mut Criterion) {
    let ring: Vec<AtomicU64> = (0..RING_WORDS as u64).map(AtomicU64::new).collect();
    let mut message = vec![7; 512];
    for (name, case) in
        [("store", Case::Store), ("store fresh", Case::StoreFresh), ("load", Case::Load)]
    {
        let mut group = criterion.benchmark_group(format!("short {name}"));
        for len in LENS {
            let message = &mut message[..len / 8];
            let mut position = 0;
            group.bench_function(BenchmarkId::new("words", len), |bencher| {
                bencher.iter(|| {
                    let shared = &ring[next(&mut position, len)..];
                    if let Case::StoreFresh = case {
                        write(message, position as u64);
                    }
                    let private = black_box(bytes(message));
                    match case {
                        Case::Load => words::load(shared, private),
                        Case::Store | Case::StoreFresh => words::store(shared, private),
                    }
                });
            });
            if len < 16 || !block::AVAILABLE {
                continue;
            }
            group.bench_function(BenchmarkId::new("block", len), |bencher| {
                bencher.iter(|| {
                    let shared = ring[next(&mut position, len)..].as_ptr().cast_mut().cast::<u8>();
                    if let Case::StoreFresh = case {
                        write(message, position as u64);
                    }
                    let private = black_box(bytes(message)).as_mut_ptr();
                    let (from, to) = match case {
                        Case::Load => (shared, private),
                        Case::Store | Case::StoreFresh => (private, shared),
                    };
                    // SAFETY: `next` leaves `len` bytes of the ring behind its position, and
                    // the message has as many.
                    unsafe {
                        match case {
                            Case::Load => block::load(from.cast_const(), to, len),
                            Case::Store | Case::StoreFresh => block::store(from, to, len),
                        }
                    }
                });
            });
        }
        group.finish();
    }
}
