//! A sound segment of each kind, in which words change while all verbs run.
#![no_main]

include!("shared.rs");

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, mut random, bytes)) = split(data) else {
        return;
    };
    let words = sound(kind);
    let name = common::Name::new();
    images::plant(&name, words);
    let file = OpenOptions::new().write(true).open(name.path()).expect("the segment");
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for (index, word) in changes(bytes, words.len()).cycle_until(&over) {
                file.write_all_at(&word.to_ne_bytes(), index as u64 * 8).expect("a write");
            }
        });
        verbs::all(&name, &mut random, VERBS);
        over.store(true, Ordering::Relaxed);
    });
});

trait CycleUntil: Iterator + Clone {
    /// All items again and again, if there are any, until `over`.
    fn cycle_until(self, over: &AtomicBool) -> impl Iterator<Item = Self::Item> {
        self.cycle().take_while(|_| !over.load(Ordering::Relaxed))
    }
}

impl<I: Iterator + Clone> CycleUntil for I {}
