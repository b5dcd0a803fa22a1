//! Messages as values of a type, for queues that move those: whole words where a program would send
//! them as such, and a pointer to the bytes where it would rather not copy them through a queue.

use std::mem::MaybeUninit;
use std::slice;

use bytemuck::{Pod, Zeroable};

use crate::contender::{BoxError, Sizes};

/// A message as a value.
pub(super) trait Value: Send + Sync + Sized + 'static {
    /// Which messages are of this type.
    const SIZES: Sizes;
    /// A copy of a message.
    fn of(message: &[u8]) -> Result<Self, BoxError>;
    /// Zeros, as many as a message has bytes.
    fn blank(len: usize) -> Self;
    /// The message.
    fn bytes(&self) -> &[u8];
    /// The message, to be written over by one of the same length.
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// Eight bytes.
pub(super) type Word = [u64; 1];
/// 56 bytes: with a word beside them, a cache line.
pub(super) type Words = [u64; 7];

/// 64 bytes, a cache line.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
pub(super) struct Line([u64; 8]);

/// 256 bytes.
pub(super) type Words32 = [u64; 32];
/// 1 KiB: the longest that goes faster through a queue than a pointer to it, with the allocation
/// that it takes. (Measured here: by value 4 M/s of these and 10 M/s of 256 bytes, boxed 2 M/s of
/// either; at 4 KiB no queue is faster by value, and some are four times slower.)
pub(super) type Words128 = [u64; 128];

/// A message of any other length than the three shortest, in a slot that is allocated once.
pub(super) type Slot = Box<[u8]>;

/// The lengths of a [`Slot`]'s messages.
pub(super) const LONG: Sizes =
    Sizes::NoneOf(&[size_of::<Word>(), size_of::<Words>(), size_of::<Line>()]);

/// A message of any other length, allocated by the sender and freed by the receiver.
pub(super) struct Boxed(Box<[u8]>);

macro_rules! plain_values {
    ($($type:ty),*) => {$(
        impl Value for $type {
            const SIZES: Sizes = Sizes::Only(size_of::<Self>());

            #[inline(always)]
            fn of(message: &[u8]) -> Result<Self, BoxError> {
                bytemuck::try_pod_read_unaligned(message).map_err(|_| wrong_length(message.len()))
            }
            fn blank(_: usize) -> Self {
                Zeroable::zeroed()
            }
            #[inline(always)]
            fn bytes(&self) -> &[u8] {
                bytemuck::bytes_of(self)
            }
            #[inline(always)]
            fn bytes_mut(&mut self) -> &mut [u8] {
                bytemuck::bytes_of_mut(self)
            }
        }
    )*};
}

plain_values!(Word, Words, Line, Words32, Words128);

impl Value for Slot {
    const SIZES: Sizes = LONG;

    #[inline(always)]
    fn of(message: &[u8]) -> Result<Self, BoxError> {
        Ok(message.into())
    }
    fn blank(len: usize) -> Self {
        vec![0; len].into()
    }
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        self
    }
    #[inline(always)]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl Value for Boxed {
    const SIZES: Sizes = Sizes::NoneOf(&[
        size_of::<Word>(),
        size_of::<Words>(),
        size_of::<Line>(),
        size_of::<Words32>(),
        size_of::<Words128>(),
    ]);

    #[inline(always)]
    fn of(message: &[u8]) -> Result<Self, BoxError> {
        Ok(Boxed(message.into()))
    }
    fn blank(len: usize) -> Self {
        Boxed(Slot::blank(len))
    }
    #[inline(always)]
    fn bytes(&self) -> &[u8] {
        &self.0
    }
    #[inline(always)]
    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// Copies a message to where it is wanted.
#[inline(always)]
pub(super) fn copy(message: &[u8], place: &mut [u8]) -> Result<(), BoxError> {
    if message.len() != place.len() {
        return Err(wrong_length(message.len()));
    }
    place.copy_from_slice(message);
    Ok(())
}

#[cold]
pub(super) fn wrong_length(len: usize) -> BoxError {
    format!("a message of {len} bytes, for which this was not made").into()
}

/// Bytes as such, to be written.
///
/// # Safety
/// They were written before.
#[inline(always)]
#[allow(unsafe_code)]
pub(super) unsafe fn initialised(bytes: &mut [MaybeUninit<u8>]) -> &mut [u8] {
    // SAFETY: the same bytes, under the same borrow; initialised, as promised.
    unsafe { slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// A byte that messages which begin with eight of it are made of: no other message does, and one
/// such ends the stream of a mechanism that has no end of its own.
pub(super) const END: u8 = 0xFF;

/// Whether a message is the one that ends the stream.
#[inline(always)]
pub(super) fn is_end(message: &[u8]) -> bool {
    message.first_chunk() == Some(&[END; 8])
}
