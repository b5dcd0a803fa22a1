//! Copying between private bytes and shared words.
//!
//! A peer may store to the shared side at any time, so it is only touched by
//! relaxed atomics of one width or by machine code that the compiler cannot see
//! through. Torn data is possible then, undefined behaviour is not. Bytes lie in memory
//! order: byte `i` of a payload is byte `i` of its words.

#![allow(unsafe_code)]

mod block;
mod elements;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
mod machine;
mod words;

use crate::sync::{AtomicU64, Ordering};
pub(crate) use elements::{load_elements, store_elements};

const WORD: usize = 8;
/// From here on one block of machine code is taken instead of a loop over words. By
/// `cargo bench -p shmring-bench --bench copy` on Zen 3 the block is faster from 24 bytes
/// on where the length is known at run time only (32 bytes: 5 to 9 ns for storing, 3.7 to
/// 6.1 for loading); a loop of fewer words over a length that the compiler knows is a few
/// instructions.
const BLOCK_MIN: usize = 32;

/// Describes how this process copies messages of more than 128 bytes, and why so.
pub fn copy_routine() -> String {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    return machine::plan().to_string();
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    return format!("8-byte words ({})", std::env::consts::ARCH);
}

/// Stores `bytes` at the start of `words`, which hold at least as many. The rest of
/// the last word it touches may become anything.
#[inline(always)]
pub(crate) fn store(words: &[AtomicU64], bytes: &[u8]) {
    debug_assert!(bytes.len() <= words.len() * WORD);
    if let (Ok(whole), Some(word)) = (<[u8; WORD]>::try_from(bytes), words.first()) {
        word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
    } else if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, and at least BLOCK_MIN long.
        unsafe { block::store(bytes.as_ptr(), words.as_ptr().cast_mut().cast(), bytes.len()) };
    } else {
        words::store(words, bytes);
    }
}

/// Loads the start of `words`, which hold at least as many bytes.
#[inline(always)]
pub(crate) fn load(words: &[AtomicU64], bytes: &mut [u8]) {
    debug_assert!(bytes.len() <= words.len() * WORD);
    if let (Ok(whole), Some(word)) = (<&mut [u8; WORD]>::try_from(&mut *bytes), words.first()) {
        *whole = word.load(Ordering::Relaxed).to_ne_bytes();
    } else if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, and at least BLOCK_MIN long.
        unsafe { block::load(words.as_ptr().cast(), bytes.as_mut_ptr(), bytes.len()) };
    } else {
        words::load(words, bytes);
    }
}

/// Stores `bytes` at `offset` bytes into `words`, which reach as far, and changes
/// nothing beside them. The caller alone writes these words (I2).
pub(crate) fn patch(words: &[AtomicU64], offset: usize, bytes: &[u8]) {
    let lead = bytes.len().min(offset.next_multiple_of(WORD) - offset);
    let (lead, rest) = bytes.split_at(lead);
    let (body, trail) = rest.split_at(rest.len() / WORD * WORD);
    patch_word(words, offset, lead);
    let offset = offset + lead.len();
    if let Some(words) = words.get(offset / WORD..)
        && !body.is_empty()
    {
        store(words, body);
    }
    patch_word(words, offset + body.len(), trail);
}

/// Stores zeros to `len` bytes from `offset` on, as [`patch`] does.
#[cold]
pub(crate) fn zero(words: &[AtomicU64], offset: usize, len: usize) {
    const ZEROS: [u8; 256] = [0; 256];
    let end = offset + len;
    for at in (offset..end).step_by(ZEROS.len()) {
        patch(words, at, &ZEROS[..ZEROS.len().min(end - at)]);
    }
}

/// Changes some bytes of one word.
fn patch_word(words: &[AtomicU64], offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if let Some(word) = words.get(offset / WORD) {
        let mut whole = word.load(Ordering::Relaxed).to_ne_bytes();
        for (to, from) in whole.iter_mut().skip(offset % WORD).zip(bytes) {
            *to = *from;
        }
        word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
    }
}

/// Loads from `offset` bytes into `words`, which reach as far.
pub(crate) fn extract(words: &[AtomicU64], offset: usize, bytes: &mut [u8]) {
    let lead = bytes.len().min(offset.next_multiple_of(WORD) - offset);
    let (lead, rest) = bytes.split_at_mut(lead);
    if !lead.is_empty()
        && let Some(word) = words.get(offset / WORD)
    {
        let whole = word.load(Ordering::Relaxed).to_ne_bytes();
        for (to, from) in lead.iter_mut().zip(whole.iter().skip(offset % WORD)) {
            *to = *from;
        }
    }
    if let Some(words) = words.get((offset + lead.len()) / WORD..)
        && !rest.is_empty()
    {
        load(words, rest);
    }
}

#[cfg(test)]
#[path = "../copy_tests.rs"]
mod tests;
