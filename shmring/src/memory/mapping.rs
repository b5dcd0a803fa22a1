//! The mapped segment: the only module that turns raw bytes into typed references.
//!
//! This is sound because the geometry is checked against the file's length before the file is
//! mapped (I6), because every type laid over the bytes consists of atomics of one width at each
//! address, and because any bytes are a value of such a type.

#![allow(unsafe_code)]

use std::fs::File;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr::NonNull;

use memmap2::{Advice, MmapOptions, MmapRaw};

use crate::error::{Fault, OsError};
use crate::format::{Geometry, MEMORY_HUGE_PAGES, MEMORY_LOCK, MEMORY_PREFAULT, PAGE_BYTES};
use crate::info::Obtained;
use crate::memory::sentinel::Sentinel;
use crate::memory::sigbus::Guard;
use crate::ring::broadcast::{MARKS, Mark, Marks};
use crate::ring::tables::{AttachmentEntry, Handle};
use crate::ring::{Control, WORD_BYTES};
use crate::sync::{AtomicU32, AtomicU64};

/// Bytes that a prefault populates between two progress reports.
const PREFAULT_CHUNK_BYTES: usize = 16 << 20;

/// The addresses of the parts of a mapped segment, valid as long as the mapping.
#[derive(Debug)]
struct Parts {
    attachments: NonNull<[AttachmentEntry]>,
    handles: NonNull<[Handle]>,
    /// The first ring, and the others in order.
    first: RingParts,
    more: Vec<RingParts>,
}

/// The addresses of the parts of a ring, valid as long as the mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingParts {
    pub(crate) control: NonNull<Control>,
    pub(crate) words: NonNull<[AtomicU64]>,
    /// Those of a broadcast ring.
    pub(crate) marks: NonNull<Marks>,
}

/// Stand for the marks of rings that have none.
static NO_MARKS: Marks =
    [const { Mark { position: AtomicU64::new(0), messages: AtomicU64::new(0) } }; MARKS];

/// A segment mapped into this process.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: ManuallyDrop<MmapRaw>,
    parts: Parts,
    sentinel: Sentinel,
    guarded: Option<Guarded>,
}

/// What a mapping needs to survive the truncation of its file.
#[derive(Debug)]
struct Guarded {
    /// Dropped before the mapping: after that the addresses may belong to something else.
    guard: Guard,
    /// A second mapping that nothing accesses. It keeps the token when the handler has replaced
    /// all of the first, and is dropped after it.
    anchor: MmapRaw,
}

// SAFETY: the parts point into the mapping, which is the process's, not a thread's,
// and are only ever used as shared references to atomics.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the segment in `file`, whose length matches `geometry`. A fork child does not inherit
    /// the mapping.
    ///
    /// A mapping that is not `writable` is for observers: they must not call anything that stores.
    pub(crate) fn new(file: &File, geometry: &Geometry, writable: bool) -> Result<Self, OsError> {
        let error = |call| move |source| OsError::new(call, "the segment", source);
        let map = geometry.map();
        let too_large = || error("mmap")(std::io::ErrorKind::OutOfMemory.into());
        let total_bytes = usize::try_from(map.total_bytes).map_err(|_| too_large())?;
        let mut options = MmapOptions::new();
        let options = options.len(total_bytes);
        let mapped = if writable { options.map_raw(file) } else { options.map_raw_read_only(file) };
        let mapped = mapped.map_err(error("mmap"))?;
        mapped.advise(Advice::DontFork).map_err(error("madvise(MADV_DONTFORK)"))?;
        // Keeps messages out of core files. Kernels leave out files that have a name anyway, but a
        // peer may remove the name at any time. Best effort.
        let _ = mapped.advise(Advice::DontDump);
        let sentinel = Sentinel::new()?;

        let part = |offset: u64| {
            debug_assert!(offset < map.total_bytes);
            // SAFETY: every offset of the map lies inside total_bytes, which is the
            // length of the mapping.
            unsafe { NonNull::new_unchecked(mapped.as_mut_ptr().add(offset as usize)) }
        };
        let slice = |offset: u64, len: u64| (part(offset), len as usize);
        let (attachments, attaches_len) = slice(map.attachments, geometry.attachments);
        let (handles, handles_len) = slice(map.handles, geometry.handles);
        let mut rings = geometry.rings.iter().zip(&map.rings).map(|(shape, offsets)| {
            let (words, len) = slice(offsets.data, shape.capacity_bytes().div_ceil(WORD_BYTES));
            let words = NonNull::slice_from_raw_parts(words.cast(), len);
            let marks = match shape.marks_bytes() {
                0 => NonNull::from(&NO_MARKS),
                _ => part(offsets.data.wrapping_add(shape.capacity_bytes())).cast(),
            };
            RingParts { control: part(offsets.control).cast(), words, marks }
        });
        // A geometry that was checked has a ring.
        let first = rings.next().ok_or_else(too_large)?;
        let parts = Parts {
            attachments: NonNull::slice_from_raw_parts(attachments.cast(), attaches_len),
            handles: NonNull::slice_from_raw_parts(handles.cast(), handles_len),
            first,
            more: rings.collect(),
        };
        Ok(Self { map: ManuallyDrop::new(mapped), parts, sentinel, guarded: None })
    }

    /// Guards the mapping against a peer that truncates `file`.
    pub(crate) fn guard(&mut self, file: &File, writable: bool) -> Result<(), OsError> {
        let error = |call| move |source| OsError::new(call, "the segment", source);
        let anchor = MmapOptions::new().len(1).map_raw_read_only(file).map_err(error("mmap"))?;
        anchor.advise(Advice::DontFork).map_err(error("madvise(MADV_DONTFORK)"))?;
        let start = self.map.as_ptr().expose_provenance();
        let guard =
            Guard::new(start..start.saturating_add(self.map.len()), writable, &self.sentinel)?;
        self.guarded = Some(Guarded { guard, anchor });
        Ok(())
    }

    /// Returns the addresses of the pages of the mapping.
    pub(crate) fn pages(&self) -> Range<usize> {
        let start = self.map.as_ptr().addr();
        let len = self.map.len().next_multiple_of(PAGE_BYTES as usize);
        start..start.saturating_add(len)
    }

    /// Checks that the mapping can be used.
    ///
    /// # Errors
    /// [`Fault::Forked`] in a fork child, [`Fault::Truncated`] if a peer truncated the file.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.sentinel.is_whole() { Ok(()) } else { Err(self.fault()) }
    }

    #[cold]
    fn fault(&self) -> Fault {
        if self.is_forked() { Fault::Forked } else { Fault::Truncated }
    }

    /// Includes the mapping in core files, if the system dumps shared mappings.
    pub(crate) fn include_in_dumps(&self) {
        // Where that fails, it was not left out either.
        let _ = self.map.advise(Advice::DoDump);
    }

    /// Populates all pages, a chunk at a time. Returns `true` if the kernel populated them all.
    fn prefault(&self, report: &dyn Fn(u64)) -> bool {
        let len = self.map.len();
        (0..len).step_by(PREFAULT_CHUNK_BYTES).all(|from| {
            let chunk = PREFAULT_CHUNK_BYTES.min(len.saturating_sub(from));
            let done = self.map.advise_range(Advice::PopulateWrite, from, chunk).is_ok();
            report(from.saturating_add(chunk) as u64);
            done
        })
    }

    /// Asks the kernel for the memory properties that the header specifies; best effort.
    pub(crate) fn advise(&self, memory: u64, report: &dyn Fn(u64)) -> Obtained {
        let wanted = |bit: u64, ask: &dyn Fn() -> bool| (memory & bit != 0).then(ask);
        Obtained {
            huge_pages: wanted(MEMORY_HUGE_PAGES, &|| self.map.advise(Advice::HugePage).is_ok()),
            prefault: wanted(MEMORY_PREFAULT, &|| self.prefault(report)),
            lock: wanted(MEMORY_LOCK, &|| self.map.lock().is_ok()),
        }
    }

    /// Returns the word that reports the state of the mapping.
    pub(crate) fn sentinel(&self) -> &AtomicU32 {
        self.sentinel.word()
    }

    /// Returns the address of the handles, for callers that keep the mapping alive.
    pub(crate) fn handles_part(&self) -> NonNull<[Handle]> {
        self.parts.handles
    }

    /// Returns the addresses of the parts of a ring, for callers that keep the mapping alive.
    pub(crate) fn ring_parts(&self, ring: usize) -> Option<RingParts> {
        match ring.checked_sub(1) {
            None => Some(self.parts.first),
            Some(behind) => self.parts.more.get(behind).copied(),
        }
    }

    /// Returns `true` in a fork child, which has no mapping.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.sentinel.is_forked()
    }

    pub(crate) fn attachments(&self) -> &[AttachmentEntry] {
        // SAFETY: valid, aligned and made of atomics; see the module's description.
        unsafe { self.parts.attachments.as_ref() }
    }

    pub(crate) fn handles(&self) -> &[Handle] {
        // SAFETY: as above.
        unsafe { self.parts.handles.as_ref() }
    }

    /// Returns the control block of the first ring.
    pub(crate) fn first_control(&self) -> &Control {
        // SAFETY: as above.
        unsafe { self.parts.first.control.as_ref() }
    }

    /// Returns the control block of the ring of index `ring`; `None` if there are fewer rings.
    pub(crate) fn control(&self, ring: usize) -> Option<&Control> {
        // SAFETY: as above.
        self.ring_parts(ring).map(|parts| unsafe { parts.control.as_ref() })
    }

    /// Returns the control blocks of all rings.
    pub(crate) fn controls(&self) -> impl Iterator<Item = &Control> {
        (0..=self.parts.more.len()).filter_map(|ring| self.control(ring))
    }

    /// Closes all rings for good and wakes every sleeper.
    pub(crate) fn close(&self) {
        self.controls().for_each(|control| control.roles.close());
        self.wake_all();
    }

    /// Lets every publisher of every ring fence from the start.
    pub(crate) fn start_heavy(&self) {
        for control in self.controls() {
            control.senders.start_heavy();
            control.receivers.start_heavy();
        }
    }

    /// Wakes every sleeper on either side of every ring.
    pub(crate) fn wake_all(&self) {
        for control in self.controls() {
            control.wake_all(self.handles());
        }
    }

    /// Returns the data of the ring of index `ring`. The last word is whole even if the data is not
    /// a multiple of a word.
    pub(crate) fn words(&self, ring: usize) -> Option<&[AtomicU64]> {
        // SAFETY: as above; the data is filled up to a page.
        self.ring_parts(ring).map(|parts| unsafe { parts.words.as_ref() })
    }

    /// Returns the marks of the ring of index `ring`, if it is a broadcast ring; otherwise others.
    pub(crate) fn marks(&self, ring: usize) -> Option<&Marks> {
        // SAFETY: as above, or a static.
        self.ring_parts(ring).map(|parts| unsafe { parts.marks.as_ref() })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let anchor = self.guarded.take().map(|Guarded { guard, anchor }| {
            drop(guard);
            anchor
        });
        if self.sentinel.is_forked() {
            // The addresses may belong to other mappings by now.
            std::mem::forget(anchor);
            return;
        }
        // SAFETY: dropped once, here, and nothing uses the mapping afterwards.
        unsafe { ManuallyDrop::drop(&mut self.map) };
    }
}
