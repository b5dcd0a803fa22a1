//! From which length on a block of machine code copies faster than a loop over words:
//! `cargo bench -p shmring-bench --bench copy`.
//!
//! The very files of `shmring` are compiled here, as only the choice between them is
//! visible from outside. The shared side is a ring of slots, larger than the first-level
//! cache, so that the copies do not always meet the same lines.

#[path = "../../shmring/src/grant/copy/block.rs"]
mod block;
#[path = "../../shmring/src/grant/copy/words.rs"]
mod words;

/// What the copy routines import.
mod sync {
    pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
}

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sync::AtomicU64;

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

#[allow(unsafe_code)]
fn compare(criterion: &mut Criterion) {
    let ring: Vec<AtomicU64> = (0..RING_WORDS as u64).map(AtomicU64::new).collect();
    let mut private = vec![7; 4096];
    for (side, store) in [("store", true), ("load", false)] {
        let mut group = criterion.benchmark_group(side);
        for len in LENS {
            let mut position = 0;
            group.bench_function(BenchmarkId::new("words", len), |bencher| {
                bencher.iter(|| {
                    let shared = &ring[next(&mut position, len)..];
                    let private = black_box(&mut private[..len]);
                    if store { words::store(shared, private) } else { words::load(shared, private) }
                });
            });
            if len < 16 || !block::AVAILABLE {
                continue;
            }
            group.bench_function(BenchmarkId::new("block", len), |bencher| {
                bencher.iter(|| {
                    let shared = ring[next(&mut position, len)..].as_ptr().cast_mut().cast::<u8>();
                    let private = black_box(&mut private[..len]).as_mut_ptr();
                    let (from, to) = if store { (private, shared) } else { (shared, private) };
                    // SAFETY: `next` leaves `len` bytes of the ring behind its position, and
                    // the private side has as many.
                    unsafe { block::copy(from.cast_const(), to, len) }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, compare);
criterion_main!(benches);
