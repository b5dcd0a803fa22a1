//! Copies between private bytes and shared payload.
//!
//! A peer may store to the shared side at any time: see [`payload`](super::payload) for what
//! that means. Every function here checks that it stays inside the payload. Bytes lie in memory
//! order: byte `i` of a payload is byte `i` of its words.

#![allow(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "offsets inside one payload, each checked against its length"
)]

mod block;
mod elements;
#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
mod machine;
mod words;

use crate::memory::payload::Payload;
use crate::sync::Ordering;
pub(crate) use elements::ElementPlace;

pub(super) const WORD: usize = 8;
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

/// Panics if a copy of `len` bytes from `offset` on passes the end of `payload`. Only a fault of
/// this library can ask for such a copy, never what a segment holds.
#[inline(always)]
fn check(payload: Payload<'_>, offset: usize, len: usize) {
    assert!(
        offset.checked_add(len).is_some_and(|end| end <= payload.len()),
        "a copy beyond the payload"
    );
}

/// Stores `bytes` at the start of `payload`. The rest of the last word it touches may become
/// anything.
///
/// # Panics
/// If the payload is shorter.
#[inline(always)]
pub(crate) fn store(payload: Payload<'_>, bytes: &[u8]) {
    assert!(bytes.len() <= payload.len(), "a copy beyond the payload");
    if let Ok(whole) = <[u8; WORD]>::try_from(bytes) {
        // SAFETY: the payload is as long as the bytes, so it has a word.
        let word = unsafe { payload.first_word() };
        word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
    } else if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: the payload is valid for its length, which is no less than that of the bytes,
        // and that is at least BLOCK_MIN.
        unsafe { block::store(bytes.as_ptr(), payload.as_ptr(), bytes.len()) };
    } else {
        words::store(payload.words(), bytes);
    }
}

/// Loads the start of `payload`.
///
/// # Panics
/// If the payload is shorter than `bytes`.
#[inline(always)]
pub(crate) fn load(payload: Payload<'_>, bytes: &mut [u8]) {
    assert!(bytes.len() <= payload.len(), "a copy beyond the payload");
    if let Ok(whole) = <&mut [u8; WORD]>::try_from(&mut *bytes) {
        // SAFETY: as in `store`.
        let word = unsafe { payload.first_word() };
        *whole = word.load(Ordering::Relaxed).to_ne_bytes();
    } else if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: as in `store`.
        unsafe { block::load(payload.as_ptr(), bytes.as_mut_ptr(), bytes.len()) };
    } else {
        words::load(payload.words(), bytes);
    }
}

/// Stores `bytes` at `offset` bytes into `payload`, and changes nothing beside them. The caller
/// alone writes this payload (I2).
///
/// # Panics
/// If they pass the end of the payload.
pub(crate) fn patch(payload: Payload<'_>, offset: usize, bytes: &[u8]) {
    check(payload, offset, bytes.len());
    let lead = bytes.len().min(offset.next_multiple_of(WORD) - offset);
    let (lead, rest) = bytes.split_at(lead);
    let (body, trail) = rest.split_at(rest.len() / WORD * WORD);
    patch_word(payload, offset, lead);
    let offset = offset + lead.len();
    if !body.is_empty() {
        store(payload.from(offset), body);
    }
    patch_word(payload, offset + body.len(), trail);
}

/// Stores zeros to `len` bytes from `offset` on, as [`patch`] does.
#[cold]
pub(crate) fn zero(payload: Payload<'_>, offset: usize, len: usize) {
    const ZEROS: [u8; 256] = [0; 256];
    let end = offset + len;
    for at in (offset..end).step_by(ZEROS.len()) {
        patch(payload, at, &ZEROS[..ZEROS.len().min(end - at)]);
    }
}

/// Changes some bytes of one word.
fn patch_word(payload: Payload<'_>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if let Some(word) = payload.words().get(offset / WORD) {
        let mut whole = word.load(Ordering::Relaxed).to_ne_bytes();
        for (to, from) in whole.iter_mut().skip(offset % WORD).zip(bytes) {
            *to = *from;
        }
        word.store(u64::from_ne_bytes(whole), Ordering::Relaxed);
    }
}

/// Loads from `offset` bytes into `payload`.
///
/// # Panics
/// If `bytes` pass the end of the payload.
pub(crate) fn extract(payload: Payload<'_>, offset: usize, bytes: &mut [u8]) {
    check(payload, offset, bytes.len());
    let lead = bytes.len().min(offset.next_multiple_of(WORD) - offset);
    let (lead, rest) = bytes.split_at_mut(lead);
    if !lead.is_empty()
        && let Some(word) = payload.words().get(offset / WORD)
    {
        let whole = word.load(Ordering::Relaxed).to_ne_bytes();
        for (to, from) in lead.iter_mut().zip(whole.iter().skip(offset % WORD)) {
            *to = *from;
        }
    }
    if !rest.is_empty() {
        load(payload.from(offset + lead.len()), rest);
    }
}

#[cfg(test)]
#[path = "../copy_tests.rs"]
mod tests;
