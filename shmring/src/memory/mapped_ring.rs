//! A handle's way into the segment.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use crate::format::{Shape, many};
use crate::lifecycle::attachment::Attachment;
use crate::memory::copy::WORD;
use crate::memory::mapping::RingParts;
use crate::memory::payload::Payload;
use crate::memory::sentinel;
use crate::ring::membership::Role;
use crate::ring::slot::{self, Many, Slots};
use crate::ring::tables::Handle;
use crate::ring::wake::Sleepers;
use crate::ring::{Control, Place, WORD_BYTES, Words, packed, record};
use crate::sync::{AtomicU32, AtomicU64};

/// The attach, kept alive, with the addresses that the hot path needs beside it.
#[derive(Debug)]
pub(crate) struct MappedRing {
    attach: Arc<Attachment>,
    ring: usize,
    handles: NonNull<[Handle]>,
    parts: RingParts,
    /// The word of the mapping's sentinel, or one that never says that all is well.
    sentinel: NonNull<AtomicU32>,
    /// Slots of the ring and the words of each; 0 if it has records, or elements that
    /// are not made of words.
    slots: u64,
    slot_words: u64,
    many: Many,
    /// What the address of each payload is a multiple of.
    align: u64,
    shape: Shape,
}

// SAFETY: the parts point into the mapping that `attach` keeps, which may be used
// from any thread.
unsafe impl Send for MappedRing {}

impl MappedRing {
    /// The way into the ring of that index, if the segment has as many.
    pub(crate) fn new(attach: Arc<Attachment>, ring: usize) -> Option<Self> {
        let parts = attach.mapping().ring_parts(ring)?;
        let handles = attach.mapping().handles_part();
        let sentinel = NonNull::from(attach.mapping().sentinel());
        let shape = attach.shape(ring)?;
        Some(Self {
            attach,
            ring,
            handles,
            parts,
            sentinel,
            slots: shape.slots().unwrap_or(0),
            slot_words: shape.slot_bytes().unwrap_or(0) / WORD_BYTES,
            many: many(shape.kind()),
            align: shape.align_bytes(),
            shape,
        })
    }

    /// The same way for another handle.
    pub(crate) fn another(&self) -> Self {
        Self { attach: Arc::clone(&self.attach), ..*self }
    }

    /// The index of the ring in its segment.
    pub(crate) fn ring(&self) -> usize {
        self.ring
    }

    pub(crate) fn attach(&self) -> &Attachment {
        &self.attach
    }

    /// Whether the mapping is whole, and nobody has [`shut`](Self::shut) this way into it:
    /// one load.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        sentinel::is_whole(self.sentinel())
    }

    /// The word that [`is_open`](Self::is_open) loads, for loops that ask each time.
    #[inline(always)]
    pub(crate) fn sentinel(&self) -> &AtomicU32 {
        // SAFETY: `attach` keeps the sentinel, and a static word is always there.
        unsafe { self.sentinel.as_ref() }
    }

    /// From now on [`is_open`](Self::is_open) says no.
    pub(crate) fn shut(&mut self) {
        self.sentinel = NonNull::from(&sentinel::NEVER_WHOLE);
    }

    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: `attach` keeps the mapping; see the description of [`mapping`](crate::memory::mapping).
        unsafe { self.parts.control.as_ref() }
    }

    #[inline]
    pub(crate) fn handles(&self) -> &[Handle] {
        // SAFETY: as above.
        unsafe { self.handles.as_ref() }
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: as above.
        unsafe { self.parts.words.as_ref() }
    }

    /// What the ring is.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// The ring of a segment with records.
    #[inline]
    pub(crate) fn record(&self) -> record::Ring<'_> {
        record::Ring::new(self.control(), Words::new(self.words()), self.align)
    }

    /// The ring of a segment with slots.
    #[inline]
    pub(crate) fn slot(&self) -> slot::Ring<'_> {
        let slots = Slots::new(self.words(), self.slots, self.slot_words);
        slot::Ring::new(self.control(), slots, self.many)
    }

    /// The ring of a segment with elements.
    #[inline]
    pub(crate) fn packed(&self) -> packed::Ring<'_> {
        packed::Ring::new(self.control(), self.slots)
    }

    /// The sleepers that a role sleeps among.
    #[inline]
    pub(crate) fn sleepers(&self, role: Role) -> &Sleepers {
        match role {
            Role::Producer => &self.control().senders,
            Role::Consumer => &self.control().receivers,
        }
    }

    /// Returns the payload of a message that this ring placed.
    ///
    /// The place is the proof that the payload lies inside the data: only the algorithms of
    /// [`ring`](crate::ring) make places, each inside the words that they were given, and they are
    /// given the words of this ring by [`record`](Self::record) and [`slot`](Self::slot). An
    /// endpoint has one ring, keeps it to itself, and uses the places of that ring only. (A check
    /// here took 5 to 25 % of the instructions of a verb.)
    #[inline(always)]
    pub(crate) fn payload(&self, place: Place) -> Payload<'_> {
        let (offset, len) = (place.offset() as usize, place.len() as usize);
        debug_assert!(offset.saturating_add(len) <= size_of_val(self.words()), "not of this ring");
        // SAFETY: the place is one of this ring, so the payload lies inside its words, and starts
        // at one of them; `attach` keeps them mapped.
        unsafe { Payload::new(self.parts.words.cast().add(offset / WORD), len) }
    }

    /// Returns all data of the ring.
    #[inline(always)]
    pub(crate) fn data(&self) -> Payload<'_> {
        Payload::of(self.words())
    }
}
