//! Space for one message, and how far it was written.

#![allow(unsafe_code)]

use std::{fmt, io};

use crate::endpoint::SendEndpoint;
use crate::error::{Fault, SendError};
use crate::memory::copy;
use crate::memory::parts::Parts;
use crate::memory::payload::Payload;
use crate::ring::{Extent, WORD_BYTES};

/// Space in the ring that only this process writes, until it is committed.
///
/// It counts the bytes that were written, from the start on, and [`commit`](Self::commit)
/// publishes these: what earlier messages left in the space is never sent. Write with
/// [`std::io::Write`], which appends, or with [`write_at`](Self::write_at). With the cargo
/// feature `bytes` it implements `bytes::BufMut` as well.
///
/// Dropping it aborts: nothing becomes visible. In a record ring and of a sole producer
/// the space is free again; where producers compete, consumers pass over the slot. A
/// reservation that is forgotten holds them up until its producer's next verb.
///
/// ```
/// use std::io::Write;
///
/// use shmring::{Config, Segment};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let segment = Segment::create_sealed("prices", &Config::spsc())?;
/// let mut producer = segment.producer()?;
/// let mut consumer = segment.consumer()?;
///
/// let mut space = producer.reserve(1000)?;
/// write!(space, "{} {:.4}", "EURUSD", 1.0842)?;
/// assert_eq!((space.written(), space.capacity()), (13, 1000));
/// space.commit();
/// assert_eq!(consumer.recv()?, b"EURUSD 1.0842");
/// # Ok(())
/// # }
/// ```
#[must_use = "a reservation that is dropped is aborted"]
pub struct Reservation<'a> {
    endpoint: &'a mut SendEndpoint,
    space: Extent,
    /// Bytes from the start on that hold no bytes of earlier messages.
    written: usize,
    #[cfg(feature = "bytes")]
    pub(super) staged: Vec<u8>,
}

impl<'a> Reservation<'a> {
    #[inline]
    pub(crate) fn new(endpoint: &'a mut SendEndpoint, space: Extent) -> Self {
        Self {
            endpoint,
            space,
            written: 0,
            #[cfg(feature = "bytes")]
            staged: Vec::new(),
        }
    }

    /// Returns how many bytes were reserved.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.space.len() as usize
    }

    /// Returns how many bytes, from the start on, were written: what [`commit`](Self::commit)
    /// publishes.
    #[inline]
    pub fn written(&self) -> usize {
        self.written
    }

    fn parts(&self) -> Parts<'_> {
        self.endpoint.parts(self.space)
    }

    /// Copies `bytes` to `offset` bytes from the start. A gap between what was written before
    /// and `offset` is filled with zeros, and no bytes leave no trace, as in a file.
    ///
    /// # Panics
    /// If the bytes do not fit.
    #[inline]
    pub fn write_at(&mut self, offset: usize, bytes: &[u8]) {
        let room = self.capacity().checked_sub(offset);
        assert!(room.is_some_and(|room| bytes.len() <= room), "write beyond the reservation");
        let end = offset + bytes.len();
        if bytes.is_empty() {
            return;
        }
        // In a fork child the mark moves and nothing is stored, so that loops end there too.
        let written = self.written;
        self.written = written.max(end);
        if self.endpoint.registration.is_forked() {
            return;
        }
        if offset > written {
            self.parts().zero(written, offset - written);
        }
        match self.parts().whole() {
            // The rest of the last word was not written yet, and may become anything.
            Some(payload) if end >= written && offset.is_multiple_of(WORD_BYTES as usize) => {
                copy::store(payload.from(offset), bytes);
            }
            _ => self.parts().patch(offset, bytes),
        }
    }

    /// Appends `bytes`, which fit.
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        self.write_at(self.written, bytes);
    }

    /// Returns the address of the first byte, valid for writes of `capacity` bytes while the
    /// reservation lives, but not in a fork child; `None` if the space lies in several slots. It
    /// is a multiple of [`Config::payload_align`](crate::Config::payload_align), or of 8 unless
    /// that was set.
    ///
    /// Make no reference of it where peers are not trusted. What is written through it counts
    /// once it was announced with [`assume_written`](Self::assume_written).
    pub fn as_mut_ptr(&mut self) -> Option<*mut u8> {
        self.parts().whole().map(Payload::as_ptr)
    }

    /// Counts the first `len` bytes as written; no effect if they are already.
    ///
    /// # Panics
    /// If `len` is more than was reserved.
    ///
    /// # Safety
    /// Each of the first `len` bytes was written: by a method of this reservation, or through
    /// [`as_mut_ptr`](Self::as_mut_ptr). Otherwise the message contains bytes of earlier
    /// messages, which its receiver may not be meant to see.
    #[inline]
    pub unsafe fn assume_written(&mut self, len: usize) {
        assert!(len <= self.capacity(), "more written than was reserved");
        self.written = self.written.max(len);
    }

    /// Publishes the bytes that were written as the message; it is empty if there are none.
    /// The writes happen before what the consumer reads.
    #[inline]
    pub fn commit(self) {
        if !self.endpoint.registration.is_forked() {
            self.endpoint.commit(self.space, self.written as u64);
        }
    }
}

/// Appends. A write that does not fit as a whole writes what fits; with no space left it
/// returns 0. In a fork child it fails.
impl io::Write for Reservation<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.endpoint.registration.is_forked() {
            return Err(SendError::Failed(Fault::Forked).into());
        }
        let count = bytes.len().min(self.capacity() - self.written);
        self.append(&bytes[..count]);
        Ok(count)
    }

    /// Does nothing: a reservation is not buffered, and visible when it is committed.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Reservation<'_> {
    /// After a commit nothing is left to give up.
    #[inline]
    fn drop(&mut self) {
        if !self.endpoint.registration.is_forked() {
            self.endpoint.abandon();
        }
    }
}

impl fmt::Debug for Reservation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("capacity", &self.capacity())
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}
