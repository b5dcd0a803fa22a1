//! Arbitrary bytes as a segment: behind a sound header, or with none.
#![no_main]

include!("shared.rs");

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, mut random, bytes)) = split(data) else {
        return;
    };
    let whole = |word: &[u8]| u64::from_le_bytes(word.try_into().expect("eight bytes"));
    let given = bytes.chunks_exact(8).map(whole);
    let words: Vec<u64> = match kind {
        255 => given.collect(),
        _ => {
            let mut words = sound(kind).to_vec();
            words[512..].iter_mut().zip(given).for_each(|(word, given)| *word = given);
            words
        }
    };
    let name = common::Name::new();
    images::plant(&name, &words);
    verbs::all(&name, &mut random, VERBS);
});
