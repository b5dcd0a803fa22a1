//! Copies of elements of a packed ring, whose size need not be a multiple of a word.

#![allow(unsafe_code)]

use super::{BLOCK_MIN, WORD, block, load, store};
use crate::element::{Element, Unchecked, bytes_of};
use crate::memory::payload::Payload;
use crate::sync::{AtomicU8, AtomicU16, AtomicU32, Ordering};

/// Stores `elements` from the element of index `first` on in `data`.
///
/// # Panics
/// If they pass the end of the data.
#[inline]
pub(crate) fn store_elements<T: Element>(data: Payload<'_>, first: usize, elements: &[T]) {
    let bytes = bytes_of(elements);
    let offset = first.wrapping_mul(size_of::<T>());
    if size_of::<T>().is_multiple_of(WORD) {
        store(data.from(offset), bytes);
        return;
    }
    let to = data.range(offset, bytes.len());
    if bytes.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, which is at least BLOCK_MIN.
        unsafe { block::store(bytes.as_ptr(), to, bytes.len()) };
        return;
    }
    macro_rules! store_as {
        ($atomic:ty, $unit:ty) => {
            for (index, chunk) in bytes.chunks_exact(size_of::<$unit>()).enumerate() {
                let unit: $unit = bytemuck::pod_read_unaligned(chunk);
                // SAFETY: inside the data, as far as there are bytes; aligned as the type, since
                // the data starts at a word and the type's alignment, here at most 4, divides
                // `offset`.
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

/// Loads `elements` from the element of index `first` on of `data`.
///
/// # Panics
/// If they pass the end of the data.
#[inline]
pub(crate) fn load_elements<T: Element>(
    data: Payload<'_>,
    first: usize,
    elements: &mut [Unchecked<T>],
) {
    let bytes = Unchecked::bytes_mut(elements);
    let offset = first.wrapping_mul(size_of::<T>());
    if size_of::<T>().is_multiple_of(WORD) {
        load(data.from(offset), bytes);
        return;
    }
    let from = data.range(offset, bytes.len());
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
