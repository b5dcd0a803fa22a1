//! What a crowd of attaches costs a waiter.

use std::thread;
use std::time::{Duration, Instant};

use shmring::{Config, Segment, WaitMode};

use crate::common::{MODES, Name};

const CROWD: u64 = 254;
const MESSAGES: usize = 2000;
/// The shortest time between two messages, and what some are later than others: a receiver
/// that spins checks for dead peers when it has waited for a millisecond.
const INTERVAL: Duration = Duration::from_micros(1000);
const SPREAD: u32 = 17;
const STEP: Duration = Duration::from_micros(50);
const LOOKS: u32 = 200;

/// Latencies of single messages in microseconds: the middle, and 90 and 99 of 100.
fn latencies_us(attaches: u64, mode: WaitMode) -> [u128; 3] {
    let name = Name::new();
    let config = Config::spsc().capacity_bytes(65_536).max_attachments(CROWD);
    let (_segment, mut tx, mut rx) = name.pair_of(&config);
    let _others: Vec<_> = (1..attaches).map(|_| Segment::attach(&name).unwrap()).collect();
    rx.set_wait_mode(mode);
    let begin = Instant::now();
    let mut all: Vec<u128> = thread::scope(|scope| {
        scope.spawn(move || {
            let mut due = Duration::ZERO;
            for number in 0..MESSAGES as u32 {
                due = due.max(begin.elapsed()) + INTERVAL + STEP * (number * 7 % SPREAD);
                while begin.elapsed() < due {
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

/// Microseconds that a check of all attachments takes, by a process that is refused a role.
fn look_us(attaches: u64) -> u128 {
    let name = Name::new();
    let config = Config::spsc().capacity_bytes(65_536).max_attachments(CROWD);
    let (segment, _tx, _rx) = name.pair_of(&config);
    let _others: Vec<_> = (1..attaches).map(|_| Segment::attach(&name).unwrap()).collect();
    let look = |_| {
        let begin = Instant::now();
        assert!(segment.producer().is_err());
        begin.elapsed().as_micros()
    };
    (0..LOOKS).map(look).min().unwrap()
}

/// Measures what a crowd costs: `cargo test --release --test tokens -- --ignored crowd
/// --nocapture`.
#[test]
#[ignore = "measures, and asserts nothing"]
fn a_crowd_of_attaches_costs() {
    for attaches in [1, CROWD] {
        println!("a look, {attaches} attaches: {} us", look_us(attaches));
    }
    for mode in MODES {
        for attaches in [1, CROWD] {
            let [p50, p90, p99] = latencies_us(attaches, mode);
            println!("{mode:?}, {attaches} attaches: p50 {p50} us, p90 {p90} us, p99 {p99} us");
        }
    }
}
