//! Payload: memory of the ring that a peer may write at any time.
//!
//! # What can be argued
//!
//! - **In bounds.** A [`Payload`] lies inside the mapping for the lifetime it carries, and every
//!   function that takes one checks its own range against it. A segment's content cannot move it:
//!   only [`MappedRing`](super::MappedRing) makes one for the data of a ring, from the geometry
//!   that was checked at attach time.
//! - **No value of a type.** Every bit pattern is a byte, and a payload is read as bytes only.
//!   What must be a value of a type is copied to private memory first, and checked there.
//! - **No reference to plain memory.** No `&[u8]` or `&mut [u8]` to a payload exists, so the
//!   compiler never assumes that two loads return the same bytes. The exceptions are the `unsafe`
//!   functions of [`guards`](crate::guards), where the caller promises that nobody writes.
//! - **Two kinds of access.** Copies below 32 bytes, and all copies where there is no machine code
//!   for the architecture, are relaxed atomic loads and stores. Every other copy is a block of
//!   machine code. The compiler sees that block as opaque, and the machine defines every load and
//!   store in it: a concurrent store yields old bytes, new bytes or a mixture, nothing else.
//! - **Order** comes from the ring, never from the copy: the position or header that publishes a
//!   payload is stored with Release and loaded with Acquire (I3, I4).
//!
//! # What cannot be argued
//!
//! - The memory model of Rust speaks of one program. It does not define what a store of another
//!   process does to this one. This library assumes that such a store acts as one by machine code
//!   of this process, through another mapping of the same pages.
//! - The model leaves open what atomic accesses of different widths do to one address at the same
//!   time. Correct peers never make them: between claim and publication only the claimant writes
//!   (I2). A hostile peer can. Both architectures with machine code define the result as a mixture
//!   of bytes.
//! - A racing peer can change a payload between two copies of it. Whoever checks a payload has to
//!   check the copy that it then uses.
//! - A fork child has no mapping, so a payload that was made before the fork points to nothing
//!   there. [`guards`](crate::guards) ask the sentinel before each access; a thread that forks
//!   between the question and the access does so through `fork`, which is `unsafe` itself.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice;

use crate::memory::copy::WORD;
use crate::sync::AtomicU64;

/// A range of shared memory that starts at a word and is `len` bytes long.
///
/// Invariant: the words that hold these bytes, the last one whole, are inside one allocation that
/// lives for `'a`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Payload<'a> {
    first: NonNull<AtomicU64>,
    len: usize,
    memory: PhantomData<&'a [AtomicU64]>,
}

impl<'a> Payload<'a> {
    /// No bytes.
    pub(crate) const EMPTY: Self = Self { first: NonNull::dangling(), len: 0, memory: PhantomData };

    /// Returns the payload of `len` bytes whose first word is `first`.
    ///
    /// # Safety
    /// From `first` on, `len.div_ceil(8)` words lie inside one allocation that lives for `'a`.
    #[inline(always)]
    pub(crate) unsafe fn new(first: NonNull<AtomicU64>, len: usize) -> Self {
        Self { first, len, memory: PhantomData }
    }

    /// Returns all bytes of `words`.
    #[cfg(test)]
    pub(crate) fn of(words: &'a [AtomicU64]) -> Self {
        Self { first: NonNull::from(words).cast(), len: size_of_val(words), memory: PhantomData }
    }

    /// Returns how many bytes the payload has.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.len
    }

    /// Returns the address of the first byte, valid for `len` bytes while the payload lives.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut u8 {
        self.first.as_ptr().cast()
    }

    /// Returns the first word.
    ///
    /// # Safety
    /// The payload is not empty.
    #[inline(always)]
    pub(super) unsafe fn first_word(self) -> &'a AtomicU64 {
        // SAFETY: the invariant of the type, and the caller's promise.
        unsafe { self.first.as_ref() }
    }

    /// Returns the words that hold the bytes, for accesses by relaxed atomics.
    #[inline(always)]
    pub(super) fn words(self) -> &'a [AtomicU64] {
        // SAFETY: the invariant of the type; atomics may be shared with whoever writes.
        unsafe { slice::from_raw_parts(self.first.as_ptr(), self.len.div_ceil(WORD)) }
    }

    /// Returns the first `len` bytes, or all if there are fewer.
    #[cfg(test)]
    pub(crate) fn start(self, len: usize) -> Self {
        Self { len: self.len.min(len), ..self }
    }

    /// Returns the bytes from `offset` on, a multiple of a word; none if `offset` is beyond the
    /// end.
    #[inline(always)]
    pub(crate) fn from(self, offset: usize) -> Self {
        debug_assert!(offset.is_multiple_of(WORD));
        match self.len.checked_sub(offset) {
            // SAFETY: at most `len`, so inside the allocation or one past its end; what is behind
            // it ends where this payload ends.
            Some(len) => unsafe { Self::new(self.first.add(offset / WORD), len) },
            None => Self::EMPTY,
        }
    }
}
