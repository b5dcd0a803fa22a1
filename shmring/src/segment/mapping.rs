//! The mapped segment: the only place where raw bytes become typed references.
//!
//! What makes that sound: the geometry was checked against the file's length
//! before it was mapped (I6), every type laid over the bytes consists of atomics
//! of one width at each address, and any bytes are a value of it.

#![allow(unsafe_code)]

use std::fs::File;
use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;

use memmap2::{Advice, MmapOptions, MmapRaw};

use super::Obtained;
use super::attach::Attach;
use crate::error::OsError;
use crate::layout::{Geometry, MEMORY_HUGE_PAGES, MEMORY_LOCK, MEMORY_PREFAULT};
use crate::ring::roster::{self, Handle, Role};
use crate::ring::wake::Sleepers;
use crate::ring::{Control, Words, record};
use crate::sync::AtomicU64;
use crate::sys::fork::ForkSentinel;

/// Where the parts of a mapped segment are. Valid as long as the mapping is.
#[derive(Clone, Copy, Debug)]
struct Parts {
    attaches: NonNull<[roster::Attach]>,
    handles: NonNull<[Handle]>,
    control: NonNull<Control>,
    words: NonNull<[AtomicU64]>,
}

/// A segment mapped into this process.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: ManuallyDrop<MmapRaw>,
    parts: Parts,
    sentinel: ForkSentinel,
}

// SAFETY: the parts point into the mapping, which is the process's, not a thread's,
// and are only ever used as shared references to atomics.
unsafe impl Send for Mapping {}
// SAFETY: as for Send.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the segment in `file`, which is as long as `geometry` says. A fork
    /// child does not inherit the mapping.
    ///
    /// A mapping that is not writable is for looking only: whoever has it must not
    /// call anything that stores.
    pub(crate) fn new(file: &File, geometry: Geometry, writable: bool) -> Result<Self, OsError> {
        let error = |call| move |source| OsError::new(call, "the segment", source);
        let map = geometry.map();
        let too_large = || error("mmap")(std::io::ErrorKind::OutOfMemory.into());
        let total_bytes = usize::try_from(map.total_bytes).map_err(|_| too_large())?;
        let mut options = MmapOptions::new();
        let options = options.len(total_bytes);
        let mapped = if writable { options.map_raw(file) } else { options.map_raw_read_only(file) };
        let mapped = mapped.map_err(error("mmap"))?;
        mapped.advise(Advice::DontFork).map_err(error("madvise(MADV_DONTFORK)"))?;
        let sentinel = ForkSentinel::new()?;

        let part = |offset: u64| {
            debug_assert!(offset < map.total_bytes);
            // SAFETY: every offset of the map lies inside total_bytes, which is the
            // length of the mapping.
            unsafe { NonNull::new_unchecked(mapped.as_mut_ptr().add(offset as usize)) }
        };
        let slice = |offset: u64, len: u64| (part(offset), len as usize);
        let (attaches, attaches_len) = slice(map.attaches, geometry.attaches);
        let (handles, handles_len) = slice(map.handles, geometry.handles);
        let (words, words_len) = slice(map.data, geometry.capacity_bytes / 8);
        let parts = Parts {
            attaches: NonNull::slice_from_raw_parts(attaches.cast(), attaches_len),
            handles: NonNull::slice_from_raw_parts(handles.cast(), handles_len),
            control: part(map.control).cast(),
            words: NonNull::slice_from_raw_parts(words.cast(), words_len),
        };
        Ok(Self { map: ManuallyDrop::new(mapped), parts, sentinel })
    }

    /// Asks for what the header wants of memory; best effort.
    pub(crate) fn advise(&self, memory: u64) -> Obtained {
        let wanted = |bit: u64, ask: &dyn Fn() -> bool| (memory & bit != 0).then(ask);
        Obtained {
            huge_pages: wanted(MEMORY_HUGE_PAGES, &|| self.map.advise(Advice::HugePage).is_ok()),
            prefault: wanted(MEMORY_PREFAULT, &|| self.map.advise(Advice::PopulateWrite).is_ok()),
            lock: wanted(MEMORY_LOCK, &|| self.map.lock().is_ok()),
        }
    }

    /// Whether this is a fork child, which has no mapping.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.sentinel.is_forked()
    }

    pub(crate) fn attaches(&self) -> &[roster::Attach] {
        // SAFETY: valid, aligned and made of atomics; see the module's description.
        unsafe { self.parts.attaches.as_ref() }
    }

    pub(crate) fn handles(&self) -> &[Handle] {
        // SAFETY: as above.
        unsafe { self.parts.handles.as_ref() }
    }

    pub(crate) fn control(&self) -> &Control {
        // SAFETY: as above.
        unsafe { self.parts.control.as_ref() }
    }

    pub(crate) fn record(&self) -> record::Ring<'_> {
        // SAFETY: as above.
        record::Ring::new(self.control(), Words::new(unsafe { self.parts.words.as_ref() }))
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // In a fork child the addresses may belong to another mapping by now.
        if !self.sentinel.is_forked() {
            // SAFETY: dropped once, here, and nothing uses the mapping afterwards.
            unsafe { ManuallyDrop::drop(&mut self.map) };
        }
    }
}

/// A handle's way into the segment: the attach, kept alive, with the addresses
/// that the hot path needs beside it.
#[derive(Debug)]
pub(crate) struct View {
    attach: Arc<Attach>,
    parts: Parts,
}

// SAFETY: the parts point into the mapping that `attach` keeps, which may be used
// from any thread.
unsafe impl Send for View {}

impl View {
    pub(crate) fn new(attach: Arc<Attach>) -> Self {
        let parts = attach.mapping().parts;
        Self { attach, parts }
    }

    pub(crate) fn attach(&self) -> &Attach {
        &self.attach
    }

    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: `attach` keeps the mapping; see the module's description.
        unsafe { self.parts.control.as_ref() }
    }

    #[inline]
    pub(crate) fn handles(&self) -> &[Handle] {
        // SAFETY: as above.
        unsafe { self.parts.handles.as_ref() }
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        // SAFETY: as above.
        unsafe { self.parts.words.as_ref() }
    }

    #[inline]
    pub(crate) fn record(&self) -> record::Ring<'_> {
        record::Ring::new(self.control(), Words::new(self.words()))
    }

    /// The sleepers that a role sleeps among.
    #[inline]
    pub(crate) fn sleepers(&self, role: Role) -> &Sleepers {
        match role {
            Role::Producer => &self.control().senders,
            Role::Consumer => &self.control().receivers,
        }
    }

    /// The payload words of a record that the ring placed.
    #[inline]
    pub(crate) fn payload(&self, place: record::Place) -> &[AtomicU64] {
        let first = (place.offset / 8) as usize;
        let words = self.words();
        debug_assert!(first + (place.len.div_ceil(8) as usize) <= words.len());
        // SAFETY: the ring placed the record inside the data (I6).
        unsafe { slice::from_raw_parts(words.as_ptr().add(first), place.len.div_ceil(8) as usize) }
    }
}
