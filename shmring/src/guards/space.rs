//! Space for values, to be written in place.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice::from_ref;
use std::{fmt, mem};

use crate::element::{Element, bytes_of};
use crate::endpoint::SendEndpoint;
use crate::memory::copy::ElementPlace;
use crate::ring::packed::Span;

/// Space in the ring for values that only this process writes, until they are committed. It
/// lies in up to two pieces: up to the end of the ring, and from its start.
///
/// It counts the values that were written, from the start on, and [`commit`](Self::commit)
/// publishes these: what earlier values left in the space is never sent.
///
/// Dropping it aborts: nothing becomes visible. In a packed ring and of a sole producer the space
/// is free again; where producers compete, consumers pass over the slot. Space that is forgotten
/// holds them up until its producer's next verb.
#[must_use = "space that is dropped is aborted"]
pub struct Space<'a, T> {
    endpoint: &'a mut SendEndpoint,
    run: Span,
    /// Values from the start on that are values of this process.
    written: usize,
    value: PhantomData<T>,
}

impl<'a, T: Element> Space<'a, T> {
    pub(crate) fn new(endpoint: &'a mut SendEndpoint, run: Span) -> Self {
        Self { endpoint, run, written: 0, value: PhantomData }
    }

    /// Returns how many values there is space for.
    pub fn capacity(&self) -> usize {
        self.run.count as usize
    }

    /// Returns how many values, from the start on, were written: what
    /// [`commit`](Self::commit) publishes.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Writes one value behind those that were written.
    ///
    /// # Panics
    /// If there is no more space.
    #[inline]
    pub fn push(&mut self, value: T) {
        self.write(self.written, value);
    }

    /// Writes values behind those that were written.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn push_slice(&mut self, values: &[T]) {
        self.write_slice(self.written, values);
    }

    /// Writes one value: over one that was written, or behind them.
    ///
    /// # Panics
    /// If there is no space of that index, or one before it was not written. No bytes can
    /// fill such a gap, as zeros need not be a value of the type.
    #[inline]
    pub fn write(&mut self, index: usize, value: T) {
        assert!(index < self.capacity(), "write beyond the space");
        assert!(index <= self.written, "write behind a value that was not written");
        if !self.endpoint.registration.is_forked() {
            let place = self.endpoint.elements(self.run).place(index, size_of::<T>());
            place.store(size_of::<T>(), bytes_of(from_ref(&value)));
        }
        self.written = self.written.max(index + 1);
    }

    /// Writes values from the index `at` on: over some that were written, or behind them.
    ///
    /// # Panics
    /// If they do not fit, or a value before them was not written; see
    /// [`write`](Self::write).
    pub fn write_slice(&mut self, at: usize, values: &[T]) {
        let room = self.capacity().checked_sub(at);
        assert!(room.is_some_and(|room| values.len() <= room), "write beyond the space");
        let end = at + values.len();
        assert!(at <= self.written, "write behind values that were not written");
        if !self.endpoint.registration.is_forked() {
            self.endpoint.elements(self.run).store(at, bytes_of(values), size_of::<T>());
        }
        self.written = self.written.max(end);
    }

    /// Returns the two pieces, each as the address of its first value and how many there are;
    /// valid while the space lives, but not in a fork child, where there are none.
    ///
    /// Make no reference of them where peers are not trusted. What is written through them
    /// counts once it was announced with [`assume_written`](Self::assume_written).
    pub fn as_mut_ptrs(&mut self) -> [(*mut T, usize); 2] {
        if self.endpoint.registration.is_forked() {
            return [(NonNull::dangling().as_ptr(), 0); 2];
        }
        self.endpoint
            .elements(self.run)
            .pieces(0, self.capacity(), size_of::<T>())
            .map(|(first, count)| (first_value(first, count), count))
    }

    /// Counts the first `count` values as written; no effect if they are already.
    ///
    /// # Panics
    /// If there is not as much space.
    ///
    /// # Safety
    /// Each of the first `count` values was written as a value of the type: by a method of
    /// this space, or through [`as_mut_ptrs`](Self::as_mut_ptrs). Otherwise the consumer
    /// receives values of earlier laps, which it may not be meant to see, or fails with
    /// [`Corrupt`](crate::Corrupt) where the bytes are not a value.
    pub unsafe fn assume_written(&mut self, count: usize) {
        assert!(count <= self.capacity(), "more written than was granted");
        self.written = self.written.max(count);
    }

    /// Publishes the values that were written, all at once. Sends nothing if there are none.
    #[inline]
    pub fn commit(self) {
        if self.written > 0 && !self.endpoint.registration.is_forked() {
            let run = Span { count: self.written as u64, ..self.run };
            self.endpoint.commit_elements(run, size_of::<T>());
            // Nothing is left to give up.
            mem::forget(self);
        }
    }
}

/// Returns the address of the first value of a piece, aligned even if there is none.
pub(super) fn first_value<T>(first: ElementPlace<'_>, count: usize) -> *mut T {
    if count == 0 { NonNull::dangling().as_ptr() } else { first.as_ptr().cast() }
}

impl<T> Drop for Space<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if !self.endpoint.registration.is_forked() {
            self.endpoint.abandon();
        }
    }
}

impl<T> fmt::Debug for Space<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space")
            .field("capacity", &self.run.count)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
