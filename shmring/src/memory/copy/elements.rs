//! Copying elements of a packed ring, which need not be made of words.

#![allow(unsafe_code)]

use super::{BLOCK_MIN, WORD, block, load, store};
use crate::element::{Element, Unchecked, bytes_of};
use crate::sync::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// Stores `elements` from the element of index `first` on into `words`, which reach as
/// far.
#[inline]
pub(crate) fn store_elements<T: Element>(words: &[AtomicU64], first: usize, elements: &[T]) {
    let bytes = bytes_of(elements);
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
        unsafe { block::store(bytes.as_ptr(), to, bytes.len()) };
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
pub(crate) fn load_elements<T: Element>(
    words: &[AtomicU64],
    first: usize,
    elements: &mut [Unchecked<T>],
) {
    let bytes = Unchecked::bytes_mut(elements);
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
        unsafe { block::load(from, bytes.as_mut_ptr(), bytes.len()) };
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
