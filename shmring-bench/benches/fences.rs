//! What the fences of each kind of wake-ups cost where nobody sleeps, and what a wake-up
//! costs where somebody always does: `cargo bench -p shmring-bench --bench fences`.
//!
//! `idle` is one message of 8 bytes through a ring, sent and received by one thread, so
//! that no cache line moves. `asleep` is a message to a thread that sleeps and its answer.

use std::thread;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use shmring::{Config, Consumer, Kind, Producer, Segment, WaitMode, WakeFences};

const KINDS: [Kind; 2] = [Kind::Spsc, Kind::Mpmc];
const FENCES: [WakeFences; 3] =
    [WakeFences::BothSides, WakeFences::Borrowed, WakeFences::SleepersOnly];

/// A ring without a name, whose consumer sleeps as soon as there is nothing for it.
fn ring(kind: Kind, fences: WakeFences) -> (Producer, Consumer) {
    let name = format!("shmring-bench-fences-{}", std::process::id());
    let segment = Segment::create(&name, &Config::new(kind).wake_fences(fences))
        .expect("a segment can be made");
    Segment::unlink(&name).expect("it can be unlinked");
    let producer = segment.producer().expect("no producer yet");
    let mut consumer = segment.consumer().expect("no consumer yet");
    consumer.set_wait_mode(WaitMode::Block);
    (producer, consumer)
}

fn idle(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("idle");
    for kind in KINDS {
        for fences in FENCES {
            let (mut producer, mut consumer) = ring(kind, fences);
            let mut buffer = [0; 8];
            group.bench_function(BenchmarkId::new(format!("{fences:?}"), kind), |bencher| {
                bencher.iter(|| {
                    producer.try_send(&7_u64.to_ne_bytes()).expect("there is room");
                    consumer.try_recv_into(&mut buffer).expect("there is a message")
                });
            });
        }
    }
}

fn asleep(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("asleep");
    for kind in KINDS {
        for fences in FENCES {
            let (mut there, mut heard) = ring(kind, fences);
            let (mut back, mut answer) = ring(kind, fences);
            let echo = thread::spawn(move || {
                let mut buffer = [0; 8];
                while heard.recv_into(&mut buffer).is_ok() {
                    back.send(&buffer).expect("somebody listens");
                }
            });
            let mut buffer = [0; 8];
            group.bench_function(BenchmarkId::new(format!("{fences:?}"), kind), |bencher| {
                bencher.iter(|| {
                    there.send(&7_u64.to_ne_bytes()).expect("somebody listens");
                    answer.recv_into(&mut buffer).expect("an answer comes")
                });
            });
            drop(there);
            echo.join().expect("the other side ends");
        }
    }
}

criterion_group!(benches, idle, asleep);
criterion_main!(benches);
