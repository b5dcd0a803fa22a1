//! A sound segment of each kind, with some words changed.
#![no_main]

include!("shared.rs");

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, mut random, bytes)) = split(data) else {
        return;
    };
    let mut words = sound(kind).to_vec();
    for (index, word) in changes(bytes, words.len()) {
        words[index] = word;
    }
    let name = common::Name::new();
    images::plant(&name, &words);
    verbs::all(&name, &mut random, VERBS);
});
