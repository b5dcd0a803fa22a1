//! Copies of elements, whose size need not be a multiple of a word.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr::NonNull;

use super::{BLOCK_MIN, WORD, block, load, store};
use crate::memory::payload::Payload;
use crate::sync::{AtomicU8, AtomicU16, AtomicU32, Ordering};

/// Where elements of one size lie, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ElementPlace<'a> {
    /// One element: a message, which begins at a word and has the rest of its last word to itself.
    Message(Payload<'a>),
    /// Elements with others before and behind.
    Packed(Packed<'a>),
}

/// Memory of whole elements of a packed ring, from a multiple of their size on.
///
/// Invariant: `len` bytes from `first` on are inside one allocation that lives for `'a`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packed<'a> {
    first: NonNull<u8>,
    len: usize,
    memory: PhantomData<&'a [AtomicU8]>,
}

impl ElementPlace<'_> {
    /// Returns the place of `len` bytes of elements of a packed ring.
    ///
    /// # Safety
    /// They lie inside one allocation that lives for `'a`, and `first` is aligned to the largest
    /// power of two, at most 8, that divides the size of an element.
    #[inline(always)]
    pub(crate) unsafe fn packed(first: NonNull<u8>, len: usize) -> Self {
        Self::Packed(Packed { first, len, memory: PhantomData })
    }

    /// Stores whole elements of `size` bytes.
    ///
    /// # Panics
    /// If they pass the end.
    #[inline(always)]
    pub(crate) fn store(self, size: usize, elements: &[u8]) {
        match self {
            Self::Message(payload) => store(payload, elements),
            Self::Packed(place) => place.store(size, elements),
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
            Self::Packed(place) => place.load(size, elements),
        }
    }

    /// Returns the address of the first element, valid for the elements while they may be used.
    pub(crate) fn as_ptr(self) -> *mut u8 {
        match self {
            Self::Message(payload) => payload.as_ptr(),
            Self::Packed(place) => place.first.as_ptr(),
        }
    }
}

impl Packed<'_> {
    #[inline(always)]
    fn store(self, size: usize, elements: &[u8]) {
        assert!(elements.len() <= self.len, "an access beyond the elements");
        let to = self.first.as_ptr();
        if size.is_multiple_of(WORD) {
            // SAFETY: the invariant; from a multiple of a word on there are whole words.
            store(unsafe { Payload::new(self.first.cast(), self.len) }, elements);
        } else if elements.len() >= BLOCK_MIN && block::AVAILABLE {
            // SAFETY: both sides are valid for the length, which is at least BLOCK_MIN.
            unsafe { block::store(elements.as_ptr(), to, elements.len()) };
        } else {
            // SAFETY: `to` is valid for the elements, and aligned to the unit.
            unsafe { store_units(to, size, elements) };
        }
    }

    #[inline(always)]
    fn load(self, size: usize, elements: &mut [u8]) {
        assert!(elements.len() <= self.len, "an access beyond the elements");
        let from = self.first.as_ptr();
        if size.is_multiple_of(WORD) {
            // SAFETY: as in `store`.
            load(unsafe { Payload::new(self.first.cast(), self.len) }, elements);
        } else if elements.len() >= BLOCK_MIN && block::AVAILABLE {
            // SAFETY: both sides are valid for the length, which is at least BLOCK_MIN.
            unsafe { block::load(from, elements.as_mut_ptr(), elements.len()) };
        } else {
            // SAFETY: `from` is valid for the elements, and aligned to the unit.
            unsafe { load_units(from, size, elements) };
        }
    }
}

/// # Safety
/// `to` is valid for writes of the elements, and aligned to the unit of their size.
#[inline]
unsafe fn store_units(to: *mut u8, size: usize, elements: &[u8]) {
    macro_rules! store_as {
        ($atomic:ty, $unit:ty) => {
            for (index, chunk) in elements.chunks_exact(size_of::<$unit>()).enumerate() {
                let unit: $unit = bytemuck::pod_read_unaligned(chunk);
                // SAFETY: as far as there are bytes, and aligned, as the caller promises.
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

/// # Safety
/// `from` is valid for reads of the elements, and aligned to the unit of their size.
#[inline]
unsafe fn load_units(from: *mut u8, size: usize, elements: &mut [u8]) {
    macro_rules! load_as {
        ($atomic:ty, $unit:ty) => {
            for (index, chunk) in elements.chunks_exact_mut(size_of::<$unit>()).enumerate() {
                // SAFETY: as far as there are bytes, and aligned, as the caller promises.
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
