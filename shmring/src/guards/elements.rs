//! Elements of a packed ring in place: free space to write them into, and those that
//! were not released yet.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::slice::{from_mut, from_ref};

use crate::element::{Element, Unchecked};
use crate::endpoint::{PackedRecvEndpoint, PackedSendEndpoint};
use crate::memory::copy;
use crate::memory::mapped_ring::MappedRing;
use crate::ring::packed::Span;
use crate::ring::{Corrupt, LINE_BYTES, WORD_BYTES};
use crate::sync::Ordering;

/// Stores `elements` from the `at`-th of a span on, which is as long.
#[inline]
pub(crate) fn store<T: Element>(mapped: &MappedRing, span: Span, at: usize, elements: &[T]) {
    let span = rest(span, at, elements.len());
    let (first, before_end, _) = mapped.packed().split(span);
    let (head, tail) = elements.split_at(before_end.min(elements.len()));
    copy::store_elements(mapped.data(), first, head);
    if !tail.is_empty() {
        copy::store_elements(mapped.data(), 0, tail);
    }
}

/// Loads `elements` from the `at`-th of a span on, which is as long. Returns how many of them, from
/// the first on, are values; the others stay as they are.
///
/// # Errors
/// [`Corrupt`] if the first is no value.
#[inline]
pub(crate) fn load<T: Element>(
    mapped: &MappedRing,
    span: Span,
    at: usize,
    elements: &mut [T],
) -> Result<usize, Corrupt> {
    match Unchecked::of(elements) {
        Some(elements) => load_unchecked(mapped, span, at, elements),
        None => return load_checked(mapped, rest(span, at, elements.len()), elements),
    }
    Ok(elements.len())
}

/// As [`load`], one by one, for types of which some bytes are no value.
fn load_checked<T: Element>(
    mapped: &MappedRing,
    span: Span,
    elements: &mut [T],
) -> Result<usize, Corrupt> {
    for (index, element) in elements.iter_mut().enumerate() {
        match load_one(mapped, span.start.wrapping_add(index as u64)) {
            Ok(value) => *element = value,
            Err(corrupt) if index == 0 => return Err(corrupt),
            Err(_) => return Ok(index),
        }
    }
    Ok(elements.len())
}

/// Loads the bytes of `elements` from the `at`-th of a span on, which is as long.
#[inline]
fn load_unchecked<T: Element>(
    mapped: &MappedRing,
    span: Span,
    at: usize,
    elements: &mut [Unchecked<T>],
) {
    let span = rest(span, at, elements.len());
    let (first, before_end, _) = mapped.packed().split(span);
    let (head, tail) = elements.split_at_mut(before_end.min(elements.len()));
    copy::load_elements(mapped.data(), first, head);
    if !tail.is_empty() {
        copy::load_elements(mapped.data(), 0, tail);
    }
}

/// Stores the one element of a position that space was granted for.
#[inline]
pub(crate) fn store_one<T: Element>(mapped: &MappedRing, position: u64, element: &T) {
    copy::store_elements(mapped.data(), mapped.packed().slot(position), from_ref(element));
}

/// Stores something to the line in which the element of a free position begins, if that is the
/// first one to begin there: so that the line need not be waited for when the element is
/// stored, and is published. As in a record ring.
#[inline(always)]
pub(crate) fn touch<T: Element>(mapped: &MappedRing, position: u64) {
    let offset = mapped.packed().slot(position) * size_of::<T>();
    if size_of::<T>().is_multiple_of(WORD_BYTES as usize)
        && offset % (LINE_BYTES as usize) < size_of::<T>()
        && let Some(word) = mapped.words().get(offset / WORD_BYTES as usize)
    {
        word.store(0, Ordering::Relaxed);
    }
}

/// Loads the one element of a position.
///
/// # Errors
/// [`Corrupt`] if it is no value.
#[inline]
pub(crate) fn load_one<T: Element>(mapped: &MappedRing, position: u64) -> Result<T, Corrupt> {
    let mut element = Unchecked::zeroed();
    copy::load_elements(mapped.data(), mapped.packed().slot(position), from_mut(&mut element));
    element.check(position)
}

/// `count` elements of a span from the `at`-th on.
#[inline]
fn rest(span: Span, at: usize, count: usize) -> Span {
    debug_assert!((at + count) as u64 <= span.count);
    Span { start: span.start.wrapping_add(at as u64), count: count as u64 }
}

/// Where the two parts of a span lie: up to the end of the ring, and from its start.
fn parts<T: Element>(mapped: &MappedRing, span: Span) -> [(*mut T, usize); 2] {
    let (first, before_end, after) = mapped.packed().split(span);
    let base: *mut T = mapped.words().as_ptr().cast_mut().cast();
    // Only computed, never out of the data: the ring placed the span inside it (I6).
    [(base.wrapping_add(first), before_end), (base, after)]
}

/// Free elements of a packed ring that only this process writes, until they are
/// committed. They lie in up to two pieces: up to the end of the ring, and from its start.
///
/// It counts the elements that were written, from the start on, and [`commit`](Self::commit)
/// publishes these: what earlier elements left in the space is never sent.
///
/// Dropping it aborts: nothing becomes visible.
#[must_use = "space that is not committed is free again"]
pub struct Space<'a, T> {
    endpoint: &'a mut PackedSendEndpoint,
    span: Span,
    /// Elements from the start on that are values of this process.
    written: usize,
    element: PhantomData<T>,
}

impl<'a, T: Element> Space<'a, T> {
    pub(crate) fn new(endpoint: &'a mut PackedSendEndpoint, span: Span) -> Self {
        Self { endpoint, span, written: 0, element: PhantomData }
    }

    /// Returns how many elements there is space for.
    pub fn capacity(&self) -> usize {
        self.span.count as usize
    }

    /// Returns how many elements, from the start on, were written: what
    /// [`commit`](Self::commit) publishes.
    pub fn written(&self) -> usize {
        self.written
    }

    /// Writes one element behind those that were written.
    ///
    /// # Panics
    /// If there is no more space.
    #[inline]
    pub fn push(&mut self, element: T) {
        self.write(self.written, element);
    }

    /// Writes elements behind those that were written.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn push_slice(&mut self, elements: &[T]) {
        self.write_slice(self.written, elements);
    }

    /// Writes one element: over one that was written, or behind them.
    ///
    /// # Panics
    /// If there is no space of that index, or one before it was not written. No bytes can
    /// fill such a gap, as zeros need not be a value of the type.
    #[inline]
    pub fn write(&mut self, index: usize, element: T) {
        assert!(index < self.capacity(), "write beyond the space");
        assert!(index <= self.written, "write behind an element that was not written");
        if !self.endpoint.registration.is_forked() {
            let position = self.span.start.wrapping_add(index as u64);
            store_one(&self.endpoint.registration.mapped, position, &element);
        }
        self.written = self.written.max(index + 1);
    }

    /// Writes elements from the index `at` on: over some that were written, or behind them.
    ///
    /// # Panics
    /// If they do not fit, or an element before them was not written; see
    /// [`write`](Self::write).
    pub fn write_slice(&mut self, at: usize, elements: &[T]) {
        let room = self.capacity().checked_sub(at);
        assert!(room.is_some_and(|room| elements.len() <= room), "write beyond the space");
        let end = at + elements.len();
        assert!(at <= self.written, "write behind elements that were not written");
        if !self.endpoint.registration.is_forked() {
            store(&self.endpoint.registration.mapped, self.span, at, elements);
        }
        self.written = self.written.max(end);
    }

    /// Returns the two pieces, each as its first element and how many there are; valid while
    /// the space lives, but not in a fork child.
    ///
    /// Make no reference of them where peers are not trusted. What is written through them
    /// counts once it was announced with [`assume_written`](Self::assume_written).
    pub fn as_mut_ptrs(&mut self) -> [(*mut T, usize); 2] {
        parts(&self.endpoint.registration.mapped, self.span)
    }

    /// Counts the first `count` elements as written; no effect if they are already.
    ///
    /// # Panics
    /// If there is not as much space.
    ///
    /// # Safety
    /// Each of the first `count` elements was written as a value of the type: by a method of
    /// this space, or through [`as_mut_ptrs`](Self::as_mut_ptrs). Otherwise the consumer
    /// receives elements of earlier laps, which it may not be meant to see, or fails with
    /// [`Corrupt`] where the bytes are not a value.
    pub unsafe fn assume_written(&mut self, count: usize) {
        assert!(count <= self.capacity(), "more written than was granted");
        self.written = self.written.max(count);
    }

    /// Publishes the elements that were written, all at once.
    pub fn commit(self) {
        if self.written > 0 && !self.endpoint.registration.is_forked() {
            self.endpoint.publish(self.written as u64);
        }
    }
}

impl<T> fmt::Debug for Space<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Space")
            .field("capacity", &self.span.count)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

/// Elements of a packed ring that were not released yet. They lie in up to two pieces:
/// up to the end of the ring, and from its start.
///
/// Dropping it leaves all of them in the ring.
#[must_use = "elements that are not released are received again"]
pub struct Elements<'a, T> {
    endpoint: &'a mut PackedRecvEndpoint,
    span: Span,
    redelivered: usize,
    element: PhantomData<T>,
}

impl<'a, T: Element> Elements<'a, T> {
    pub(crate) fn new(endpoint: &'a mut PackedRecvEndpoint, span: Span) -> Self {
        let redelivered = endpoint.mark_peeked(span) as usize;
        Self { endpoint, span, redelivered, element: PhantomData }
    }

    /// How many of them, from the first on, were shown before and not released: to this
    /// consumer, or to one that died or left.
    pub fn redelivered(&self) -> usize {
        self.redelivered
    }

    /// How many elements there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.span.count as usize
    }

    /// Copies one element; `None` if there are not as many, and in a fork child.
    ///
    /// # Errors
    /// [`Corrupt`] if the element is no value. It stays the first that is not released, so that
    /// the next verb that receives it fails too.
    pub fn get(&self, index: usize) -> Result<Option<T>, Corrupt> {
        if index >= self.len() || self.endpoint.registration.is_forked() {
            return Ok(None);
        }
        load_one(&self.endpoint.registration.mapped, self.span.start.wrapping_add(index as u64))
            .map(Some)
    }

    /// Copies elements from the index `at` on, and returns how many: fewer than asked for
    /// where there are no more, and where one is no value.
    ///
    /// # Errors
    /// [`Corrupt`] if the first of them is no value.
    pub fn read_at(&self, at: usize, elements: &mut [T]) -> Result<usize, Corrupt> {
        let count = elements.len().min(self.len().saturating_sub(at));
        if count == 0 || self.endpoint.registration.is_forked() {
            return Ok(0);
        }
        load(&self.endpoint.registration.mapped, self.span, at, &mut elements[..count])
    }

    /// Copies all elements; none in a fork child.
    ///
    /// # Errors
    /// [`Corrupt`] if one of them is no value.
    pub fn to_vec(&self) -> Result<Vec<T>, Corrupt> {
        if self.endpoint.registration.is_forked() {
            return Ok(Vec::new());
        }
        let mut elements: Vec<_> = (0..self.len()).map(|_| Unchecked::zeroed()).collect();
        load_unchecked(&self.endpoint.registration.mapped, self.span, 0, &mut elements);
        let positions = (0..).map(|index| self.span.start.wrapping_add(index));
        elements.into_iter().zip(positions).map(|(element, at)| element.check(at)).collect()
    }

    /// The two pieces, each as its first element and how many there are; valid until the
    /// release, but not in a fork child. Nobody checked that the elements are values.
    pub fn as_ptrs(&self) -> [(*const T, usize); 2] {
        parts::<T>(&self.endpoint.registration.mapped, self.span)
            .map(|(first, count)| (first.cast_const(), count))
    }

    /// The two pieces in place.
    ///
    /// # Errors
    /// [`Corrupt`] if an element is no value. Each one is checked, at each call, unless any bytes
    /// are a value of the type.
    ///
    /// # Safety
    /// No process may write to the elements before the slices are gone: well-behaved
    /// peers do not, a hostile one could. This process is not a fork child of the one
    /// that received the elements, and becomes none before the slices are gone.
    pub unsafe fn as_slices(&self) -> Result<(&[T], &[T]), Corrupt> {
        if !T::ALWAYS_VALID {
            for index in 0..self.span.count {
                load_one::<T>(
                    &self.endpoint.registration.mapped,
                    self.span.start.wrapping_add(index),
                )?;
            }
        }
        let [(first, before_end), (start, after)] = self.as_ptrs();
        // SAFETY: the elements lie inside the mapping, aligned as the type is since the
        // data starts at a page, and are values: any bytes are, or these were checked and, by
        // the caller's promise, nobody writes to them since.
        unsafe {
            Ok((
                std::slice::from_raw_parts(first, before_end),
                std::slice::from_raw_parts(start, after),
            ))
        }
    }

    /// Consumes all elements: their space goes back to the producer.
    pub fn release(self) {
        let count = self.len();
        self.release_first(count);
    }

    /// Consumes the first `count` elements and leaves the others.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn release_first(self, count: usize) {
        assert!(count <= self.len(), "release of more than was looked at");
        if count > 0 && !self.endpoint.registration.is_forked() {
            self.endpoint.take(count as u64);
        }
    }
}

impl<T> fmt::Debug for Elements<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Elements").field("len", &self.span.count).finish_non_exhaustive()
    }
}
