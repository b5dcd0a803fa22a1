//! The bytes of one message, which lie in one piece or in several slots.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "offsets inside one message, each checked against its length"
)]

use std::ops::Range;

use crate::memory::copy;
use crate::memory::mapped_ring::MappedRing;
use crate::memory::payload::Payload;
use crate::ring::Extent;

/// The bytes of a message, or the space for one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    mapped: &'a MappedRing,
    extent: Extent,
}

impl<'a> Parts<'a> {
    /// Returns the bytes of a message that this ring placed.
    #[inline(always)]
    pub(crate) fn new(mapped: &'a MappedRing, extent: Extent) -> Self {
        Self { mapped, extent }
    }

    /// Returns where the message lies.
    #[inline(always)]
    pub(crate) fn extent(self) -> Extent {
        self.extent
    }

    /// Returns how many bytes the message has.
    #[inline(always)]
    pub(crate) fn len(self) -> usize {
        self.extent.len() as usize
    }

    /// Returns the message in one piece; `None` if it lies in several slots.
    #[inline(always)]
    pub(crate) fn whole(self) -> Option<Payload<'a>> {
        match self.extent {
            Extent::Whole(place) => Some(self.mapped.payload(place)),
            Extent::Spanning(_) => None,
        }
    }

    /// Returns the pieces of the message, in order.
    pub(crate) fn pieces(self) -> impl Iterator<Item = Payload<'a>> {
        let (one, several) = match self.extent {
            Extent::Whole(place) => (Some(place), None),
            Extent::Spanning(message) => (None, Some(self.mapped.slot().parts(message))),
        };
        let places = one.into_iter().chain(several.into_iter().flatten());
        places.map(|place| self.mapped.payload(place))
    }

    /// Stores `bytes` at the start.
    ///
    /// # Panics
    /// If the message is shorter.
    #[inline(always)]
    pub(crate) fn store(self, bytes: &[u8]) {
        match self.whole() {
            Some(payload) => copy::store(payload, bytes),
            None => self.store_pieces(bytes),
        }
    }

    #[cold]
    #[inline(never)]
    fn store_pieces(self, bytes: &[u8]) {
        self.each_piece(0, bytes.len(), |piece, _, range| copy::store(piece, &bytes[range]));
    }

    /// Loads the start of the message.
    ///
    /// # Panics
    /// If the message is shorter than `bytes`.
    #[inline(always)]
    pub(crate) fn load(self, bytes: &mut [u8]) {
        match self.whole() {
            Some(payload) => copy::load(payload, bytes),
            None => self.extract_pieces(0, bytes),
        }
    }

    /// Loads from `offset` bytes into the message.
    ///
    /// # Panics
    /// If `bytes` pass the end of the message.
    pub(crate) fn extract(self, offset: usize, bytes: &mut [u8]) {
        match self.whole() {
            Some(payload) => copy::extract(payload, offset, bytes),
            None => self.extract_pieces(offset, bytes),
        }
    }

    #[cold]
    #[inline(never)]
    fn extract_pieces(self, offset: usize, bytes: &mut [u8]) {
        self.each_piece(offset, bytes.len(), |piece, at, range| {
            copy::extract(piece, at, &mut bytes[range]);
        });
    }

    /// Stores `bytes` at `offset` bytes into the message, and changes nothing beside them. The
    /// caller alone writes this message (I2).
    ///
    /// # Panics
    /// If they pass the end of the message.
    #[inline(never)]
    pub(crate) fn patch(self, offset: usize, bytes: &[u8]) {
        match self.whole() {
            Some(payload) => copy::patch(payload, offset, bytes),
            None => self.each_piece(offset, bytes.len(), |piece, at, range| {
                copy::patch(piece, at, &bytes[range]);
            }),
        }
    }

    /// Stores zeros to `len` bytes from `offset` on, as [`patch`](Self::patch) does.
    #[cold]
    pub(crate) fn zero(self, offset: usize, len: usize) {
        match self.whole() {
            Some(payload) => copy::zero(payload, offset, len),
            None => {
                self.each_piece(offset, len, |piece, at, range| copy::zero(piece, at, range.len()));
            }
        }
    }

    /// Calls `visit` for each piece that has some of the `len` bytes from `offset` on: with the
    /// offset in the piece, and with the range among those bytes.
    ///
    /// # Panics
    /// If the bytes pass the end of the message.
    fn each_piece(
        self,
        offset: usize,
        len: usize,
        mut visit: impl FnMut(Payload<'a>, usize, Range<usize>),
    ) {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.len());
        assert!(fits, "a copy beyond the message");
        let (mut skip, mut done) = (offset, 0);
        for piece in self.pieces() {
            if skip >= piece.len() {
                skip -= piece.len();
                continue;
            }
            let count = (piece.len() - skip).min(len - done);
            if count == 0 {
                return;
            }
            visit(piece, skip, done..done + count);
            (skip, done) = (0, done + count);
        }
    }
}
