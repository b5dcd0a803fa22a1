//! Bytes that are wrong before anyone attaches.

use crate::common::{Name, watchdog};
use crate::images::{configs, image, plant};
use crate::random::Random;
use crate::verbs;

const VERBS: usize = 6;

/// Images tried in each test, for each kind of segment where there are several: some
/// seconds in all. `SHMRING_HOSTILE_ROUNDS` asks for more.
fn rounds(few: u64) -> u64 {
    let asked = std::env::var("SHMRING_HOSTILE_ROUNDS").ok();
    asked.and_then(|rounds| rounds.parse().ok()).unwrap_or(few)
}

/// Catches a word of the header, the tables or the ring that is believed: a panic, a loop,
/// or an access outside the segment.
#[test]
fn a_few_wrong_words_give_errors_or_values() {
    let _watchdog = watchdog("a_few_wrong_words_give_errors_or_values");
    for (kind, config) in configs().iter().enumerate() {
        let sound = image(config);
        let used: Vec<usize> = (0..sound.len()).filter(|&index| sound[index] != 0).collect();
        for seed in 0..rounds(400) {
            let mut random = Random::new(seed << 8 | kind as u64);
            let mut words = sound.clone();
            for _ in 0..=random.below(4) {
                let index = match random.below(3) {
                    0 => random.below(words.len()),
                    _ => used[random.below(used.len())],
                };
                words[index] = random.instead_of(words[index]);
            }
            let name = Name::new();
            plant(&name, &words);
            verbs::all(&name, &mut random, VERBS);
        }
    }
}

/// Catches a control word that is believed wherever the header is right: everything behind
/// it is noise.
#[test]
fn noise_behind_a_sound_header_gives_errors_or_values() {
    let _watchdog = watchdog("noise_behind_a_sound_header_gives_errors_or_values");
    let header_words = 4096 / 8;
    for (kind, config) in configs().iter().enumerate() {
        let sound = image(config);
        for seed in 0..rounds(60) {
            let mut random = Random::new(seed << 8 | kind as u64 | 1 << 32);
            let mut words = sound.clone();
            let sparse = random.below(8);
            for word in &mut words[header_words..] {
                if random.below(8) >= sparse {
                    *word = random.instead_of(*word);
                }
            }
            let name = Name::new();
            plant(&name, &words);
            verbs::all(&name, &mut random, VERBS);
        }
    }
}

/// Catches a file that is taken for a segment by less than its whole header.
#[test]
fn noise_of_any_length_is_no_segment() {
    let _watchdog = watchdog("noise_of_any_length_is_no_segment");
    let sound = image(&configs()[0]);
    for seed in 0..rounds(300) {
        let mut random = Random::new(seed | 1 << 40);
        let mut words: Vec<u64> = (0..random.below(4 * 512)).map(|_| random.next()).collect();
        // Half of them begin as a segment does.
        let alike = random.below(16) * random.below(2);
        for (word, &right) in words.iter_mut().zip(&sound[..alike]) {
            *word = right;
        }
        let name = Name::new();
        plant(&name, &words);
        assert!(shmring::Segment::attach(&name).is_err(), "seed {seed}");
        verbs::all(&name, &mut random, VERBS);
    }
}

/// Catches a length that is believed: an image that was truncated, or is longer than it says.
#[test]
fn an_image_of_the_wrong_length_is_refused() {
    for config in configs() {
        let sound = image(&config);
        for len in [0, 1, 511, 512, 513, sound.len() / 2, sound.len() - 1] {
            let name = Name::new();
            plant(&name, &sound[..len]);
            assert!(shmring::Segment::attach(&name).is_err(), "{len} words of {}", sound.len());
        }
    }
}
