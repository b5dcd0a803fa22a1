//! `bytes::BufMut` for reservations.
//!
//! `chunk_mut` lends a slice, and a slice over memory that peers may write to is not sound. So
//! it lends private memory, which `advance_mut` copies into the ring. All `put` methods copy
//! straight into the ring.

#![allow(unsafe_code)]

use bytes::buf::UninitSlice;
use bytes::{Buf, BufMut};

use crate::guards::Reservation;

/// No chunk is longer: what a read from a socket or a file gets at once.
const MAX_CHUNK_BYTES: usize = 1 << 16;

// SAFETY: a chunk is private memory, as long as it says, that stays where it is until the next
// call; `remaining_mut` is never less than the length of a chunk.
unsafe impl BufMut for Reservation<'_> {
    #[inline]
    fn remaining_mut(&self) -> usize {
        self.capacity() - self.written()
    }

    /// # Panics
    /// If `count` is more than the chunk has.
    ///
    /// # Safety
    /// The first `count` bytes of the chunk were written.
    unsafe fn advance_mut(&mut self, count: usize) {
        let mut staged = std::mem::take(&mut self.staged);
        assert!(count <= staged.len(), "advance beyond the chunk");
        self.append(&staged[..count]);
        staged.drain(..count);
        self.staged = staged;
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        let len = self.remaining_mut().min(MAX_CHUNK_BYTES);
        self.staged.resize(len, 0);
        UninitSlice::new(&mut self.staged)
    }

    /// # Panics
    /// If the bytes do not fit.
    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.append(bytes);
    }

    /// # Panics
    /// If the bytes do not fit.
    fn put<T: Buf>(&mut self, mut from: T) {
        while from.has_remaining() {
            let chunk = from.chunk();
            let count = chunk.len();
            self.append(chunk);
            from.advance(count);
        }
    }

    /// # Panics
    /// If the bytes do not fit.
    fn put_bytes(&mut self, byte: u8, count: usize) {
        assert!(count <= self.remaining_mut(), "write beyond the reservation");
        let bytes = [byte; 64];
        let mut left = count;
        while left > 0 {
            let now = left.min(bytes.len());
            self.append(&bytes[..now]);
            left -= now;
        }
    }
}
