//! Memory that two processes share, as words and as bytes.
#![allow(unsafe_code)]

use std::fs::File;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::MmapRaw;
use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::contender::{BoxError, Place, Prepared};

/// Bytes of a line, and of its neighbour that a prefetcher takes along.
pub(super) const LINE_BYTES: usize = 64;
/// Bytes from one control word to the next.
const CONTROL_STRIDE: usize = 128;
/// Control words before the bytes.
const CONTROLS: usize = 4;
const HEADER_BYTES: usize = CONTROLS * CONTROL_STRIDE;

/// Four control words, each far from all others, and bytes.
#[derive(Debug)]
pub(super) struct Shared {
    map: MmapRaw,
}

/// Makes the memory. Its bytes are all ones, if `ones`, else zeros.
pub(super) fn prepare(bytes: usize, ones: bool) -> Result<Prepared, BoxError> {
    let memory = memfd_create(c"shmring-limit", MFdFlags::MFD_CLOEXEC)?;
    nix::unistd::ftruncate(&memory, (HEADER_BYTES + bytes).try_into()?)?;
    let copy = memory.try_clone()?;
    let shared = Shared { map: MmapRaw::map_raw(&File::from(memory.try_clone()?))? };
    for word in shared.words() {
        // ORDERING: Relaxed, as the workers start later.
        word.store(if ones { u64::MAX } else { 0 }, Ordering::Relaxed);
    }
    Ok(Prepared::of_fds(vec![memory], vec![copy], bytes as u64))
}

impl Shared {
    pub(super) fn open(place: Place) -> Result<Shared, BoxError> {
        let file = File::from(place.only_fd()?);
        let map = MmapRaw::map_raw(&file)?;
        if map.len() < HEADER_BYTES || !map.len().is_multiple_of(8) {
            return Err("the memory is too small".into());
        }
        let shared = Shared { map };
        // Every page is there before the clock starts.
        let pages = shared.words().iter().step_by(512);
        pages.for_each(|word| {
            std::hint::black_box(word.load(Ordering::Relaxed));
        });
        Ok(shared)
    }

    /// A control word; they start as zeros.
    #[inline(always)]
    pub(super) fn control<const INDEX: usize>(&self) -> &AtomicU64 {
        const { assert!(INDEX < CONTROLS) };
        // SAFETY: the mapping has the header (checked in `open`), lives as long as the reference,
        // and its control words are touched through atomics alone.
        unsafe { &*self.map.as_ptr().add(INDEX * CONTROL_STRIDE).cast() }
    }

    /// A control word as the kernel's futex wants it.
    pub(super) fn futex(&self) -> &AtomicU32 {
        // SAFETY: as for `control`; no other code uses the last control word.
        unsafe { &*self.map.as_ptr().add((CONTROLS - 1) * CONTROL_STRIDE).cast() }
    }

    /// The bytes as words.
    #[inline(always)]
    pub(super) fn words(&self) -> &[AtomicU64] {
        let bytes = self.map.len() - HEADER_BYTES;
        // SAFETY: the mapping has these bytes, aligned to a page's fraction, and lives as long as
        // the reference. A limit uses its bytes either as words or, through the two functions
        // below, as messages, never both at one time.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(HEADER_BYTES).cast(), bytes / 8) }
    }

    /// A message's bytes, to be read.
    ///
    /// # Safety
    /// No thread writes there meanwhile, by the ring's positions.
    ///
    /// # Panics
    /// If it is not in the memory.
    #[inline(always)]
    pub(super) unsafe fn message(&self, start: usize, len: usize) -> &[u8] {
        assert!(start <= self.len() && len <= self.len() - start);
        // SAFETY: in the mapping, as checked; not written, as promised.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().add(HEADER_BYTES + start), len) }
    }

    /// A message's bytes, to be written.
    ///
    /// # Safety
    /// No other thread reads or writes there meanwhile, by the ring's positions.
    ///
    /// # Panics
    /// If it is not in the memory.
    #[inline(always)]
    #[expect(clippy::mut_from_ref, reason = "the memory is another process's as well")]
    pub(super) unsafe fn message_mut(&self, start: usize, len: usize) -> &mut [u8] {
        assert!(start <= self.len() && len <= self.len() - start);
        // SAFETY: in the mapping, as checked; and no other thread accesses it, by the caller's
        // contract.
        unsafe {
            let first = self.map.as_mut_ptr().add(HEADER_BYTES + start);
            std::slice::from_raw_parts_mut(first, len)
        }
    }

    /// How many bytes there are.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.map.len() - HEADER_BYTES
    }
}
