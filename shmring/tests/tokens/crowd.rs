//! What a crowd of attaches costs one who waits.

use std::thread;
use std::time::{Duration, Instant};

use shmring::{Config, Segment, WaitMode};

use crate::common::{MODES, Name};

const CROWD: u64 = 254;
const MESSAGES: usize = 20_000;
/// So that a receiver that spins looks after the dead meanwhile.
const INTERVAL: Duration = Duration::from_micros(150);

/// Latencies of single messages in microseconds: the middle, and 90 and 99 of 100.
fn latencies_us(attaches: u64, mode: WaitMode) -> [u128; 3] {
    let name = Name::new();
    let config = Config::spsc().capacity_bytes(65_536).max_attaches(CROWD);
    let (_segment, mut tx, mut rx) = name.pair_of(&config);
    let _others: Vec<_> = (1..attaches).map(|_| Segment::attach(&name).unwrap()).collect();
    rx.set_wait_mode(mode);
    let begin = Instant::now();
    let mut all: Vec<u128> = thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..MESSAGES as u32 {
                while begin.elapsed() < INTERVAL * number {
                    std::hint::spin_loop();
                }
                tx.send(&begin.elapsed().as_nanos().to_ne_bytes()).unwrap();
            }
        });
        let latency = |rx: &mut shmring::Consumer| {
            let sent = u128::from_ne_bytes(rx.recv().unwrap().try_into().unwrap());
            (begin.elapsed().as_nanos() - sent) / 1000
        };
        (0..MESSAGES).map(|_| latency(&mut rx)).collect()
    });
    all.sort_unstable();
    [50, 90, 99].map(|percent| all[all.len() * percent / 100])
}

/// Measures what a crowd costs: `cargo test --release --test tokens -- --ignored crowd
/// --nocapture`.
#[test]
#[ignore = "measures, and asserts nothing"]
fn a_crowd_of_attaches_costs() {
    for mode in MODES {
        for attaches in [1, CROWD] {
            let [p50, p90, p99] = latencies_us(attaches, mode);
            println!("{mode:?}, {attaches} attaches: p50 {p50} us, p90 {p90} us, p99 {p99} us");
        }
    }
}
