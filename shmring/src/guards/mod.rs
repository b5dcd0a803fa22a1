//! Payloads: the space that a reservation may write, the message that a peek may
//! read. The only place where pointers to payload exist.
//!
//! No slice over shared memory is ever formed here: a peer may write to it at any
//! time, which a `&[u8]` does not allow. Bytes are copied in and out.
//!
//! In a fork child there is no payload, and the addresses may mean something else. There, a
//! guard from before the fork reads nothing, writes nothing, and neither commits nor releases.

#![allow(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "of payloads and buffers of this process, by lengths that were compared"
)]

#[cfg(feature = "bytes")]
mod buf_mut;
mod job;
mod reservation;
mod scratch;
mod space;
mod values;

use std::fmt;
use std::ops::Deref;

pub use job::Job;
pub use reservation::Reservation;
pub(crate) use scratch::Scratch;
pub use space::Space;
pub use values::Values;
pub(crate) use values::{load as load_values, load_one as load_value};

use crate::endpoint::registration::Registration;
use crate::endpoint::{RecvEndpoint, Releaser};
use crate::error::{Fault, TryRecvError};
use crate::memory::copy;
use crate::memory::parts::Parts;
use crate::memory::payload::Payload;
use crate::ring::slot::Spanning;
use crate::ring::{Extent, Place};

/// A message: in the ring, not released yet, or a copy where consumers compete.
///
/// It cannot be cloned: a clone could outlive the release.
pub struct Message<'a> {
    content: Content<'a>,
    len: usize,
    end_position: u64,
    redelivered: bool,
}

#[derive(Clone, Copy)]
enum Content<'a> {
    /// In the ring, at that byte of the data.
    Shared {
        registration: &'a Registration,
        offset: u64,
    },
    /// In the ring, in the slots from that position on.
    Spanning {
        registration: &'a Registration,
        start: u64,
    },
    Private(&'a [u64]),
}

impl Content<'_> {
    /// Copies what follows `skip` bytes of a message of `len` bytes into `buffer`; how many bytes.
    /// Takes itself by value, so that a message that is only copied from need not be in memory.
    #[inline(never)]
    fn read(self, len: usize, skip: usize, buffer: &mut [u8]) -> usize {
        let count = buffer.len().min(len.saturating_sub(skip));
        let buffer = &mut buffer[..count];
        match self {
            _ if count == 0 => {}
            Content::Shared { registration, .. } | Content::Spanning { registration, .. }
                if registration.is_forked() =>
            {
                return 0;
            }
            Content::Shared { registration, offset } => {
                // SAFETY: a message has the offset and the length of a place of its ring.
                let payload = unsafe { registration.mapped.payload_at(offset, len as u64) };
                copy::extract(payload, skip, buffer);
            }
            Content::Spanning { registration, start } => {
                parts_of(registration, start, len).extract(skip, buffer);
            }
            Content::Private(words) => {
                let bytes: &[u8] = bytemuck::cast_slice(words);
                buffer.copy_from_slice(&bytes[skip..skip + count]);
            }
        }
        count
    }
}

/// The parts of a message of `len` bytes in the slots from `start` on.
fn parts_of(registration: &Registration, start: u64, len: usize) -> Parts<'_> {
    let message = registration.mapped.slot().spanning(start, len as u64);
    Parts::new(&registration.mapped, Extent::Spanning(message))
}

impl<'a> Message<'a> {
    #[inline]
    fn new(registration: &'a Registration, place: Place, redelivered: bool) -> Self {
        let content = Content::Shared { registration, offset: place.offset() };
        Self { content, len: place.len() as usize, end_position: place.end, redelivered }
    }

    /// Returns a message in one piece or in several slots.
    #[inline]
    fn of(registration: &'a Registration, extent: Extent, redelivered: bool) -> Self {
        match extent {
            Extent::Whole(place) => Self::new(registration, place, redelivered),
            Extent::Spanning(Spanning { start, end, len }) => {
                let content = Content::Spanning { registration, start };
                Self { content, len: len as usize, end_position: end, redelivered }
            }
        }
    }

    #[inline]
    fn copied(words: &'a [u64], len: usize, end_position: u64) -> Self {
        Self { content: Content::Private(words), len, end_position, redelivered: false }
    }

    /// The payload of a message in the ring, from the byte `offset` of the data on. Not computed
    /// before it is needed: an address in place of the offset takes 3 instructions more for each
    /// message of a batch.
    #[inline(always)]
    fn payload(&self, registration: &'a Registration, offset: u64) -> Payload<'a> {
        // SAFETY: `new` took offset and length from a place of this ring.
        unsafe { registration.mapped.payload_at(offset, self.len as u64) }
    }

    /// Returns the length of the message in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Returns `true` if the message has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns the position at which the message ends in the stream of this ring since
    /// creation: in bytes, overhead included, or in slots. It is where the next message may
    /// start. No two messages of a ring have the same.
    pub fn end_position(&self) -> u64 {
        self.end_position
    }

    /// Returns `true` if the message was peeked at before and not released: by this consumer, or
    /// by one that died or left. Always `false` where consumers compete.
    pub fn is_redelivered(&self) -> bool {
        self.redelivered
    }

    /// Copies as much as fits into `buffer`, and returns the number of bytes copied.
    #[inline(always)]
    pub fn copy_to(&self, buffer: &mut [u8]) -> usize {
        // Often the length is a constant in the caller's code, and the compiler knows it.
        let whole = self.len == buffer.len();
        match self.content {
            Content::Shared { registration, offset } if whole && registration.is_clear() => {
                copy::load(self.payload(registration, offset), buffer);
                self.len
            }
            Content::Private(words) if whole => {
                let bytes: &[u8] = bytemuck::cast_slice(words);
                buffer.copy_from_slice(&bytes[..self.len]);
                self.len
            }
            content => content.read(self.len, 0, buffer),
        }
    }

    /// Copies bytes from `offset` on into `buffer`, and returns the number of bytes copied:
    /// fewer than `buffer` has where the message ends.
    #[inline]
    pub fn read_at(&self, offset: usize, buffer: &mut [u8]) -> usize {
        self.content.read(self.len, offset, buffer)
    }

    /// Appends the message to `buffer`.
    pub fn append_to(&self, buffer: &mut Vec<u8>) {
        let old_len = buffer.len();
        buffer.resize(old_len + self.len(), 0);
        let len = self.copy_to(&mut buffer[old_len..]);
        buffer.truncate(old_len + len);
    }

    /// Returns a copy of the message.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.append_to(&mut bytes);
        bytes
    }

    /// Returns the address of the first byte, valid for `len` bytes until the release, but not
    /// in a fork child. `None` if the message lies in several slots: see [`as_ptrs`](Self::as_ptrs).
    ///
    /// In the ring it is a multiple of [`Config::payload_align`](crate::Config::payload_align),
    /// or of 8 bytes unless that was set. The copies that [`Consumer::recv_batch`] shows where
    /// consumers compete are aligned to 8 bytes.
    ///
    /// [`Consumer::recv_batch`]: crate::Consumer::recv_batch
    pub fn as_ptr(&self) -> Option<*const u8> {
        match self.content {
            Content::Shared { registration, .. } if registration.is_forked() => {
                Some(Payload::EMPTY.as_ptr())
            }
            Content::Shared { registration, offset } => {
                Some(self.payload(registration, offset).as_ptr())
            }
            Content::Spanning { .. } => None,
            Content::Private(words) => Some(words.as_ptr().cast()),
        }
    }

    /// Returns the addresses of the pieces of the message, in order, each with its bytes: one
    /// piece, or one for each slot that the message spans. Valid as long as
    /// [`as_ptr`](Self::as_ptr) says; in a fork child there is none of several.
    pub fn as_ptrs(&self) -> impl Iterator<Item = (*const u8, usize)> {
        let pieces = match self.content {
            Content::Spanning { registration, start } if !registration.is_forked() => {
                Some(parts_of(registration, start, self.len).pieces())
            }
            _ => None,
        };
        let whole = self.as_ptr().map(|first| (first, self.len));
        let pieces = pieces.into_iter().flatten();
        whole.into_iter().chain(pieces.map(|piece| (piece.as_ptr().cast_const(), piece.len())))
    }

    /// Returns the message in place; `None` if it lies in several slots: see
    /// [`as_slices`](Self::as_slices).
    ///
    /// # Safety
    /// No process may write to the message while the slice exists: correct peers do not, a
    /// hostile one could. While the slice exists, this process must not be a fork child of the
    /// one that received the message.
    pub unsafe fn as_slice(&self) -> Option<&[u8]> {
        // SAFETY: the words hold at least `len` bytes and live as long as this message; that
        // nobody writes, and that they are mapped, is the caller's promise.
        self.as_ptr().map(|first| unsafe { std::slice::from_raw_parts(first, self.len()) })
    }

    /// Returns the pieces of the message in place, in order: one, or one for each slot that the
    /// message spans.
    ///
    /// # Safety
    /// As for [`as_slice`](Self::as_slice).
    pub unsafe fn as_slices(&self) -> impl Iterator<Item = &[u8]> {
        // SAFETY: each piece lies inside the mapping, which lives as long as this message; that
        // nobody writes, and that it is mapped, is the caller's promise.
        self.as_ptrs().map(|(first, len)| unsafe { std::slice::from_raw_parts(first, len) })
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The next message, in place; it dereferences to the [`Message`].
///
/// Dropping it leaves the message in the ring; [`release`](Self::release) consumes it.
#[must_use = "a peek that is dropped leaves the message in the ring"]
pub struct Peek<'a> {
    message: Message<'a>,
    releaser: Releaser<'a>,
}

impl<'a> Peek<'a> {
    #[inline]
    pub(crate) fn new(endpoint: &'a mut RecvEndpoint, extent: Extent) -> Self {
        let redelivered = endpoint.mark_peeked(extent.end());
        let releaser = endpoint.releaser();
        Self { message: Message::of(releaser.registration, extent, redelivered), releaser }
    }

    /// Releases the message: its space goes back to the producer. Of a subscriber that was
    /// [evicted](crate::Segment::evict) it stays, and the next verb says so.
    #[inline]
    pub fn release(self) {
        if !self.releaser.registration.is_forked() {
            self.releaser.take(self.message.end_position, 1);
        }
    }
}

impl<'a> Deref for Peek<'a> {
    type Target = Message<'a>;

    #[inline(always)]
    fn deref(&self) -> &Message<'a> {
        &self.message
    }
}

impl fmt::Debug for Peek<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Peek").field(&self.message).finish()
    }
}

/// Reads messages in place and in order, before they are released.
///
/// Dropping it leaves all of them in the ring.
#[must_use = "messages that are not released are received again"]
pub struct Lookahead<'a> {
    endpoint: &'a mut RecvEndpoint,
    /// The position after the last message read.
    end: u64,
    messages: u64,
}

impl<'a> Lookahead<'a> {
    pub(crate) fn new(endpoint: &'a mut RecvEndpoint) -> Self {
        let end = endpoint.head();
        Self { endpoint, end, messages: 0 }
    }

    /// Returns the next message, if one is there. Also returns `None` if the ring has a fault;
    /// the consumer's next verb returns that.
    #[expect(clippy::should_implement_trait, reason = "an iterator cannot lend its items")]
    #[inline(always)]
    pub fn next(&mut self) -> Option<Message<'_>> {
        let extent = self.endpoint.look_ahead(self.end).ok().flatten()?;
        self.end = extent.end();
        self.messages += 1;
        let redelivered = self.endpoint.mark_peeked(self.end);
        Some(Message::of(&self.endpoint.registration, extent, redelivered))
    }

    /// Looks at messages and shows them to `visit` until `max` were looked at, as long as
    /// nothing stands in the way that has to be looked into.
    #[inline(always)]
    pub(crate) fn look_through(&mut self, max: usize, visit: &mut impl FnMut(&Message<'_>)) {
        if !self.endpoint.registration.is_clear() {
            return;
        }
        let peeked = self.endpoint.registration.peeked().get();
        let left = max.saturating_sub(self.messages());
        let (end, count) = self.endpoint.look_through(self.end, left, |registration, place| {
            let redelivered = registration.peeked().set(place.end, peeked);
            visit(&Message::new(registration, place, redelivered));
        });
        self.end = end;
        self.messages += count as u64;
    }

    /// Starts over at the next message, whatever stands in the way.
    ///
    /// # Errors
    /// Those of [`RecvEndpoint::next`].
    #[inline]
    pub(crate) fn restarted(self) -> Result<Self, TryRecvError> {
        self.endpoint.next()?;
        Ok(Self::new(self.endpoint))
    }

    /// Returns the number of messages read.
    #[inline]
    pub(crate) fn messages(&self) -> usize {
        self.messages as usize
    }

    /// Releases all messages that were read, at once, and returns their number: 0 if this
    /// subscriber was [evicted](crate::Segment::evict), and what it read may have changed.
    pub fn release(self) -> usize {
        let is_released = self.messages > 0
            && !self.endpoint.registration.is_forked()
            && self.endpoint.take(self.end, self.messages);
        if is_released { self.messages as usize } else { 0 }
    }

    /// As [`release`](Self::release), and says why nothing was released.
    ///
    /// # Errors
    /// [`Fault::Forked`] in a fork child, [`Evicted`](TryRecvError::Evicted) of a subscriber that
    /// was.
    #[inline]
    pub(crate) fn try_release(self) -> Result<usize, TryRecvError> {
        if self.endpoint.registration.is_forked() {
            return Err(Fault::Forked.into());
        }
        if self.messages > 0 && !self.endpoint.take(self.end, self.messages) {
            // The next look says why.
            return Err(self.endpoint.next().err().unwrap_or(TryRecvError::WouldBlock));
        }
        Ok(self.messages as usize)
    }

    /// Releases the first `count` of the messages that were read, and leaves the others.
    ///
    /// # Panics
    /// If fewer were read.
    pub fn release_first(self, count: usize) {
        assert!(count as u64 <= self.messages, "release of more than was looked at");
        if count as u64 == self.messages {
            self.release();
            return;
        }
        let mut again = Lookahead::new(self.endpoint);
        while again.messages < count as u64 && again.next().is_some() {}
        again.release();
    }
}

impl fmt::Debug for Lookahead<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookahead").field("messages", &self.messages).finish_non_exhaustive()
    }
}
