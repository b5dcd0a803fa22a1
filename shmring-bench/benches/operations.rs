//! What single verbs of each ring take in one process, where no cache line moves and nobody
//! sleeps: `cargo bench -p shmring-bench --bench operations`. The verbs, and the check of what they
//! do, are those of [`shmring_bench::operations`]; `shmring-bench instructions` counts their
//! instructions.

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use shmring_bench::operations;

fn time(criterion: &mut Criterion) {
    for operation in operations::all() {
        let name = format!("{}/{}", operation.verb, operation.ring);
        let mut repeat = operation.prepare().expect("an operation that does what it says");
        criterion.bench_function(&name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut taken = Duration::ZERO;
                let mut left = iterations;
                while left > 0 {
                    let count = left.min(operation.most);
                    repeat.ready().expect("what was moved before is right");
                    let start = Instant::now();
                    repeat.run(count).expect("it can be repeated");
                    taken += start.elapsed();
                    left -= count;
                }
                taken
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = time
}
criterion_main!(benches);
