//! One ring of a mapped segment, as a handle uses it.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use crate::format::{Shape, many};
use crate::info::Kind;
use crate::lifecycle::attachment::Attachment;
use crate::memory::copy::{ElementPlace, WORD};
use crate::memory::mapping::RingParts;
use crate::memory::payload::Payload;
use crate::memory::sentinel;
use crate::ring::membership::{Held, Role};
use crate::ring::slot::{self, Many, Sizes, Slots};
use crate::ring::tables::{Handle, HandleOwn};
use crate::ring::wake::Sleepers;
use crate::ring::{Control, Place, Words, broadcast, jobs, packed, record};
use crate::sync::{AtomicU32, AtomicU64};

/// One ring of an attachment, with the addresses that the hot path needs. Keeps the attachment
/// alive.
#[derive(Debug)]
pub(crate) struct MappedRing {
    attach: Arc<Attachment>,
    ring: usize,
    handles: NonNull<[Handle]>,
    parts: RingParts,
    /// The word of the mapping's sentinel, or after [`shut`](MappedRing::shut) one that never
    /// says "whole".
    sentinel: NonNull<AtomicU32>,
    /// How many slots the ring has; 0 if it has records.
    slots: u64,
    /// The sizes of a slot ring; of other rings those of no slots.
    sizes: Sizes,
    /// Bytes of an element of a packed ring; 0 of other rings.
    element_bytes: usize,
    many: Many,
    /// The alignment of each payload, in bytes.
    align: u64,
    shape: Shape,
}

// SAFETY: the parts point into the mapping that `attach` keeps, which may be used
// from any thread.
unsafe impl Send for MappedRing {}
// SAFETY: as above; what is reached through a shared reference is atomic or never changes.
unsafe impl Sync for MappedRing {}

impl MappedRing {
    /// Returns the ring of index `ring`; `None` if the segment has fewer.
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
            sizes: shape.slot_sizes(),
            element_bytes: shape.packed_bytes(),
            many: many(shape.kind()),
            align: shape.align_bytes(),
            shape,
        })
    }

    /// Returns the same ring, for another handle: open if the mapping is, even if
    /// [`shut`](Self::shut) was called for this one.
    pub(crate) fn another(&self) -> Self {
        let attach = Arc::clone(&self.attach);
        let sentinel = NonNull::from(attach.mapping().sentinel());
        Self { attach, sentinel, ..*self }
    }

    /// Returns the index of the ring in its segment.
    pub(crate) fn ring(&self) -> usize {
        self.ring
    }

    pub(crate) fn attach(&self) -> &Attachment {
        &self.attach
    }

    /// Returns `true` if the mapping is whole and [`shut`](Self::shut) was not called: one load.
    #[inline(always)]
    pub(crate) fn is_open(&self) -> bool {
        sentinel::is_whole(self.sentinel())
    }

    /// Returns the word that [`is_open`](Self::is_open) loads, for loops that load it each time.
    #[inline(always)]
    pub(crate) fn sentinel(&self) -> &AtomicU32 {
        // SAFETY: `attach` keeps the sentinel, and a static word is always there.
        unsafe { self.sentinel.as_ref() }
    }

    /// Makes [`is_open`](Self::is_open) return `false` from now on.
    pub(crate) fn shut(&mut self) {
        self.sentinel = NonNull::from(&sentinel::NEVER_WHOLE);
    }

    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: `attach` keeps the mapping; see [`mapping`](crate::memory::mapping).
        unsafe { self.parts.control.as_ref() }
    }

    #[inline]
    pub(crate) fn handles(&self) -> &[Handle] {
        // SAFETY: as above.
        unsafe { self.handles.as_ref() }
    }

    /// Returns the line that the owner of a handle writes. `handle` was claimed, so it is in the table.
    #[inline(always)]
    #[expect(clippy::indexing_slicing, reason = "a claimed index is one of the table's")]
    pub(crate) fn own(&self, handle: usize) -> &HandleOwn {
        &self.handles()[handle].own
    }

    #[inline]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: as above.
        unsafe { self.parts.words.as_ref() }
    }

    /// Returns the shape of the ring: its kind and sizes.
    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// Returns the record ring's algorithm on the shared words.
    #[inline]
    pub(crate) fn record(&self) -> record::Ring<'_> {
        record::Ring::new(self.control(), Words::new(self.words()), self.align)
    }

    /// Returns the slot ring's algorithm on the shared words.
    #[inline]
    pub(crate) fn slot(&self) -> slot::Ring<'_> {
        slot::Ring::new(self.control(), Slots::new(self.words(), self.sizes), self.many)
    }

    /// Returns the job ring's algorithm on the shared words.
    #[inline]
    pub(crate) fn jobs(&self) -> jobs::Ring<'_> {
        jobs::Ring::new(self.control(), self.slot())
    }

    /// Returns `true` if this is a job ring.
    pub(crate) fn has_jobs(&self) -> bool {
        self.shape.kind() == Kind::Jobs
    }

    /// Returns what a handle of this ring is released from.
    pub(crate) fn held(&self) -> Held<'_> {
        Held::new(self.control(), self.has_jobs().then(|| self.jobs()))
    }

    /// Returns the broadcast ring's algorithm on the shared words.
    #[inline(always)]
    pub(crate) fn broadcast(&self) -> broadcast::Ring<'_> {
        // SAFETY: as for `control`; where a ring has no marks, they are a static.
        let marks = unsafe { self.parts.marks.as_ref() };
        broadcast::Ring::new(self.control(), Words::new(self.words()), self.align, marks)
    }

    /// Returns `true` if this is a broadcast ring.
    pub(crate) fn has_subscribers(&self) -> bool {
        matches!(self.shape, Shape::Broadcast { .. })
    }

    /// Returns the packed ring's algorithm on the shared words.
    #[inline]
    pub(crate) fn packed(&self) -> packed::Ring<'_> {
        packed::Ring::new(self.control(), self.slots)
    }

    /// Returns the sleepers of one side of the ring.
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
        // SAFETY: the place is one of this ring.
        unsafe { self.payload_at(place.offset(), place.len()) }
    }

    /// Returns the payload of `len` bytes from the byte `offset` of the data on.
    ///
    /// # Safety
    /// Both are those of one place that this ring made.
    #[inline(always)]
    pub(crate) unsafe fn payload_at(&self, offset: u64, len: u64) -> Payload<'_> {
        let (offset, len) = (offset as usize, len as usize);
        debug_assert!(offset.saturating_add(len) <= size_of_val(self.words()), "not of this ring");
        debug_assert!(offset.is_multiple_of(WORD), "an element of a packed ring");
        // SAFETY: a place of this ring lies inside its words, and starts at one of them; `attach`
        // keeps them mapped.
        unsafe { Payload::new(self.parts.words.cast().byte_add(offset), len) }
    }

    /// Returns where the element of a packed ring at that position lies.
    ///
    /// # Panics
    /// If the elements of the ring have fewer bytes: only a fault of this library can ask so.
    #[inline(always)]
    pub(crate) fn element(&self, position: u64, size: usize) -> ElementPlace<'_> {
        assert!(size <= self.element_bytes, "elements of another size");
        let slot = self.packed().slot(position);
        // SAFETY: as many slots of `element_bytes` as the ring has lie inside its words, this is one
        // of them, and `size` is no more than `element_bytes`. `attach` keeps them mapped.
        unsafe {
            let first = self.parts.words.cast::<u8>().add(slot.wrapping_mul(size));
            ElementPlace::packed(first, size)
        }
    }

    /// Returns where the `count` elements of a packed ring from that position on lie.
    ///
    /// # Panics
    /// As for [`element`](Self::element), and if they pass the end of the ring.
    #[inline(always)]
    pub(crate) fn elements(&self, position: u64, count: usize, size: usize) -> ElementPlace<'_> {
        assert!(size <= self.element_bytes, "elements of another size");
        let slot = self.packed().slot(position);
        assert!(count as u64 <= self.slots.wrapping_sub(slot as u64), "elements beyond the ring");
        // SAFETY: as above; `slot` is less than `slots`, and all of these are slots of the ring.
        unsafe {
            let first = self.parts.words.cast::<u8>().add(slot.wrapping_mul(size));
            ElementPlace::packed(first, count.wrapping_mul(size))
        }
    }
}
