//! Copies of elements, whose size need not be a multiple of a word.

#![allow(unsafe_code)]

use super::{BLOCK_MIN, WORD, block, load, store};
use crate::memory::payload::Payload;
use crate::sync::{AtomicU8, AtomicU16, AtomicU32, Ordering};

/// Where elements of one size lie, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ElementPlace<'a> {
    /// One element: a message, which begins at a word and has the rest of its last word to itself.
    Message(Payload<'a>),
    /// From the byte `offset` of `data` on, a multiple of the element's size, with other elements
    /// before and behind.
    Packed { data: Payload<'a>, offset: usize },
}

impl ElementPlace<'_> {
    /// Stores whole elements of `size` bytes.
    ///
    /// # Panics
    /// If they pass the end.
    #[inline(always)]
    pub(crate) fn store(self, size: usize, elements: &[u8]) {
        match self {
            Self::Message(payload) => store(payload, elements),
            Self::Packed { data, offset } => store_packed(data, offset, size, elements),
        }
    }

    /// Loads whole elements of `size` bytes.
    ///
    /// # Panics
    /// If they pass the end.
    #[inline(always)]
    pub(crate) fn load(self, size: usize, elements: &mut [u8]) {
        match self {
            Self::Message(payload) => load(payload, elements),
            Self::Packed { data, offset } => load_packed(data, offset, size, elements),
        }
    }

    /// Returns the address of the first element, valid for the elements while they may be used.
    pub(crate) fn as_ptr(self) -> *mut u8 {
        match self {
            Self::Message(payload) => payload.as_ptr(),
            Self::Packed { data, offset } => data.as_ptr().wrapping_add(offset),
        }
    }
}

#[inline]
fn store_packed(data: Payload<'_>, offset: usize, size: usize, elements: &[u8]) {
    if size.is_multiple_of(WORD) {
        store(data.from(offset), elements);
        return;
    }
    let to = data.range(offset, elements.len());
    if elements.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, which is at least BLOCK_MIN.
        unsafe { block::store(elements.as_ptr(), to, elements.len()) };
        return;
    }
    macro_rules! store_as {
        ($atomic:ty, $unit:ty) => {
            for (index, chunk) in elements.chunks_exact(size_of::<$unit>()).enumerate() {
                let unit: $unit = bytemuck::pod_read_unaligned(chunk);
                // SAFETY: inside the data, as far as there are bytes; aligned, since the data
                // starts at a word, and the size of the unit divides the element's size, which
                // divides `offset`.
                let place = unsafe { <$atomic>::from_ptr(to.cast::<$unit>().add(index)) };
                place.store(unit, Ordering::Relaxed);
            }
        };
    }
    match unit(size) {
        1 => store_as!(AtomicU8, u8),
        2 => store_as!(AtomicU16, u16),
        _ => store_as!(AtomicU32, u32),
    }
}

#[inline]
fn load_packed(data: Payload<'_>, offset: usize, size: usize, elements: &mut [u8]) {
    if size.is_multiple_of(WORD) {
        load(data.from(offset), elements);
        return;
    }
    let from = data.range(offset, elements.len());
    if elements.len() >= BLOCK_MIN && block::AVAILABLE {
        // SAFETY: both sides are valid for the length, which is at least BLOCK_MIN.
        unsafe { block::load(from, elements.as_mut_ptr(), elements.len()) };
        return;
    }
    macro_rules! load_as {
        ($atomic:ty, $unit:ty) => {
            for (index, chunk) in elements.chunks_exact_mut(size_of::<$unit>()).enumerate() {
                // SAFETY: as in store_packed.
                let place = unsafe { <$atomic>::from_ptr(from.cast::<$unit>().add(index)) };
                chunk.copy_from_slice(&place.load(Ordering::Relaxed).to_ne_bytes());
            }
        };
    }
    match unit(size) {
        1 => load_as!(AtomicU8, u8),
        2 => load_as!(AtomicU16, u16),
        _ => load_as!(AtomicU32, u32),
    }
}

/// Returns the largest unit that divides elements of `size` bytes, which no word does.
#[inline(always)]
fn unit(size: usize) -> usize {
    if size.is_multiple_of(4) {
        4
    } else if size.is_multiple_of(2) {
        2
    } else {
        1
    }
}
