// What the bounded tests in `shmring/tests/hostile` do with bytes from a seed is done here with
// those of the fuzzer.

#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../shmring/tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../shmring/tests/hostile/images.rs"]
mod images;
#[allow(dead_code, reason = "the tests use the rest")]
#[path = "../../shmring/tests/hostile/random.rs"]
mod random;
#[path = "../../shmring/tests/hostile/verbs.rs"]
mod verbs;

use std::sync::OnceLock;

/// Things that are done with each handle.
const VERBS: usize = 6;

/// A sound image of each kind of segment.
fn sound(kind: u8) -> &'static [u64] {
    static IMAGES: OnceLock<Vec<Vec<u64>>> = OnceLock::new();
    let images = IMAGES.get_or_init(|| images::configs().iter().map(images::image).collect());
    &images[usize::from(kind) % images.len()]
}

/// The first bytes as a kind and a seed for the order of verbs, and the rest.
fn split(data: &[u8]) -> Option<(u8, random::Random, &[u8])> {
    let (kind, rest) = data.split_first()?;
    let (seed, rest) = rest.split_first_chunk()?;
    Some((*kind, random::Random::new(u64::from(u16::from_le_bytes(*seed))), rest))
}

/// Words to change: an index within an image of `len` words, and what to store there.
#[allow(dead_code, reason = "not every target changes some")]
fn changes(data: &[u8], len: usize) -> impl Iterator<Item = (usize, u64)> + Clone {
    data.chunks_exact(10).map(move |change| {
        let (index, word) = change.split_at(2);
        let index = u16::from_le_bytes(index.try_into().expect("two bytes"));
        (usize::from(index) % len, u64::from_le_bytes(word.try_into().expect("eight bytes")))
    })
}
