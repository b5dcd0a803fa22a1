//! Bytes that change under the verbs.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shmring::Config;

use crate::common::{Name, watchdog};
use crate::images::{configs, fill, image};
use crate::random::Random;
use crate::verbs;

/// How often all verbs run in a segment while it is scribbled over.
const ROUNDS: u64 = 40;
const VERBS: usize = 25;

fn under_a_scribbler(config: &Config, first_word: usize) {
    let words = image(config).len();
    let name = Name::new();
    let segment = name.create(config);
    fill(&segment);
    let file = OpenOptions::new().read(true).write(true).open(name.path()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(words as u64);
            while !over.load(Ordering::Relaxed) {
                let index = first_word + random.below(words - first_word);
                let mut word = [0; 8];
                file.read_exact_at(&mut word, index as u64 * 8).unwrap();
                let word = random.instead_of(u64::from_ne_bytes(word));
                file.write_all_at(&word.to_ne_bytes(), index as u64 * 8).unwrap();
            }
        });
        for seed in 0..ROUNDS {
            verbs::all(&name, &mut Random::new(seed), VERBS);
        }
        over.store(true, Ordering::Relaxed);
    });
    let _ = segment.status();
}

/// Catches a value that is read twice, checked once: everything behind the header changes
/// while all verbs run.
#[test]
fn a_peer_that_scribbles_over_the_ring_gives_errors_or_values() {
    let _watchdog = watchdog("a_peer_that_scribbles_over_the_ring_gives_errors_or_values");
    for config in configs() {
        under_a_scribbler(&config, 512);
    }
}

/// Catches geometry that is read from the segment again after it was checked.
#[test]
fn a_peer_that_scribbles_over_everything_gives_errors_or_values() {
    let _watchdog = watchdog("a_peer_that_scribbles_over_everything_gives_errors_or_values");
    for config in configs() {
        under_a_scribbler(&config, 0);
    }
}
