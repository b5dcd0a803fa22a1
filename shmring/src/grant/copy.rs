//! Copying between private bytes and shared words.
//!
//! A peer may store to the shared side at any time, so it is only touched by
//! relaxed atomic words or by machine code that the compiler cannot see through.
//! Torn data is possible then, undefined behaviour is not. Bytes lie in memory
//! order: byte `i` of a payload is byte `i` of its words.

#![allow(unsafe_code)]

use crate::element::Element;
use crate::sync::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

const WORD: usize = 8;
/// From here on one block of machine code beats a loop over words.
const BLOCK_MIN: usize = 48;

/// Stores `bytes` at the start of `words`, which hold at least as many. The rest of
/// the last word it touches may become anything.
#[inline]
pub(crate) fn store(words: &[AtomicU64], bytes: &[u8]) {
    debug_assert!(bytes.len() <= words.len() * WORD);
    if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, and at least BLOCK_MIN long.
        unsafe { block::copy(bytes.as_ptr(), words.as_ptr().cast_mut().cast(), bytes.len()) };
        return;
    }
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

/// Loads the start of `words`, which hold at least as many bytes.
#[inline]
pub(crate) fn load(words: &[AtomicU64], bytes: &mut [u8]) {
    debug_assert!(bytes.len() <= words.len() * WORD);
    let len = bytes.len();
    if len >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, and at least BLOCK_MIN long.
        unsafe { block::copy(words.as_ptr().cast(), bytes.as_mut_ptr(), len) };
        return;
    }
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

/// Stores `elements` from the element of index `first` on into `words`, which reach as
/// far.
#[inline]
pub(crate) fn store_elements<T: Element>(words: &[AtomicU64], first: usize, elements: &[T]) {
    let bytes: &[u8] = bytemuck::cast_slice(elements);
    let offset = first * size_of::<T>();
    debug_assert!(offset + bytes.len() <= words.len() * WORD);
    if size_of::<T>().is_multiple_of(WORD) {
        store(&words[offset / WORD..], bytes);
        return;
    }
    // SAFETY: the words reach beyond the offset.
    let to: *mut u8 = unsafe { words.as_ptr().cast_mut().cast::<u8>().add(offset) };
    if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, which is at least BLOCK_MIN.
        unsafe { block::copy(bytes.as_ptr(), to, bytes.len()) };
        return;
    }
    macro_rules! store_as {
        ($atomic:ty, $unit:ty) => {
            for (index, chunk) in bytes.chunks_exact(size_of::<$unit>()).enumerate() {
                let unit: $unit = bytemuck::pod_read_unaligned(chunk);
                // SAFETY: inside the words, as far as there are bytes; aligned as the
                // type, whose elements are only ever accessed by units of this width.
                let place = unsafe { <$atomic>::from_ptr(to.cast::<$unit>().add(index)) };
                place.store(unit, Ordering::Relaxed);
            }
        };
    }
    match align_of::<T>() {
        1 => store_as!(AtomicU8, u8),
        2 => store_as!(AtomicU16, u16),
        _ => store_as!(AtomicU32, u32),
    }
}

/// Loads `elements` from the element of index `first` on of `words`, which reach as far.
#[inline]
pub(crate) fn load_elements<T: Element>(words: &[AtomicU64], first: usize, elements: &mut [T]) {
    let bytes: &mut [u8] = bytemuck::cast_slice_mut(elements);
    let offset = first * size_of::<T>();
    debug_assert!(offset + bytes.len() <= words.len() * WORD);
    if size_of::<T>().is_multiple_of(WORD) {
        load(&words[offset / WORD..], bytes);
        return;
    }
    // SAFETY: the words reach beyond the offset.
    let from: *mut u8 = unsafe { words.as_ptr().cast_mut().cast::<u8>().add(offset) };
    if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, which is at least BLOCK_MIN.
        unsafe { block::copy(from, bytes.as_mut_ptr(), bytes.len()) };
        return;
    }
    macro_rules! load_as {
        ($atomic:ty, $unit:ty) => {
            for (index, chunk) in bytes.chunks_exact_mut(size_of::<$unit>()).enumerate() {
                // SAFETY: as in store_elements.
                let place = unsafe { <$atomic>::from_ptr(from.cast::<$unit>().add(index)) };
                chunk.copy_from_slice(&place.load(Ordering::Relaxed).to_ne_bytes());
            }
        };
    }
    match align_of::<T>() {
        1 => load_as!(AtomicU8, u8),
        2 => load_as!(AtomicU16, u16),
        _ => load_as!(AtomicU32, u32),
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

fn whole(chunk: &[u8]) -> u64 {
    let mut word = [0; WORD];
    word.copy_from_slice(chunk);
    u64::from_ne_bytes(word)
}

/// Fewer than eight bytes as the start of a word, the rest zero.
fn partial(bytes: &[u8]) -> u64 {
    let mut word = [0; WORD];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod block {
    use std::arch::asm;

    pub(super) const AVAILABLE: bool = true;

    /// Copies `len` bytes, at least 16.
    ///
    /// # Safety
    /// `from` is valid for reads and `to` for writes of `len` bytes, and they do not
    /// overlap. Others may access the shared side meanwhile: to the compiler this is
    /// a black box, and to the machine every load and store in it is defined.
    #[inline]
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: 64, then 16 bytes at a time, stays below `len`; the last 16 bytes
        // end exactly at `len`, which is at least 16.
        unsafe {
            asm!(
                "sub {len}, 64",
                "jb 3f",
                "2:",
                "movups {a}, [{from}]",
                "movups {b}, [{from} + 16]",
                "movups {c}, [{from} + 32]",
                "movups {d}, [{from} + 48]",
                "movups [{to}], {a}",
                "movups [{to} + 16], {b}",
                "movups [{to} + 32], {c}",
                "movups [{to} + 48], {d}",
                "add {from}, 64",
                "add {to}, 64",
                "sub {len}, 64",
                "jae 2b",
                "3:",
                "add {len}, 48",
                "js 5f",
                "4:",
                "movups {a}, [{from}]",
                "movups [{to}], {a}",
                "add {from}, 16",
                "add {to}, 16",
                "sub {len}, 16",
                "jns 4b",
                "5:",
                "movups {a}, [{from} + {len}]",
                "movups [{to} + {len}], {a}",
                from = inout(reg) from => _,
                to = inout(reg) to => _,
                len = inout(reg) len => _,
                a = out(xmm_reg) _,
                b = out(xmm_reg) _,
                c = out(xmm_reg) _,
                d = out(xmm_reg) _,
                options(nostack),
            );
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
mod block {
    pub(super) const AVAILABLE: bool = false;

    /// # Safety
    /// Never called where it is not available.
    pub(super) unsafe fn copy(_: *const u8, _: *mut u8, _: usize) {}
}

#[cfg(test)]
#[path = "../copy_tests.rs"]
mod tests;
