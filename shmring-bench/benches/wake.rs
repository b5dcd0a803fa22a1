//! What a wake-up costs where somebody always sleeps: a message to a thread that sleeps, and its
//! answer: `cargo bench -p shmring-bench --bench wake`.

use std::thread;

use criterion::{Criterion, criterion_group, criterion_main};
use shmring::{Config, Consumer, Kind, Producer, Segment, WaitMode};

const KINDS: [Kind; 2] = [Kind::Spsc, Kind::Mpmc];

/// A ring without a name, whose consumer sleeps as soon as there is nothing for it.
fn ring(kind: Kind) -> (Producer, Consumer) {
    let name = format!("shmring-bench-wake-{}", std::process::id());
    let segment = Segment::create(&name, &Config::new(kind)).expect("a segment can be made");
    Segment::unlink(&name).expect("it can be unlinked");
    let producer = segment.producer().expect("no producer yet");
    let mut consumer = segment.consumer().expect("no consumer yet");
    consumer.set_wait_mode(WaitMode::Block);
    (producer, consumer)
}

fn asleep(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("asleep");
    for kind in KINDS {
        let (mut there, mut heard) = ring(kind);
        let (mut back, mut answer) = ring(kind);
        let echo = thread::spawn(move || {
            let mut buffer = [0; 8];
            while heard.recv_into(&mut buffer).is_ok() {
                back.send(&buffer).expect("somebody listens");
            }
        });
        let mut number = 0_u64;
        group.bench_function(kind.to_string(), |bencher| {
            bencher.iter(|| {
                number += 1;
                let mut buffer = [0; 8];
                there.send(&number.to_ne_bytes()).expect("somebody listens");
                answer.recv_into(&mut buffer).expect("an answer comes");
                assert_eq!(u64::from_ne_bytes(buffer), number, "another answer came");
            });
        });
        drop(there);
        echo.join().expect("the other side ends");
    }
}

criterion_group!(benches, asleep);
criterion_main!(benches);
