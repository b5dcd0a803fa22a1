//! Values in the ring that were not released yet, to be read in place.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::slice::from_mut;

use crate::element::{Element, Unchecked};
use crate::endpoint::{Elements, RecvEndpoint};
use crate::guards::space::first_value;
use crate::ring::Corrupt;
use crate::ring::packed::Span;

/// Loads `values` from index `at` of `elements` on, which are as many. Returns how many of them,
/// from the first on, are values; the others stay as they are.
///
/// # Errors
/// [`Corrupt`] if the first is no value.
#[inline]
pub(crate) fn load<T: Element>(
    elements: Elements<'_>,
    at: usize,
    values: &mut [T],
) -> Result<usize, Corrupt> {
    match Unchecked::of(values) {
        Some(values) => load_unchecked(elements, at, values),
        None => return load_checked(elements, at, values),
    }
    Ok(values.len())
}

/// As [`load`], one by one, for types of which some bytes are no value.
fn load_checked<T: Element>(
    elements: Elements<'_>,
    at: usize,
    values: &mut [T],
) -> Result<usize, Corrupt> {
    for (index, value) in values.iter_mut().enumerate() {
        match load_one(elements, at + index) {
            Ok(loaded) => *value = loaded,
            Err(corrupt) if index == 0 => return Err(corrupt),
            Err(_) => return Ok(index),
        }
    }
    Ok(values.len())
}

#[inline]
fn load_unchecked<T: Element>(elements: Elements<'_>, at: usize, values: &mut [Unchecked<T>]) {
    elements.load(at, Unchecked::bytes_mut(values), size_of::<T>());
}

/// Loads the value of that index.
///
/// # Errors
/// [`Corrupt`] if its bytes are none.
#[inline]
pub(crate) fn load_one<T: Element>(elements: Elements<'_>, index: usize) -> Result<T, Corrupt> {
    let mut value = Unchecked::zeroed();
    elements
        .place(index, size_of::<T>())
        .load(size_of::<T>(), Unchecked::bytes_mut(from_mut(&mut value)));
    value.check(elements.position(index))
}

/// Values in the ring that were not released yet. They lie in up to two pieces: up to the end of
/// the ring, and from its start.
///
/// Dropping it leaves all of them in the ring.
#[must_use = "values that are not released are received again"]
pub struct Values<'a, T> {
    endpoint: &'a mut RecvEndpoint,
    run: Span,
    redelivered: usize,
    value: PhantomData<T>,
}

impl<'a, T: Element> Values<'a, T> {
    pub(crate) fn new(endpoint: &'a mut RecvEndpoint, run: Span) -> Self {
        let redelivered = endpoint.mark_elements_peeked(run);
        Self { endpoint, run, redelivered, value: PhantomData }
    }

    #[inline(always)]
    fn elements(&self) -> Elements<'_> {
        self.endpoint.elements(self.run)
    }

    /// Returns how many of them, from the first on, were shown before and not released: to this
    /// consumer, or to one that died or left.
    pub fn redelivered(&self) -> usize {
        self.redelivered
    }

    /// Returns how many values there are, at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.run.count as usize
    }

    /// Copies one value; `None` if there are not as many, and in a fork child.
    ///
    /// # Errors
    /// [`Corrupt`] if its bytes are no value of the type. Unless it is released, the next verb
    /// that receives it fails too.
    pub fn get(&self, index: usize) -> Result<Option<T>, Corrupt> {
        if index >= self.len() || self.endpoint.registration.is_forked() {
            return Ok(None);
        }
        load_one(self.elements(), index).map(Some)
    }

    /// Copies values from the index `at` on, and returns how many: fewer than asked for
    /// where there are no more, and where the bytes of one are no value of the type.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes of the first of them are none.
    pub fn read_at(&self, at: usize, values: &mut [T]) -> Result<usize, Corrupt> {
        let count = values.len().min(self.len().saturating_sub(at));
        if count == 0 || self.endpoint.registration.is_forked() {
            return Ok(0);
        }
        load(self.elements(), at, &mut values[..count])
    }

    /// Copies all values; none in a fork child.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes of one of them are no value of the type.
    pub fn to_vec(&self) -> Result<Vec<T>, Corrupt> {
        if self.endpoint.registration.is_forked() {
            return Ok(Vec::new());
        }
        let mut values: Vec<_> = (0..self.len()).map(|_| Unchecked::zeroed()).collect();
        load_unchecked(self.elements(), 0, &mut values);
        let positions = (0..).map(|index| self.elements().position(index));
        values.into_iter().zip(positions).map(|(value, at)| value.check(at)).collect()
    }

    /// Returns the two pieces, each as the address of its first value and how many there are;
    /// valid until the release, but not in a fork child, where there are none. Nobody has checked
    /// the bytes.
    pub fn as_ptrs(&self) -> [(*const T, usize); 2] {
        if self.endpoint.registration.is_forked() {
            return [(NonNull::<T>::dangling().as_ptr().cast_const(), 0); 2];
        }
        self.elements()
            .pieces(0, self.len(), size_of::<T>())
            .map(|(first, count)| (first_value::<T>(first, count).cast_const(), count))
    }

    /// Returns the two pieces in place.
    ///
    /// # Errors
    /// [`Corrupt`] if the bytes of one are no value of the type. Each is checked, at each call,
    /// unless any bytes are a value of the type.
    ///
    /// # Safety
    /// No process may write to the values before the slices are gone: well-behaved
    /// peers do not, a hostile one could. This process is not a fork child of the one
    /// that received the values, and becomes none before the slices are gone.
    pub unsafe fn as_slices(&self) -> Result<(&[T], &[T]), Corrupt> {
        let [(first, before_end), (start, after)] = self.as_ptrs();
        if !T::ALWAYS_VALID {
            for index in 0..before_end + after {
                load_one::<T>(self.elements(), index)?;
            }
        }
        // SAFETY: the values lie inside the mapping, aligned as the type is since the geometry of
        // a ring of the type aligns them so (`Shape::check`), and are values: any bytes are, or
        // these were checked and, by the caller's promise, nobody writes to them since. In a fork
        // child there are none.
        unsafe {
            Ok((
                std::slice::from_raw_parts(first, before_end),
                std::slice::from_raw_parts(start, after),
            ))
        }
    }

    /// Consumes all values: their space goes back to the producer.
    pub fn release(self) {
        let count = self.len();
        self.release_first(count);
    }

    /// Consumes the first `count` values and leaves the others.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn release_first(self, count: usize) {
        assert!(count <= self.len(), "release of more than was looked at");
        if count > 0 && !self.endpoint.registration.is_forked() {
            self.endpoint.take_elements(self.run, count);
        }
    }
}

impl<T> fmt::Debug for Values<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values").field("len", &self.run.count).finish_non_exhaustive()
    }
}
