//! Copies word by word, with relaxed atomics.

use crate::sync::{AtomicU64, Ordering};

const WORD: usize = 8;

/// Stores `bytes` at the start of `words`, and leaves out what does not fit. The rest of the last
/// word that it stores is zero.
#[inline]
pub(crate) fn store(words: &[AtomicU64], bytes: &[u8]) {
    let chunks = bytes.chunks_exact(WORD);
    let rest = chunks.remainder();
    for (word, chunk) in words.iter().zip(chunks) {
        word.store(whole(chunk), Ordering::Relaxed);
    }
    if !rest.is_empty()
        && let Some(word) = words.get(bytes.len() / WORD)
    {
        word.store(partial(rest), Ordering::Relaxed);
    }
}

/// Loads the start of `words`. Bytes beyond their end stay as they are.
#[inline]
pub(crate) fn load(words: &[AtomicU64], bytes: &mut [u8]) {
    let len = bytes.len();
    let mut chunks = bytes.chunks_exact_mut(WORD);
    for (chunk, word) in chunks.by_ref().zip(words) {
        chunk.copy_from_slice(&word.load(Ordering::Relaxed).to_ne_bytes());
    }
    let rest = chunks.into_remainder();
    if !rest.is_empty()
        && let Some(word) = words.get(len / WORD)
    {
        let last = word.load(Ordering::Relaxed).to_ne_bytes();
        for (byte, from) in rest.iter_mut().zip(last) {
            *byte = from;
        }
    }
}

fn whole(chunk: &[u8]) -> u64 {
    let mut word = [0; WORD];
    word.copy_from_slice(chunk);
    u64::from_ne_bytes(word)
}

/// Returns a word that starts with `bytes`, fewer than eight; the rest is zero.
fn partial(bytes: &[u8]) -> u64 {
    let mut word = [0; WORD];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}
